//! What nodes really use: samples from outside, and what their pods will use that the samples do not have yet.
//!
//! A sample is an average over a window that ends when it was taken. A pod that ran through all of it is in the sample; one
//! that began in the middle is in it by half, and the other half is estimated to be what it requests. So a pod counts from
//! the moment when it is placed, and never twice.

use std::sync::Arc;

use loadline_framework::{ChangeLog, NodeUsage, Slot, Usage, UsageId, UsageKind, UsageSample, UsageSource};
use loadline_model::{Map, NodeInfo, PodInfo, Str, Time};

const SECOND: Time = 1_000_000_000;

/// The use of all nodes by all sources.
#[derive(Clone, Debug, Default)]
pub(super) struct UsageIndex {
    sources: Vec<Known>,
    load_at: u64,
}

#[derive(Clone, Debug)]
struct Known {
    usage: Usage,
    samples: Map<Str, UsageSample>,
    /// All nodes have to be looked at.
    stale: bool,
}

impl UsageIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Keeps a source. Equal ones have one id.
    pub(super) fn keep(&mut self, source: &Arc<UsageSource>) -> UsageId {
        let known = self.sources.iter().position(|known| known.usage.source == *source);
        let index = known.unwrap_or_else(|| {
            let usage = Usage { source: source.clone(), nodes: Vec::new(), unsampled: 0, heard: 0, now: 0 };
            self.sources.push(Known { usage, samples: Map::default(), stale: true });
            self.sources.len() - 1
        });
        UsageId(index as u32)
    }

    /// Keeps these sources and no others, with what is known by those that are kept already. Ids change.
    pub(super) fn set_sources(&mut self, sources: &[Arc<UsageSource>]) {
        self.sources.retain(|known| sources.contains(&known.usage.source));
        for source in sources {
            self.keep(source);
        }
    }

    pub(super) fn get(&self, id: UsageId) -> &Usage {
        &self.sources[id.0 as usize].usage
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Usage> {
        self.sources.iter().map(|known| &known.usage)
    }

    /// Takes over what a source said at a time; `None`: it gave no answer, and what it said before grows older. Whether
    /// anybody wants to know.
    pub(super) fn hear(&mut self, source: &UsageSource, now: Time, samples: Option<Vec<(Str, UsageSample)>>) -> bool {
        let Some(known) = self.sources.iter_mut().find(|known| *known.usage.source == *source) else { return false };
        if let Some(samples) = samples {
            known.samples = samples.into_iter().collect();
        }
        known.usage.now = now;
        known.usage.heard += 1;
        known.stale = true;
        true
    }

    /// Brings all nodes up to date.
    pub(super) fn settle(&mut self, nodes: &[Option<Arc<NodeInfo>>], load_log: &ChangeLog<Slot>) {
        let changed = load_log.since(std::mem::replace(&mut self.load_at, load_log.position()));
        for known in &mut self.sources {
            known.usage.nodes.resize(nodes.len(), NodeUsage::default());
            match changed {
                Some(slots) if !known.stale => slots.iter().for_each(|slot| known.look(*slot, nodes)),
                _ => (0..nodes.len() as u32).for_each(|slot| known.look(Slot(slot), nodes)),
            }
            known.stale = false;
        }
    }
}

impl Known {
    fn look(&mut self, slot: Slot, nodes: &[Option<Arc<NodeInfo>>]) {
        let now = nodes[slot.index()].as_deref().map_or_else(NodeUsage::default, |info| self.of(info));
        let before = std::mem::replace(&mut self.usage.nodes[slot.index()], now);
        self.usage.unsampled += usize::from(now.is_unsampled);
        self.usage.unsampled -= usize::from(before.is_unsampled);
    }

    fn of(&self, info: &NodeInfo) -> NodeUsage {
        let Usage { source, now, .. } = &self.usage;
        let is_fresh = |sample: &UsageSample| {
            now.saturating_sub(sample.at) <= source.stale_after_seconds.saturating_mul(SECOND)
                // Else it is of another machine that had the name before.
                && info.spec.created.is_none_or(|created| created <= sample.at)
        };
        let sample = self.samples.get(&info.spec.name).copied().filter(is_fresh);
        let window = sample.and_then(|sample| sample.window_seconds).unwrap_or(source.window_seconds);
        let (mut estimate, mut all) = (0_i64, 0_i64);
        for pod in &info.pods {
            // Where a time is not known it may be as far away as can be.
            let ran =
                sample.zip(pod.running_since).map_or(0, |(sample, since)| sample.at.saturating_sub(since) / SECOND);
            let requested = requested(source.kind, pod);
            estimate = estimate.saturating_add(to_come(requested, ran, window));
            all = all.saturating_add(requested);
        }
        let total = match source.kind {
            UsageKind::Cpu => info.spec.allocatable.milli_cpu,
            UsageKind::Memory => info.spec.allocatable.memory,
        };
        NodeUsage::new(sample, estimate, all, total)
    }
}

/// What a pod is estimated to use: its requests, with kube-scheduler's amounts for containers that name none.
fn requested(kind: UsageKind, pod: &PodInfo) -> i64 {
    match kind {
        UsageKind::Cpu => pod.requests.non_zero_milli_cpu,
        UsageKind::Memory => pod.requests.non_zero_memory,
    }
}

/// The part of `amount` that a window of so many seconds does not have of a pod that ran for `ran` of them.
fn to_come(amount: i64, ran: i64, window: i64) -> i64 {
    let window = window.max(1);
    match window - ran.clamp(0, window) {
        0 => 0,
        // Of most pods all or nothing is missing, and dividing is slow.
        missing if missing == window => amount,
        missing => (i128::from(amount) * i128::from(missing) / i128::from(window)) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::to_come;

    #[test]
    fn what_is_to_come_shrinks_with_the_window_that_was_run_through() {
        assert_eq!(to_come(1000, -5, 300), 1000);
        assert_eq!(to_come(1000, 0, 300), 1000);
        assert_eq!(to_come(1000, 75, 300), 750);
        assert_eq!(to_come(1000, 300, 300), 0);
        assert_eq!(to_come(1000, i64::MAX, 300), 0);
        assert_eq!(to_come(i64::MAX, 1, 2), i64::MAX / 2);
    }
}
