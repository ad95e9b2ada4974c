//! A configuration of one profile with plugins of a test's own.

use std::sync::Arc;

use loadline_framework::{Profile, ProfilePlugin, Profiles};

/// Name of its scheduler.
pub(crate) const SCHEDULER: &str = "s";

/// These plugins, at the extension points that `extend` names.
pub(crate) fn one_profile(plugins: Vec<ProfilePlugin>, extend: impl FnOnce(&mut Profile)) -> Profiles {
    let mut profile = Profile {
        scheduler_name: SCHEDULER.into(),
        percentage_of_nodes_to_score: None,
        plugins,
        pre_enqueue: vec![],
        queue_sort: 0,
        pre_filter: vec![],
        filter: vec![],
        post_filter: vec![],
        pre_score: vec![],
        score: vec![],
        reserve: vec![],
        permit: vec![],
        pre_bind: vec![],
        bind: vec![],
        post_bind: vec![],
    };
    extend(&mut profile);
    Profiles {
        profiles: vec![Arc::new(profile)],
        extenders: Vec::new(),
        config_hash: "".into(),
        pod_initial_backoff: 1,
        pod_max_backoff: 1,
    }
}
