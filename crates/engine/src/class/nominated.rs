//! Nodes with nominated pods: kube-scheduler judges them with those pods on them too.

use std::sync::Arc;

use loadline_framework::{Cluster, NodeDelta, NodeView, Reads, Slot};
use loadline_model::{NodeInfo, NodeLoad, PodInfo};
use smallvec::SmallVec;

use super::{Member, Rejection, Sources};

/// A node with its nominated pods on it.
struct Crowded<'a> {
    info: &'a NodeInfo,
    delta: NodeDelta,
    load: NodeLoad,
}

impl<'a> Crowded<'a> {
    /// With the nominated pods of at least `priority` (other than the one with uid `except`); `None` when the node has
    /// none of those.
    fn new(sources: Sources<'a>, slot: Slot, priority: i32, except: Option<&str>) -> Option<Self> {
        let info = sources.cluster.nodes()[slot.index()].as_deref()?;
        let counts = |pod: &&Arc<PodInfo>| pod.priority >= priority && except.is_none_or(|uid| pod.uid != *uid);
        let added: Vec<Arc<PodInfo>> =
            sources.nominator.pods_on(&info.spec.name).iter().filter(counts).cloned().collect();
        if added.is_empty() {
            return None;
        }
        let mut load = info.load.clone();
        for pod in &added {
            load.add(pod);
        }
        Some(Self { info, delta: NodeDelta { added, removed: Vec::new() }, load })
    }

    fn view<'b>(&'b self, sources: Sources<'b>, slot: Slot) -> NodeView<'b> {
        NodeView::new(sources.cluster, slot, self.info, Reads::NOTHING).with_delta(&self.delta, &self.load)
    }
}

/// Filters a node with the nominated pods of at least `priority` (other than the one with uid `except`) on it: who turns
/// it down.
pub(crate) fn with_nominated(
    filters: &[Member],
    sources: Sources<'_>,
    slot: Slot,
    priority: i32,
    except: Option<&str>,
) -> Option<Rejection> {
    let crowded = Crowded::new(sources, slot, priority, except)?;
    let view = crowded.view(sources, slot);
    filters.iter().enumerate().find_map(|(index, member)| {
        let column = sources.columns.get(member.column);
        let verdict = column.runner.filter(&column.state, &view);
        (!verdict.passes()).then_some((index, verdict))
    })
}

/// What nominated pods mean for the filters of a class.
#[derive(Debug)]
pub(super) struct WithNominated {
    /// The first of the filters that those pods move, if it turns the node down with them on it.
    pub(super) rejection: Option<Rejection>,
    /// Whether the answer depends on counts.
    pub(super) follows_counts: bool,
    /// Filters whose answer about the node those pods can change.
    moved: SmallVec<[usize; 4]>,
}

impl WithNominated {
    /// Judges a node by the filters that its nominated pods of at least `priority` move. `None` when it has none of those.
    pub(super) fn judge(filters: &[Member], sources: Sources<'_>, slot: Slot, priority: i32) -> Option<Self> {
        let crowded = Crowded::new(sources, slot, priority, None)?;
        let view = crowded.view(sources, slot);
        let mut found = Self { rejection: None, follows_counts: false, moved: SmallVec::new() };
        for (index, member) in filters.iter().enumerate() {
            let column = sources.columns.get(member.column);
            let reads = column.runner.reads();
            let by_counts = reads.has(Reads::COUNTS)
                && column.runner.is_moved_by(&column.state, &crowded.delta.added, sources.cluster);
            if !by_counts && !reads.has_any(Reads::LOAD.and(Reads::PODS)) {
                continue;
            }
            found.moved.push(index);
            found.follows_counts |= by_counts;
            if found.rejection.is_none() {
                let verdict = column.runner.filter(&column.state, &view);
                found.rejection = (!verdict.passes()).then_some((index, verdict));
            }
        }
        Some(found)
    }

    /// Whether the pods can change a filter's answer.
    pub(super) fn moves(&self, filter: usize) -> bool {
        self.moved.contains(&filter)
    }
}
