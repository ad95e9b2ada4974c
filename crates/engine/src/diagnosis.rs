//! Why no node was found, in kube-scheduler's words.

use std::collections::BTreeMap;

use loadline_framework::{Cluster, NodeView, Profile, Reads, Slot, Verdict};
use loadline_model::{Map, Str};

use crate::class::{Class, Member, Sources};
use crate::evaluate::{Direct, Early};
use crate::extended::Said;
use crate::queue::EXTENDER;

/// Nodes by reason, and the plugins that turned any down.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Number of nodes for each reason.
    pub(crate) reasons: Map<String, usize>,
    /// What PreFilter said, when it ended the cycle.
    pub(crate) pre_filter: String,
    /// Names of plugins that turned a node, or the pod, down; each once, in the profile's order.
    pub(crate) plugins: Vec<&'static str>,
}

impl Diagnosis {
    pub(crate) fn of_early(early: &Early) -> Self {
        Self { pre_filter: early.status.message(), plugins: early.plugins.clone(), ..Self::default() }
    }

    pub(crate) fn of_class(class: &Class, profile: &Profile, sources: Sources<'_>) -> Self {
        let mut found = Self::default();
        let order = sources.cluster.order().by_name();
        let mut by_filter: Vec<(usize, Verdict, u32)> = class.rejections().collect();
        by_filter.sort_unstable();
        for (filter, verdict, count) in by_filter {
            let member = class.filters()[filter];
            found.blame(profile, member);
            if verdict.is_per_node() {
                for (rank, slot) in order.iter().enumerate() {
                    if class.rejection(rank, sources) == Some((filter, verdict)) {
                        found.count(member, *slot, verdict, 1, sources);
                    }
                }
            } else if let Some(any) = order.first() {
                found.count(member, *any, verdict, count as usize, sources);
            }
        }
        found
    }

    pub(crate) fn of_direct(direct: &Direct, profile: &Profile, sources: Sources<'_>) -> Self {
        let mut found = Self::default();
        if let Some(narrowed) = &direct.narrowed {
            found.plugins.clone_from(&narrowed.plugins);
        }
        let mut with_status = 0;
        for (slot, rejection) in &direct.judged {
            let Some((filter, verdict)) = rejection else { continue };
            found.blame(profile, direct.filters[*filter]);
            if direct.said_of(*slot, sources).is_none() {
                found.count(direct.filters[*filter], *slot, *verdict, 1, sources);
                with_status += 1;
            }
        }
        if let Some(extended) = &direct.extended {
            if extended.dropped_any() {
                found.plugins.push(EXTENDER);
            }
            for said in extended.said.values() {
                *found.reasons.entry(said.reason.clone()).or_insert(0) += 1;
                with_status += 1;
            }
        }
        let absent = sources.cluster.node_count().saturating_sub(with_status);
        if let (Some(reason), 1..) = (direct.absent_reason(), absent) {
            *found.reasons.entry(reason).or_insert(0) += absent;
        }
        found
    }

    fn blame(&mut self, profile: &Profile, member: Member) {
        let name = profile.name(member.plugin);
        if !self.plugins.contains(&name) {
            self.plugins.push(name);
        }
    }

    fn count(&mut self, member: Member, slot: Slot, verdict: Verdict, nodes: usize, sources: Sources<'_>) {
        for reason in reasons(member, slot, verdict, sources) {
            *self.reasons.entry(reason).or_insert(0) += nodes;
        }
    }

    /// The text of the event and the condition. `post_filter` is what PostFilter adds.
    pub(crate) fn message(&self, nodes: usize, post_filter: &str) -> String {
        let mut text = format!("0/{nodes} nodes are available:");
        if !self.pre_filter.is_empty() {
            text += &[" ", &self.pre_filter, "."].concat();
        } else if !self.reasons.is_empty() {
            // Sorted as text, so that "10 x" stands before "2 y".
            let mut parts: Vec<String> =
                self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            parts.sort_unstable();
            text += &[" ", &parts.join(", "), "."].concat();
        }
        if !post_filter.is_empty() {
            text.push(' ');
            text.push_str(post_filter);
        }
        text
    }
}

