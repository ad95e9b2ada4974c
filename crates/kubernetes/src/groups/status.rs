//! What is to stand in a PodGroup's status.

use loadline_engine::GangReport;
use loadline_framework::record::GangState;
use loadline_model::GroupApi;
use serde_json::{Value, json};

/// Longest message that is written.
const LONGEST_MESSAGE: usize = 4096;

/// The fields of the status that are to change; `None`: it is as it should be.
pub(super) fn of(report: &GangReport, known: &Value, now: &str) -> Option<Value> {
    let wanted = match report.group.key.api {
        GroupApi::Crd => of_custom_resource(report, known, now),
        GroupApi::Core => of_core(report, known, now)?,
    };
    let fields = wanted.as_object()?;
    let is_so = |(field, value): (&String, &Value)| match value.as_array() {
        // There may be conditions of others.
        Some(conditions) => {
            conditions.iter().all(|wanted| find(known, wanted["type"].as_str().unwrap_or("")) == wanted)
        }
        None => known.get(field) == Some(value),
    };
    let is_so = fields.iter().all(is_so);
    (!is_so).then_some(wanted)
}

/// `scheduling.x-k8s.io/v1alpha1`: its users know phase and counts from its first controller. There a phase, once reached, is never left,
/// and one failed pod makes a group that runs `Failed`; here the phase says what is.
fn of_custom_resource(report: &GangReport, known: &Value, now: &str) -> Value {
    let GangReport { gang, running, succeeded, failed, .. } = report;
    let members = gang.placed + gang.waiting + gang.gated;
    if known["phase"] == "Finished" && members == 0 {
        // Its pods are cleaned up.
        return json!({"phase": "Finished"});
    }
    let minimum = gang.minimum.unwrap_or(0);
    let phase = if *succeeded >= minimum {
        "Finished"
    } else if running + succeeded >= minimum {
        "Running"
    } else if *failed > 0 && gang.placed + gang.waiting + gang.gated + succeeded < minimum {
        "Failed"
    } else if gang.have >= minimum {
        "Scheduling"
    } else {
        "Pending"
    };
    let mut status = json!({
        "phase": phase,
        "running": running,
        "succeeded": succeeded,
        "failed": failed,
        "occupiedBy": report.owners.join(","),
        "conditions": [condition("Scheduled", report, verdict(report), known, now)],
    });
    if report.is_tried {
        let since = known["scheduleStartTime"].as_str().unwrap_or(now);
        status["scheduleStartTime"] = since.into();
    }
    status
}

/// `scheduling.k8s.io/v1alpha2`: one condition, which kube-scheduler writes after each try, and never takes back once it is true.
fn of_core(report: &GangReport, known: &Value, now: &str) -> Option<Value> {
    const KIND: &str = "PodGroupScheduled";
    let (status, reason, message) = verdict(report);
    if report.gang.placed + report.succeeded == 0 && report.gang.minimum.unwrap_or(0) == 0 {
        // No gang, and nothing was placed yet.
        return None;
    }
    let is_verdict = matches!(reason, "Unschedulable" | "Preempting" | "SchedulerError");
    let is_told = status || is_verdict && find(known, KIND)["status"] != "True";
    let reason = if reason == "Preempting" { "Unschedulable" } else { reason };
    is_told.then(|| json!({"conditions": [condition(KIND, report, (status, reason, message), known, now)]}))
}

/// Whether the gang has its nodes, in a word, and in a sentence.
fn verdict(report: &GangReport) -> (bool, &'static str, String) {
    let gang = &report.gang;
    let settled = gang.placed + report.succeeded;
    let minimum = gang.minimum.unwrap_or(0);
    if settled >= minimum && gang.state != GangState::Underway {
        let more = match gang.waiting + gang.gated {
            0 => String::new(),
            more => format!("; {more} more wait"),
        };
        return (true, "Scheduled", format!("{settled} of at least {minimum} pods have their nodes{more}"));
    }
    if report.is_in_error {
        return (false, "SchedulerError", gang.message.clone());
    }
    match gang.state {
        GangState::Preempting => (false, "Preempting", gang.message.clone()),
        GangState::WaitsForRoom => (false, "Unschedulable", gang.message.clone()),
        GangState::WaitsForPods | GangState::WaitsForGroup => (false, "NotEnoughPods", gang.message.clone()),
        GangState::Ready | GangState::Underway | GangState::Placed => {
            (false, "Scheduling", format!("{} of at least {minimum} pods are there", gang.have))
        }
    }
}

fn condition(
    kind: &str,
    report: &GangReport,
    (status, reason, mut message): (bool, &str, String),
    known: &Value,
    now: &str,
) -> Value {
    let status = if status { "True" } else { "False" };
    let before = find(known, kind);
    let since = before["lastTransitionTime"].as_str().filter(|_| before["status"] == status).unwrap_or(now);
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": report.group.generation,
    })
}

