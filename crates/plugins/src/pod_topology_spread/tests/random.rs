//! Random clusters, against the rules written down as directly as possible: maps, no state, everything counted anew.

use std::collections::{BTreeMap, BTreeSet};

use loadline_framework::Score;
use loadline_model::{NodeInfo, Operator, Requirement};
use proptest::prelude::*;

use super::*;
use crate::tracking::testing::{self as tracking, Column, Run, Step};

const KEYS: [&str; 3] = ["zone", "rack", HOSTNAME];

fn any_labels() -> impl Strategy<Value = Arc<Labels>> {
    (0..3_u8, 0..2_u8).prop_map(|(app, tier)| labels(&[("app", &app.to_string()), ("tier", &tier.to_string())]))
}

fn any_pod() -> impl Strategy<Value = PodInfo> {
    (any_labels(), prop::bool::weighted(0.15), prop::bool::weighted(0.15)).prop_map(
        |(labels, terminating, elsewhere)| PodInfo {
            namespace: if elsewhere { "other" } else { "default" }.into(),
            labels,
            deleted: terminating.then_some(1),
            ..PodInfo::default()
        },
    )
}

fn any_node(name: usize) -> impl Strategy<Value = NodeSpec> {
    let value = || prop::option::weighted(0.8, prop::sample::select(vec!["", "1", "2", "3"]));
    (value(), value(), prop::bool::weighted(0.8), any::<bool>(), any::<bool>()).prop_map(
        move |(zone, rack, host, ssd, taint)| {
            let name = format!("n{name}");
            let mut pairs: Vec<(&str, &str)> = Vec::new();
            pairs.extend(zone.map(|zone| ("zone", zone)));
            pairs.extend(rack.map(|rack| ("rack", rack)));
            pairs.extend(host.then_some((HOSTNAME, name.as_str())));
            pairs.extend(ssd.then_some(("ssd", "yes")));
            let spec = node(&name, &pairs);
            if taint { tainted(spec, Effect::NoExecute) } else { spec }
        },
    )
}

fn any_constraint() -> impl Strategy<Value = SpreadConstraint> {
    let is = |key: &str, value: &str| Requirement::new(key.into(), Operator::In, vec![value.into()]);
    let selector = prop_oneof![
        1 => Just(Selector::Nothing),
        1 => Just(Selector::All(Box::default())),
        4 => Just(Selector::all(vec![is("app", "0")])),
        2 => Just(Selector::all(vec![Requirement::new("app".into(), Operator::NotIn, vec!["1".into()])])),
        2 => Just(Selector::all(vec![is("app", "0"), is("tier", "1")])),
    ];
    let action = prop_oneof![Just(UnsatisfiableAction::DoNotSchedule), Just(UnsatisfiableAction::ScheduleAnyway)];
    let keys = prop_oneof![4 => Just(vec![]), 1 => Just(vec!["tier"]), 1 => Just(vec!["absent", "tier"])];
    let least = prop_oneof![3 => Just(1), 1 => 2..5];
    let policies = (any::<bool>(), any::<bool>());
    (prop::sample::select(&KEYS[..]), 1..4, action, selector, least, policies, keys).prop_map(
        |(key, max_skew, when_unsatisfiable, selector, min_domains, (honor_affinity, honor_taints), keys)| {
            SpreadConstraint {
                max_skew,
                topology_key: key.into(),
                when_unsatisfiable,
                selector,
                min_domains,
                honor_affinity,
                honor_taints,
                match_label_keys: keys.into_iter().map(Str::from).collect(),
            }
        },
    )
}

fn any_incoming() -> impl Strategy<Value = PodInfo> {
    let spread = prop::collection::vec(any_constraint(), 1..4);
    (any_labels(), spread, any::<bool>(), any::<bool>()).prop_map(|(labels, spread, on_ssd, tolerant)| PodInfo {
        labels,
        node_selector: on_ssd.then_some(("ssd", "yes")).into_iter().collect(),
        tolerations: tolerant
            .then(|| Toleration {
                key: "dedicated".into(),
                operator: TolerationOperator::Exists,
                value: Str::empty(),
                effect: None,
            })
            .into_iter()
            .collect(),
        ..web(spread)
    })
}

