//! NodeName.
use loadline_framework::{DefaultProfile, Descriptor, Plugin, no_further_checks};
/// What is known about NodeName.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeName",
    help: "",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("NodeName")),
};
