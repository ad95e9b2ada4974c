//! Summaries of decisions, kept within a budget of bytes: enough to say what was decided and why. The full table is made
//! on demand from the columns.

use std::collections::VecDeque;
use std::sync::Arc;

use loadline_framework::record::{DecidedBy, Outcome};
use loadline_model::{PodInfo, Str};

/// What is kept of a decision.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Number of the decision, from 1.
    pub number: u64,
    /// The pod.
    pub pod: Arc<PodInfo>,
    /// Outcome.
    pub outcome: Outcome,
    /// Hash of the configuration that decided.
    pub config_hash: Str,
    /// Seed of the tie-break.
    pub seed: u64,
    /// Attempt of the pod, from 1.
    pub attempt: u32,
    /// Generation of the cluster that was looked at.
    pub generation: u64,
    /// The chosen node, and what decided.
    pub winner: Option<(Str, DecidedBy)>,
    /// The plugin that told nodes with equal totals apart.
    pub tie_broken_by: Option<&'static str>,
    /// Number of feasible nodes.
    pub feasible: usize,
    /// Number of nodes by (plugin, reason).
    pub rejections: Box<[(&'static str, Str, u32)]>,
    /// The best nodes with their totals, best first, at most five.
    pub top: Box<[(Str, i64)]>,
    /// kube-scheduler's text, when there is no winner.
    pub message: Str,
}

impl Summary {
    fn bytes(&self) -> usize {
        let rejections: usize = self.rejections.iter().map(|(_, reason, _)| 40 + reason.len()).sum();
        std::mem::size_of::<Self>() + rejections + self.top.len() * 24 + self.message.len()
    }
}

/// The newest summaries.
#[derive(Debug)]
pub struct Records {
    summaries: VecDeque<Summary>,
    bytes: usize,
    budget: usize,
    next: u64,
}

impl Records {
    /// Keeps at most `budget` bytes; 0 keeps none.
    pub fn new(budget: usize) -> Self {
        Self { summaries: VecDeque::new(), bytes: 0, budget, next: 1 }
    }

    /// Whether any are kept.
    pub fn is_on(&self) -> bool {
        self.budget > 0
    }

    pub(crate) fn push(&mut self, mut summary: Summary) {
        summary.number = self.next;
        self.next += 1;
        self.bytes += summary.bytes();
        self.summaries.push_back(summary);
        while self.bytes > self.budget {
            let Some(oldest) = self.summaries.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
    }

    /// Summaries, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Summary> + ExactSizeIterator {
        self.summaries.iter()
    }

    /// The newest summary of a pod.
    pub fn latest(&self, namespace: &str, name: &str) -> Option<&Summary> {
        self.summaries.iter().rev().find(|s| s.pod.name == *name && s.pod.namespace == *namespace)
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(name: &str) -> Summary {
        Summary {
            number: 0,
            pod: Arc::new(PodInfo { name: name.into(), namespace: "default".into(), ..PodInfo::default() }),
            outcome: Outcome::Unschedulable,
            config_hash: Str::empty(),
            seed: 0,
            attempt: 1,
            generation: 0,
            winner: None,
            tie_broken_by: None,
            feasible: 0,
            rejections: Box::default(),
            top: Box::default(),
            message: "0/3 nodes are available:".into(),
        }
    }

    #[test]
    fn the_oldest_go_when_the_budget_is_full() {
        let each = summary("a").bytes();
        let mut records = Records::new(each * 2 + each / 2);
        for name in ["a", "b", "c"] {
            records.push(summary(name));
        }
        let kept: Vec<_> = records.iter().map(|s| (s.number, s.pod.name.to_string())).collect();
        assert_eq!(kept, [(2, "b".to_owned()), (3, "c".to_owned())]);
        assert!(records.latest("default", "a").is_none());
        assert_eq!(records.latest("default", "b").map(|s| s.number), Some(2));
        assert!(records.bytes() <= each * 2 + each / 2);
    }
}