const NODES: usize = 6;

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    tracking::any_steps(25, NODES, any_pod, any_node)
}

fn any_nodes() -> impl Strategy<Value = Vec<NodeSpec>> {
    (0..NODES).map(any_node).collect::<Vec<_>>()
}

/// The rules, for constraints of one action.
struct Rules<'a> {
    pod: &'a PodInfo,
    constraints: Vec<&'a SpreadConstraint>,
}

impl<'a> Rules<'a> {
    fn new(pod: &'a PodInfo, action: UnsatisfiableAction) -> Self {
        let constraints = pod.spread.iter().filter(|c| c.when_unsatisfiable == action).collect();
        Self { pod, constraints }
    }

    fn own_keys<'b>(&'b self, constraint: &'b SpreadConstraint) -> impl Iterator<Item = &'b Str> {
        constraint.match_label_keys.iter().filter(|key| self.pod.labels.contains(key))
    }

    fn selects(&self, constraint: &SpreadConstraint, pod: &PodInfo) -> bool {
        pod.namespace == self.pod.namespace
            && constraint.selector.matches(&pod.labels)
            && self.own_keys(constraint).all(|key| pod.labels.get(key) == self.pod.labels.get(key))
    }

    fn count(&self, constraint: &SpreadConstraint, info: &NodeInfo) -> i64 {
        if constraint.selector.is_everything() && self.own_keys(constraint).next().is_none() {
            return 0;
        }
        let counted = |pod: &&Arc<PodInfo>| !pod.is_terminating() && self.selects(constraint, pod);
        info.pods.iter().filter(counted).count() as i64
    }

    fn has_all(&self, node: &NodeSpec) -> bool {
        self.constraints.iter().all(|c| node.labels.contains(&c.topology_key))
    }

    fn includes(&self, constraint: &SpreadConstraint, node: &NodeSpec) -> bool {
        let selector = &self.pod.node_selector;
        let admitted = selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
        let tolerated = node.taints.is_empty() || !self.pod.tolerations.is_empty();
        (admitted || !constraint.honor_affinity) && (tolerated || !constraint.honor_taints)
    }

    fn filter(&self, cluster: &FakeCluster, slot: Slot, delta: &NodeDelta) -> Code {
        let node = &cluster.info(slot).spec;
        for constraint in &self.constraints {
            let key = &*constraint.topology_key;
            let Some(value) = node.labels.get(key) else {
                return UNLABELLED;
            };
            let mut matching: BTreeMap<&str, i64> = BTreeMap::new();
            for info in cluster.slots().into_iter().map(|slot| cluster.info(slot)) {
                if self.has_all(&info.spec) && self.includes(constraint, &info.spec) {
                    let domain = info.spec.labels.get(key).unwrap();
                    *matching.entry(domain).or_default() += self.count(constraint, info);
                }
            }
            if self.has_all(node) && self.includes(constraint, node) {
                let selected = |pods: &[Arc<PodInfo>]| pods.iter().filter(|p| self.selects(constraint, p)).count();
                *matching.get_mut(&**value).unwrap() += selected(&delta.added) as i64 - selected(&delta.removed) as i64;
            }
            let least = matching.values().min().copied().unwrap_or(0);
            let least = if (matching.len() as i32) < constraint.min_domains { 0 } else { least };
            let own = i64::from(self.selects(constraint, self.pod));
            if matching.get(&**value).copied().unwrap_or(0) + own - least > i64::from(constraint.max_skew) {
                return FULL;
            }
        }
        OK
    }

