//! `--feature-gates`: what a gate of kube-scheduler means here.
//!
//! Loadline decides as kube-scheduler does with its gates as they are by default. A gate that would change decisions is refused at
//! any other value, and never ignored; one that is about other parts of Kubernetes may have any.

use loadline_api::doc::did_you_mean;

use super::gate_table::GATES;
use super::go::{boolean, elements};

/// The flag.
pub(crate) const FLAG: &str = "--feature-gates";

/// A feature gate of kube-scheduler.
#[derive(Debug)]
pub(crate) struct Gate {
    name: &'static str,
    stage: Stage,
    default: bool,
    /// kube-scheduler refuses any other value.
    locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
    /// Generally available, or deprecated.
    Other,
}

/// An alpha gate: off by default.
pub(crate) const fn alpha(name: &'static str) -> Gate {
    Gate { name, stage: Stage::Alpha, default: false, locked: false }
}

/// A beta gate.
pub(crate) const fn beta(name: &'static str, default: bool) -> Gate {
    Gate { name, stage: Stage::Beta, default, locked: false }
}

/// A gate that is neither, and can still be changed.
pub(crate) const fn other(name: &'static str, default: bool) -> Gate {
    Gate { name, stage: Stage::Other, default, locked: false }
}

/// A gate that can not be changed any more.
pub(crate) const fn locked(name: &'static str, value: bool) -> Gate {
    Gate { name, stage: Stage::Other, default: value, locked: true }
}

/// What another value than the default would mean here.
enum Effect {
    /// Other decisions than those that Loadline makes, or another way of leading.
    Refused(&'static str),
    /// Nothing, which somebody who sets it should know.
    None(&'static str),
}
use Effect::{None as Nothing, Refused};

const GROUPS: Effect = Refused("this version does not schedule pods in groups");
const VOLUMES: Effect = Refused("this version does not place pods with claims on storage");
const DEVICES: Effect = Refused("this version does not allocate devices");
const REQUESTS: Effect = Refused("what a pod requests is counted with it as it is by default");

/// The gates that matter to a scheduler. The value of any other is of no consequence here.
const EFFECTS: &[(&str, Effect)] = &[
    ("ComponentFlagz", Nothing("what is served does not depend on it")),
    ("ComponentStatusz", Nothing("what is served does not depend on it")),
    ("CoordinatedLeaderElection", Refused("the leader is elected on the Lease alone")),
    ("DRAConsumableCapacity", DEVICES),
    ("DRADeviceBindingConditions", DEVICES),
    ("DRADeviceTaintRules", DEVICES),
    ("DRADeviceTaints", DEVICES),
    ("DRAExtendedResource", DEVICES),
    ("DRAListTypeAttributes", DEVICES),
    ("DRANodeAllocatableResources", DEVICES),
    ("DRAPartitionableDevices", DEVICES),
    ("DRAPrioritizedList", DEVICES),
    ("DRAResourceClaimDeviceStatus", DEVICES),
    ("DRASchedulerFilterTimeout", DEVICES),
    ("DRAWorkloadResourceClaims", DEVICES),
    ("GangScheduling", GROUPS),
    ("GenericWorkload", GROUPS),
    ("InPlacePodLevelResourcesVerticalScaling", REQUESTS),
    ("MatchLabelKeysInPodTopologySpread", Refused("matchLabelKeys of topology spread constraints always count")),
    ("NativeHistograms", Nothing("histograms have the buckets of kube-scheduler")),
    ("NodeDeclaredFeatures", Refused("to leave it out, disable the plugin NodeDeclaredFeatures in the configuration")),
    ("PodLevelResources", REQUESTS),
    ("SchedulerAsyncAPICalls", Nothing("requests to the API server never hold up scheduling")),
    ("SchedulerAsyncPreemption", Nothing("victims are always deleted while scheduling goes on")),
    ("SchedulerPopFromBackoffQ", Refused("pods in backoff are always tried when nothing else waits")),
    ("StorageCapacityScoring", VOLUMES),
    ("TaintTolerationComparisonOperators", Refused("tolerations with the operators Lt and Gt are not known")),
    ("TopologyAwareWorkloadScheduling", GROUPS),
    ("VolumeLimitScaling", VOLUMES),
    ("WorkloadAwarePreemption", GROUPS),
];

/// Reads `--feature-gates`. What is said about values that are taken and mean nothing; or everything that is wrong.
pub(crate) fn check(values: &[String]) -> Result<Vec<String>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut wanted: Vec<(&str, bool)> = Vec::new();
    for element in elements(values) {
        match read(element) {
            Ok((name, value)) => {
                // As in kube-scheduler the last word counts.
                wanted.retain(|(known, _)| *known != name);
                wanted.push((name, value));
            }
            Err(message) => wrong.push(message),
        }
    }
    let mut said = Vec::new();
    for (gate, value, by) in expand(&wanted) {
        if value == gate.default {
            continue;
        }
        let Gate { name, locked, .. } = gate;
        if *locked {
            wrong.push(format!("{name} can not be {value}: it is locked to {}", gate.default));
            continue;
        }
        match EFFECTS.iter().find(|(known, _)| known == name) {
            Some((_, Refused(why))) => wrong.push(format!("{name} can not be {value}{by}: {why}")),
            Some((_, Nothing(why))) => said.push(format!("{FLAG}: {name}={value}{by} has no effect: {why}")),
            None => {}
        }
    }
    if wrong.is_empty() { Ok(said) } else { Err(wrong) }
}

/// The gates that matter to a scheduler, each with its stage as metrics show it, and whether it is on. The values are right.
pub(crate) fn in_force(values: &[String]) -> Vec<(&'static str, &'static str, bool)> {
    let mut wanted: Vec<(&str, bool)> = elements(values).filter_map(|element| read(element).ok()).collect();
    // The last word counts, and the first that is found.
    wanted.reverse();
    let set = expand(&wanted);
    let matters = |gate: &&Gate| EFFECTS.iter().any(|(name, _)| *name == gate.name);
    let gates = GATES.iter().filter(matters).map(|gate| {
        let stage = match gate.stage {
            Stage::Alpha => "ALPHA",
            Stage::Beta => "BETA",
            Stage::Other => "",
        };
        let by_flag = set.iter().find(|(known, ..)| known.name == gate.name).map(|(_, value, _)| *value);
        (gate.name, stage, by_flag.unwrap_or(gate.default))
    });
    gates.collect()
}

/// The gates that are set, each with how it came to be when nobody named it.
fn expand(wanted: &[(&str, bool)]) -> Vec<(&'static Gate, bool, &'static str)> {
    let named = |name: &str| wanted.iter().find(|(wanted, _)| *wanted == name).map(|(_, value)| *value);
    let (alphas, betas) = (named("AllAlpha"), named("AllBeta"));
    let set = |gate: &'static Gate| match (named(gate.name), gate.stage) {
        (Some(value), _) => Some((gate, value, "")),
        (None, Stage::Alpha) => alphas.map(|value| (gate, value, " (by AllAlpha)")),
        (None, Stage::Beta) => betas.map(|value| (gate, value, " (by AllBeta)")),
        (None, Stage::Other) => None,
    };
    GATES.iter().filter_map(set).collect()
}

