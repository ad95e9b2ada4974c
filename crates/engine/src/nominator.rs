//! Nominated pods: pods that wait for room on a node that preemption made for them. Pods of lower priority must leave it
//! to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_framework::ChangeLog;
use loadline_model::{Map, PodInfo, PodKey, Str};

/// Nominated pods by node.
#[derive(Clone, Debug)]
pub struct Nominator {
    by_node: BTreeMap<Str, Vec<Arc<PodInfo>>>,
    node_of: Map<PodKey, Str>,
    priorities: BTreeMap<i32, usize>,
    aside: Option<(Arc<PodInfo>, Str)>,
    log: ChangeLog<Str>,
}

impl Default for Nominator {
    fn default() -> Self {
        Self {
            by_node: BTreeMap::new(),
            node_of: Map::default(),
            priorities: BTreeMap::new(),
            aside: None,
            log: ChangeLog::new(4096),
        }
    }
}

impl Nominator {
    /// Nominates `pod` to `node`, in place of what it was nominated to before.
    pub fn add(&mut self, pod: Arc<PodInfo>, node: Str) {
        self.take(&pod.uid);
        self.node_of.insert(pod.uid.clone(), node.clone());
        *self.priorities.entry(pod.priority).or_insert(0) += 1;
        self.log.push(node.clone());
        self.by_node.entry(node).or_default().push(pod);
    }

    /// Nominates `pod` to the node that its status names; ends its nomination when it names none.
    pub fn add_by_status(&mut self, pod: &Arc<PodInfo>) {
        match &pod.nominated_node_name {
            Some(node) => self.add(pod.clone(), node.clone()),
            None => {
                self.take(&pod.uid);
            }
        }
    }

    /// Leaves a pod nominated as it is: by what was decided, which its status may not show yet, or else by its status.
    pub fn keep(&mut self, pod: &Arc<PodInfo>) {
        if !self.node_of.contains_key(&pod.uid) {
            self.add_by_status(pod);
        }
    }

    /// Takes over a change of a pod. A nomination that the status has not shown yet outlives updates that say nothing of
    /// it; otherwise the status counts.
    pub fn update(&mut self, old: &PodInfo, new: &Arc<PodInfo>) {
        let unsaid = old.nominated_node_name.is_none() && new.nominated_node_name.is_none();
        match self.node_of(&new.uid).cloned() {
            Some(node) if unsaid => self.add(new.clone(), node),
            _ => self.add_by_status(new),
        }
    }