    fn score(&self, cluster: &FakeCluster, feasible: &[Slot], require_all: bool) -> Vec<Score> {
        let info = |slot: &Slot| cluster.info(*slot);
        let ignored = |slot: &Slot| require_all && !self.has_all(&info(slot).spec);
        let candidates: Vec<&Slot> = feasible.iter().filter(|slot| !ignored(slot)).collect();
        let value = |spec: &NodeSpec, key: &str| spec.labels.get(key).cloned().unwrap_or_default();
        let mut sums = vec![0.0; feasible.len()];
        for constraint in &self.constraints {
            let key = &*constraint.topology_key;
            let values: BTreeSet<Str> = candidates.iter().map(|slot| value(&info(slot).spec, key)).collect();
            let size = if key == HOSTNAME { candidates.len() } else { values.len() };
            let weight = loadline_model::log::ln(size as u32 + 2);
            for (slot, sum) in feasible.iter().zip(&mut sums) {
                let Some(domain) = info(slot).spec.labels.get(key) else {
                    continue;
                };
                let counts = |other: &NodeInfo| {
                    value(&other.spec, key) == *domain
                        && (self.has_all(&other.spec) || !require_all)
                        && self.includes(constraint, &other.spec)
                };
                let everywhere = cluster.slots();
                let pods: i64 = if key == HOSTNAME {
                    self.count(constraint, info(slot))
                } else {
                    everywhere.iter().map(info).filter(|i| counts(i)).map(|i| self.count(constraint, i)).sum()
                };
                *sum += pods as f64 * weight + f64::from(constraint.max_skew - 1);
            }
        }
        let raw: Vec<i64> = sums.iter().map(|sum| sum.round() as i64).collect();
        let scored = || feasible.iter().zip(&raw).filter(|(slot, _)| !ignored(slot)).map(|(_, raw)| *raw);
        let (min, max) = (scored().min().unwrap_or(0), scored().max().unwrap_or(0));
        let normalized = |raw| if max == 0 { 100 } else { 100 * (max + min - raw) / max };
        let score = |(slot, raw): (&Slot, &i64)| {
            if ignored(slot) { Score::default() } else { Score { raw: *raw, normalized: normalized(*raw) } }
        };
        feasible.iter().zip(&raw).map(score).collect()
    }
}

