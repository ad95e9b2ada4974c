//! Records made by hand, for the tests of tables.

use loadline_framework::record::{
    DecidedBy, Decision, DecisionSummary, Detail, LiveDecision, NodeRecord, NodeTotal, Outcome, Preemption,
    RejectionCount, Remedy, ScoreRecord,
};
use loadline_simulator::report::{Circling, NodeUse, PendingPod, Placement, PreemptedPod, Report, Usage};
use serde_json::json;

use crate::output::{Styles, View};

/// Not a terminal.
pub(crate) fn wide() -> View {
    View { width: None, styles: Styles::plain() }
}

/// A terminal without colours.
pub(crate) fn narrow(width: u16) -> View {
    View { width: Some(width), ..wide() }
}

fn fits(name: &str, scores: &[(&str, i64, i64)]) -> NodeRecord {
    let scores: std::collections::BTreeMap<String, ScoreRecord> = scores
        .iter()
        .map(|(plugin, normalized, weight)| {
            let score = ScoreRecord {
                raw: *normalized,
                normalized: *normalized,
                weight: *weight,
                weighted: normalized * weight,
                note: None,
            };
            ((*plugin).to_owned(), score)
        })
        .collect();
    NodeRecord {
        name: name.to_owned(),
        feasible: true,
        total: Some(scores.values().map(|score| score.weighted).sum()),
        scores,
        ..NodeRecord::default()
    }
}

fn lacks(name: &str, plugin: &str, reasons: &[&str], detail: &[(&str, &str, &str)]) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        rejected_by: plugin.to_owned(),
        code: if plugin == "NodeResourcesFit" { "Unschedulable" } else { "UnschedulableAndUnresolvable" }.to_owned(),
        reasons: reasons.iter().map(ToString::to_string).collect(),
        detail: detail
            .iter()
            .map(|(what, wanted, found)| Detail {
                what: (*what).to_owned(),
                wanted: (*wanted).to_owned(),
                found: (*found).to_owned(),
            })
            .collect(),
        ..NodeRecord::default()
    }
}

fn decision(name: &str, result: Outcome) -> Decision {
    Decision {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        scheduler_name: "default-scheduler".to_owned(),
        result,
        node: None,
        decided_by: None,
        tie_broken_by: None,
        gated_by: None,
        message: String::new(),
        count: None,
        nodes: None,
        truncated: false,
        preemption: None,
        remedy: Vec::new(),
        gang: None,
    }
}

/// A pod that fits three nodes, two of which are tied.
pub(crate) fn placed() -> Decision {
    let scores = |fit, balanced| {
        [
            ("ImageLocality", 0, 1),
            ("NodeResourcesBalancedAllocation", balanced, 1),
            ("NodeResourcesFit", fit, 1),
            ("TaintToleration", 100, 3),
        ]
    };
    Decision {
        node: Some("node-c".to_owned()),
        decided_by: Some(DecidedBy::Score),
        tie_broken_by: None,
        count: Some(3),
        nodes: Some(vec![
            fits("node-a", &scores(72, 91)),
            fits("node-b", &scores(40, 88)),
            fits("node-c", &scores(70, 93)),
            lacks(
                "node-d",
                "TaintToleration",
                &["node(s) had untolerated taint(s)"],
                &[("taint", "tolerated", "dedicated=db:NoSchedule")],
            ),
        ]),
        ..decision("web-1", Outcome::Feasible)
    }
}

/// A pod that fits nowhere.
pub(crate) fn unplaced() -> Decision {
    let cpu = |name, found| lacks(name, "NodeResourcesFit", &["Insufficient cpu"], &[("cpu", "4", found)]);
    let taint = |name: &str| {
        lacks(
            name,
            "TaintToleration",
            &["node(s) had untolerated taint(s)"],
            &[("taint", "tolerated", "dedicated=db:NoSchedule")],
        )
    };
    Decision {
        message: "0/6 nodes are available: 3 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/6 nodes are \
                  available: 3 No preemption victims found for incoming pod, 3 Preemption is not helpful for scheduling."
            .to_owned(),
        nodes: Some(vec![
            cpu("node-a", "1200m"),
            taint("node-b"),
            cpu("node-c", "3500m"),
            taint("node-d"),
            taint("node-e"),
            lacks(
                "node-f",
                "NodeResourcesFit",
                &["Insufficient cpu", "Insufficient memory"],
                &[("cpu", "4", "0"), ("memory", "2Gi", "1Gi")],
            ),
        ]),
        remedy: vec![
            Remedy {
                text: "needs 500m more cpu on node-c".to_owned(),
                change: json!({"node": "node-c", "resource": "cpu", "more": "500m"}), ..Remedy::default() },
            Remedy {
                text: "needs a toleration for dedicated=db:NoSchedule on node-b".to_owned(),
                change: json!({}), ..Remedy::default() },
        ],
        gang: None,
        preemption: Some(Preemption {
            nominated_node: "node-a".to_owned(),
            victims: vec!["shop/batch-1".to_owned(), "shop/batch-2".to_owned()],
        }),
        ..decision("big-1", Outcome::Unschedulable)
    }
}