    /// Ends a pod's nomination. Returns the pod as it was nominated, and the node.
    pub fn take(&mut self, uid: &str) -> Option<(Arc<PodInfo>, Str)> {
        let node = self.node_of.remove(uid)?;
        let pods = self.by_node.get_mut(&node)?;
        let at = pods.iter().position(|pod| pod.uid == *uid)?;
        let pod = pods.remove(at);
        if pods.is_empty() {
            self.by_node.remove(&node);
        }
        if let Some(count) = self.priorities.get_mut(&pod.priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&pod.priority);
            }
        }
        self.log.push(node.clone());
        Some((pod, node))
    }

    /// Keeps no room for a pod until [`Nominator::put_back`].
    pub(crate) fn set_aside(&mut self, uid: &str) {
        self.aside = self.take(uid);
    }

    /// Ends [`Nominator::set_aside`].
    pub(crate) fn put_back(&mut self) {
        if let Some((pod, node)) = self.aside.take() {
            self.add(pod, node);
        }
    }

    /// The node that a pod is nominated to, also while it is set aside: by what was decided, or else by its status, which may be behind. A
    /// nomination that was ended counts until the status shows that.
    pub(crate) fn node_for<'a>(&'a self, pod: &'a PodInfo) -> Option<&'a Str> {
        let aside = self.aside.as_ref().filter(|(aside, _)| aside.uid == pod.uid).map(|(_, node)| node);
        self.node_of(&pod.uid).or(aside).or(pod.nominated_node_name.as_ref())
    }

    /// Pods nominated to a node.
    pub fn pods_on(&self, node: &str) -> &[Arc<PodInfo>] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// The node that a pod is nominated to.
    pub fn node_of(&self, uid: &str) -> Option<&Str> {
        self.node_of.get(uid)
    }

    /// Nodes with nominated pods, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Str> {
        self.by_node.keys()
    }

    /// The highest priority of a nominated pod.
    pub fn max_priority(&self) -> Option<i32> {
        self.priorities.keys().next_back().copied()
    }

    /// The position after the last change, for [`Nominator::since`].
    pub fn position(&self) -> u64 {
        self.log.position()
    }

    /// Nodes whose nominated pods changed since; `None` when that is no longer known.
    pub fn since(&self, position: u64) -> Option<&[Str]> {
        self.log.since(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pod(uid: u8, priority: i32, nominated: Option<u8>) -> Arc<PodInfo> {
        Arc::new(PodInfo {
            uid: uid.to_string().into(),
            priority,
            nominated_node_name: nominated.map(|node| node.to_string().into()),
            ..PodInfo::default()
        })
    }

    #[test]
    fn an_unconfirmed_nomination_outlives_updates_that_say_nothing_of_it() {
        let mut nominator = Nominator::default();
        let (bare, told) = (pod(1, 5, None), pod(1, 5, Some(8)));
        let node = |nominator: &Nominator| nominator.node_of("1").map(ToString::to_string);

        nominator.add(bare.clone(), "7".into());
        nominator.update(&bare, &pod(1, 5, None));
        assert_eq!(node(&nominator).as_deref(), Some("7"));
        nominator.update(&bare, &told);
        assert_eq!(node(&nominator).as_deref(), Some("8"), "the status names another node");
        nominator.add(told.clone(), "9".into());
        nominator.update(&told, &pod(1, 5, Some(8)));
        assert_eq!(node(&nominator).as_deref(), Some("8"), "the status counts once it says anything");
        nominator.update(&told, &bare);
        assert_eq!(node(&nominator), None, "the status no longer names a node");
        nominator.update(&bare, &bare);
        assert_eq!(node(&nominator), None);
    }

    #[test]
    fn a_node_lists_its_pods_in_the_order_of_their_nomination() {
        let mut nominator = Nominator::default();
        for uid in [3, 1, 2] {
            nominator.add(pod(uid, 0, None), "n".into());
        }
        nominator.add(pod(3, 0, None), "n".into());
        let uids: Vec<&str> = nominator.pods_on("n").iter().map(|pod| pod.uid.as_str()).collect();
        assert_eq!(uids, ["1", "2", "3"]);
        assert!(nominator.take("4").is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, i32, u8),
        ByStatus(u8, i32, Option<u8>),
        Take(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (uid, node, priority) = (0..6_u8, 0..4_u8, -2..3_i32);
        prop_oneof![
            (uid.clone(), priority.clone(), node.clone()).prop_map(|(u, p, n)| Step::Add(u, p, n)),
            (uid.clone(), priority, prop::option::of(node)).prop_map(|(u, p, n)| Step::ByStatus(u, p, n)),
            uid.prop_map(Step::Take),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_pairs(steps in prop::collection::vec(step(), 0..60)) {
            let mut nominator = Nominator::default();
            let mut model: Vec<(Arc<PodInfo>, Str)> = Vec::new();
            for step in steps {
                let position = nominator.position();
                let before = model.clone();
                match step {
                    Step::Add(uid, priority, node) => {
                        let (pod, node) = (pod(uid, priority, None), Str::from(node.to_string()));
                        model.retain(|(p, _)| p.uid != pod.uid);
                        model.push((pod.clone(), node.clone()));
                        nominator.add(pod, node);
                    }
                    Step::ByStatus(uid, priority, node) => {
                        let pod = pod(uid, priority, node);
                        model.retain(|(p, _)| p.uid != pod.uid);
                        model.extend(pod.nominated_node_name.clone().map(|node| (pod.clone(), node)));
                        nominator.add_by_status(&pod);
                    }
                    Step::Take(uid) => {
                        let uid = uid.to_string();
                        let taken = model.iter().find(|(p, _)| p.uid == *uid).cloned();
                        model.retain(|(p, _)| p.uid != *uid);
                        prop_assert_eq!(nominator.take(&uid), taken);
                    }
                }
                let on = |model: &[(Arc<PodInfo>, Str)], node: &str| -> Vec<Arc<PodInfo>> {
                    model.iter().filter(|(_, n)| *n == *node).map(|(p, _)| p.clone()).collect()
                };
                let changed = nominator.since(position).expect("the log reaches back one step");
                for node in ["0", "1", "2", "3"] {
                    prop_assert_eq!(nominator.pods_on(node), &on(&model, node)[..]);
                    let differs = on(&model, node) != on(&before, node);
                    prop_assert!(!differs || changed.iter().any(|n| *n == *node), "a change of {} is not logged", node);
                }
                prop_assert_eq!(nominator.max_priority(), model.iter().map(|(p, _)| p.priority).max());
                let mut nodes: Vec<&Str> = model.iter().map(|(_, n)| n).collect();
                nodes.sort();
                nodes.dedup();
                prop_assert_eq!(nominator.nodes().collect::<Vec<_>>(), nodes);
            }
        }
    }
}
