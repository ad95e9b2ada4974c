//! PreFilter, Filter and Score of one pod over the cluster: through a [`Class`] when all nodes are looked at, node by node
//! when PreFilter narrowed them to a few or only a share of them is wanted.

use loadline_framework::{Cluster, Code, NodeView, Normalization, Profile, Reads, Score, Slot, Status, Verdict};
use loadline_model::{Map, PodInfo, Str};
use smallvec::SmallVec;

use crate::class::{Class, Member, Sources, with_nominated};
use crate::columns::{ColumnId, ColumnStore};
use crate::extended::Extended;
use crate::nominator::Nominator;
use crate::state::ClusterState;

/// A class of a [`ClassStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassId(u32);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ClassKey {
    profile: usize,
    columns: SmallVec<[Option<ColumnId>; 16]>,
    nominated_from: Option<i32>,
}

/// Classes that are kept.
#[derive(Default)]
pub(crate) struct ClassStore {
    classes: Vec<Option<Class>>,
    free: Vec<u32>,
    ids: Map<ClassKey, ClassId>,
    clock: u64,
}

impl ClassStore {
    pub(crate) fn get(&self, id: ClassId) -> &Class {
        self.classes[id.0 as usize].as_ref().expect("a class is dropped only between decisions")
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn uses(&self, column: ColumnId) -> bool {
        self.classes.iter().flatten().any(|class| class.columns().any(|c| c == column))
    }

    /// Forgets classes until at most `budget` bytes are kept, the longest unused first, and never `but`.
    pub(crate) fn shrink(&mut self, budget: usize, but: Option<ClassId>) {
        let total: usize = self.classes.iter().flatten().map(Class::bytes).sum();
        if total <= budget {
            return;
        }
        let mut excess = total - budget;
        let mut by_age: Vec<(u64, ClassKey, ClassId)> =
            self.ids.iter().map(|(key, id)| (self.get(*id).last_used, key.clone(), *id)).collect();
        by_age.sort_unstable_by_key(|(last_used, _, id)| (*last_used, id.0));
        for (_, key, id) in by_age {
            if excess == 0 || Some(id) == but {
                break;
            }
            if let Some(class) = self.classes[id.0 as usize].take() {
                excess = excess.saturating_sub(class.bytes());
                self.ids.remove(&key);
                self.free.push(id.0);
            }
        }
    }

    fn open(&mut self, key: ClassKey, make: impl FnOnce() -> Class) -> ClassId {
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self.free.pop().map_or_else(
            || {
                self.classes.push(None);
                ClassId(self.classes.len() as u32 - 1)
            },
            ClassId,
        );
        self.classes[id.0 as usize] = Some(make());
        self.ids.insert(key, id);
        id
    }
}

/// A node set that PreFilter narrowed to.
#[derive(Debug)]
pub(crate) struct Narrowed {
    /// The first of the plugins that narrowed, by name: it is who turned down the nodes outside.
    pub(crate) by: &'static str,
    /// Plugins that the message about those nodes names, by name: those that narrowed, and the one that turned the nominated
    /// node down, as in kube-scheduler.
    pub(crate) plugins: Vec<&'static str>,
    /// Nodes of the set that exist.
    pub(crate) slots: Vec<Slot>,
}

/// PreFilter turned the pod down.
#[derive(Debug)]
pub(crate) struct Early {
    /// Its status.
    pub(crate) status: Status,
    /// The plugins that it is put down to.
    pub(crate) plugins: Vec<&'static str>,
    /// Index in the profile's PreFilter list of the first plugin that was not reached.
    pub(crate) reached: usize,
}

/// Nodes judged one by one.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) filters: Vec<Member>,
    pub(crate) scores: Vec<Member>,
    /// Judged nodes, in visiting order, with the filter (index in `filters`) that turned each down.
    pub(crate) judged: Vec<(Slot, Option<(usize, Verdict)>)>,
    /// The status of all other nodes, when PreFilter narrowed.
    pub(crate) narrowed: Option<Narrowed>,
    /// For each score plugin that scored: the scores of the feasible nodes, in the order of `judged`.
    pub(crate) scored: Vec<(Member, Vec<Score>)>,
    /// What extenders said, if any was asked.
    pub(crate) extended: Option<Box<Extended>>,
}