/// A decision as it is kept once something has changed.
pub(crate) fn recorded(decision: Decision) -> LiveDecision {
    let nodes = decision.nodes.iter().flatten();
    let mut best: Vec<_> = nodes.clone().filter_map(|node| Some((node.total?, node.name.clone()))).collect();
    best.sort_by(|a, b| b.cmp(a));
    let rejections = [("TaintToleration", "node(s) had untolerated taint(s)"), ("VolumeBinding", "")];
    let summary = DecisionSummary {
        number: 7,
        attempt: 2,
        config_hash: "0123".to_owned(),
        feasible: if best.is_empty() { 0 } else { 9 },
        rejections: rejections
            .map(|(plugin, reason)| RejectionCount { plugin: plugin.to_owned(), reason: reason.to_owned(), nodes: 3 })
            .to_vec(),
        best: best.into_iter().map(|(total, name)| NodeTotal { name, total }).collect(),
    };
    let decision = Decision { nodes: None, truncated: true, remedy: Vec::new(), preemption: None, ..decision };
    LiveDecision { decision, summary: Some(summary) }
}

/// A pod that waits.
pub(crate) fn gated() -> Decision {
    Decision {
        gated_by: Some("VolumeBinding".to_owned()),
        message: "persistent volume claims are not part of this version".to_owned(),
        ..decision("db-0", Outcome::Gated)
    }
}

/// A placement in the namespace of these tests.
pub(crate) fn placement(name: &str, owner: &str, node: &str) -> Placement {
    Placement {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        node: node.to_owned(),
        decided_by: DecidedBy::Score,
        feasible: 4,
        attempts: 1,
        at_seconds: 0.0,
    }
}

/// A victim, `namespace/name`, and the pod that came in its place.
pub(crate) fn preempted(victim: &str, replaced_by: &str) -> PreemptedPod {
    PreemptedPod {
        victim: victim.to_owned(),
        node: "node-a".to_owned(),
        preemptor: "shop/urgent".to_owned(),
        replaced_by: replaced_by.to_owned(),
        at_seconds: 1.5,
    }
}

fn pending(name: &str, owner: &str, decision: &Decision) -> PendingPod {
    PendingPod {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        result: decision.result,
        message: decision.message.clone(),
        gated_by: decision.gated_by.clone().unwrap_or_default(),
        attempts: 2,
        nominated_node: String::new(),
    }
}

fn usage(milli_cpu: i64, gib: i64, pods: i64, gpus: i64) -> Usage {
    let others = [("nvidia.com/gpu".to_owned(), gpus)].into_iter().filter(|(_, gpus)| *gpus > 0).collect();
    Usage { milli_cpu, memory: gib << 30, pods, others }
}

/// A simulation of twelve nodes.
pub(crate) fn report() -> Report {
    let (unplaced, gated) = (unplaced(), gated());
    let nodes = (0..12).map(|n| NodeUse {
        name: format!("node-{}", char::from(b'a' + n)),
        allocatable: usage(4000, 16, 110, i64::from(n == 0) * 4),
        before: usage(i64::from(n) * 100, i64::from(n), 2, 0),
        after: usage(i64::from(n) * 300, i64::from(n), 2 + i64::from(n), i64::from(n == 0)),
    });
    Report {
        api_version: loadline_framework::record::API_VERSION.to_owned(),
        kind: "SimulationReport".to_owned(),
        config_hash: "0123456789abcdef".to_owned(),
        seed: 7,
        elapsed_seconds: 61.5,
        at_rest: true,
        circling: vec![Circling {
            pod: "shop/pong".to_owned(),
            attempts: 60,
            why: "preempts shop/ping, which preempts it".to_owned(),
        }],
        placements: vec![
            placement("web-1", "ReplicaSet/web", "node-a"),
            placement("web-2", "ReplicaSet/web", "node-a"),
            placement("web-3", "ReplicaSet/web", "node-b"),
            placement("db-0", "StatefulSet/db", "node-c"),
            placement("one", "", "node-c"),
        ],
        preempted: vec![preempted("shop/low-x", "low-y")],
        terminated: 2,
        pending: vec![
            pending("big-1", "ReplicaSet/big", &unplaced),
            pending("big-2", "ReplicaSet/big", &unplaced),
            pending("db-1", "StatefulSet/db", &gated),
        ],
        not_ours: 1,
        other_schedulers: [("other".to_owned(), 1)].into(),
        vacated: 3,
        gangs: Vec::new(),
        nodes: nodes.collect(),
    }
}
