//! Leader election and the connection to the API server.

use loadline_model::duration::{self, SECOND};

use crate::log::{Log, text};
use crate::reader::Fields;
use crate::types::{ClientConnection, LeaderElection};

/// The leader's tries to renew are spread by this factor, in tenths: the deadline has to leave room for it.
const JITTER_TENTHS: i128 = 12;

/// A value, or its default when it is absent or the zero value, which Go can not tell from absent.
fn or_default<T: PartialEq + Default>(
    log: &mut Log,
    fields: &Fields<'_>,
    name: &str,
    value: Option<T>,
    default: T,
) -> T {
    match value {
        Some(value) if value != T::default() => value,
        _ => {
            log.forget(&fields.place_of(name).path);
            default
        }
    }
}

fn text_or(log: &mut Log, fields: &Fields<'_>, name: &str, default: &str) -> String {
    let value = fields.text(log, name);
    or_default(log, fields, name, value, default.to_owned())
}

fn seconds_or(log: &mut Log, fields: &Fields<'_>, name: &str, default: i64) -> i64 {
    let value = fields.duration(log, name);
    or_default(log, fields, name, value, default * SECOND)
}

pub(crate) fn read_election(log: &mut Log, config: &Fields<'_>) -> LeaderElection {
    let fields = config.open_field(
        log,
        "leaderElection",
        &[
            "leaderElect",
            "leaseDuration",
            "renewDeadline",
            "retryPeriod",
            "resourceLock",
            "resourceName",
            "resourceNamespace",
        ],
    );
    let election = LeaderElection {
        leader_elect: fields.bool(log, "leaderElect").unwrap_or(true),
        lease_duration: seconds_or(log, &fields, "leaseDuration", 15),
        renew_deadline: seconds_or(log, &fields, "renewDeadline", 10),
        retry_period: seconds_or(log, &fields, "retryPeriod", 2),
        resource_lock: text_or(log, &fields, "resourceLock", "leases"),
        resource_name: text_or(log, &fields, "resourceName", "kube-scheduler"),
        resource_namespace: text_or(log, &fields, "resourceNamespace", "kube-system"),
    };
    check_election(log, &fields, &election);
    election
}

fn check_election(log: &mut Log, fields: &Fields<'_>, election: &LeaderElection) {
    for (name, message) in election.problems() {
        log.problem(&fields.place_of(name), message);
    }
}

impl LeaderElection {
    /// What is wrong with it: the field, and kube-scheduler's words. Nothing is, when it does not take place.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let &Self { leader_elect, lease_duration: lease, renew_deadline: renew, retry_period: retry, .. } = self;
        let mut problems = Vec::new();
        if !leader_elect {
            return problems;
        }
        for (name, value) in [("leaseDuration", lease), ("renewDeadline", renew), ("retryPeriod", retry)] {
            if value <= 0 {
                problems.push((name, text::invalid(duration::format(value), "must be greater than zero")));
            }
        }
        let positive = problems.is_empty();
        if positive && lease <= renew {
            let than = format!("must be greater than `RenewDeadline` ({})", duration::format(renew));
            problems.push(("leaseDuration", text::invalid(duration::format(lease), than)));
        }
        if positive && i128::from(renew) * 10 <= i128::from(retry) * JITTER_TENTHS {
            let than = format!("must be greater than `RetryPeriod` ({}) times 1.2", duration::format(retry));
            problems.push(("renewDeadline", text::invalid(duration::format(renew), than)));
        }
        if self.resource_lock != "leases" {
            let lock = format!("\"{}\"", self.resource_lock);
            problems.push(("resourceLock", text::invalid(lock, "resourceLock value must be \"leases\"")));
        }
        for (name, value) in [("resourceName", &self.resource_name), ("resourceNamespace", &self.resource_namespace)] {
            if value.is_empty() {
                problems.push((name, format!("Required value: {name} is required")));
            }
        }
        problems
    }
}

pub(crate) fn read_connection(log: &mut Log, config: &Fields<'_>) -> ClientConnection {
    let fields = config.open_field(
        log,
        "clientConnection",
        &["kubeconfig", "acceptContentTypes", "contentType", "qps", "burst"],
    );
    let qps = fields.get("qps").and_then(|field| read_qps(log, &field));
    let burst = fields.int32(log, "burst");
    let connection = ClientConnection {
        kubeconfig: fields.text(log, "kubeconfig").unwrap_or_default(),
        accept_content_types: fields.text(log, "acceptContentTypes").unwrap_or_default(),
        content_type: text_or(log, &fields, "contentType", "application/vnd.kubernetes.protobuf"),
        qps: or_default(log, &fields, "qps", qps, 50.0),
        burst: or_default(log, &fields, "burst", burst, 100),
    };
    if connection.burst < 0 {
        log.problem(&fields.place_of("burst"), text::invalid(connection.burst, "must be non-negative"));
    }
    connection
}

fn read_qps(log: &mut Log, field: &crate::reader::Field<'_>) -> Option<f32> {
    let qps = field.float(log)? as f32;
    if qps.is_finite() {
        return Some(qps);
    }
    log.problem(&field.place, text::invalid(qps, "does not fit in 32 bits"));
    None
}
