//! Decisions that were made, told again from what is kept of them.

use std::sync::Arc;

use loadline_framework::record::{Decision, DecisionSummary, LiveDecision, NodeTotal, RejectionCount};
use loadline_model::PodInfo;

use crate::cycle::{Cycle, Depth};
use crate::engine::Engine;
use crate::records::Summary;

impl Engine {
    /// A decision by its summary. Of a pod that found no node the table of nodes is made anew while nothing has changed since; that of
    /// a pod that was placed is gone, since its own placement was a change.
    pub fn recall(&mut self, summary: &Summary) -> LiveDecision {
        let mut recalled = summary.decision();
        if let Some(again) = self.repeat(summary) {
            recalled.decision = again;
        }
        recalled
    }

    /// What would be decided on a pod now, with the table of all nodes. Nothing comes of it.
    pub fn judge(&mut self, pod: &Arc<PodInfo>, attempt: u32) -> Decision {
        let cycle = self.look(pod, attempt);
        self.record(&cycle)
    }

    fn look(&mut self, pod: &Arc<PodInfo>, attempt: u32) -> Cycle {
        // Where the next search among a share of the nodes begins must not depend on who is curious.
        let next = self.first_to_visit();
        let cycle = self.decide(pod, attempt, Depth::Explain);
        self.visit_from(next);
        cycle
    }

    fn repeat(&mut self, summary: &Summary) -> Option<Decision> {
        let unchanged = |engine: &Self| {
            summary.generation == engine.cluster.generation() && summary.config_hash == engine.profiles.config_hash
        };
        if summary.winner.is_some() || !unchanged(self) {
            return None;
        }
        let cycle = self.look(&summary.pod, summary.attempt);
        // Nominations and budgets of disruption are not in the generation, but show in the result.
        let same = cycle.outcome == summary.outcome && *cycle.message == *summary.message;
        same.then(|| self.record(&cycle))
    }
}

impl Summary {
    /// What is known of the decision without its table of nodes.
    pub fn decision(&self) -> LiveDecision {
        let winner = self.winner.as_ref();
        let decision = Decision {
            namespace: self.pod.namespace.to_string(),
            name: self.pod.name.to_string(),
            scheduler_name: self.pod.scheduler_name.to_string(),
            result: self.outcome,
            node: winner.map(|(node, _)| node.to_string()),
            decided_by: winner.map(|(_, by)| *by),
            tie_broken_by: self.tie_broken_by.map(str::to_owned),
            gated_by: None,
            message: self.message.to_string(),
            count: None,
            nodes: None,
            truncated: true,
            preemption: None,
            remedy: Vec::new(),
            gang: None,
        };
        let rejections = self.rejections.iter().map(|(plugin, reason, nodes)| RejectionCount {
            plugin: (*plugin).to_owned(),
            reason: reason.to_string(),
            nodes: *nodes,
        });
        let best = self.top.iter().map(|(node, total)| NodeTotal { name: node.to_string(), total: *total });
        let summary = DecisionSummary {
            number: self.number,
            attempt: self.attempt,
            config_hash: self.config_hash.to_string(),
            feasible: self.feasible as u32,
            rejections: rejections.collect(),
            best: best.collect(),
        };
        LiveDecision { decision, summary: Some(summary) }
    }
}
