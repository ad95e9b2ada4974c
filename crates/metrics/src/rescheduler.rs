//! What the Rescheduler counts and measures, each round and at the end of each move.

use prometheus::{GaugeVec, IntCounterVec, Registry};

use crate::Metrics;
use crate::metrics::{counter, gauge};

/// Its metrics.
#[derive(Clone, Debug)]
pub(crate) struct Rescheduler {
    movements: IntCounterVec,
    score: GaugeVec,
    utilization: GaugeVec,
    skipped: GaugeVec,
    predicted: GaugeVec,
    achieved: GaugeVec,
}

impl Rescheduler {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self {
            movements: counter(registry, "rescheduler_pod_movements_total"),
            score: gauge(registry, "rescheduler_load_balance_score"),
            utilization: gauge(registry, "rescheduler_node_utilization_percent"),
            skipped: gauge(registry, "rescheduler_skipped_pods"),
            predicted: gauge(registry, "rescheduler_predicted_gain_points"),
            achieved: gauge(registry, "rescheduler_achieved_gain_points"),
        }
    }
}

impl Metrics {
    /// How full nodes are in a round, percent of cpu and memory. Nodes that are gone are shown no more.
    pub fn node_uses<'n>(&self, score: f64, nodes: impl Iterator<Item = (&'n str, [f64; 2])>) {
        let of = &self.rescheduler;
        of.score.with_label_values(&[] as &[&str]).set(score);
        of.utilization.reset();
        for (node, [cpu, memory]) in nodes {
            of.utilization.with_label_values(&[node, "cpu"]).set(cpu);
            of.utilization.with_label_values(&[node, "memory"]).set(memory);
        }
    }

    /// Pods that a round leaves where they are, by why.
    pub fn skipped_pods<'r>(&self, reasons: impl Iterator<Item = (&'r str, u64)>) {
        let of = &self.rescheduler;
        of.skipped.reset();
        for (reason, pods) in reasons {
            of.skipped.with_label_values(&[reason]).set(pods as f64);
        }
    }

    /// A move has ended; what it was to gain and what it gained, if its pod runs again.
    pub fn moved(&self, strategy: &str, result: &str, gains: Option<(f64, f64)>) {
        let of = &self.rescheduler;
        of.movements.with_label_values(&[strategy, result]).inc();
        if let Some((predicted, achieved)) = gains {
            of.predicted.with_label_values(&[strategy]).add(predicted);
            of.achieved.with_label_values(&[strategy]).add(achieved);
        }
    }

    /// Nobody moves anything here any more, or somebody else does: what was measured is no longer true.
    pub fn rescheduling_ends(&self) {
        let of = &self.rescheduler;
        for gauge in [&of.score, &of.utilization, &of.skipped] {
            gauge.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_the_place_of_the_one_before_and_moves_add_up() {
        let metrics = Metrics::new();
        metrics.node_uses(90.0, [("a", [10.0, 20.0]), ("gone", [1.0, 2.0])].into_iter());
        metrics.node_uses(95.0, [("a", [11.0, 20.0])].into_iter());
        metrics.skipped_pods([("young", 2), ("bare-pod", 1)].into_iter());
        metrics.skipped_pods([("young", 3)].into_iter());
        metrics.moved("LoadBalancing", "success", Some((10.0, 9.0)));
        metrics.moved("LoadBalancing", "elsewhere", Some((10.0, -4.0)));
        metrics.moved("LoadBalancing", "DisruptionBudget", None);
        let text = metrics.text();
        let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line} in {text}");
        has("rescheduler_load_balance_score 95");
        has("rescheduler_node_utilization_percent{node=\"a\",resource=\"cpu\"} 11");
        has("rescheduler_skipped_pods{reason=\"young\"} 3");
        has("rescheduler_pod_movements_total{result=\"DisruptionBudget\",strategy=\"LoadBalancing\"} 1");
        has("rescheduler_predicted_gain_points{strategy=\"LoadBalancing\"} 20");
        has("rescheduler_achieved_gain_points{strategy=\"LoadBalancing\"} 5");
        assert!(!text.contains("gone") && !text.contains("bare-pod"), "{text}");
        metrics.rescheduling_ends();
        assert!(!metrics.text().contains("rescheduler_load_balance_score 95"));
        assert!(metrics.text().contains("rescheduler_pod_movements_total"));
    }
}
