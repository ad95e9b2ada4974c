//! Random clusters, against the rules written down as directly as possible: maps of (topology key, value) pairs, no
//! state, everything counted anew.

use std::collections::BTreeMap;

use loadline_framework::Cluster;
use loadline_model::{Labels, NodeInfo, Str};
use proptest::prelude::*;

use super::*;
use crate::testing::labels;
use crate::tracking::testing::{self as tracking, Column, Run, Step};

const NODES: usize = 5;

type Pairs = BTreeMap<(Str, Str), i64>;

fn any_labels() -> impl Strategy<Value = Arc<Labels>> {
    (0..3_u8, 0..2_u8).prop_map(|(app, tier)| labels(&[("app", &app.to_string()), ("tier", &tier.to_string())]))
}

fn any_namespace() -> impl Strategy<Value = Str> {
    prop_oneof![4 => Just("default".into()), 1 => Just("other".into())]
}

fn any_term() -> impl Strategy<Value = PodAffinityTerm> {
    let is = |key: &str, value: &str| Selector::from_pairs([(&key.into(), &value.into())]);
    let selector = prop_oneof![
        1 => Just(Selector::Nothing),
        1 => Just(Selector::All(Box::default())),
        4 => (0..3_u8).prop_map(move |app| is("app", &app.to_string())),
        3 => (0..2_u8).prop_map(move |tier| is("tier", &tier.to_string())),
    ];
    let namespaces = prop_oneof![
        3 => Just((vec!["default"], Selector::Nothing)),
        1 => Just((vec!["other"], Selector::Nothing)),
        1 => Just((vec![], is("env", "other"))),
        1 => Just((vec![], Selector::All(Box::default()))),
    ];
    (selector, namespaces, prop::sample::select(vec!["zone", "host", "rack"])).prop_map(
        |(selector, (names, namespace_selector), topology_key)| PodAffinityTerm {
            pods: PodMatcher {
                namespaces: NamespaceMatch {
                    names: names.into_iter().map(Str::from).collect(),
                    selector: namespace_selector,
                },
                selector,
            },
            topology_key: topology_key.into(),
        },
    )
}

fn any_affinity() -> impl Strategy<Value = Affinity> {
    let terms = || prop::collection::vec(any_term(), 0..3);
    let preferred = || prop::collection::vec((1..4, any_term()).prop_map(|(w, term)| weighted(w, term)), 0..2);
    (terms(), terms(), preferred(), preferred()).prop_map(|(required, anti, fond, shy)| Affinity {
        pod_required: required.into(),
        anti_required: anti.into(),
        pod_preferred: fond.into(),
        anti_preferred: shy.into(),
        ..Affinity::default()
    })
}

fn any_pod() -> impl Strategy<Value = PodInfo> {
    let affinity = prop::option::weighted(0.4, any_affinity());
    (any_labels(), any_namespace(), affinity, any::<bool>()).prop_map(|(labels, namespace, affinity, terminating)| {
        PodInfo {
            namespace,
            labels,
            affinity: affinity.map(Arc::new),
            deleted: terminating.then_some(1),
            ..PodInfo::default()
        }
    })
}

fn any_node(name: usize) -> impl Strategy<Value = NodeSpec> {
    let value = || prop::option::weighted(0.8, prop::sample::select(vec!["", "1", "2"]));
    (value(), value(), any::<bool>()).prop_map(move |(zone, rack, host)| {
        let name = format!("n{name}");
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(zone.map(|zone| ("zone", zone)));
        pairs.extend(rack.map(|rack| ("rack", rack)));
        pairs.extend(host.then_some(("host", name.as_str())));
        node(&name, &pairs)
    })
}

fn any_nodes() -> impl Strategy<Value = Vec<NodeSpec>> {
    (0..NODES).map(any_node).collect::<Vec<_>>()
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    tracking::any_steps(20, NODES, any_pod, any_node)
}

fn run(nodes: Vec<NodeSpec>) -> Run {
    let mut run = Run::new(nodes);
    run.cluster.set_namespace("other", &[("env", "other")]);
    run
}

/// The rules for one pod.
struct Rules<'a> {
    pod: &'a PodInfo,
    cluster: &'a FakeCluster,
}

fn add(pairs: &mut Pairs, node: &NodeSpec, key: &Str, by: i64) {
    if let Some(value) = node.labels.get(key) {
        let pair = (key.clone(), value.clone());
        let count = pairs.entry(pair.clone()).or_default();
        *count += by;
        if *count == 0 {
            pairs.remove(&pair);
        }
    }
}

