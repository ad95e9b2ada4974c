//! Columns: for each (plugin object, key) the plugin's state, and its verdict and raw score for every node.
//!
//! A column is brought up to date only when a decision needs it, and only for the nodes that changed since. What it holds
//! always equals what the plugin would answer now; that it is kept shows in speed alone.

use std::sync::Arc;

use loadline_framework::erased::{BoxedState, ErasedPrepared, KeyId, NodeRunner};
use loadline_framework::{Cluster, Normalization, Reads, Slot, Touched, Verdict};
use loadline_model::{Map, PodInfo};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::log::ChangeLog;
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

/// Answers by slot.
pub(crate) struct Rows {
    /// Empty when the plugin does not filter for this key.
    pub(crate) verdicts: Vec<Verdict>,
    /// Empty when the plugin does not score nodes one by one for this key.
    pub(crate) raw: Vec<i64>,
    /// Slots whose verdict changed.
    pub(crate) verdict_log: ChangeLog<Slot>,
    /// Slots whose raw score changed.
    pub(crate) raw_log: ChangeLog<Slot>,
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
        self.scores && !matches!(self.runner.normalization(), Normalization::Whole)
    }

    fn bytes(&self) -> usize {
        // States are of the order of their rows; their own size can not be asked for.
        self.rows.as_ref().map_or(256, |rows| 256 + rows.verdicts.len() * 8 + rows.raw.len() * 16)
    }
}

/// All columns that are kept.
#[derive(Default)]
pub(crate) struct ColumnStore {
    columns: Vec<Option<Column>>,
    free: Vec<u32>,
    ids: Map<ColumnKey, ColumnId>,
    clock: u64,
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

    /// Computes the answers for all nodes, if that was not done yet.
    pub(crate) fn fill(&mut self, id: ColumnId, cluster: &ClusterState) {
        let column = self.columns[id.0 as usize].as_mut().expect("a column outlives the classes that use it");
        if column.rows.is_some() {
            return;
        }
        let slots = cluster.nodes().len();
        let mut rows = Rows {
            verdicts: vec![Verdict::PASS; if column.filters { slots } else { 0 }],
            raw: vec![0; if column.scores_by_node() { slots } else { 0 }],
            verdict_log: ChangeLog::new(1024.max(slots / 4)),
            raw_log: ChangeLog::new(1024.max(slots / 4)),
        };
        column.answer_all(&mut rows, cluster, self.pool.as_deref());
        column.rows = Some(rows);
    }

    /// Brings a column up to date.
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
        let mut all = false;
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
        match touched {
            Touched::None => {}
            Touched::Slots(slots) => changed.extend(slots),
            Touched::All => all = true,
        }
        let slots = cluster.nodes().len();
        if !rows.verdicts.is_empty() || column.filters {
            rows.verdicts.resize(slots, Verdict::PASS);
        }
        if !rows.raw.is_empty() || column.scores_by_node() {
            rows.raw.resize(slots, 0);
        }
        if all || changed.len() > slots / 2 {
            column.answer_all(&mut rows, cluster, self.pool.as_deref());
        } else if !changed.is_empty() {
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

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl Column {
    fn answer_all(&self, rows: &mut Rows, cluster: &ClusterState, pool: Option<&ThreadPool>) {
        let (verdicts, raw) = (rows.verdicts.clone(), rows.raw.clone());
        let pool = pool.filter(|_| cluster.nodes().len() >= WORTH_THREADS);
        let first = |piece: usize| Slot((piece * PIECE) as u32);
        if let Some(pool) = pool {
            pool.install(|| {
                rows.verdicts.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| {
                    self.runner.filter_range(&self.state, cluster, first(piece), out);
                });
                rows.raw.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| {
                    self.runner.score_range(&self.state, cluster, first(piece), out);
                });
            });
        } else {
            self.runner.filter_range(&self.state, cluster, Slot(0), &mut rows.verdicts);
            self.runner.score_range(&self.state, cluster, Slot(0), &mut rows.raw);
        }
        note(&verdicts, &rows.verdicts, &mut rows.verdict_log);
        note(&raw, &rows.raw, &mut rows.raw_log);
    }

    fn answer(&self, rows: &mut Rows, slots: &[Slot], cluster: &ClusterState) {
        let before: Vec<(Verdict, i64)> = slots
            .iter()
            .map(|slot| {
                let verdict = rows.verdicts.get(slot.index()).copied().unwrap_or_default();
                (verdict, rows.raw.get(slot.index()).copied().unwrap_or(0))
            })
            .collect();
        if !rows.verdicts.is_empty() {
            self.runner.filter_slots(&self.state, cluster, &mut slots.iter().copied(), &mut rows.verdicts);
        }
        if !rows.raw.is_empty() {
            self.runner.score_slots(&self.state, cluster, &mut slots.iter().copied(), &mut rows.raw);
        }
        for (slot, (verdict, score)) in slots.iter().zip(before) {
            if rows.verdicts.get(slot.index()).is_some_and(|now| *now != verdict) {
                rows.verdict_log.push(*slot);
            }
            if rows.raw.get(slot.index()).is_some_and(|now| *now != score) {
                rows.raw_log.push(*slot);
            }
        }
    }
}

/// Notes the slots whose answer changed; when they are many, that all did.
fn note<T: PartialEq>(before: &[T], now: &[T], log: &mut ChangeLog<Slot>) {
    let changed = || before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now);
    if before.len() != now.len() || changed().count() > now.len() / 4 {
        log.invalidate();
    } else {
        changed().for_each(|(slot, _)| log.push(Slot(slot as u32)));
    }
}
