//! ImageLocality: prefers nodes that have the pod's images, large ones and widely spread ones the more. Mirrors
//! kube-scheduler's `imagelocality`.

use std::sync::Arc;

use loadline_framework::{
    Cluster, DefaultProfile, Descriptor, ExtensionPoint, NodePlugin, NodeView, Plugin, Prepare, Prepared, Reads,
    Status, Touched, no_further_checks,
};
use loadline_model::{PodInfo, Str};

use crate::scoring_strategy::MAX_SCORE;

/// ImageLocality.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "ImageLocality",
    help: "Prefers nodes that already have the pod's container images.",
    points: &[ExtensionPoint::Score],
    default_profile: DefaultProfile::Enabled { weight: 1 },
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Ok(Plugin::new("ImageLocality").with_node(ImageLocality)),
};

const MEBI: i64 = 1 << 20;
/// Fewer bytes than this score nothing.
const MIN_THRESHOLD: i64 = 23 * MEBI;
/// As many bytes as this for each container score best.
const MAX_CONTAINER_THRESHOLD: i64 = 1000 * MEBI;

struct ImageLocality;

/// Images of a pod, in the order of its containers, and the number of its containers.
type Key = (Arc<[Str]>, u32);

struct State {
    images: Arc<[Str]>,
    containers: i64,
    /// Bytes that each image counts for on a node that has it; images that no node has are left out.
    worth: Vec<(Str, i64)>,
    /// The cluster's image generation that `worth` is of.
    generation: u64,
}

/// Bytes that each image counts for: its size, scaled by the share of nodes that have it. An image that several
/// containers use counts for each.
fn worth(images: &[Str], cluster: &dyn Cluster) -> Vec<(Str, i64)> {
    let mut worth: Vec<(Str, i64)> = Vec::new();
    for name in images {
        let Some(image) = cluster.image(name) else {
            continue;
        };
        let spread = image.nodes as f64 / cluster.node_count() as f64;
        let bytes = (image.size as f64 * spread) as i64;
        match worth.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += bytes,
            None => worth.push((name.clone(), bytes)),
        }
    }
    worth
}

impl NodePlugin for ImageLocality {
    type Key = Key;
    type State = State;

    fn reads(&self) -> Reads {
        Reads::IMAGES
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Key>, Status> {
        Ok(Some((pod.images.clone(), pod.container_count)))
    }

    fn prepare(&self, (images, containers): &Key, _pod: &PodInfo, cx: &mut dyn Prepare) -> Prepared<State> {
        let cluster = cx.cluster();
        Prepared {
            state: State {
                images: images.clone(),
                containers: i64::from(*containers),
                worth: worth(images, cluster),
                generation: cluster.image_generation(),
            },
            filters: false,
            scores: true,
        }
    }

    fn catch_up(&self, state: &mut State, cluster: &dyn Cluster) -> Touched {
        if state.generation == cluster.image_generation() {
            return Touched::None;
        }
        state.generation = cluster.image_generation();
        let now = worth(&state.images, cluster);
        if now == state.worth {
            return Touched::None;
        }
        state.worth = now;
        Touched::All
    }

    fn score(&self, state: &State, node: &NodeView<'_>) -> i64 {
        let mut sum = 0;
        for (name, bytes) in &state.worth {
            if node.images().binary_search_by(|image| image.name.cmp(name)).is_ok() {
                sum += bytes;
            }
        }
        let max = MAX_CONTAINER_THRESHOLD * state.containers;
        // Not `clamp`: without containers the maximum is below the minimum, and the minimum is looked at first.
        let sum = if sum < MIN_THRESHOLD { MIN_THRESHOLD } else { sum.min(max) };
        MAX_SCORE * (sum - MIN_THRESHOLD) / (max - MIN_THRESHOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_model::{Image, NodeSpec};

    fn with_images(name: &str, images: &[(&str, i64)]) -> NodeSpec {
        let image = |&(name, size): &(&str, i64)| Image { name: name.into(), size };
        NodeSpec { images: images.iter().map(image).collect(), ..node(name, &[]) }
    }

    fn using(images: &[&str], containers: u32) -> PodInfo {
        PodInfo { images: images.iter().map(|i| Str::from(*i)).collect(), container_count: containers, ..pod("p") }
    }

    fn raw(cluster: &mut FakeCluster, pod: &PodInfo) -> Vec<i64> {
        let scores = cluster.scores(&ImageLocality, pod).unwrap();
        scores.iter().map(|score| score.raw).collect()
    }

    #[test]
    fn nodes_with_the_image_score_by_size_and_spread() {
        let mut cluster = FakeCluster::new([
            with_images("a", &[("db:1", 1000 * MEBI), ("web:1", 500 * MEBI)]),
            with_images("b", &[("web:1", 500 * MEBI)]),
            with_images("c", &[]),
            with_images("d", &[]),
        ]);
        // web:1: 500 MiB on half of the nodes: 250 MiB. db:1: 1000 MiB on a quarter of them: 250 MiB.
        let one = 100 * (250 - 23) / (1000 - 23);
        assert_eq!(raw(&mut cluster, &using(&["web:1"], 1)), [one, one, 0, 0]);
        let two = 100 * (500 - 23) / (2000 - 23);
        let half = 100 * (250 - 23) / (2000 - 23);
        assert_eq!(raw(&mut cluster, &using(&["web:1", "db:1"], 2)), [two, half, 0, 0]);
        // Used twice, it counts twice.
        assert_eq!(raw(&mut cluster, &using(&["web:1", "web:1"], 2)), [two, two, 0, 0]);
        assert_eq!(raw(&mut cluster, &using(&["other:1"], 1)), [0; 4]);
    }

    #[test]
    fn scores_stay_within_bounds() {
        let mut cluster = FakeCluster::new([with_images("a", &[("big:1", 5000 * MEBI), ("small:1", 20 * MEBI)])]);
        assert_eq!(raw(&mut cluster, &using(&["big:1"], 1)), [100]);
        assert_eq!(raw(&mut cluster, &using(&["small:1"], 1)), [0]);
    }

    #[test]
    fn a_state_catches_up_when_its_images_changed() {
        let mut cluster = FakeCluster::new([with_images("a", &[("web:1", 500 * MEBI)])]);
        let mut state = cluster.state(&ImageLocality, &using(&["web:1"], 1)).unwrap();
        assert!(matches!(ImageLocality.catch_up(&mut state, &cluster), Touched::None));
        cluster.set_node(with_images("a", &[("web:1", 500 * MEBI), ("other:1", MEBI)]));
        assert!(matches!(ImageLocality.catch_up(&mut state, &cluster), Touched::None));
        cluster.set_node(with_images("b", &[]));
        assert!(matches!(ImageLocality.catch_up(&mut state, &cluster), Touched::All));
        assert_eq!(state.worth, [("web:1".into(), 250 * MEBI)]);
    }
}
