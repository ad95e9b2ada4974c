//! Older versions. What v1beta2 and v1beta3 meant is known exactly, so they are read and every difference is said.
//!
//! - v1beta3 has v1's fields and default weights. Four plugins for volume limits of single clouds, and SelectorSpread,
//!   were still there.
//! - v1beta2 had its default plugins at each extension point instead of in multiPoint, which it ignored; a default
//!   plugin named at a point kept its place; TaintToleration, NodeAffinity and InterPodAffinity weighed 1; and two
//!   fields set addresses to listen at.

use loadline_api::doc::did_you_mean;
use loadline_framework::{DefaultProfile, ExtensionPoint, Registry};

use crate::log::{Log, Place};
use crate::merge::Sets;
use crate::read::{API_VERSION, Version};
use crate::reader::Fields;
use crate::types::ProfileConfig;

/// Fields of v1beta2 that later versions do not have.
pub(crate) const GONE_SINCE_V1BETA2: [&str; 2] = ["healthzBindAddress", "metricsBindAddress"];

/// Weights in v1beta2's default profile; later ones are the registry's.
const V1BETA2_WEIGHTS: [(&str, i32); 7] = [
    ("NodeResourcesBalancedAllocation", 1),
    ("ImageLocality", 1),
    ("InterPodAffinity", 1),
    ("NodeResourcesFit", 1),
    ("NodeAffinity", 1),
    ("PodTopologySpread", 2),
    ("TaintToleration", 1),
];

/// A plugin that kube-scheduler had once.
struct Removed {
    name: &'static str,
    /// What does its work now.
    instead: &'static str,
    /// Whether leaving it out loses nothing.
    harmless: bool,
    /// Whether v1 knows the name and says that it is no longer valid.
    named_by_v1: bool,
}

const LIMITS: &str = "NodeVolumeLimits checks the limits of CSI volumes, into which these were migrated";

const REMOVED: [Removed; 11] = [
    limits("AzureDiskLimits"),
    limits("CinderLimits"),
    limits("EBSLimits"),
    limits("GCEPDLimits"),
    Removed {
        name: "SelectorSpread",
        instead: "PodTopologySpread spreads by default constraints (`defaultingType: System`)",
        harmless: true,
        named_by_v1: false,
    },
    Removed {
        name: "NodePreferAvoidPods",
        instead: "its annotation of nodes is no longer read; a taint with effect PreferNoSchedule does the same",
        harmless: true,
        named_by_v1: false,
    },
    changed(
        "NodeResourcesLeastAllocated",
        "use NodeResourcesFit with the argument `scoringStrategy.type: LeastAllocated`",
    ),
    changed(
        "NodeResourcesMostAllocated",
        "use NodeResourcesFit with the argument `scoringStrategy.type: MostAllocated`",
    ),
    changed(
        "RequestedToCapacityRatio",
        "use NodeResourcesFit with the argument `scoringStrategy.type: RequestedToCapacityRatio`",
    ),
    changed("NodeLabel", "use NodeAffinity with the argument `addedAffinity`"),
    changed("ServiceAffinity", "use inter-pod affinity or topology spread constraints in the pods"),
];

const fn limits(name: &'static str) -> Removed {
    Removed { name, instead: LIMITS, harmless: true, named_by_v1: true }
}

const fn changed(name: &'static str, instead: &'static str) -> Removed {
    Removed { name, instead, harmless: false, named_by_v1: false }
}

/// A plugin of that name that was removed.
fn removed(name: &str) -> Option<&'static Removed> {
    REMOVED.iter().find(|removed| removed.name == name)
}

/// What to append to a message about a plugin that does not exist: what does its work now, or whose name is meant.
pub(crate) fn hint<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    match removed(name) {
        Some(removed) => format!("; it was removed: {}", removed.instead),
        None => did_you_mean(name, known),
    }
}

