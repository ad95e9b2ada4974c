//! Gangs that are to be in one domain of a topology: one rack, one zone. The smallest domain in which all members find room is taken.

use std::collections::BTreeMap;

use loadline_framework::{Cluster, Prepare, Slot};
use loadline_model::{Resources, Str};

use super::{Outcome, Transaction, Want};
use crate::Engine;
use crate::choice::Within;

/// A domain to try.
struct Domain {
    value: Str,
    within: Within,
}

impl Engine {
    pub(super) fn plan_by_topology(&mut self, want: &Want, transaction: &mut Transaction) -> Result<Outcome, Outcome> {
        let mut best = Outcome::default();
        if let Some(key) = &want.required_topology {
            let required = self.plan_in_a_domain(want, key, want.preferred_topology.as_ref(), transaction);
            return required.map_err(|outcome| Outcome {
                refusal: outcome.domain.is_none().then(|| format!("no domain of {key} has room for it")),
                ..outcome
            });
        }
        if let Some(key) = &want.preferred_topology {
            match self.plan_in_a_domain(want, key, None, transaction) {
                Ok(outcome) => return Ok(outcome),
                Err(outcome) => best = outcome,
            }
        }
        self.plan_within(want, None, transaction)
            .map_err(|outcome| if outcome.placed.len() >= best.placed.len() { outcome } else { best })
    }

    /// Plans in one domain of `key`; within that in one of `inner`, if that is possible.
    fn plan_in_a_domain(
        &mut self,
        want: &Want,
        key: &Str,
        inner: Option<&Str>,
        transaction: &mut Transaction,
    ) -> Result<Outcome, Outcome> {
        let mut best = Outcome::default();
        let mut enough: Option<(usize, Domain)> = None;
        for domain in self.domains(want, key) {
            if let Some(inner) = inner
                && let Ok(outcome) = self.plan_in_part(want, &domain, inner, transaction)
            {
                return Ok(Outcome { domain: Some((key.clone(), domain.value)), ..outcome });
            }
            match self.plan_within(want, Some(&domain.within), transaction) {
                Ok(outcome) if outcome.placed.len() == want.members.len() => {
                    return Ok(Outcome { domain: Some((key.clone(), domain.value)), ..outcome });
                }
                Ok(outcome) => {
                    let base = transaction.placed() - outcome.placed.len();
                    self.unplace(transaction, base);
                    if enough.as_ref().is_none_or(|(most, _)| outcome.placed.len() > *most) {
                        enough = Some((outcome.placed.len(), domain));
                    }
                }
                Err(outcome) => {
                    if outcome.placed.len() >= best.placed.len() {
                        best = Outcome { domain: Some((key.clone(), domain.value)), ..outcome };
                    }
                }
            }
        }
        // None takes all of them: the one that takes most.
        let Some((_, domain)) = enough else { return Err(best) };
        let outcome = self.plan_within(want, Some(&domain.within), transaction)?;
        Ok(Outcome { domain: Some((key.clone(), domain.value)), ..outcome })
    }

    /// Plans in one domain of another key, of the nodes of a domain.
    fn plan_in_part(
        &mut self,
        want: &Want,
        domain: &Domain,
        key: &Str,
        transaction: &mut Transaction,
    ) -> Result<Outcome, Outcome> {
        for part in self.domains(want, key) {
            let slots = part.within.slots().iter().copied().filter(|slot| domain.within.has(*slot));
            let within = Within::new(slots.collect());
            match self.plan_within(want, Some(&within), transaction) {
                Ok(outcome) if outcome.placed.len() == want.members.len() => return Ok(outcome),
                Ok(outcome) => {
                    let base = transaction.placed() - outcome.placed.len();
                    self.unplace(transaction, base);
                }
                Err(_) => {}
            }
        }
        Err(Outcome::default())
    }

    /// Domains that may have room for the gang, the smallest first. Where members run, theirs alone.
    fn domains(&mut self, want: &Want, key: &Str) -> Vec<Domain> {
        self.cluster.settle();
        let id = Prepare::topology(&mut self.cluster, key);
        let topology = Cluster::topology(&self.cluster, id);
        let mut running: BTreeMap<usize, usize> = BTreeMap::new();
        for slot in want.nodes.iter().filter_map(|node| self.cluster.slot(node)) {
            if let Some(domain) = topology.domain_of.get(slot.index()).and_then(|domain| domain.index()) {
                *running.entry(domain).or_default() += 1;
            }
        }
        let most = running.values().max().copied();
        let pinned = running.iter().filter(|(_, members)| Some(**members) == most);
        let pinned = pinned.map(|(domain, _)| *domain).min_by_key(|domain| &topology.values[*domain]);
        let least = least_wanted(want);
        let mut domains: Vec<(i64, usize, Domain)> = Vec::new();
        for (number, slots) in topology.members.iter().enumerate() {
            if slots.is_empty() || pinned.is_some_and(|pinned| pinned != number) {
                continue;
            }
            let free = self.free_on(slots);
            if pinned.is_some() || covers(&free, &least) {
                let domain = Domain { value: topology.values[number].clone(), within: Within::new(slots.clone()) };
                domains.push((free.milli_cpu, slots.len(), domain));
            }
        }
        domains.sort_by(|a, b| (a.0, a.1, &a.2.value).cmp(&(b.0, b.1, &b.2.value)));
        domains.into_iter().map(|(.., domain)| domain).collect()
    }

    fn free_on(&self, slots: &[Slot]) -> Resources {
        let mut free = Resources::default();
        for info in slots.iter().filter_map(|slot| self.cluster.nodes()[slot.index()].as_deref()) {
            let mut left = info.spec.allocatable.clone();
            left.subtract(&info.load.requested);
            left.milli_cpu = left.milli_cpu.max(0);
            left.memory = left.memory.max(0);
            left.ephemeral_storage = left.ephemeral_storage.max(0);
            left.scalars.iter_mut().for_each(|(_, amount)| *amount = (*amount).max(0));
            free.add(&left);
        }
        free
    }
}

/// Less than this is never enough: as many times what the most modest member asks for as members are needed.
fn least_wanted(want: &Want) -> Resources {
    let times = want.goal() as i64;
    let usage = || want.members.iter().map(|pod| &pod.requests.usage);
    Resources {
        milli_cpu: usage().map(|usage| usage.milli_cpu).min().unwrap_or(0).saturating_mul(times),
        memory: usage().map(|usage| usage.memory).min().unwrap_or(0).saturating_mul(times),
        ..Resources::default()
    }
}

fn covers(free: &Resources, wanted: &Resources) -> bool {
    free.milli_cpu >= wanted.milli_cpu && free.memory >= wanted.memory
}
