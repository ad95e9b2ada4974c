//! The full table of a decision: every node with who turned it down and why, or with its scores.

use std::collections::BTreeMap;

use loadline_framework::record::{Decision, NodeRecord, Preemption, Remedy, ScoreRecord};
use loadline_framework::{Cluster, Code, NodeView, Profile, Reads, Score, Slot, Verdict};

use crate::Engine;
use crate::class::Member;
use crate::cycle::Cycle;
use crate::diagnosis::reasons;
use crate::evaluate::{Direct, Early, Evaluation};
use crate::extended::scaled;
use crate::remedies::smallest_first;

impl Engine {
    /// The record of a cycle with its table of nodes. The cluster must not have changed since.
    pub fn record(&self, cycle: &Cycle) -> Decision {
        let profile = &self.profiles.profiles[cycle.profile];
        let mut remedies = Vec::new();
        let nodes = self.table(cycle, profile, &mut remedies);
        Decision {
            namespace: cycle.pod.namespace.to_string(),
            name: cycle.pod.name.to_string(),
            scheduler_name: cycle.pod.scheduler_name.to_string(),
            result: cycle.outcome,
            node: cycle.node.as_ref().map(ToString::to_string),
            decided_by: cycle.decided_by,
            tie_broken_by: cycle.tie_broken_by.map(str::to_owned),
            gated_by: None,
            message: cycle.message.clone(),
            count: None,
            truncated: nodes.is_none(),
            nodes,
            preemption: match &cycle.nominate {
                Some(Some(node)) if !cycle.victims.is_empty() => Some(Preemption {
                    nominated_node: node.to_string(),
                    victims: cycle.victims.iter().map(|pod| pod.full_name()).collect(),
                }),
                _ => None,
            },
            remedy: smallest_first(remedies),
            gang: None,
        }
    }

    fn table(&self, cycle: &Cycle, profile: &Profile, remedies: &mut Vec<Vec<Remedy>>) -> Option<Vec<NodeRecord>> {
        let mut nodes = self.judged_nodes(cycle, profile, remedies)?;
        if cycle.unscored {
            // The cycle ended before there were any, or would have with a node more to choose from.
            for node in &mut nodes {
                node.scores.clear();
                node.total = None;
            }
        }
        Some(nodes)
    }

    fn judged_nodes(
        &self,
        cycle: &Cycle,
        profile: &Profile,
        remedies: &mut Vec<Vec<Remedy>>,
    ) -> Option<Vec<NodeRecord>> {
        let order = self.cluster.order().by_name();
        match cycle.evaluation.as_ref() {
            None if self.cluster.node_count() == 0 => Some(Vec::new()),
            None => None,
            Some(Evaluation::Early(early)) => Some(order.iter().map(|slot| self.early_record(*slot, early)).collect()),
            Some(Evaluation::Class(class)) => {
                let class = self.kept.classes.get(*class);
                let records =
                    order.iter().enumerate().map(|(rank, slot)| match class.rejection(rank, self.sources()) {
                        Some((filter, verdict)) => {
                            self.rejected(*slot, class.filters()[filter], verdict, profile, remedies)
                        }
                        None => self.scored(*slot, class.scores(rank, self.sources()), class.total(rank), profile),
                    });
                Some(records.collect())
            }
            Some(Evaluation::Direct(direct)) => Some(self.direct_table(direct, profile, remedies)),
        }
    }

    fn direct_table(&self, direct: &Direct, profile: &Profile, remedies: &mut Vec<Vec<Remedy>>) -> Vec<NodeRecord> {
        let mut by_slot: BTreeMap<Slot, NodeRecord> = BTreeMap::new();
        let mut feasible = 0;
        let totals = direct.totals();
        for (slot, rejection) in &direct.judged {
            let record = if let Some(record) = self.rejected_outside(*slot, rejection.is_some(), direct) {
                record
            } else if let Some((filter, verdict)) = rejection {
                self.rejected(*slot, direct.filters[*filter], *verdict, profile, remedies)
            } else {
                let at = feasible;
                feasible += 1;
                let scores = direct.scored.iter().map(|(member, scores)| (*member, scores[at]));
                let mut record = self.scored(*slot, scores, totals[at], profile);
                record.scores.extend(direct.extender_scores(*slot));
                record
            };
            by_slot.insert(*slot, record);
        }
        let order = self.cluster.order().by_name().iter();
        let absent = |slot: &Slot| {
            let mut record = NodeRecord { name: self.name(*slot), ..NodeRecord::default() };
            if let (Some(narrowed), Some(reason)) = (&direct.narrowed, direct.absent_reason()) {
                narrowed.by.clone_into(&mut record.rejected_by);
                record.code = Code::UnschedulableAndUnresolvable.to_string();
                record.reasons = vec![reason];
            }
            record
        };
        match &direct.narrowed {
            Some(_) => order.map(|slot| by_slot.remove(slot).unwrap_or_else(|| absent(slot))).collect(),
            // A share of the nodes was looked at: the others have no record.
            None => order.filter_map(|slot| by_slot.remove(slot)).collect(),
        }
    }