/// Says that a file is converted, and which of its fields go.
pub(crate) fn announce(log: &mut Log, config: &Fields<'_>, version: Version) {
    if version == Version::V1 {
        return;
    }
    log.warn(
        &config.place_of("apiVersion"),
        format!("read as {API_VERSION}: kube-scheduler 1.36 no longer reads {}", version.as_str()),
    );
    for name in GONE_SINCE_V1BETA2 {
        if version == Version::V1Beta2 && config.text(log, name).is_some() {
            let place = config.place_of(name);
            log.forget(&place.path);
            log.warn(
                &place,
                "left out: v1 has no such field, addresses are set by flags (--bind-address, --secure-port)",
            );
        }
    }
}

/// Takes out plugins that are gone, from the sets of a profile.
pub(crate) fn convert_sets(log: &mut Log, registry: &Registry, sets: &mut Sets, version: Version) {
    if version == Version::V1 {
        return;
    }
    for set in sets.all_mut() {
        set.enabled.retain(|entry| !leave_out(log, registry, &entry.name, &entry.place));
        // To disable what is gone changes nothing, so it is not worth a word.
        set.disabled.retain(|entry| removed(&entry.name).is_none() || registry.get(&entry.name).is_some());
    }
    if version == Version::V1Beta2 {
        warn_about_multi_point(log, sets);
        warn_about_order(log, registry, sets);
    }
}

/// Whether a plugin is left out because it is gone and not missed; the log says so.
pub(crate) fn leave_out(log: &mut Log, registry: &Registry, name: &str, place: &Place) -> bool {
    let gone = removed(name).filter(|removed| removed.harmless && registry.get(name).is_none());
    if let Some(removed) = gone {
        log.warn(place, format!("{name} left out: {}", removed.instead));
    }
    gone.is_some()
}

/// What v1 says about arguments for a plugin that is gone, if it says anything.
pub(crate) fn invalid_in_v1(name: &str) -> Option<String> {
    let removed = removed(name).filter(|removed| removed.named_by_v1)?;
    Some(format!(
        "Invalid value: \"{name}\": was invalid in version \"v1\" (KubeSchedulerConfiguration is version \
         \"{API_VERSION}\"): {}",
        removed.instead
    ))
}

fn warn_about_multi_point(log: &mut Log, sets: &Sets) {
    let multi_point = &sets.multi_point;
    if !multi_point.enabled.is_empty() || !multi_point.disabled.is_empty() {
        log.warn(&multi_point.place, "has an effect now: v1beta2 ignored multiPoint");
    }
}

/// In v1, a default plugin that is named at an extension point runs there before those that come from multiPoint.
fn warn_about_order(log: &mut Log, registry: &Registry, sets: &Sets) {
    for (point, set) in &sets.points {
        // At Score the order decides nothing, and there is one QueueSort.
        if matches!(point, ExtensionPoint::Score | ExtensionPoint::QueueSort)
            || set.disabled.iter().any(|entry| entry.name == "*")
        {
            continue;
        }
        for entry in &set.enabled {
            let default =
                registry.get(&entry.name).is_some_and(|plugin| plugin.default_profile != DefaultProfile::Absent);
            if default && !set.disabled.iter().any(|disabled| disabled.name == entry.name) {
                log.warn(
                    &entry.place,
                    format!(
                        "{} runs before the default plugins that are not named at {point}; in v1beta2 it kept its place",
                        entry.name
                    ),
                );
            }
        }
    }
}

/// Says which default weights are no longer those of v1beta2.
pub(crate) fn warn_about_weights(log: &mut Log, registry: &Registry, profile: &ProfileConfig, place: &Place) {
    let mut changes = Vec::new();
    for entry in profile.plugins.at(ExtensionPoint::Score) {
        let old = V1BETA2_WEIGHTS.iter().find(|(name, _)| *name == entry.name);
        let by_default = entry.origin.is_none()
            && registry.get(&entry.name).is_some_and(|plugin| plugin.default_profile != DefaultProfile::Absent);
        if let Some((name, old)) = old
            && by_default
            && i64::from(*old) != entry.weight
        {
            changes.push(format!("{name} {old} -> {}", entry.weight));
        }
    }
    if !changes.is_empty() {
        log.warn(
            place,
            format!(
                "default weights changed since v1beta2: {}; name them under plugins.multiPoint.enabled with their \
                 old weights to keep those",
                changes.join(", ")
            ),
        );
    }
}
