//! Each kind of difference is found, and nothing else is.

use std::collections::BTreeMap;

use loadline_framework::record::{DecidedBy, Decision, NodeRecord, Outcome, Preemption, ScoreRecord};
use serde_json::json;

use super::compare;
use crate::judge::Judged;
use crate::protocol::{Answer, Candidate, Expected, ExpectedPreemption, Request};

fn scored(name: &str, raw: i64) -> NodeRecord {
    let score = ScoreRecord { raw, normalized: raw, weight: 2, weighted: 2 * raw, note: None };
    NodeRecord {
        name: name.to_owned(),
        feasible: true,
        scores: BTreeMap::from([("NodeAffinity".to_owned(), score)]),
        total: Some(2 * raw),
        ..NodeRecord::default()
    }
}

fn rejected(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        rejected_by: "NodeResourcesFit".to_owned(),
        code: "Unschedulable".to_owned(),
        reasons: vec!["Insufficient a/x".to_owned(), "Insufficient b/y".to_owned()],
        ..NodeRecord::default()
    }
}

fn expected(name: &str, result: Outcome, nodes: Vec<NodeRecord>) -> Expected {
    Expected {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        scheduler_name: "default-scheduler".to_owned(),
        result,
        message: String::new(),
        gated_by: String::new(),
        nominated_first: false,
        nodes,
        preemption: None,
    }
}

#[test]
fn an_invalid_score_may_be_that_of_another_node() {
    let text = |plugin: &str, score: &str| format!("plugin \"{plugin}\" returns an invalid score {score}, it should");
    let same = |a: &str, b: &str| super::without_score(a) == super::without_score(b);
    assert!(same(&text("Fit", "-7"), &text("Fit", "101")));
    assert!(same(&text("Fit", "-7"), &text("Balanced", "-7")));
    assert!(!same(&text("Fit", "-7"), "running PreScore plugin \"Fit\": -7"));
    assert!(!same("1 Insufficient cpu", "2 Insufficient cpu"));
}

/// A pod that fits, one that needs preemption, one that is gated, one whose nominated node is feasible.
fn case() -> (Request, Answer, Vec<Judged>) {
    let mut unschedulable = expected("big", Outcome::Unschedulable, vec![rejected("a"), rejected("b")]);
    unschedulable.message = "0/2 nodes are available: 2 Insufficient cpu.".to_owned();
    let candidate = |node: &str| Candidate {
        node: node.to_owned(),
        victims: vec![format!("default/high-{node}"), format!("default/low-{node}")],
        num_pdb_violations: 1,
    };
    unschedulable.preemption = Some(ExpectedPreemption {
        nominated_node: "a".to_owned(),
        candidates: vec![candidate("a"), candidate("b")],
        best: vec!["a".to_owned()],
    });
    let mut gated = expected("gated", Outcome::Gated, Vec::new());
    gated.gated_by = "SchedulingGates".to_owned();
    let mut nominated = expected("nominated", Outcome::Feasible, vec![scored("a", 7), scored("b", 3)]);
    nominated.nominated_first = true;
    let answer = Answer {
        id: "test/1".to_owned(),
        error: None,
        decisions: vec![
            expected("fits", Outcome::Feasible, vec![scored("a", 7), scored("b", 7), scored("c", 3), rejected("d")]),
            unschedulable,
            gated,
            nominated,
        ],
    };
    let request = Request {
        id: "test/1".to_owned(),
        config: String::new(),
        objects: vec![json!({
            "kind": "Pod", "metadata": {"namespace": "default", "name": "nominated"}, "status": {"nominatedNodeName": "b"}
        })],
        pods: answer.decisions.iter().map(Expected::pod).collect(),
    };
    let chosen = [Some(("b", DecidedBy::Score)), None, None, Some(("b", DecidedBy::Nominated))];
    let judged = answer.decisions.iter().zip(chosen).map(|(expected, chosen)| agreeing(expected, chosen)).collect();
    (request, answer, judged)
}

/// What we would say if we agreed.
fn agreeing(expected: &Expected, chosen: Option<(&str, DecidedBy)>) -> Judged {
    let preemption = expected.preemption.as_ref();
    Judged {
        decision: Decision {
            namespace: expected.namespace.clone(),
            name: expected.name.clone(),
            scheduler_name: expected.scheduler_name.clone(),
            result: expected.result,
            node: chosen.map(|(node, _)| node.to_owned()),
            decided_by: chosen.map(|(_, by)| by),
            tie_broken_by: None,
            gated_by: (!expected.gated_by.is_empty()).then(|| expected.gated_by.clone()),
            message: expected.message.clone(),
            count: None,
            nodes: (!expected.nodes.is_empty()).then(|| expected.nodes.clone()),
            truncated: false,
            preemption: preemption.map(|found| Preemption {
                nominated_node: found.nominated_node.clone(),
                victims: found.candidates[0].victims.clone(),
            }),
            remedy: Vec::new(),
            gang: None,
        },
        candidates: preemption.map_or_else(Vec::new, |found| found.candidates.clone()),
    }
}

