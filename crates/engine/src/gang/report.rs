//! What is said of a gang.

use loadline_framework::record::{BlockedMembers, GangRecord, GangState};

use super::{Group, Outcome, Stand};

/// Kinds of members that a message names.
const NAMED: usize = 3;

impl Group {
    /// How far the gang is, without any try.
    pub(crate) fn record(&self) -> GangRecord {
        let (minimum, tally) = (self.minimum(), &self.tally);
        let state = if minimum.is_none() {
            GangState::WaitsForGroup
        } else if tally.of(Stand::Underway) > 0 {
            GangState::Underway
        } else if !self.has_quorum() {
            GangState::WaitsForPods
        } else if tally.of(Stand::Ready) == 0 {
            GangState::Placed
        } else {
            GangState::Ready
        };
        let mut record = GangRecord {
            api_version: self.key.api.api_version().to_owned(),
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            state,
            minimum,
            have: tally.have(),
            placed: tally.of(Stand::Placed),
            finished: tally.of(Stand::Succeeded),
            waiting: tally.of(Stand::Ready),
            gated: tally.of(Stand::Gated),
            fits: None,
            domain: None,
            blocked: Vec::new(),
            message: String::new(),
            next_try_seconds: None,
            reserved_seconds: None,
        };
        record.message = match state {
            GangState::WaitsForGroup => format!("there is no PodGroup {} ({})", self.key, record.api_version),
            GangState::WaitsForPods => {
                let gated = match record.gated {
                    0 => String::new(),
                    gated => format!(", {gated} more are gated"),
                };
                format!("{} of at least {} pods are there{gated}", record.have, minimum.unwrap_or(0))
            }
            _ => String::new(),
        };
        record
    }

    /// The same after a try that found no plan.
    pub(crate) fn record_of(&self, outcome: &Outcome) -> GangRecord {
        let mut record = GangRecord { state: GangState::WaitsForRoom, ..self.record() };
        record.domain = outcome.domain.as_ref().map(|(key, value)| format!("{key}={value}"));
        let blocked = outcome.blocked.iter().map(|blocked| BlockedMembers {
            pod: blocked.pod.full_name(),
            pods: blocked.members.len() as u32,
            rejected_by: blocked.cycle.rejected_by.iter().map(|name| (*name).to_owned()).collect(),
            message: blocked.cycle.message.clone(),
        });
        record.blocked = blocked.collect();
        let needed = self.need().max(1);
        if let Some(refusal) = &outcome.refusal {
            record.message.clone_from(refusal);
            return record;
        }
        record.fits = Some(outcome.placed.len() as u32);
        let mut text = match record.fits {
            Some(0) => format!("none of the {needed} pods that must be placed together finds a node"),
            Some(fits) => format!("{fits} of the {needed} pods that must be placed together find a node"),
            None => String::new(),
        };
        if let Some(domain) = &record.domain {
            text += &[", at best, in ", domain].concat();
        }
        for blocked in record.blocked.iter().take(NAMED) {
            let others = match blocked.pods {
                0 | 1 => String::new(),
                pods => format!(" and {} like it", pods - 1),
            };
            text += &["; ", &blocked.pod, &others, ": ", &blocked.message].concat();
        }
        if record.blocked.len() > NAMED {
            let others = record.blocked.len() - NAMED;
            text += &["; and ", &others.to_string(), " other kinds of pods"].concat();
        }
        record.message = text;
        record
    }
}
