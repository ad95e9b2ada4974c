//! The engine as a [`Judge`] that did not load the cluster but came to it: by events in a random order, with objects that
//! looked different before or were never to stay, decisions and undone placements in between, and another configuration
//! at first. What is kept between decisions must not show in any answer.

use std::sync::Arc;

use loadline_engine::{Depth, Engine, Settings};
use loadline_model::{Labels, Namespace, NodeSpec, PodInfo, Str};
use loadline_simulator::nominate_pending;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::engine::{World, judge_one, profiles};
use crate::judge::{Judge, Judged};
use crate::protocol::Request;

/// Comes to the cluster by way of others.
pub(crate) struct History;

impl Judge for History {
    fn judge(&mut self, request: &Request) -> Result<Vec<Judged>, String> {
        let world = World::read(request)?;
        let seed = request
            .id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut past = Past { world: &world, dice: Pcg64::seed_from_u64(seed), undone: 0 };
        let mut engine = past.live()?;
        world.judged.iter().map(|pod| Ok(judge_one(&mut engine, pod))).collect()
    }
}

/// Something that happens, with the moment at which it does.
struct Step {
    at: f64,
    what: What,
}

enum What {
    Node(Arc<NodeSpec>),
    NodeGone(Str),
    Pod(Arc<PodInfo>),
    PodGone(Str),
    Namespace(Namespace),
    Nominate(Arc<PodInfo>, Str),
    EndNomination(Str),
    Configuration,
    Decide,
}

struct Past<'a> {
    world: &'a World,
    dice: Pcg64,
    undone: usize,
}

/// Decisions on the way.
const DECISIONS: usize = 12;