impl Rules<'_> {
    fn means(&self, term: &PodAffinityTerm, pod: &PodInfo) -> bool {
        term.pods.matches(&pod.namespace, self.cluster.namespace_labels(&pod.namespace), &pod.labels)
    }

    fn all_mean(&self, terms: &[PodAffinityTerm], pod: &PodInfo) -> bool {
        !terms.is_empty() && terms.iter().all(|term| self.means(term, pod))
    }

    fn own(&self) -> Affinity {
        self.pod.affinity.as_deref().cloned().unwrap_or_default()
    }

    fn infos(&self) -> Vec<&NodeInfo> {
        self.cluster.slots().into_iter().map(|slot| self.cluster.info(slot)).collect()
    }

    /// Counts a pod on a node in or out: affinity, anti-affinity, others' anti-affinity.
    fn count(&self, counts: &mut [Pairs; 3], node: &NodeSpec, pod: &PodInfo, by: i64) {
        let own = self.own();
        if self.all_mean(&own.pod_required, pod) {
            own.pod_required.iter().for_each(|term| add(&mut counts[0], node, &term.topology_key, by));
        }
        for term in own.anti_required.iter().filter(|term| self.means(term, pod)) {
            add(&mut counts[1], node, &term.topology_key, by);
        }
        for term in pod.pod_affinity().into_iter().flat_map(|affinity| &affinity.anti_required) {
            if self.means(term, self.pod) {
                add(&mut counts[2], node, &term.topology_key, by);
            }
        }
    }

    fn filter(&self, slot: Slot, delta: &NodeDelta) -> Code {
        let own = self.own();
        let mut counts: [Pairs; 3] = Default::default();
        for info in self.infos() {
            info.pods.iter().for_each(|pod| self.count(&mut counts, &info.spec, pod, 1));
        }
        if own.pod_required.is_empty() && own.anti_required.is_empty() && counts[2].is_empty() {
            return OK;
        }
        let node = &self.cluster.info(slot).spec;
        delta.added.iter().for_each(|pod| self.count(&mut counts, node, pod, 1));
        delta.removed.iter().for_each(|pod| self.count(&mut counts, node, pod, -1));
        let [affinity, anti, existing] = &counts;
        let at = |pairs: &Pairs, key: &Str| {
            let value = node.labels.get(key)?;
            Some(pairs.get(&(key.clone(), value.clone())).copied().unwrap_or(0))
        };
        let required = || own.pod_required.iter().map(|term| at(affinity, &term.topology_key));
        if required().any(|count| count.is_none()) {
            return NEVER;
        }
        let first = affinity.is_empty() && self.all_mean(&own.pod_required, self.pod);
        if required().any(|count| count <= Some(0)) && !first {
            return NEVER;
        }
        let hated = own.anti_required.iter().any(|term| at(anti, &term.topology_key) > Some(0));
        let hates = node.labels.iter().any(|(key, _)| at(existing, key) > Some(0));
        if hated || hates { NO } else { OK }
    }

    fn score(&self, args: Arguments) -> Option<Vec<i64>> {
        let own = self.own();
        let prefers = !own.pod_preferred.is_empty() || !own.anti_preferred.is_empty();
        if args.ignore_preferred_terms_of_existing_pods && !prefers {
            return None;
        }
        let hard = args.hard_pod_affinity_weight;
        let mut scores = Pairs::new();
        let mut credit = |node: &NodeSpec, term: &PodAffinityTerm, pod: &PodInfo, weight: i32| {
            if let Some(value) = node.labels.get(&term.topology_key).filter(|_| self.means(term, pod)) {
                *scores.entry((term.topology_key.clone(), value.clone())).or_default() += i64::from(weight);
            }
        };
        for info in self.infos() {
            for pod in &info.pods {
                let theirs = pod.affinity.as_deref().cloned().unwrap_or_default();
                own.pod_preferred.iter().for_each(|w| credit(&info.spec, &w.term, pod, w.weight));
                own.anti_preferred.iter().for_each(|w| credit(&info.spec, &w.term, pod, -w.weight));
                if hard > 0 {
                    theirs.pod_required.iter().for_each(|term| credit(&info.spec, term, self.pod, hard));
                }
                theirs.pod_preferred.iter().for_each(|w| credit(&info.spec, &w.term, self.pod, w.weight));
                theirs.anti_preferred.iter().for_each(|w| credit(&info.spec, &w.term, self.pod, -w.weight));
            }
        }
        let score = |info: &&NodeInfo| {
            let pairs = info.spec.labels.iter().map(|(key, value)| scores.get(&(key.clone(), value.clone())));
            pairs.flatten().sum()
        };
        (!scores.is_empty()).then(|| self.infos().iter().map(score).collect())
    }
}