impl Direct {
    /// The same nodes one by one; without scores.
    pub(crate) fn of_class(class: &Class, sources: Sources<'_>) -> Self {
        let order = sources.cluster.order().by_name().iter().enumerate();
        Self {
            filters: class.filters().to_vec(),
            scores: class.scorers().collect(),
            judged: order.map(|(rank, slot)| (*slot, class.rejection(rank, sources))).collect(),
            narrowed: None,
            scored: Vec::new(),
            extended: None,
        }
    }

    pub(crate) fn feasible(&self) -> impl Iterator<Item = Slot> + '_ {
        let passed = self.judged.iter().filter(|(_, rejection)| rejection.is_none()).map(|(slot, _)| *slot);
        passed.filter(|slot| self.extended.as_ref().is_none_or(|extended| extended.dropped_by(*slot).is_none()))
    }

    /// Totals in the order of [`Direct::feasible`].
    pub(crate) fn totals(&self) -> Vec<i64> {
        let mut totals = vec![0; self.feasible().count()];
        for (member, scores) in &self.scored {
            for (total, score) in totals.iter_mut().zip(scores) {
                *total += member.weight * score.normalized;
            }
        }
        if let Some(extended) = &self.extended {
            for (total, slot) in totals.iter_mut().zip(self.feasible()) {
                *total = total.wrapping_add(extended.total(slot));
            }
        }
        totals
    }
}

/// What PreFilter, Filter and Score found.
#[derive(Debug)]
pub(crate) enum Evaluation {
    /// PreFilter turned the pod down.
    Early(Early),
    /// All nodes.
    Class(ClassId),
    /// Some of them.
    Direct(Direct),
}

/// What is kept between decisions.
pub(crate) struct Kept {
    pub(crate) columns: ColumnStore,
    pub(crate) classes: ClassStore,
}

/// One evaluation's inputs.
pub(crate) struct Request<'a> {
    pub(crate) profile: &'a Profile,
    /// The profile's number in the configuration.
    pub(crate) profile_index: usize,
    pub(crate) pod: &'a PodInfo,
}

/// The columns of one pod: for each plugin of the profile, if it has something to say.
pub(crate) struct Opened {
    pub(crate) columns: SmallVec<[Option<ColumnId>; 16]>,
    pub(crate) narrowed: Option<Narrowed>,
}

impl Kept {
    pub(crate) fn new(pool: Option<std::sync::Arc<rayon::ThreadPool>>) -> Self {
        Self { columns: ColumnStore::new(pool), classes: ClassStore::default() }
    }

