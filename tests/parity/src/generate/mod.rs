//! Random clusters. A profile says what they are about; a seed makes one of them.
//!
//! Objects are what an API server would hold: valid, with the fields that it fills in (uid, times, priority of the class,
//! tolerations of every pod, selectors merged from matchLabelKeys), but for defaults that both sides must know (requests
//! from limits, host ports of host-network pods).

mod budgets;
mod config;
mod dice;
mod images;
mod knobs;
mod merge;
mod node_affinity;
mod nodes;
mod pod_affinity;
mod pods;
mod ports;
mod resources;
mod selectors;
mod spread;
mod taints;
mod world;

use std::fmt;

use serde_json::Value;

use self::dice::Dice;
use self::knobs::Knobs;
use self::pods::Role;
use self::world::{NAMESPACES, World};
use crate::protocol::Request;

/// The most pods of a cluster.
const MOST_PODS: usize = 3000;

/// What a cluster is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Requests, quantities, scoring strategies.
    Resources,
    /// Taints, tolerations, unschedulable nodes.
    Taints,
    /// Node selectors, node affinity, pins.
    NodeAffinity,
    /// Affinity between pods.
    PodAffinity,
    /// Topology spread constraints.
    Spread,
    /// Host ports.
    Ports,
    /// Images on nodes.
    Images,
    /// Priorities, disruption budgets, nominations.
    Preemption,
    /// Some of everything.
    Mixed,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 9] = [
        Self::Resources,
        Self::Taints,
        Self::NodeAffinity,
        Self::PodAffinity,
        Self::Spread,
        Self::Ports,
        Self::Images,
        Self::Preemption,
        Self::Mixed,
    ];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Taints => "taints",
            Self::NodeAffinity => "node-affinity",
            Self::PodAffinity => "pod-affinity",
            Self::Spread => "spread",
            Self::Ports => "ports",
            Self::Images => "images",
            Self::Preemption => "preemption",
            Self::Mixed => "mixed",
        }
    }

    fn knobs(self, dice: &mut Dice) -> Knobs {
        match self {
            Self::Resources => Knobs::RESOURCES,
            Self::Taints => Knobs::TAINTS,
            Self::NodeAffinity => Knobs::NODE_AFFINITY,
            Self::PodAffinity => Knobs::POD_AFFINITY,
            Self::Spread => Knobs::SPREAD,
            Self::Ports => Knobs::PORTS,
            Self::Images => Knobs::IMAGES,
            Self::Preemption => Knobs::PREEMPTION,
            Self::Mixed => Knobs::mixed(dice),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The cluster of a profile and a seed, with the pods to judge. The request's id is `profile/seed`.
pub fn generate(profile: Profile, seed: u64) -> Request {
    let mut dice = Dice::new(profile.as_str(), seed);
    let mut knobs = profile.knobs(&mut dice);
    if dice.chance(0.45) {
        knobs = knobs.tightened();
    }
    knobs.alike = dice.chance(knobs.preemption * 0.3);
    let namespaces = dice.count(1, NAMESPACES.len());
    let mut world = World { dice, knobs, machines: Vec::new(), second_profile: false, namespaces };
    let config = config::config(&mut world);
    let mut objects = world::namespaces();
    objects.extend(world::priority_classes());
    let count = match world.dice.weighted(&[(75, 0), (18, 1), (7, 2)]) {
        0 => world.dice.count(5, 20),
        1 => world.dice.count(20, 90),
        _ => world.dice.count(100, 300),
    };
    let mut nodes = nodes::nodes(&mut world, count);
    world.dice.shuffle(&mut nodes);
    objects.extend(nodes);
    for (namespace, _) in &NAMESPACES[..world.namespaces] {
        objects.extend(spread::workloads(&mut world, namespace));
    }
    let mut placed = placed(&mut world);
    let mut pending = pending(&mut world);
    make_room(&mut world, &pending, &mut placed);
    let names: Vec<_> = placed.iter().map(|pod| (text(pod, "namespace"), text(pod, "name"))).collect();
    objects.extend(budgets::budgets(&mut world, &names));
    let judged = pending
        .iter()
        .filter(|(judged, _)| *judged)
        .map(|(_, pod)| format!("{}/{}", text(pod, "namespace"), text(pod, "name")))
        .collect();
    placed.extend(pending.drain(..).map(|(_, pod)| pod));
    placed.iter_mut().for_each(merge::label_keys);
    world.dice.shuffle(&mut placed);
    objects.extend(placed);
    Request { id: format!("{profile}/{seed}"), config, objects, pods: judged }
}

/// Pods on the nodes, up to a share of each node that differs from node to node.
fn placed(world: &mut World) -> Vec<Value> {
    let mut pods = Vec::new();
    let most = (MOST_PODS / world.machines.len()).min(20);
    for at in 0..world.machines.len() {
        let share = world.dice.fraction(world.knobs.fill.0, world.knobs.fill.1);
        let limit = world.dice.count(most / 2, most);
        for _ in 0..limit {
            let machine = &world.machines[at];
            let full = machine.used.cpu as f64 >= share * machine.allocatable.cpu as f64
                || machine.used.memory as f64 >= share * machine.allocatable.memory as f64;
            if full || machine.pods >= machine.allowed_pods {
                break;
            }
            let name = format!("placed-{:04}", pods.len());
            pods.push(pods::pod(world, &name, Role::Placed(at)));
        }
    }
    pods
}

/// Pods without a node, each with whether it is judged.
fn pending(world: &mut World) -> Vec<(bool, Value)> {
    let mut pods = Vec::new();
    if world.dice.chance(world.knobs.preemption) {
        // Several on one node are more telling than one on each.
        let nodes: Vec<_> = (0..world.dice.count(1, 3)).map(|_| world.node_name()).collect();
        for number in 0..world.dice.count(1, 8) {
            let mut pod = pods::pod(world, &format!("nominated-{number}"), Role::Nominated);
            pod["status"]["nominatedNodeName"] = Value::from(world.dice.pick(&nodes).clone());
            pods.push((false, pod));
        }
    }
    for number in 0..world.dice.count(5, 20) {
        pods.push((true, pods::pod(world, &format!("judged-{number:02}"), Role::Judged)));
    }
    pods
}

/// Puts victims of an earlier preemption on some of the nominated nodes: they are why a pod may have to wait.
fn make_room(world: &mut World, pending: &[(bool, Value)], placed: &mut [Value]) {
    for (_, pod) in pending.iter().filter(|(judged, _)| *judged) {
        let Some(node) = pod["status"].get("nominatedNodeName") else {
            continue;
        };
        if !world.dice.chance(0.4) {
            continue;
        }
        let victim = placed.iter_mut().find(|victim| victim["spec"]["nodeName"] == *node);
        if let Some(victim) = victim {
            pods::preempt(victim);
        }
    }
}

fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Profile, generate};

    #[test]
    fn a_profile_and_a_seed_give_the_same_bytes() {
        for profile in Profile::ALL {
            let text = |seed| serde_json::to_string(&generate(profile, seed)).expect("it is JSON");
            assert_eq!(text(3), text(3), "{profile}");
            assert_ne!(text(3), text(4), "{profile}");
        }
    }

    #[test]
    fn clusters_have_the_promised_sizes() {
        for profile in Profile::ALL {
            for seed in 0..20 {
                let request = generate(profile, seed);
                let count = |kind| request.objects.iter().filter(|object| object["kind"] == kind).count();
                assert!((5..=300).contains(&count("Node")), "{}", request.id);
                assert!((5..=20).contains(&request.pods.len()), "{}", request.id);
                assert!(count("Pod") <= super::MOST_PODS + 28, "{}: {}", request.id, count("Pod"));
            }
        }
    }

    #[test]
    fn names_and_uids_are_unique() {
        for profile in Profile::ALL {
            let request = generate(profile, 11);
            let (mut names, mut uids) = (BTreeSet::new(), BTreeSet::new());
            for object in &request.objects {
                let meta = &object["metadata"];
                let name = format!("{} {} {}", object["kind"], meta["namespace"], meta["name"]);
                assert!(names.insert(name.clone()), "{name}");
                assert!(uids.insert(meta["uid"].to_string()), "{name}");
                assert!(meta["creationTimestamp"].is_string(), "{name}");
            }
        }
    }
}