/// `[kube:]NAME=true|false`
fn read(element: &str) -> Result<(&str, bool), String> {
    let wrong = |message: String| Err(message);
    let (component, gate) = element.split_once(':').unwrap_or(("kube", element));
    if component != "kube" {
        return wrong(format!("there is no component {component:?} here, only \"kube\""));
    }
    let Some((name, value)) = gate.split_once('=') else {
        return wrong(format!("{gate} has no value, true or false"));
    };
    let (name, value) = (name.trim(), value.trim());
    let names = || GATES.iter().map(|gate| gate.name).chain(["AllAlpha", "AllBeta"]);
    if !names().any(|known| known == name) {
        return wrong(format!("kube-scheduler 1.36 has no gate {name}{}", did_you_mean(name, names())));
    }
    match boolean(value) {
        Ok(value) => Ok((name, value)),
        Err(error) => wrong(format!("{name}={value}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(values: &[&str]) -> Result<Vec<String>, Vec<String>> {
        check(&values.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_tables_agree() {
        assert!(GATES.is_sorted_by(|a, b| a.name < b.name));
        for (name, _) in EFFECTS {
            let gate = GATES.iter().find(|gate| gate.name == *name).expect("kube-scheduler has it");
            assert!(!gate.locked, "{name} can not be changed anyway");
        }
    }

    #[test]
    fn the_gates_in_force_are_the_defaults_and_what_was_said_last() {
        let values = ["ComponentFlagz=true,ComponentFlagz=false".to_owned()];
        let gates = in_force(&values);
        assert!(gates.contains(&("ComponentFlagz", "BETA", false)), "{gates:?}");
        assert!(gates.contains(&("ComponentStatusz", "BETA", true)), "{gates:?}");
        assert!(gates.contains(&("GangScheduling", "ALPHA", false)), "{gates:?}");
    }

    #[test]
    fn defaults_and_gates_of_others_are_taken_without_a_word() {
        let taken = [
            "PodLevelResources=true,GangScheduling=false",
            "kube:CRIListStreaming=true",
            "InPlacePodVerticalScaling=true",
            "",
        ];
        assert_eq!(checked(&taken), Ok(Vec::new()));
        // The last word counts.
        assert_eq!(checked(&["GenericWorkload=true", "GenericWorkload=false"]), Ok(Vec::new()));
    }

    #[test]
    fn what_would_change_decisions_is_refused() {
        let refused = checked(&["GangScheduling=true,PodLevelResources=0", "SidecarContainers=false"]);
        let refused = refused.expect_err("these are not the defaults");
        assert_eq!(refused.len(), 3, "{refused:#?}");
        assert!(refused.iter().any(|message| message.ends_with("it is locked to true")), "{refused:#?}");
        let refused = checked(&["AllAlpha=true,GangScheduling=false"]).expect_err("many alpha gates change decisions");
        assert!(refused.iter().any(|message| message.contains("GenericWorkload can not be true (by AllAlpha)")));
        assert!(!refused.iter().any(|message| message.contains("GangScheduling")), "it was set by name");
    }

    #[test]
    fn what_is_none_is_an_error() {
        for (wrong, why) in [
            ("GangSchedulin=true", "did you mean"),
            ("GangScheduling", "has no value"),
            ("GangScheduling=maybe", "neither true nor false"),
            ("wardle:GangScheduling=false", "no component"),
        ] {
            let said = checked(&[wrong]).expect_err(wrong);
            assert!(said[0].contains(why), "{said:?}");
        }
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let said = checked(&["SchedulerAsyncPreemption=false"]).expect("it changes no decision");
        assert_eq!(said.len(), 1, "{said:?}");
    }
}
