//! DefaultBinder.
use loadline_framework::{DefaultProfile, Descriptor, Plugin, no_further_checks};
/// What is known about DefaultBinder.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "DefaultBinder",
    help: "",
    points: &[],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("DefaultBinder")),
};