fn any_args() -> impl Strategy<Value = Arguments> {
    (0..3, any::<bool>()).prop_map(|(hard_pod_affinity_weight, ignore_preferred_terms_of_existing_pods)| Arguments {
        hard_pod_affinity_weight,
        ignore_preferred_terms_of_existing_pods,
    })
}

proptest! {
    #[test]
    fn fresh_answers_are_as_the_rules_have_it(
        nodes in any_nodes(), pod in any_pod(), steps in any_steps(), arguments in any_args(),
    ) {
        let plugin = InterPodAffinity { arguments };
        let mut run = run(nodes);
        for step in steps {
            run.take(step);
        }
        let answers = run.cluster.filter(&plugin, &pod).unwrap();
        let scores = run.cluster.scores(&plugin, &pod);
        let rules = Rules { pod: &pod, cluster: &run.cluster };
        for (slot, answer) in run.cluster.slots().into_iter().zip(answers) {
            prop_assert_eq!(answer.code, rules.filter(slot, &NodeDelta::default()), "{:?}", slot);
        }
        let raw = scores.map(|scores| scores.iter().map(|score| score.raw).collect::<Vec<_>>());
        prop_assert_eq!(raw, rules.score(arguments));
    }

    #[test]
    fn a_state_that_catches_up_answers_as_a_fresh_one(
        nodes in any_nodes(), pod in any_pod(), known in any_steps(), steps in any_steps(), arguments in any_args(),
    ) {
        let plugin = InterPodAffinity { arguments };
        let mut run = run(nodes);
        for step in known.iter().cloned() {
            run.take(step);
        }
        let key = plugin.key(&pod, &mut run.cluster).unwrap();
        let Some(mut column) = Column::new(&plugin, &mut run.cluster, &pod) else { return Ok(()) };
        for step in steps {
            run.take(step);
            column.sync(&run.cluster);
            // A term that is new to the cluster makes another key, and this state is not asked for it.
            if plugin.key(&pod, &mut run.cluster).unwrap() == key {
                prop_assert!(column.is_current(&mut run.cluster, &pod));
            }
        }
    }

    #[test]
    fn a_thought_experiment_is_judged_as_the_rules_have_it(
        nodes in any_nodes(), pod in any_pod(), steps in any_steps(),
        added in prop::collection::vec(any_pod(), 0..4), removed in 0..4_usize,
    ) {
        let plugin = by_default();
        let mut run = run(nodes);
        for step in steps {
            run.take(step);
        }
        run.cluster.thought_of.clone_from(&added);
        let state = run.cluster.state(&plugin, &pod);
        let rules = Rules { pod: &pod, cluster: &run.cluster };
        for slot in run.cluster.slots() {
            let delta = run.delta(slot, &added, removed);
            let expected = rules.filter(slot, &delta);
            let code = state.as_ref().map_or(OK, |state| run.cluster.answer(&plugin, state, slot, Some(&delta)).code);
            prop_assert_eq!(code, expected, "{:?}", slot);
        }
    }

    /// Where PreFilter does not say Skip before the pods are there.
    #[test]
    fn a_thought_experiment_equals_the_real_thing(
        nodes in any_nodes(), pod in any_pod(), steps in any_steps(),
        added in prop::collection::vec(any_pod(), 0..4), removed in 0..4_usize, slot in 0..NODES,
    ) {
        let plugin = by_default();
        let mut run = run(nodes);
        for step in steps {
            run.take(step);
        }
        let Some(slot) = run.cluster.slots().into_iter().cycle().nth(slot) else { return Ok(()) };
        let added: Vec<PodInfo> = added.into_iter().map(|pod| run.named(pod)).collect();
        run.cluster.thought_of.clone_from(&added);
        let Some(state) = run.cluster.state(&plugin, &pod).filter(State::filters_now) else { return Ok(()) };
        let delta = run.delta(slot, &added, removed);
        let imagined = run.cluster.answer(&plugin, &state, slot, Some(&delta));
        run.realize(slot, &delta);
        let answers = run.cluster.filter(&plugin, &pod).unwrap();
        let at = run.cluster.slots().iter().position(|other| *other == slot).unwrap();
        prop_assert_eq!(&imagined, &answers[at]);
    }
}
