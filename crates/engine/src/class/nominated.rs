//! Nodes with nominated pods: kube-scheduler judges them with those pods on them too.

use std::sync::Arc;

use loadline_framework::{Cluster, NodeDelta, NodeView, Reads, Slot, Verdict};
use loadline_model::PodInfo;

use super::{Member, Sources};

/// A node judged with its nominated pods on it.
pub(crate) struct WithNominated {
    /// Index in the filters, and verdict.
    pub(crate) rejection: Option<(usize, Verdict)>,
}

/// Filters a node with the nominated pods of at least `priority` (other than the one with uid `except`) on it. `None`
/// when it has none of those.
pub(crate) fn with_nominated(
    filters: &[Member],
    sources: Sources<'_>,
    slot: Slot,
    priority: i32,
    except: Option<&str>,
) -> Option<WithNominated> {
    let info = sources.cluster.nodes()[slot.index()].as_deref()?;
    let nominated = sources.nominator.pods_on(&info.spec.name);
    let wanted = |pod: &&Arc<PodInfo>| pod.priority >= priority && except.is_none_or(|uid| pod.uid != *uid);
    if !nominated.iter().any(|pod| wanted(&pod)) {
        return None;
    }
    let delta = NodeDelta { added: nominated.iter().filter(wanted).cloned().collect(), removed: Vec::new() };
    let mut load = info.load.clone();
    delta.added.iter().for_each(|pod| load.add(pod));
    let view = NodeView::new(sources.cluster, slot, info, Reads::NOTHING).with_delta(&delta, &load);
    let rejection = filters.iter().enumerate().find_map(|(index, member)| {
        let column = sources.columns.get(member.column);
        let verdict = column.runner.filter(&column.state, &view);
        (!verdict.passes()).then_some((index, verdict))
    });
    Some(WithNominated { rejection })
}
