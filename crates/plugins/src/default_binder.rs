//! DefaultBinder: binds every pod that no binder before it took. Mirrors kube-scheduler's `defaultbinder`; the call itself
//! is made by whoever runs the engine.

use loadline_framework::{Bind, DefaultProfile, Descriptor, ExtensionPoint, Plugin, no_further_checks};
use loadline_model::{PodInfo, Str};

/// DefaultBinder.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "DefaultBinder",
    help: "Binds a pod by the Binding subresource.",
    points: &[ExtensionPoint::Bind],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("DefaultBinder").with_bind(DefaultBinder)),
};

struct DefaultBinder;

impl Bind for DefaultBinder {
    fn binds(&self, _pod: &PodInfo, _node: &Str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pod;

    #[test]
    fn it_takes_every_pod() {
        assert!(DefaultBinder.binds(&pod("p"), &"a".into()));
    }
}