proptest! {
    #[test]
    fn a_state_that_catches_up_answers_as_the_rules_have_it(
        nodes in any_nodes(), pod in any_incoming(), steps in any_steps(), feasible in prop::bits::u8::ANY,
    ) {
        let plugin = by_default();
        let mut run = Run::new(nodes);
        let mut column = Column::new(&plugin, &mut run.cluster, &pod).unwrap();
        let hard = Rules::new(&pod, UnsatisfiableAction::DoNotSchedule);
        let soft = Rules::new(&pod, UnsatisfiableAction::ScheduleAnyway);
        for step in steps {
            run.take(step);
            column.sync(&run.cluster);
            let is_feasible = |slot: &Slot| feasible & (1 << slot.0) != 0;
            let feasible: Vec<Slot> = run.cluster.slots().into_iter().filter(is_feasible).collect();
            prop_assert!(column.is_current(&mut run.cluster, &pod));
            for slot in run.cluster.slots() {
                let code = column.verdicts[slot.index()].code();
                prop_assert_eq!(code, hard.filter(&run.cluster, slot, &NodeDelta::default()), "{:?}", slot);
            }
            if !soft.constraints.is_empty() {
                let mut raw = vec![0; feasible.len()];
                plugin.score_feasible(&column.state, &feasible, &run.cluster, &mut raw);
                prop_assert_eq!(plugin.normalization().apply(&raw), soft.score(&run.cluster, &feasible, true));
            }
        }
    }

    #[test]
    fn defaults_score_as_the_rules_have_it(
        nodes in any_nodes(), labels in any_labels(), steps in any_steps(), on_ssd in any::<bool>(),
    ) {
        let zone = "topology.kubernetes.io/zone";
        let nodes = nodes.into_iter().map(|spec| NodeSpec {
            labels: Arc::new(spec.labels.iter().map(|(key, value)| {
                (if *key == "zone" { zone.into() } else { key.clone() }, value.clone())
            }).collect()),
            ..spec
        });
        let plugin = by_default();
        let mut run = Run::new(nodes.collect());
        run.cluster.default_selector = Some(Arc::new(app("0")));
        let plain = PodInfo {
            labels,
            node_selector: on_ssd.then_some(("ssd", "yes")).into_iter().collect(),
            ..labelled_pod("incoming", &[])
        };
        let spelled_out = PodInfo {
            spread: plugin.arguments.defaults.iter().map(|constraint| SpreadConstraint {
                selector: app("0"),
                ..constraint.clone()
            }).collect(),
            ..plain.clone()
        };
        let mut column = Column::new(&plugin, &mut run.cluster, &plain).unwrap();
        let rules = Rules::new(&spelled_out, UnsatisfiableAction::ScheduleAnyway);
        for step in steps.into_iter().filter(|step| !matches!(step, Step::Relabel(_))) {
            run.take(step);
            column.sync(&run.cluster);
            let feasible = run.cluster.slots();
            let mut raw = vec![0; feasible.len()];
            plugin.score_feasible(&column.state, &feasible, &run.cluster, &mut raw);
            prop_assert_eq!(plugin.normalization().apply(&raw), rules.score(&run.cluster, &feasible, false));
        }
    }

    #[test]
    fn a_thought_experiment_is_judged_as_the_rules_have_it(
        nodes in any_nodes(), pod in any_incoming(), steps in any_steps(),
        added in prop::collection::vec(any_pod(), 0..4), removed in 0..4_usize,
    ) {
        let plugin = by_default();
        let mut run = Run::new(nodes);
        for step in steps {
            run.take(step);
        }
        let state = run.cluster.state(&plugin, &pod).unwrap();
        let hard = Rules::new(&pod, UnsatisfiableAction::DoNotSchedule);
        for slot in run.cluster.slots() {
            let delta = run.delta(slot, &added, removed);
            let answer = run.cluster.answer(&plugin, &state, slot, Some(&delta));
            prop_assert_eq!(answer.code, hard.filter(&run.cluster, slot, &delta), "{:?}", slot);
        }
    }

    /// Where counting leaves out nothing that AddPod and RemovePod count.
    #[test]
    fn a_thought_experiment_equals_the_real_thing(
        nodes in any_nodes(), pod in any_incoming(), steps in any_steps(),
        added in prop::collection::vec(any_pod(), 0..4), removed in 0..4_usize, slot in 0..NODES,
    ) {
        let counting = pod.spread.iter().cloned().map(|constraint| match &constraint.selector {
            everything if everything.is_everything() => SpreadConstraint { selector: app("0"), ..constraint },
            _ => constraint,
        });
        let pod = PodInfo { spread: counting.collect(), ..pod };
        let live = |pod: PodInfo| PodInfo { deleted: None, ..pod };
        let plugin = by_default();
        let mut run = Run::new(nodes);
        for step in steps {
            run.take(match step {
                Step::Place(node, pod) => Step::Place(node, Box::new(live(*pod))),
                other => other,
            });
        }
        let Some(slot) = run.cluster.slots().into_iter().cycle().nth(slot) else { return Ok(()) };
        let added: Vec<PodInfo> = added.into_iter().map(|pod| run.named(live(pod))).collect();
        let state = run.cluster.state(&plugin, &pod).unwrap();
        let delta = run.delta(slot, &added, removed);
        let imagined = run.cluster.answer(&plugin, &state, slot, Some(&delta));
        run.realize(slot, &delta);
        let state = run.cluster.state(&plugin, &pod).unwrap();
        prop_assert_eq!(imagined, run.cluster.answer(&plugin, &state, slot, None));
    }
}