#[test]
fn agreement_has_no_difference_and_is_counted() {
    let (request, answer, judged) = case();
    let (differences, tally) = compare(&request, &answer, &judged);
    assert_eq!(differences, []);
    assert_eq!((tally.pods, tally.nodes, tally.scores, tally.candidates), (4, 8, 5, 2));
}

#[test]
fn the_order_of_reasons_is_free() {
    let (request, answer, mut judged) = case();
    nodes(&mut judged[0])[3].reasons.reverse();
    assert_eq!(compare(&request, &answer, &judged).0, []);
}

fn nodes(judged: &mut Judged) -> &mut Vec<NodeRecord> {
    judged.decision.nodes.as_mut().expect("the case has nodes")
}

fn score(judged: &mut Judged) -> &mut ScoreRecord {
    nodes(judged)[0].scores.get_mut("NodeAffinity").expect("the case has it")
}

#[test]
fn each_kind_of_difference_is_found_alone() {
    type Change = fn(&mut Vec<Judged>);
    let changes: [(&str, Change); 25] = [
        ("result", |judged| judged[2].decision.result = Outcome::Error),
        ("message", |judged| judged[1].decision.message.push('x')),
        ("gatedBy", |judged| judged[2].decision.gated_by = None),
        ("schedulerName", |judged| judged[0].decision.scheduler_name.clear()),
        ("pod", |judged| judged[0].decision.name.push('x')),
        ("decision", |judged| drop(judged.pop())),
        ("node", |judged| judged[0].decision.node = Some("c".to_owned())),
        ("node", |judged| judged[3].decision.node = Some("a".to_owned())),
        ("node", |judged| judged[1].decision.node = Some("a".to_owned())),
        ("decidedBy", |judged| {
            judged[3].decision.decided_by = Some(DecidedBy::Score);
        }),
        ("nodes", |judged| judged[0].decision.nodes = None),
        ("node", |judged| drop(nodes(&mut judged[0]).pop())),
        ("node", |judged| nodes(&mut judged[0]).push(rejected("e"))),
        ("order of nodes", |judged| nodes(&mut judged[0]).swap(0, 1)),
        ("feasibility", |judged| nodes(&mut judged[0])[2] = rejected("c")),
        ("rejectedBy", |judged| nodes(&mut judged[0])[3].rejected_by.clear()),
        ("code", |judged| nodes(&mut judged[0])[3].code.clear()),
        ("reasons", |judged| drop(nodes(&mut judged[0])[3].reasons.pop())),
        ("raw score of NodeAffinity", |judged| score(&mut judged[0]).raw += 1),
        ("normalized score of NodeAffinity", |judged| {
            score(&mut judged[0]).normalized += 1;
        }),
        ("weight of NodeAffinity", |judged| score(&mut judged[0]).weight += 1),
        ("score of NodeAffinity", |judged| {
            nodes(&mut judged[0])[0].scores.clear();
        }),
        ("total", |judged| nodes(&mut judged[0])[0].total = Some(1)),
        ("victims", |judged| judged[1].candidates[0].victims.reverse()),
        ("violated disruption budgets", |judged| {
            judged[1].candidates[1].num_pdb_violations = 0;
        }),
    ];
    for (what, change) in changes {
        let (request, answer, mut judged) = case();
        change(&mut judged);
        let (differences, _) = compare(&request, &answer, &judged);
        let found: Vec<_> = differences.iter().map(|difference| difference.what.as_str()).collect();
        assert_eq!(found, [what]);
    }
}

#[test]
fn differences_of_preemption_are_found() {
    type Change = fn(&mut Judged);
    let changes: [(&[&str], Change); 4] = [
        (&["candidate for preemption"], |judged| drop(judged.candidates.pop())),
        (&["preemption"], |judged| judged.decision.preemption = None),
        (&["victims of the choice"], |judged| {
            judged.decision.preemption.as_mut().expect("the case has it").victims.clear();
        }),
        // It is a candidate, but not one of the best.
        (&["nominated node"], |judged| {
            judged.decision.preemption =
                Some(Preemption { nominated_node: "b".to_owned(), victims: judged.candidates[1].victims.clone() });
        }),
    ];
    for (what, change) in changes {
        let (request, answer, mut judged) = case();
        change(&mut judged[1]);
        let (differences, _) = compare(&request, &answer, &judged);
        let found: Vec<_> = differences.iter().map(|difference| difference.what.as_str()).collect();
        assert_eq!(found, what);
    }
}

#[test]
fn a_difference_reads_as_a_sentence() {
    let (request, answer, mut judged) = case();
    nodes(&mut judged[0])[2] = rejected("c");
    let (differences, _) = compare(&request, &answer, &judged);
    assert_eq!(
        differences[0].to_string(),
        "default/fits on c: feasibility: kube-scheduler says feasible, we say Unschedulable by NodeResourcesFit: \
         Insufficient a/x, Insufficient b/y"
    );
}