    /// Runs PreFilter: opens the columns of `pod`. `Err`: it was turned down.
    pub(crate) fn pre_filter(&mut self, request: &Request<'_>, cluster: &mut ClusterState) -> Result<Opened, Early> {
        // Columns read the order of the nodes and their real use, and ask only once about what changed.
        cluster.settle();
        let Request { profile, profile_index, pod } = *request;
        let mut columns: SmallVec<[Option<ColumnId>; 16]> = SmallVec::from_elem(None, profile.plugins.len());
        let mut names: Option<Vec<Str>> = None;
        let mut narrowing: Vec<&'static str> = Vec::new();
        let mut rejected: Option<Early> = None;
        let mut done: SmallVec<[bool; 32]> = SmallVec::from_elem(false, profile.plugins.len());
        for (at, plugin) in profile.pre_filter.iter().copied().enumerate() {
            let Some(runner) = &profile.plugins[plugin].plugin.node else {
                continue;
            };
            done[plugin] = true;
            let key = match runner.key(pod, cluster) {
                Ok(key) => key,
                Err(status) => {
                    let ends = status.code != Code::Unschedulable;
                    let early =
                        Early { status, plugins: vec![profile.name(plugin)], reached: profile.pre_filter.len() };
                    if ends {
                        return Err(Early { reached: at + 1, ..early });
                    }
                    rejected = Some(early);
                    continue;
                }
            };
            if let Some(wanted) = runner.narrow(pod) {
                narrowing.push(profile.name(plugin));
                let merged = match names.take() {
                    None => wanted,
                    Some(before) => before.into_iter().filter(|name| wanted.binary_search(name).is_ok()).collect(),
                };
                if merged.is_empty() {
                    narrowing.sort_unstable();
                    let message = if let [one] = narrowing[..] {
                        format!("node(s) didn't satisfy plugin {one}")
                    } else {
                        format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", narrowing.join(" "))
                    };
                    return Err(Early { status: Status::unresolvable(message), plugins: narrowing, reached: at + 1 });
                }
                names = Some(merged);
            }
            if let Some(key) = key {
                columns[plugin] =
                    Some(self.columns.open(column_owner(profile_index, plugin), runner, key, pod, cluster));
            }
        }
        if let Some(early) = rejected {
            return Err(early);
        }
        // Plugins without PreFilter prepare what they need when they are first asked.
        let others = profile.filter.iter().chain(&profile.pre_score).copied();
        let others = others.chain(profile.score.iter().map(|score| score.plugin));
        for plugin in others {
            if std::mem::replace(&mut done[plugin], true) {
                continue;
            }
            let Some(runner) = &profile.plugins[plugin].plugin.node else {
                continue;
            };
            match runner.key(pod, cluster) {
                Ok(Some(key)) => {
                    columns[plugin] =
                        Some(self.columns.open(column_owner(profile_index, plugin), runner, key, pod, cluster));
                }
                Ok(None) => {}
                Err(status) => {
                    let plugins = vec![profile.name(plugin)];
                    return Err(Early { status, plugins, reached: profile.pre_filter.len() });
                }
            }
        }
        let narrowed = names.map(|names| {
            narrowing.sort_unstable();
            let slots = names.iter().filter_map(|name| cluster.slot(name)).collect();
            Narrowed { by: narrowing.first().copied().unwrap_or_default(), plugins: narrowing, slots }
        });
        Ok(Opened { columns, narrowed })
    }

    /// The first plugin of the profile whose PreScore fails, and its error.
    pub(crate) fn pre_score_error(&self, profile: &Profile, opened: &Opened) -> Option<(usize, String)> {
        profile.pre_score.iter().find_map(|plugin| {
            let column = self.columns.get(opened.columns[*plugin]?);
            Some((*plugin, column.runner.pre_score_error(&column.state)?))
        })
    }

    /// Filters and scores all nodes.
    pub(crate) fn all_nodes(
        &mut self,
        request: &Request<'_>,
        opened: &Opened,
        cluster: &ClusterState,
        nominator: &Nominator,
    ) -> ClassId {
        let counts_nominated = nominator.max_priority().is_some_and(|highest| highest >= request.pod.priority);
        let key = ClassKey {
            profile: request.profile_index,
            columns: opened.columns.clone(),
            nominated_from: counts_nominated.then_some(request.pod.priority),
        };
        let id = self.classes.open(key, || {
            let (filters, scores) = self.columns.members(request.profile, opened);
            Class::new(filters, scores, counts_nominated.then_some(request.pod.priority))
        });
        self.classes.clock += 1;
        let class = self.classes.classes[id.0 as usize].as_mut().expect("opened just now");
        class.last_used = self.classes.clock;
        for column in class.columns().collect::<SmallVec<[ColumnId; 16]>>() {
            self.columns.fill(column, cluster);
        }
        class.sync(Sources { cluster, columns: &self.columns, nominator });
        id
    }

