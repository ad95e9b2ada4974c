//! Everything that the scheduling thread takes in and decides, for somebody who compares.

use std::sync::Arc;

use loadline_engine::{Attempt, Effect, Event, Scheduler};
use loadline_framework::record::Outcome;
use loadline_model::{NodeSpec, PodInfo, PodKey, Str};
use tokio::sync::mpsc::UnboundedSender;

/// Something that the scheduling thread took in or decided. Whoever gets all of these, in their order, knows what the cluster was to
/// the scheduler before each decision.
#[derive(Clone, Debug)]
pub enum Witnessed {
    /// It happened in the cluster.
    Event(Event),
    /// A pod was decided.
    Decided {
        /// The pod.
        pod: Arc<PodInfo>,
        /// The nodes on which room was kept for pods before the decision: for which pod, and where.
        nominated: Vec<(PodKey, Str)>,
        /// The nodes that counted for less than their objects say, as they counted, since their kubelets had refused pods.
        doubted: Vec<Arc<NodeSpec>>,
        /// What became of it.
        outcome: Outcome,
        /// The chosen node.
        node: Option<Str>,
        /// kube-scheduler's text when there is none.
        message: String,
        /// What is done about it.
        effects: Vec<Effect>,
    },
    /// The deletion of a victim was answered: it is terminating from now on.
    Leaves(PodKey),
    /// A pod that was decided did not get to its node.
    NotBound(PodKey),
}

/// Who is told, if anybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(pub(crate) Option<UnboundedSender<Witnessed>>);

/// State of the scheduler before a decision.
#[derive(Default)]
pub(crate) struct Before {
    nominated: Vec<(PodKey, Str)>,
    doubted: Vec<Arc<NodeSpec>>,
}

impl Witness {
    pub(crate) fn event(&self, event: &Event) {
        self.tell(|| Witnessed::Event(event.clone()));
    }

    /// What of the scheduler's state is to be told with its next decision.
    pub(crate) fn before(&self, scheduler: &Scheduler) -> Before {
        if self.0.is_none() {
            return Before::default();
        }
        let nominator = scheduler.engine().nominator();
        let on = |node: &Str| {
            let node = node.clone();
            nominator.pods_on(&node).iter().map(|pod| (pod.uid.clone(), node.clone())).collect::<Vec<_>>()
        };
        let doubted = scheduler.doubted_nodes().cloned().collect();
        Before { nominated: nominator.nodes().flat_map(on).collect(), doubted }
    }

    pub(crate) fn decided(&self, before: Before, attempt: &Attempt, effects: &[Effect]) {
        let cycle = &attempt.cycle;
        self.tell(|| Witnessed::Decided {
            pod: cycle.pod.clone(),
            nominated: before.nominated,
            doubted: before.doubted,
            outcome: cycle.outcome,
            node: cycle.node.clone(),
            message: cycle.message.clone(),
            effects: effects.to_vec(),
        });
    }

    pub(crate) fn leaves(&self, uid: &PodKey) {
        self.tell(|| Witnessed::Leaves(uid.clone()));
    }

    pub(crate) fn answered(&self, uid: &PodKey, result: &Result<(), String>) {
        if result.is_err() {
            self.tell(|| Witnessed::NotBound(uid.clone()));
        }
    }

    fn tell(&self, what: impl FnOnce() -> Witnessed) {
        if let Some(witness) = &self.0 {
            // Whoever was told may have gone.
            let _ = witness.send(what());
        }
    }
}