/// Number of nodes by plugin and reason, for verdicts whose reasons do not depend on the node; the others count under the
/// plugin with an empty reason.
pub(crate) fn count_by_reason(class: &Class, profile: &Profile, sources: Sources<'_>) -> Vec<(&'static str, Str, u32)> {
    let Some(any) = sources.cluster.order().by_name().first() else {
        return Vec::new();
    };
    let mut by_filter: Vec<(usize, Verdict, u32)> = class.rejections().collect();
    by_filter.sort_unstable();
    let mut counted: Vec<(&'static str, Str, u32)> = Vec::new();
    for (filter, verdict, nodes) in by_filter {
        let member = class.filters()[filter];
        let name = profile.name(member.plugin);
        let found = if verdict.is_per_node() { vec![String::new()] } else { reasons(member, *any, verdict, sources) };
        for reason in found {
            match counted.iter_mut().find(|(plugin, known, _)| *plugin == name && *known == *reason) {
                Some((_, _, count)) => *count += nodes,
                None => counted.push((name, reason.into(), nodes)),
            }
        }
    }
    counted
}

/// The same for nodes that were judged one by one.
pub(crate) fn count_single(direct: &Direct, profile: &Profile, sources: Sources<'_>) -> Vec<(&'static str, Str, u32)> {
    let mut counted: BTreeMap<(&'static str, String), u32> = BTreeMap::new();
    let mut by_filter: BTreeMap<(usize, Verdict), (Slot, u32)> = BTreeMap::new();
    for (slot, rejection) in &direct.judged {
        let dropped = direct.extended.as_ref().is_some_and(|extended| extended.dropped_by(*slot).is_some());
        let said = direct.said_of(*slot, sources).filter(|_| dropped || rejection.is_some());
        if dropped || said.is_some() {
            let reason = said.map_or_else(String::new, |said| said.reason.clone());
            *counted.entry((EXTENDER, reason)).or_default() += 1;
        } else if let Some(rejection) = rejection {
            by_filter.entry(*rejection).or_insert((*slot, 0)).1 += 1;
        }
    }
    for ((filter, verdict), (any, nodes)) in by_filter {
        let member = direct.filters[filter];
        let found = if verdict.is_per_node() { vec![String::new()] } else { reasons(member, any, verdict, sources) };
        for reason in found {
            *counted.entry((profile.name(member.plugin), reason)).or_default() += nodes;
        }
    }
    counted.into_iter().map(|((plugin, reason), nodes)| (plugin, reason.into(), nodes)).collect()
}

/// The name of the node at a slot.
pub(crate) fn node_name(slot: Slot, sources: Sources<'_>) -> Str {
    sources.cluster.nodes()[slot.index()].as_ref().map_or_else(Str::empty, |info| info.spec.name.clone())
}

/// A plugin's reasons for a verdict on a node.
pub(crate) fn reasons(member: Member, slot: Slot, verdict: Verdict, sources: Sources<'_>) -> Vec<String> {
    let Some(info) = sources.cluster.nodes()[slot.index()].as_deref() else {
        return Vec::new();
    };
    let column = sources.columns.get(member.column);
    let view = NodeView::new(sources.cluster, slot, info, Reads::NOTHING);
    column.runner.reasons(&column.state, verdict, &view).into_iter().map(std::borrow::Cow::into_owned).collect()
}

impl Direct {
    /// An extender's word on a node.
    pub(crate) fn said_of(&self, slot: Slot, sources: Sources<'_>) -> Option<&Said> {
        self.extended.as_ref()?.said.get(node_name(slot, sources).as_str())
    }

    /// The reason that stands for every node that PreFilter's narrowing left out.
    pub(crate) fn absent_reason(&self) -> Option<String> {
        let narrowed = self.narrowed.as_ref()?;
        Some(format!("node(s) didn't satisfy plugin(s) [{}]", narrowed.plugins.join(" ")))
    }
}
