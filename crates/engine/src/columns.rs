//! Columns: for each (plugin object, key) the plugin's state, and its verdict and raw score for every node.
//!
//! A column is brought up to date only when a decision needs it, and only for the nodes that changed since. What it holds
//! always equals what the plugin would answer now; that it is kept shows in speed alone. Where a plugin goes by a node's
//! domain alone, one answer serves all nodes of a domain.

use std::sync::Arc;

use loadline_framework::erased::{BoxedState, ErasedPrepared, KeyId, NodeRunner};
use loadline_framework::{ChangeLog, Cluster, NodeView, Normalization, Reads, Slot, TopologyId, Touched, Verdict};
use loadline_model::{Map, PodInfo};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::grouping::{Grouping, Groupings, group};
use crate::measurements::Measurements;
use crate::state::ClusterState;

/// A column of a [`ColumnStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ColumnId(u32);

/// One column.
pub(crate) struct Column {
    pub(crate) runner: Arc<dyn NodeRunner>,
    key: ColumnKey,
    pub(crate) state: BoxedState,
    /// PreFilter did not say Skip.
    pub(crate) filters: bool,
    /// PreScore did not say Skip.
    scores: bool,
    /// Present once a class asked for all nodes.
    pub(crate) rows: Option<Rows>,
    /// Grows whenever the state itself caught up with something.
    pub(crate) state_version: u64,
    spec_at: u64,
    load_at: u64,
    image_at: u64,
    last_used: u64,
}

/// Answers for all nodes.
pub(crate) struct Rows {
    /// `None` when the plugin does not filter for this key.
    pub(crate) verdicts: Option<Answers<Verdict>>,
    /// `None` when the plugin does not score nodes one by one for this key.
    pub(crate) raw: Option<Answers<i64>>,
    /// By slot: what the plugin holds against nodes with equal totals. `None` when it does not tell them apart.
    burdens: Option<Vec<i64>>,
    /// The raw scores by rank, where they are measurements.
    pub(crate) measurements: Option<Measurements>,
    /// Slots whose verdict changed, with what it was. Empty while answers are by group.
    pub(crate) verdict_log: ChangeLog<(Slot, Verdict)>,
    /// Slots whose raw score changed, with what it was. Empty while answers are by group.
    pub(crate) raw_log: ChangeLog<(Slot, i64)>,
}

/// One kind of answer for all nodes.
pub(crate) enum Answers<T> {
    /// By slot.
    BySlot(Vec<T>),
    /// Nodes of one domain share theirs.
    ByGroup(GroupAnswers<T>),
}

/// An answer for each group of a [`Grouping`].
pub(crate) struct GroupAnswers<T> {
    pub(crate) topology: TopologyId,
    pub(crate) of: Vec<T>,
    /// Grows whenever an answer changed, or which nodes it is for.
    pub(crate) version: u64,
    grouping: u64,
}

impl<T: Copy + Default + PartialEq> Answers<T> {
    /// In the form that suits a plugin that goes by the domains of `by`, if it does.
    fn new(by: Option<TopologyId>, cluster: &ClusterState) -> Self {
        match by.filter(|id| Groupings::suit(cluster.topology(*id))) {
            Some(topology) => Self::ByGroup(GroupAnswers { topology, of: Vec::new(), version: 0, grouping: 0 }),
            None => Self::BySlot(vec![T::default(); cluster.nodes().len()]),
        }
    }

    pub(crate) fn get(&self, slot: Slot, cluster: &ClusterState) -> T {
        match self {
            Self::BySlot(answers) => answers[slot.index()],
            Self::ByGroup(answers) => answers.of[group(cluster.topology(answers.topology), slot)],
        }
    }