fn find<'s>(status: &'s Value, kind: &str) -> &'s Value {
    let conditions = status["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|condition| condition["type"] == kind)).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loadline_framework::record::GangRecord;
    use loadline_model::{GroupKey, PodGroupInfo};

    use super::*;

    fn report(api: GroupApi, state: GangState, have: u32, placed: u32) -> GangReport {
        let key = GroupKey { namespace: "shop".into(), name: "train".into(), api };
        let gang = GangRecord {
            api_version: api.api_version().to_owned(),
            namespace: "shop".to_owned(),
            name: "train".to_owned(),
            state,
            minimum: Some(3),
            have,
            placed,
            finished: 0,
            waiting: have - placed,
            gated: 0,
            fits: None,
            domain: None,
            blocked: Vec::new(),
            message: "why".to_owned(),
            next_try_seconds: None,
            reserved_seconds: None,
        };
        GangReport {
            group: Arc::new(PodGroupInfo { generation: 2, ..PodGroupInfo::gang(key, 3) }),
            gang,
            running: 0,
            succeeded: 0,
            failed: 0,
            owners: vec!["shop/train".to_owned()],
            is_tried: false,
            is_in_error: false,
        }
    }

    fn phase(report: &GangReport, known: &Value) -> String {
        let status = of(report, known, "now").expect("something changes");
        status["phase"].as_str().expect("it has a phase").to_owned()
    }

    #[test]
    fn the_phase_says_how_far_the_group_is() {
        let of = |state, have, placed| report(GroupApi::Crd, state, have, placed);
        let none = Value::Null;
        assert_eq!(phase(&of(GangState::WaitsForPods, 2, 0), &none), "Pending");
        assert_eq!(phase(&of(GangState::WaitsForRoom, 3, 0), &none), "Scheduling");
        assert_eq!(phase(&of(GangState::Placed, 3, 3), &none), "Scheduling", "they do not run yet");
        let runs = GangReport { running: 3, failed: 1, ..of(GangState::Placed, 3, 3) };
        assert_eq!(phase(&runs, &none), "Running", "one that failed was replaced");
        let mixed = GangReport { running: 1, succeeded: 2, ..of(GangState::Placed, 3, 1) };
        assert_eq!(phase(&mixed, &none), "Running");
        let failed = GangReport { running: 2, failed: 1, ..of(GangState::WaitsForPods, 2, 2) };
        assert_eq!(phase(&failed, &none), "Failed");
        assert_eq!(
            phase(&of(GangState::WaitsForPods, 2, 2), &json!({"phase": "Failed"})),
            "Pending",
            "it is left again"
        );
        let done = GangReport { succeeded: 3, ..of(GangState::Placed, 0, 0) };
        assert_eq!(phase(&done, &none), "Finished");
        let cleaned = of(GangState::WaitsForPods, 0, 0);
        assert_eq!(super::of(&cleaned, &json!({"phase": "Finished", "succeeded": 3}), "now"), None, "and stays so");
        assert_eq!(phase(&of(GangState::WaitsForPods, 1, 0), &json!({"phase": "Finished"})), "Pending", "a new round");
    }

    #[test]
    fn what_is_so_is_not_written_again() {
        let report = GangReport { is_tried: true, ..report(GroupApi::Crd, GangState::WaitsForRoom, 3, 0) };
        let first = of(&report, &Value::Null, "first").expect("it is new");
        assert_eq!(first["scheduleStartTime"], "first");
        assert_eq!(first["occupiedBy"], "shop/train");
        let condition = &first["conditions"][0];
        assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("Unschedulable")));
        assert_eq!((&condition["message"], &condition["observedGeneration"]), (&json!("why"), &json!(2)));
        assert_eq!(of(&report, &first, "second"), None);
        let placed = GangReport { is_tried: true, ..self::report(GroupApi::Crd, GangState::Placed, 3, 3) };
        let second = of(&placed, &first, "second").expect("it is placed");
        assert_eq!(second["scheduleStartTime"], "first");
        assert_eq!(second["conditions"][0]["lastTransitionTime"], "second");
        assert_eq!(second["conditions"][0]["message"], "3 of at least 3 pods have their nodes");
    }

    #[test]
    fn the_core_condition_is_written_after_a_try_and_stays_true() {
        let of = |state, known: &Value| super::of(&report(GroupApi::Core, state, 3, 0), known, "now");
        assert_eq!(of(GangState::WaitsForPods, &Value::Null), None, "nobody has tried");
        let failed = of(GangState::Preempting, &Value::Null).expect("it was tried");
        assert_eq!(failed["conditions"][0]["type"], "PodGroupScheduled");
        assert_eq!(failed["conditions"][0]["reason"], "Unschedulable");
        let other = json!({"conditions": [{"type": "DisruptionTarget"}, failed["conditions"][0].clone()]});
        assert_eq!(of(GangState::Preempting, &other), None, "others have conditions, too");
        let placed = super::of(&report(GroupApi::Core, GangState::Placed, 3, 3), &failed, "now").expect("it is placed");
        assert_eq!(placed["conditions"][0]["reason"], "Scheduled");
        assert_eq!(of(GangState::WaitsForRoom, &placed), None);
        let error = GangReport { is_in_error: true, ..report(GroupApi::Core, GangState::WaitsForRoom, 3, 0) };
        let error = super::of(&error, &Value::Null, "now").expect("it was tried");
        assert_eq!(error["conditions"][0]["reason"], "SchedulerError");
    }
}
