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
    if election.leader_elect {
        check_election(log, &fields, &election);
    }
    election
}

fn check_election(log: &mut Log, fields: &Fields<'_>, election: &LeaderElection) {
    let LeaderElection { lease_duration: lease, renew_deadline: renew, retry_period: retry, .. } = *election;
    let mut positive = true;
    for (name, value) in [("leaseDuration", lease), ("renewDeadline", renew), ("retryPeriod", retry)] {
        if value <= 0 {
            positive = false;
            log.problem(&fields.place_of(name), text::invalid(duration::format(value), "must be greater than zero"));
        }
    }
    if positive && lease <= renew {
        log.problem(
            &fields.place_of("leaseDuration"),
            text::invalid(
                duration::format(lease),
                format_args!("must be greater than `RenewDeadline` ({})", duration::format(renew)),
            ),
        );
    }
    if positive && i128::from(renew) * 10 <= i128::from(retry) * JITTER_TENTHS {
        log.problem(
            &fields.place_of("renewDeadline"),
            text::invalid(
                duration::format(renew),
                format_args!("must be greater than `RetryPeriod` ({}) times 1.2", duration::format(retry)),
            ),
        );
    }
    if election.resource_lock != "leases" {
        log.problem(
            &fields.place_of("resourceLock"),
            text::invalid(format_args!("\"{}\"", election.resource_lock), "resourceLock value must be \"leases\""),
        );
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