    fn by_slot(&mut self) -> Option<&mut Vec<T>> {
        match self {
            Self::BySlot(answers) => Some(answers),
            Self::ByGroup(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        let (Self::BySlot(answers) | Self::ByGroup(GroupAnswers { of: answers, .. })) = self;
        size_of_val(answers.as_slice())
    }
}

impl<T: Copy + Default + PartialEq> GroupAnswers<T> {
    /// Asks for one node of each group.
    fn ask(&mut self, grouping: &Grouping, answer: impl Fn(Slot) -> T) {
        let of = grouping.representatives().iter().map(|slot| slot.map_or_else(T::default, &answer));
        let of: Vec<T> = of.collect();
        if of != self.of || self.grouping != grouping.version() {
            (self.of, self.grouping) = (of, grouping.version());
            self.version += 1;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ColumnKey {
    plugin: usize,
    key: KeyId,
}

impl Column {
    /// Whether the plugin scores for this key, as the cluster is now.
    pub(crate) fn scores(&self) -> bool {
        self.scores && self.runner.scores(&self.state)
    }

    fn scores_by_node(&self) -> bool {
        self.scores && !matches!(self.runner.normalization(), Normalization::Whole(_))
    }

    fn breaks_ties(&self) -> bool {
        self.scores && self.runner.breaks_ties()
    }

    /// What the plugin holds against a node whose total others have too.
    pub(crate) fn burden(&self, slot: Slot, cluster: &ClusterState) -> i64 {
        let kept = self.rows.as_ref().and_then(|rows| rows.burdens.as_ref());
        kept.map_or_else(|| self.runner.burden(&self.state, slot, cluster), |burdens| burdens[slot.index()])
    }

    fn measures(&self) -> bool {
        self.scores && matches!(self.runner.normalization(), Normalization::Measured)
    }

    /// Whether the plugin scores, and the feasible nodes as a whole.
    pub(crate) fn scores_whole(&self) -> bool {
        self.scores() && matches!(self.runner.normalization(), Normalization::Whole(_))
    }

    /// The plugin's verdict on a node; it passes while not all nodes were asked for.
    pub(crate) fn verdict(&self, slot: Slot, cluster: &ClusterState) -> Verdict {
        let verdicts = self.rows.as_ref().and_then(|rows| rows.verdicts.as_ref());
        verdicts.map_or(Verdict::PASS, |verdicts| verdicts.get(slot, cluster))
    }

    fn bytes(&self) -> usize {
        // States are of the order of their rows; their own size can not be asked for.
        let rows = |rows: &Rows| {
            let verdicts = rows.verdicts.as_ref().map_or(0, Answers::bytes);
            let measurements = rows.measurements.as_ref().map_or(0, Measurements::bytes);
            let burdens = rows.burdens.as_ref().map_or(0, |burdens| size_of_val(burdens.as_slice()));
            2 * (verdicts + rows.raw.as_ref().map_or(0, Answers::bytes)) + measurements + burdens
        };
        256 + self.rows.as_ref().map_or(0, rows)
    }
}

/// All columns that are kept.
#[derive(Default)]
pub(crate) struct ColumnStore {
    columns: Vec<Option<Column>>,
    free: Vec<u32>,
    ids: Map<ColumnKey, ColumnId>,
    /// Grows with each column that is opened.
    clock: u64,
    /// How many of those that were opened were there.
    found: u64,
    groupings: Groupings,
    /// For answers of all nodes, when there are enough of them.
    pool: Option<Arc<ThreadPool>>,
}

/// Nodes in one piece of parallel work.
const PIECE: usize = 1024;
/// Below this number of nodes waking threads costs more than they bring (10 to 20 µs against some 20 ns a node).
const WORTH_THREADS: usize = 4096;

impl ColumnStore {
    pub(crate) fn new(pool: Option<Arc<ThreadPool>>) -> Self {
        Self { pool, ..Self::default() }
    }

    pub(crate) fn get(&self, id: ColumnId) -> &Column {
        self.columns[id.0 as usize].as_ref().expect("a column outlives the classes that use it")
    }

    /// The column of a plugin (numbered over all profiles) and key, made when it is not there. Its state is up to date.
    pub(crate) fn open(
        &mut self,
        plugin: usize,
        runner: &Arc<dyn NodeRunner>,
        key: KeyId,
        pod: &PodInfo,
        cluster: &mut ClusterState,
    ) -> ColumnId {
        self.clock += 1;
        let column_key = ColumnKey { plugin, key };
        if let Some(id) = self.ids.get(&column_key).copied() {
            self.columns[id.0 as usize].as_mut().expect("ids name columns that are there").last_used = self.clock;
            self.found += 1;
            self.sync(id, cluster);
            return id;
        }
        let ErasedPrepared { state, filters, scores } = runner.prepare(key, pod, cluster);
        let mut column = Column {
            runner: runner.clone(),
            key: column_key,
            state,
            filters,
            scores,
            rows: None,
            state_version: 0,
            spec_at: cluster.spec_log().position(),
            load_at: cluster.load_log().position(),
            image_at: cluster.image_log().position(),
            last_used: self.clock,
        };
        // Prepared from the cluster as it is; catching up once more costs nothing and lets a plugin do its folding in
        // one place.
        column.runner.catch_up(&mut column.state, cluster);
        let id = if let Some(index) = self.free.pop() {
            self.columns[index as usize] = Some(column);
            ColumnId(index)
        } else {
            self.columns.push(Some(column));
            ColumnId(self.columns.len() as u32 - 1)
        };
        self.ids.insert(column_key, id);
        id
    }

    /// The nodes of a topology that a column answers by.
    pub(crate) fn grouping(&self, topology: TopologyId) -> &Grouping {
        self.groupings.get(topology)
    }

    /// Computes the answers for all nodes, if that was not done yet.
    pub(crate) fn fill(&mut self, id: ColumnId, cluster: &ClusterState) {
        let column = self.columns[id.0 as usize].as_mut().expect("a column outlives the classes that use it");
        if column.rows.is_some() {
            return;
        }
        let by = (column.runner.filters_by(&column.state), column.runner.scores_by(&column.state));
        let slots = cluster.nodes().len();
        let mut rows = Rows {
            verdicts: column.filters.then(|| Answers::new(by.0, cluster)),
            // A measurement is a node's own.
            raw: column.scores_by_node().then(|| Answers::new(by.1.filter(|_| !column.measures()), cluster)),
            burdens: column.breaks_ties().then(|| vec![0; slots]),
            measurements: column.measures().then(Measurements::default),
            verdict_log: ChangeLog::new(1024.max(slots / 4)),
            raw_log: ChangeLog::new(1024.max(slots / 4)),
        };
        column.answer_groups(&mut rows, cluster, &mut self.groupings);
        column.answer_all(&mut rows, cluster, self.pool.as_deref());
        column.rows = Some(rows);
    }

    /// Brings a column up to date. The node order is settled.
    pub(crate) fn sync(&mut self, id: ColumnId, cluster: &ClusterState) {
        let column = self.columns[id.0 as usize].as_mut().expect("a column outlives the classes that use it");
        let touched = column.runner.catch_up(&mut column.state, cluster);
        if !matches!(touched, Touched::None) {
            column.state_version += 1;
        }
        let reads = column.runner.reads();
        let (spec_at, load_at, image_at) = (column.spec_at, column.load_at, column.image_at);
        column.spec_at = cluster.spec_log().position();
        column.load_at = cluster.load_log().position();
        column.image_at = cluster.image_log().position();
        let Some(mut rows) = column.rows.take() else { return };
        let mut changed: Vec<Slot> = Vec::new();
        let mut all = rows.outgrow(cluster);
        column.answer_groups(&mut rows, cluster, &mut self.groupings);
        let by_slot = rows.fit(cluster.nodes().len());
        // Every column follows the spec log: a slot can hold another node now.
        let logs = [
            (cluster.spec_log(), spec_at, true),
            (cluster.load_log(), load_at, reads.has_any(Reads::LOAD.and(Reads::PODS))),
            (cluster.image_log(), image_at, reads.has(Reads::IMAGES)),
        ];
        for (log, position, read) in logs {
            if read {
                match log.since(position) {
                    Some(slots) => changed.extend_from_slice(slots),
                    None => all = true,
                }
            }
        }
        if column.scores_whole() && (all || !changed.is_empty()) {
            // What the plugin reads of some node is not what it was, and the score of one depends on all.
            column.state_version += 1;
        }
        if !by_slot {
            column.rows = Some(rows);
            return;
        }
        // From here on asking all nodes again costs no more.
        let limit = cluster.nodes().len() / 2;
        match touched {
            Touched::None => {}
            Touched::Domains(domains) => {
                for (topology, domain) in domains {
                    let members = &cluster.topology(topology).members[domain];
                    all |= changed.len() + members.len() > limit;
                    if !all {
                        changed.extend_from_slice(members);
                    }
                }
            }
            Touched::All => all = true,
        }
        if all || changed.len() > limit {
            column.answer_all(&mut rows, cluster, self.pool.as_deref());
        } else {
            column.answer(&mut rows, &changed, cluster);
        }
        column.rows = Some(rows);
    }

    /// Forgets columns that `used` does not want until at most `budget` bytes are kept, the longest unused first.
    pub(crate) fn shrink(&mut self, budget: usize, used: &dyn Fn(ColumnId) -> bool) {
        let total: usize = self.columns.iter().flatten().map(Column::bytes).sum();
        if total <= budget {
            return;
        }
        let mut unused: Vec<(u64, ColumnId)> =
            self.ids.values().filter(|id| !used(**id)).map(|id| (self.get(*id).last_used, *id)).collect();
        unused.sort_unstable();
        let mut excess = total - budget;
        let mut runners: Vec<(usize, Arc<dyn NodeRunner>)> = Vec::new();
        for (_, id) in unused {
            if excess == 0 {
                break;
            }
            let Some(column) = self.columns[id.0 as usize].take() else {
                continue;
            };
            excess = excess.saturating_sub(column.bytes());
            self.ids.remove(&column.key);
            self.free.push(id.0);
            if !runners.iter().any(|(plugin, _)| *plugin == column.key.plugin) {
                runners.push((column.key.plugin, column.runner));
            }
        }
        for (plugin, runner) in runners {
            runner.retain_keys(&|key| self.ids.contains_key(&ColumnKey { plugin, key }));
        }
    }

    /// How many columns were there when they were opened, and how many were opened.
    pub(crate) fn hits(&self) -> (u64, u64) {
        (self.found, self.clock)
    }

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Rows {
    /// Answers by group are given up when there are too many groups. Whether any were: then all nodes have to be asked.
    fn outgrow(&mut self, cluster: &ClusterState) -> bool {
        let mut outgrew = false;
        let outgrown = |topology: TopologyId| !Groupings::suit(cluster.topology(topology));
        if let Some(Answers::ByGroup(answers)) = &self.verdicts
            && outgrown(answers.topology)
        {
            self.verdicts = Some(Answers::new(None, cluster));
            self.verdict_log.invalidate();
            outgrew = true;
        }
        if let Some(Answers::ByGroup(answers)) = &self.raw
            && outgrown(answers.topology)
        {
            self.raw = Some(Answers::new(None, cluster));
            self.raw_log.invalidate();
            outgrew = true;
        }
        outgrew
    }

    /// Has the measurements of these slots, or of all, by rank.
    fn measure(&mut self, changed: Option<&[Slot]>, cluster: &ClusterState) {
        if let (Some(measurements), Some(Answers::BySlot(raw))) = (&mut self.measurements, &self.raw) {
            measurements.sync(raw, changed, cluster.order());
        }
    }

    /// Makes room for this many slots; whether any answer is by slot.
    fn fit(&mut self, slots: usize) -> bool {
        let verdicts = self.verdicts.as_mut().and_then(Answers::by_slot);
        let raw = self.raw.as_mut().and_then(Answers::by_slot);
        let any = verdicts.is_some() || raw.is_some() || self.burdens.is_some();
        if let Some(verdicts) = verdicts {
            verdicts.resize(slots, Verdict::PASS);
        }
        if let Some(raw) = raw {
            raw.resize(slots, 0);
        }
        if let Some(burdens) = &mut self.burdens {
            burdens.resize(slots, 0);
        }
        any
    }
}

impl Column {
    /// Asks one node of each group.
    fn answer_groups(&self, rows: &mut Rows, cluster: &ClusterState, groupings: &mut Groupings) {
        let view = |slot: Slot| {
            let info = cluster.nodes()[slot.index()].as_deref().expect("a node of the order is there");
            NodeView::new(cluster, slot, info, Reads::NOTHING)
        };
        if let Some(Answers::ByGroup(answers)) = &mut rows.verdicts {
            let grouping = groupings.sync(answers.topology, cluster);
            answers.ask(grouping, |slot| self.runner.filter(&self.state, &view(slot)));
        }
        if let Some(Answers::ByGroup(answers)) = &mut rows.raw {
            let grouping = groupings.sync(answers.topology, cluster);
            answers.ask(grouping, |slot| self.runner.score(&self.state, &view(slot)));
        }
    }

    /// Asks all nodes whose answers are by slot.
    fn answer_all(&self, rows: &mut Rows, cluster: &ClusterState, pool: Option<&ThreadPool>) {
        let pool = pool.filter(|_| cluster.nodes().len() >= WORTH_THREADS);
        let first = |piece: usize| Slot((piece * PIECE) as u32);
        if let Some(verdicts) = rows.verdicts.as_mut().and_then(Answers::by_slot) {
            let before = verdicts.clone();
            let ask = |first, out: &mut [Verdict]| self.runner.filter_range(&self.state, cluster, first, out);
            match pool {
                Some(pool) => pool.install(|| {
                    let pieces = verdicts.par_chunks_mut(PIECE).enumerate();
                    pieces.for_each(|(piece, out)| ask(first(piece), out));
                }),
                None => ask(Slot(0), verdicts),
            }
            note(&before, verdicts, &mut rows.verdict_log);
        }
        if let Some(raw) = rows.raw.as_mut().and_then(Answers::by_slot) {
            let before = raw.clone();
            let ask = |first, out: &mut [i64]| self.runner.score_range(&self.state, cluster, first, out);
            match pool {
                Some(pool) => pool.install(|| {
                    raw.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| ask(first(piece), out));
                }),
                None => ask(Slot(0), raw),
            }
            note(&before, raw, &mut rows.raw_log);
        }
        rows.measure(None, cluster);
        for (slot, burden) in rows.burdens.iter_mut().flatten().enumerate() {
            *burden = self.runner.burden(&self.state, Slot(slot as u32), cluster);
        }
    }

    /// Asks these nodes, where answers are by slot.
    fn answer(&self, rows: &mut Rows, slots: &[Slot], cluster: &ClusterState) {
        if let Some(verdicts) = rows.verdicts.as_mut().and_then(Answers::by_slot) {
            let before: Vec<Verdict> = slots.iter().map(|slot| verdicts[slot.index()]).collect();
            self.runner.filter_slots(&self.state, cluster, &mut slots.iter().copied(), verdicts);
            let changed = slots.iter().zip(before).filter(|(slot, before)| verdicts[slot.index()] != *before);
            changed.for_each(|(slot, before)| rows.verdict_log.push((*slot, before)));
        }
        if let Some(raw) = rows.raw.as_mut().and_then(Answers::by_slot) {
            let before: Vec<i64> = slots.iter().map(|slot| raw[slot.index()]).collect();
            self.runner.score_slots(&self.state, cluster, &mut slots.iter().copied(), raw);
            let changed = slots.iter().zip(before).filter(|(slot, before)| raw[slot.index()] != *before);
            changed.for_each(|(slot, before)| rows.raw_log.push((*slot, before)));
        }
        rows.measure(Some(slots), cluster);
        if let Some(burdens) = &mut rows.burdens {
            for slot in slots {
                burdens[slot.index()] = self.runner.burden(&self.state, *slot, cluster);
            }
        }
    }
}

/// Notes the slots whose answer changed; when they are many, that all did.
fn note<T: Copy + PartialEq>(before: &[T], now: &[T], log: &mut ChangeLog<(Slot, T)>) {
    let changed = || before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now);
    if before.len() != now.len() || changed().count() > now.len() / 4 {
        log.invalidate();
    } else {
        changed().for_each(|(slot, (before, _))| log.push((Slot(slot as u32), *before)));
    }
}