    /// What extenders have to say of a node that does not fit.
    fn rejected_outside(&self, slot: Slot, is_rejected: bool, direct: &Direct) -> Option<NodeRecord> {
        let dropped_by = direct.extended.as_ref()?.dropped_by(slot);
        if !is_rejected && dropped_by.is_none() {
            return None;
        }
        let name = self.name(slot);
        let said = direct.said_of(slot, self.sources()).map(|said| (&said.by, said.code, vec![said.reason.clone()]));
        // A node that is left out without a word stays out, whatever would be deleted from it.
        let (by, code, reasons) =
            said.or_else(|| Some((dropped_by?, Code::UnschedulableAndUnresolvable, Vec::new())))?;
        Some(NodeRecord { name, rejected_by: by.to_string(), code: code.to_string(), reasons, ..NodeRecord::default() })
    }

    fn name(&self, slot: Slot) -> String {
        self.cluster.nodes()[slot.index()].as_ref().map_or_else(String::new, |info| info.spec.name.to_string())
    }

    fn early_record(&self, slot: Slot, early: &Early) -> NodeRecord {
        NodeRecord {
            name: self.name(slot),
            rejected_by: early.plugins.first().map_or_else(String::new, ToString::to_string),
            code: early.status.code.to_string(),
            reasons: early.status.reasons.iter().map(ToString::to_string).collect(),
            ..NodeRecord::default()
        }
    }

    fn rejected(
        &self,
        slot: Slot,
        member: Member,
        verdict: Verdict,
        profile: &Profile,
        remedies: &mut Vec<Vec<Remedy>>,
    ) -> NodeRecord {
        let sources = self.sources();
        let mut record = NodeRecord {
            name: self.name(slot),
            rejected_by: profile.name(member.plugin).to_owned(),
            code: verdict.code().to_string(),
            reasons: reasons(member, slot, verdict, sources),
            ..NodeRecord::default()
        };
        if let Some(info) = self.cluster.nodes()[slot.index()].as_deref() {
            let column = self.kept.columns.get(member.column);
            let view = NodeView::new(&self.cluster, slot, info, Reads::NOTHING);
            let (detail, more) = column.runner.detail(&column.state, verdict, &view);
            record.detail = detail;
            remedies.push(more);
        }
        record
    }

    fn scored(
        &self,
        slot: Slot,
        scores: impl Iterator<Item = (Member, Score)>,
        total: i64,
        profile: &Profile,
    ) -> NodeRecord {
        let scores = scores.map(|(member, score)| {
            let column = self.kept.columns.get(member.column);
            let record = ScoreRecord {
                raw: score.raw,
                normalized: score.normalized,
                weight: member.weight,
                weighted: score.normalized * member.weight,
                note: column.runner.score_note(&column.state, slot, &self.cluster),
            };
            (profile.name(member.plugin).to_owned(), record)
        });
        NodeRecord {
            name: self.name(slot),
            feasible: true,
            scores: scores.collect(),
            total: Some(total),
            ..NodeRecord::default()
        }
    }
}

impl Direct {
    /// Records of extenders' scores of a node, by extender.
    fn extender_scores(&self, slot: Slot) -> impl Iterator<Item = (String, ScoreRecord)> {
        let scores = self.extended.iter().flat_map(move |extended| extended.scores(slot));
        scores.map(|(extender, raw, weight)| {
            let normalized = scaled(raw);
            (
                extender.to_owned(),
                ScoreRecord { raw, normalized, weight, weighted: normalized.wrapping_mul(weight), note: None },
            )
        })
    }
}