impl Past<'_> {
    /// An engine that has come to the world of the request.
    fn live(&mut self) -> Result<Engine, String> {
        let mut engine = Engine::new(profiles("")?, Settings::default());
        let cluster = &self.world.cluster;
        // What nothing else depends on comes first.
        for event in cluster.events() {
            use loadline_engine::Event;
            match event {
                Event::Service(service) => engine.set_service(service),
                Event::Workload(workload) => engine.set_workload(workload),
                Event::DisruptionBudget(budget) => engine.set_disruption_budget(budget),
                _ => {}
            }
        }
        let mut steps = self.steps();
        steps.sort_by(|a, b| a.at.total_cmp(&b.at));
        for step in steps {
            self.perform(&mut engine, step.what);
        }
        nominate_pending(cluster, &self.world.profiles, &mut engine);
        Ok(engine)
    }

    /// Everything that happens: what is wrong at first in the first half, what puts it right in the second.
    fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let nodes: Vec<Arc<NodeSpec>> = self.world.cluster.nodes().cloned().collect();
        let pods: Vec<Arc<PodInfo>> = self.world.cluster.placed().cloned().collect();
        // Nodes come in their order: the first that reports an image decides its size.
        let mut moments: Vec<f64> = nodes.iter().map(|_| self.dice.random_range(0.0..0.5)).collect();
        moments.sort_by(f64::total_cmp);
        for (node, at) in nodes.iter().zip(moments) {
            let first = if self.dice.random_bool(0.3) {
                let later = self.dice.random_range(0.5..1.0);
                steps.push(Step { at: later, what: What::Node(node.clone()) });
                self.other_node(node, &nodes)
            } else {
                node.clone()
            };
            steps.push(Step { at, what: What::Node(first) });
        }
        for pod in &pods {
            let at = self.dice.random_range(0.0..0.5);
            let first = if self.dice.random_bool(0.3) {
                let later = self.dice.random_range(0.5..1.0);
                steps.push(Step { at: later, what: What::Pod(pod.clone()) });
                if self.dice.random_bool(0.2) {
                    let between = self.dice.random_range(at..later);
                    steps.push(Step { at: between, what: What::PodGone(pod.uid.clone()) });
                }
                self.other_pod(pod, &pods, &nodes)
            } else {
                pod.clone()
            };
            steps.push(Step { at, what: What::Pod(first) });
        }
        for namespace in self.world.cluster.namespaces() {
            let at = self.dice.random_range(0.0..0.5);
            if self.dice.random_bool(0.5) {
                let other = Namespace { labels: Arc::new(Labels::default()), ..namespace.clone() };
                steps.push(Step { at, what: What::Namespace(other) });
                let later = self.dice.random_range(0.5..1.0);
                steps.push(Step { at: later, what: What::Namespace(namespace.clone()) });
            } else {
                steps.push(Step { at, what: What::Namespace(namespace.clone()) });
            }
        }
        self.passers_by(&nodes, &pods, &mut steps);
        self.absence(&pods, &mut steps);
        steps.push(Step { at: self.dice.random_range(0.5..0.9), what: What::Configuration });
        for _ in 0..DECISIONS {
            steps.push(Step { at: self.dice.random_range(0.1..1.0), what: What::Decide });
        }
        steps
    }

    /// At the end some or all pods are away for a while. No node changes any more, so that what is kept is not thrown away.
    fn absence(&mut self, pods: &[Arc<PodInfo>], steps: &mut Vec<Step>) {
        let share = [1.0, 0.9, 0.5, 0.1].choose(&mut self.dice).copied().unwrap_or(1.0);
        for pod in pods {
            if self.dice.random_bool(share) {
                let (from, to) = (self.dice.random_range(1.0..1.3), self.dice.random_range(1.4..2.0));
                steps.push(Step { at: from, what: What::PodGone(pod.uid.clone()) });
                steps.push(Step { at: to, what: What::Pod(pod.clone()) });
            }
        }
        // In some clusters what is kept begins anew meanwhile, and goes by what is not there. Not in all: it would hide what
        // went wrong before.
        if self.dice.random_bool(0.3) {
            steps.push(Step { at: 1.3, what: What::Configuration });
        }
        for _ in 0..DECISIONS {
            steps.push(Step { at: self.dice.random_range(1.3..1.6), what: What::Decide });
        }
    }

    /// Nodes, pods and nominations that do not stay.
    fn passers_by(&mut self, nodes: &[Arc<NodeSpec>], pods: &[Arc<PodInfo>], steps: &mut Vec<Step>) {
        for number in 0..3 {
            let Some(like) = nodes.choose(&mut self.dice) else {
                return;
            };
            let name: Str = format!("passing-node-{number}").into();
            let node = NodeSpec { name: name.clone(), images: Arc::default(), ..NodeSpec::clone(like) };
            let (from, to) = (self.dice.random_range(0.0..0.5), self.dice.random_range(0.5..1.0));
            steps.push(Step { at: from, what: What::Node(Arc::new(node)) });
            steps.push(Step { at: to, what: What::NodeGone(name) });
        }
        for number in 0..10 {
            let (Some(like), Some(node)) = (pods.choose(&mut self.dice), nodes.choose(&mut self.dice)) else {
                return;
            };
            let uid: Str = format!("passing-pod-{number}").into();
            let node_name = if number < 2 { format!("passing-node-{number}").into() } else { node.name.clone() };
            let pod = PodInfo {
                uid: uid.clone(),
                name: uid.clone(),
                node_name: Some(node_name.clone()),
                ..PodInfo::clone(like)
            };
            let (from, to) = (self.dice.random_range(0.0..0.7), self.dice.random_range(0.7..1.0));
            if number < 7 {
                steps.push(Step { at: from, what: What::Pod(Arc::new(pod)) });
                steps.push(Step { at: to, what: What::PodGone(uid) });
            } else {
                let pending = PodInfo { node_name: None, ..pod };
                steps.push(Step { at: from, what: What::Nominate(Arc::new(pending), node_name) });
                steps.push(Step { at: to, what: What::EndNomination(uid) });
            }
        }
    }

    /// The same node, looking different in something.
    fn other_node(&mut self, node: &NodeSpec, nodes: &[Arc<NodeSpec>]) -> Arc<NodeSpec> {
        let mut other = node.clone();
        let Some(like) = nodes.choose(&mut self.dice) else {
            return Arc::new(other);
        };
        match self.dice.random_range(0..4) {
            0 => other.labels = like.labels.clone(),
            1 => other.taints.clone_from(&like.taints),
            2 => {
                other.allocatable = like.allocatable.clone();
                other.allowed_pods = like.allowed_pods;
            }
            _ => other.unschedulable = !other.unschedulable,
        }
        Arc::new(other)
    }

    /// The same pod, looking different in something, or elsewhere.
    fn other_pod(&mut self, pod: &PodInfo, pods: &[Arc<PodInfo>], nodes: &[Arc<NodeSpec>]) -> Arc<PodInfo> {
        let mut other = pod.clone();
        let (Some(like), Some(node)) = (pods.choose(&mut self.dice), nodes.choose(&mut self.dice)) else {
            return Arc::new(other);
        };
        match self.dice.random_range(0..5) {
            0 => other.labels = like.labels.clone(),
            1 => other.requests = like.requests.clone(),
            2 => other.deleted = if other.deleted.is_some() { None } else { Some(1) },
            3 => other.affinity.clone_from(&like.affinity),
            _ => other.node_name = Some(node.name.clone()),
        }
        Arc::new(other)
    }

    fn perform(&mut self, engine: &mut Engine, what: What) {
        match what {
            What::Node(node) => {
                engine.set_node(node);
            }
            What::NodeGone(name) => {
                engine.remove_node(&name);
            }
            What::Pod(pod) => {
                let node = pod.node_name.clone().unwrap_or_default();
                engine.set_placed_pod(pod, &node);
            }
            What::PodGone(uid) => {
                engine.remove_pod(&uid);
            }
            What::Namespace(namespace) => engine.set_namespace(namespace),
            What::Nominate(pod, node) => engine.nominate(pod, node),
            What::EndNomination(uid) => {
                engine.end_nomination(&uid);
            }
            What::Configuration => engine.set_profiles(self.world.profiles.clone()),
            What::Decide => self.decide(engine),
        }
    }

    /// Decides some pods, each placement assumed, and takes it all back.
    fn decide(&mut self, engine: &mut Engine) {
        let mut pods = self.world.judged.clone();
        pods.shuffle(&mut self.dice);
        pods.truncate(4);
        let mut assumed: Vec<Arc<PodInfo>> = Vec::new();
        for pod in pods {
            let cycle = engine.decide(&pod, 1, Depth::Decide);
            if let Some(node) = &cycle.node {
                engine.assume(&pod, node);
                assumed.push(pod);
            }
        }
        for pod in assumed.iter().rev() {
            self.undone += usize::from(engine.forget(&pod.uid));
        }
        if self.dice.random_bool(0.2) {
            engine.trim();
        }
    }
}
