//! The choice among the nodes that are left.

use loadline_framework::{Profile, Slot};
use smallvec::SmallVec;

use crate::Engine;
use crate::class::Member;
use crate::evaluate::{Direct, Evaluation, score_set};

/// The only nodes that a pod may be placed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Within {
    /// Sorted.
    slots: Vec<Slot>,
}

impl Within {
    pub(crate) fn new(mut slots: Vec<Slot>) -> Self {
        slots.sort_unstable();
        slots.dedup();
        Self { slots }
    }

    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.slots.binary_search(&slot).is_ok()
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl Engine {
    /// What an evaluation of all nodes says of some: feasible ones are scored anew, among themselves.
    pub(crate) fn only_within(&self, evaluation: Evaluation, within: &Within) -> Evaluation {
        let Evaluation::Class(class) = &evaluation else { return evaluation };
        let class = self.kept.classes.get(*class);
        let order = self.cluster.order();
        let mut ranks: Vec<usize> = within.slots().iter().filter_map(|slot| order.rank(*slot)).collect();
        ranks.sort_unstable();
        let judged = ranks.into_iter().map(|rank| (order.by_name()[rank], class.rejection(rank, self.sources())));
        let mut direct = Direct {
            filters: class.filters().to_vec(),
            scores: class.scorers().collect(),
            judged: judged.collect(),
            narrowed: None,
            scored: Vec::new(),
            extended: None,
        };
        let feasible: Vec<Slot> = direct.feasible().collect();
        if feasible.len() > 1 {
            direct.scored = score_set(&direct.scores, &feasible, self.sources());
        }
        Evaluation::Direct(direct)
    }

    /// The node with the largest total; of several the one that plugins have the least against, and of those the one that
    /// the hash `tie` picks. With the plugin that told some of them apart.
    pub(crate) fn choose(
        &self,
        evaluation: &Evaluation,
        profile: &Profile,
        tie: u64,
    ) -> Option<(Slot, Option<&'static str>)> {
        let pick = |tied: usize| (tie % tied as u64) as usize;
        let breakers = self.tie_breakers(evaluation);
        let tied: Vec<Slot> = match evaluation {
            Evaluation::Early(_) => return None,
            Evaluation::Class(class) => {
                let class = self.kept.classes.get(*class);
                let by_name = self.cluster.order().by_name();
                if breakers.is_empty() {
                    return Some((by_name[class.best(pick)?], None));
                }
                class.tied().into_iter().map(|rank| by_name[rank]).collect()
            }
            Evaluation::Direct(direct) => {
                let totals = direct.totals();
                let best = totals.iter().copied().max()?;
                let mut tied: Vec<Slot> =
                    direct.feasible().zip(&totals).filter(|(_, total)| **total == best).map(|(slot, _)| slot).collect();
                tied.sort_unstable_by_key(|slot| self.cluster.order().rank(*slot));
                tied
            }
        };
        self.pick(tied, breakers, profile, tie)
    }

    /// Of nodes with the same total, in the order of their names, the one that plugins have the least against, and of those the one
    /// that the hash picks. With the plugin that told some of them apart.
    pub(crate) fn pick(
        &self,
        mut tied: Vec<Slot>,
        breakers: SmallVec<[Member; 2]>,
        profile: &Profile,
        tie: u64,
    ) -> Option<(Slot, Option<&'static str>)> {
        let mut told_apart_by = None;
        for member in breakers {
            let before = tied.len();
            let column = self.kept.columns.get(member.column);
            let least = tied.iter().map(|slot| column.burden(*slot, &self.cluster)).min();
            tied.retain(|slot| Some(column.burden(*slot, &self.cluster)) == least);
            if tied.len() < before {
                told_apart_by.get_or_insert(profile.name(member.plugin));
            }
        }
        Some((*tied.get((tie % tied.len().max(1) as u64) as usize)?, told_apart_by))
    }

    /// The plugins that scored and tell nodes with equal totals apart, in the profile's order.
    pub(crate) fn tie_breakers(&self, evaluation: &Evaluation) -> SmallVec<[Member; 2]> {
        let breaks = |member: &Member| {
            let column = self.kept.columns.get(member.column);
            column.runner.breaks_ties() && column.scores()
        };
        match evaluation {
            Evaluation::Early(_) => SmallVec::new(),
            Evaluation::Class(class) => self.kept.classes.get(*class).scorers().filter(breaks).collect(),
            Evaluation::Direct(direct) => direct.scored.iter().map(|(member, _)| *member).filter(breaks).collect(),
        }
    }

    pub(crate) fn invalid_score(&self, evaluation: &Evaluation) -> Option<(usize, i64)> {
        match evaluation {
            Evaluation::Early(_) => None,
            Evaluation::Class(class) => {
                self.kept.classes.get(*class).invalid_score().map(|invalid| (invalid.plugin, invalid.score))
            }
            Evaluation::Direct(direct) => {
                let of_all = direct.scored.iter().flat_map(|(member, scores)| {
                    direct.feasible().zip(scores).map(|(slot, score)| (slot, member.plugin, score.normalized))
                });
                let wrong = of_all.filter(|(.., score)| !(0..=100).contains(score));
                let first = wrong.min_by_key(|(slot, ..)| self.cluster.order().rank(*slot));
                first.map(|(_, plugin, score)| (plugin, score))
            }
        }
    }
}

/// The number that chooses among nodes with equal totals: a function of seed, pod and attempt alone, so that a decision
/// can be repeated. FNV-1a over the uid, then splitmix64.
pub(crate) fn tie_break(seed: u64, uid: &str, attempt: u32) -> u64 {
    let hash = uid
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut x = hash ^ seed.rotate_left(32) ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