    /// Filters one node, nominated pods considered.
    pub(crate) fn one_node(
        request: &Request<'_>,
        filters: &[Member],
        slot: Slot,
        sources: Sources<'_>,
    ) -> Option<(usize, Verdict)> {
        let pod = request.pod;
        let rejection = with_nominated(filters, sources, slot, pod.priority, Some(&pod.uid));
        if rejection.is_some() {
            return rejection;
        }
        let info = sources.cluster.nodes()[slot.index()].as_deref()?;
        let view = NodeView::new(sources.cluster, slot, info, Reads::NOTHING);
        filters.iter().enumerate().find_map(|(index, member)| {
            let column = sources.columns.get(member.column);
            let verdict = column.runner.filter(&column.state, &view);
            (!verdict.passes()).then_some((index, verdict))
        })
    }

    /// Filters these nodes in order until `limit` are feasible, and scores those.
    pub(crate) fn some_nodes(
        &self,
        request: &Request<'_>,
        opened: Opened,
        slots: impl Iterator<Item = Slot>,
        limit: usize,
        sources: Sources<'_>,
    ) -> Direct {
        let (filters, scores) = self.columns.members(request.profile, &opened);
        let mut judged = Vec::new();
        let mut found = 0;
        for slot in slots {
            if found == limit {
                break;
            }
            let rejection = Self::one_node(request, &filters, slot, sources);
            found += usize::from(rejection.is_none());
            judged.push((slot, rejection));
        }
        let mut direct =
            Direct { filters, scores, judged, narrowed: opened.narrowed, scored: Vec::new(), extended: None };
        let feasible: Vec<Slot> = direct.feasible().collect();
        if !feasible.is_empty() {
            direct.scored = score_set(&direct.scores, &feasible, sources);
        }
        direct
    }

    /// The filters and scorers that have something to say.
    pub(crate) fn members(&self, profile: &Profile, opened: &Opened) -> (Vec<Member>, Vec<Member>) {
        self.columns.members(profile, opened)
    }
}

/// Columns belong to a plugin of a profile: two profiles may give it different arguments.
fn column_owner(profile_index: usize, plugin: usize) -> usize {
    (profile_index << 16) | plugin
}

impl ColumnStore {
    fn members(&self, profile: &Profile, opened: &Opened) -> (Vec<Member>, Vec<Member>) {
        let member =
            |plugin: usize, weight: i64| opened.columns[plugin].map(|column| Member { plugin, column, weight });
        let filters = profile.filter.iter().filter_map(|plugin| member(*plugin, 0));
        let filters = filters.filter(|member| self.get(member.column).filters).collect();
        let scores = profile.score.iter().filter_map(|score| member(score.plugin, score.weight)).collect();
        (filters, scores)
    }
}

/// Scores of a set of nodes, by the plugins that score this pod.
pub(crate) fn score_set(members: &[Member], feasible: &[Slot], sources: Sources<'_>) -> Vec<(Member, Vec<Score>)> {
    let scoring = members.iter().filter(|member| sources.columns.get(member.column).scores());
    scoring
        .map(|member| {
            let column = sources.columns.get(member.column);
            let mut raw = vec![0; feasible.len()];
            if matches!(column.runner.normalization(), Normalization::Whole(_)) {
                column.runner.score_feasible(&column.state, feasible, sources.cluster, &mut raw);
            } else {
                for (slot, raw) in feasible.iter().zip(&mut raw) {
                    if let Some(info) = sources.cluster.nodes()[slot.index()].as_deref() {
                        let view = NodeView::new(sources.cluster, *slot, info, Reads::NOTHING);
                        *raw = column.runner.score(&column.state, &view);
                    }
                }
            }
            (*member, column.runner.normalization().apply(&raw))
        })
        .collect()
}

/// How many feasible nodes are looked for: all, unless the profile sets a share.
pub(crate) fn nodes_to_find(profile: &Profile, nodes: usize) -> usize {
    /// kube-scheduler never stops below this number.
    const AT_LEAST: usize = 100;
    match profile.percentage_of_nodes_to_score {
        Some(percentage @ 1..) if nodes >= AT_LEAST => {
            (nodes * percentage.unsigned_abs() as usize / 100).clamp(AT_LEAST, nodes.max(AT_LEAST))
        }
        _ => nodes,
    }
}
