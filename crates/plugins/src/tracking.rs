//! What the two plugins that count pods by domain share: following a count's log, and collecting the nodes whose
//! answers changed.

use loadline_framework::{Cluster, QueryId, Slot, TopologyId, Touched};

/// A count that a state follows.
#[derive(Debug)]
pub(crate) struct Followed {
    query: QueryId,
    position: u64,
}

impl Followed {
    /// Follows `query`, nothing seen yet: the first [`Followed::news`] may be `None`.
    pub(crate) fn new(query: QueryId) -> Self {
        Self { query, position: 0 }
    }

    /// The count.
    pub(crate) fn query(&self) -> QueryId {
        self.query
    }

    /// Changes that were not seen yet; `None` when the log no longer reaches back.
    pub(crate) fn news<'a>(&self, cluster: &'a dyn Cluster) -> Option<&'a [(Slot, i32)]> {
        cluster.counts(self.query).since(self.position)
    }

    /// Everything up to now is seen.
    pub(crate) fn mark_seen(&mut self, cluster: &dyn Cluster) {
        self.position = cluster.counts(self.query).position();
    }

    /// The place of `query` in `list`, where it is added when it is missing.
    pub(crate) fn place(list: &mut Vec<Self>, query: QueryId) -> usize {
        list.iter().position(|known| known.query == query).unwrap_or_else(|| {
            list.push(Self::new(query));
            list.len() - 1
        })
    }
}

/// Collects the nodes whose answers changed while a state caught up.
#[derive(Debug, Default)]
pub(crate) struct TouchedNodes {
    domains: Vec<(TopologyId, usize)>,
    changed: bool,
    all: bool,
}

impl TouchedNodes {
    /// Something changed that no single node's answer shows, such as what normalisation reads.
    pub(crate) fn note(&mut self) {
        self.changed = true;
    }

    /// Every node of a domain changed.
    pub(crate) fn domain(&mut self, topology: TopologyId, domain: usize) {
        self.changed = true;
        self.domains.push((topology, domain));
    }

    /// Every node changed.
    pub(crate) fn all(&mut self) {
        self.all = true;
    }

    /// The answer of `catch_up`.
    pub(crate) fn finish(self) -> Touched {
        if self.all {
            Touched::All
        } else if self.changed {
            Touched::Domains(self.domains)
        } else {
            Touched::None
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
