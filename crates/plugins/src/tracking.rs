//! What the two plugins that count pods by domain share: following a count's log, and collecting the nodes whose
//! answers changed.

use loadline_framework::{Cluster, QueryId, Slot, Topology, Touched};

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
#[derive(Debug)]
pub(crate) struct TouchedNodes {
    slots: Vec<Slot>,
    /// From so many slots on, asking all nodes again costs no more.
    limit: usize,
    changed: bool,
    all: bool,
}

impl TouchedNodes {
    /// None yet.
    pub(crate) fn new(cluster: &dyn Cluster) -> Self {
        Self {
            slots: Vec::new(),
            limit: cluster.node_count() / 2,
            changed: false,
            all: false,
        }
    }

    /// Something changed that no single node's answer shows, such as what normalisation reads.
    pub(crate) fn note(&mut self) {
        self.changed = true;
    }

    /// Every node of a domain changed.
    pub(crate) fn domain(&mut self, topology: &Topology, domain: usize) {
        self.changed = true;
        let members = &topology.members[domain];
        if self.all || self.slots.len() + members.len() > self.limit {
            self.all();
        } else {
            self.slots.extend_from_slice(members);
        }
    }

    /// Every node changed.
    pub(crate) fn all(&mut self) {
        self.changed = true;
        self.all = true;
        self.slots.clear();
    }

    /// The answer of `catch_up`. A change without slots is an empty list, not [`Touched::None`]: the state did change.
    pub(crate) fn finish(self) -> Touched {
        if self.all {
            Touched::All
        } else if self.changed {
            Touched::Slots(self.slots)
        } else {
            Touched::None
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A column as the engine keeps it: answers that are asked for again only where `catch_up` says so.

    use loadline_framework::{NodePlugin, NodeView, Slot, Touched, Verdict};
    use loadline_model::PodInfo;

    use crate::testing::FakeCluster;

    pub(crate) struct Column<'a, P: NodePlugin> {
        plugin: &'a P,
        pub(crate) state: P::State,
        pub(crate) verdicts: Vec<Verdict>,
        pub(crate) raw: Vec<i64>,
    }

    impl<'a, P: NodePlugin> Column<'a, P> {
        /// The column of a pod; `None` when the plugin has nothing to say about it.
        pub(crate) fn new(plugin: &'a P, cluster: &mut FakeCluster, pod: &PodInfo) -> Option<Self> {
            let mut column = Self {
                plugin,
                state: cluster.state(plugin, pod)?,
                verdicts: Vec::new(),
                raw: Vec::new(),
            };
            column.ask(cluster, &cluster.slots());
            Some(column)
        }

        /// Catches up.
        pub(crate) fn sync(&mut self, cluster: &FakeCluster) {
            match self.plugin.catch_up(&mut self.state, cluster) {
                Touched::None => {}
                Touched::Slots(slots) => self.ask(cluster, &slots),
                Touched::All => self.ask(cluster, &cluster.slots()),
            }
        }

        fn ask(&mut self, cluster: &FakeCluster, slots: &[Slot]) {
            let size = cluster.slots().last().map_or(0, |slot| slot.index() + 1);
            self.verdicts.resize(size.max(self.verdicts.len()), Verdict::PASS);
            self.raw.resize(size.max(self.raw.len()), 0);
            for slot in slots {
                let view = NodeView::new(cluster, *slot, cluster.info(*slot), self.plugin.reads());
                self.verdicts[slot.index()] = self.plugin.filter(&self.state, &view);
                self.raw[slot.index()] = self.plugin.score(&self.state, &view);
            }
        }

        /// Whether every answer is what a state that is prepared now gives.
        pub(crate) fn is_current(&self, cluster: &mut FakeCluster, pod: &PodInfo) -> bool {
            let fresh = Self::new(self.plugin, cluster, pod);
            let slots = cluster.slots();
            fresh.is_some_and(|fresh| {
                let same = |slot: &Slot| {
                    let at = slot.index();
                    (fresh.verdicts[at], fresh.raw[at]) == (self.verdicts[at], self.raw[at])
                };
                slots.iter().all(same)
                    && self.plugin.scores(&fresh.state) == self.plugin.scores(&self.state)
            })
        }
    }
}
