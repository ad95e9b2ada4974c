//! Whoever keeps something that was made of the state goes by its logs and generations. This one does nothing else, and
//! sees whether a change is missing there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_engine::state::ClusterState;
use loadline_framework::{Cluster, DomainId, Prepare, Slot};
use loadline_model::{NodeInfo, Str};

use crate::snapshot::{Questions, assert_same};

/// One who reads the logs instead of the state, and must not miss a change.
#[derive(Default)]
pub(crate) struct Reader {
    spec: u64,
    load: u64,
    images: u64,
    generation: u64,
    spec_generation: u64,
    image_generation: u64,
    image_states: BTreeMap<Str, (i64, usize)>,
    nodes: BTreeMap<Slot, Arc<NodeInfo>>,
    counts: BTreeMap<u32, (u64, BTreeMap<Slot, u32>)>,
    topologies: BTreeMap<u32, (u64, Vec<DomainId>)>,
}

impl Reader {
    /// Reads what is new, and compares it with what changed.
    pub(crate) fn read(&mut self, state: &mut ClusterState, questions: &Questions) {
        let slots = |log: Option<&[Slot]>| log.map(|slots| slots.iter().copied().collect::<BTreeSet<_>>());
        let spec = slots(state.spec_log().since(self.spec));
        let load = slots(state.load_log().since(self.load));
        let images = slots(state.image_log().since(self.images));
        let logged = |log: &Option<BTreeSet<Slot>>, slot| log.as_ref().is_none_or(|slots| slots.contains(&slot));
        let nodes: BTreeMap<Slot, Arc<NodeInfo>> = state
            .node_infos()
            .map(|info| (state.slot(&info.spec.name).expect("a node has a slot"), info.clone()))
            .collect();
        let all: BTreeSet<Slot> = nodes.keys().chain(self.nodes.keys()).copied().collect();
        for slot in all {
            let (old, new) = (self.nodes.get(&slot), nodes.get(&slot));
            let of_spec = |info: &Arc<NodeInfo>| {
                let spec = info.spec.clone();
                (
                    spec.name.clone(),
                    spec.labels.clone(),
                    spec.taints.clone(),
                    spec.unschedulable,
                    spec.declared_features.clone(),
                )
            };
            let of_load =
                |info: &Arc<NodeInfo>| (info.spec.allocatable.clone(), info.spec.allowed_pods, info.load.clone());
            let changed_spec = old.map(of_spec) != new.map(of_spec);
            assert!(!changed_spec || logged(&spec, slot), "a change of the spec in {slot:?} is not logged");
            assert!(!changed_spec || state.spec_generation() > self.spec_generation);
            let changed_load = old.map(of_load) != new.map(of_load);
            assert!(!changed_load || logged(&load, slot), "a change of the load in {slot:?} is not logged");
            let changed_images = old.map(|info| &info.spec.images) != new.map(|info| &info.spec.images);
            assert!(!changed_images || logged(&images, slot), "a change of images in {slot:?} is not logged");
            if let (Some(old), Some(new)) = (old, new) {
                let same = old.spec == new.spec && old.pods == new.pods;
                assert!(same || new.generation > old.generation, "{slot:?} changed within a generation");
            }
            assert!(!(changed_spec || changed_load) || state.generation() > self.generation);
        }
        let names = nodes.values().flat_map(|info| info.spec.images.iter().map(|image| image.name.clone()));
        let states = names.map(|name| {
            let image = state.image(&name).expect("a node has the image");
            (name, (image.size, image.nodes))
        });
        let states: BTreeMap<Str, (i64, usize)> = states.collect();
        let same = states == self.image_states && nodes.len() == self.nodes.len();
        assert!(same || state.image_generation() > self.image_generation, "images changed within a generation");
        for query in &questions.queries {
            let id = state.track(query);
            let counts = state.counts(id);
            let now: BTreeMap<Slot, u32> = counts.by_slot().collect();
            if let Some((position, mut followed)) = self.counts.remove(&id.0)
                && let Some(changes) = counts.since(position)
            {
                for (slot, by) in changes {
                    let on = followed.entry(*slot).or_insert(0);
                    *on = on.checked_add_signed(*by).expect("a pod is counted in before it is counted out");
                }
                followed.retain(|_, on| *on > 0);
                assert_same("the log of a count", &followed, &now);
            }
            self.counts.insert(id.0, (counts.position(), now));
        }
        for key in &questions.topologies {
            let id = Prepare::topology(state, key);
            let topology = Cluster::topology(state, id);
            // A slot beyond the end is in no domain.
            let mut domains = topology.domain_of.clone();
            domains.truncate(domains.iter().rposition(|domain| *domain != DomainId::NONE).map_or(0, |last| last + 1));
            if let Some((generation, before)) = self.topologies.get(&id.0) {
                let same = *before == domains;
                assert!(same || topology.generation > *generation, "{key} changed within a generation");
            }
            self.topologies.insert(id.0, (topology.generation, domains));
        }
        self.spec = state.spec_log().position();
        self.load = state.load_log().position();
        self.images = state.image_log().position();
        self.generation = state.generation();
        self.spec_generation = state.spec_generation();
        self.image_generation = state.image_generation();
        self.image_states = states;
        self.nodes = nodes;
    }
}
