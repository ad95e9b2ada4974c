//! NodeAffinity.
use loadline_framework::{DefaultProfile, Descriptor, Plugin, no_further_checks};
/// What is known about NodeAffinity.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodeAffinity",
    help: "",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("NodeAffinity")),
};
