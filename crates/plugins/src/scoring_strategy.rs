//! Scores by how full a node is: what NodeResourcesFit and NodeResourcesBalancedAllocation share (kube-scheduler's
//! `resource_allocation.go`), and NodeResourcesFit's three strategies.

use loadline_framework::{ArgField, ArgKind};
use loadline_model::{NodeLoad, Resources, Str};
use serde::Deserialize;

/// Best score of a node.
pub(crate) const MAX_SCORE: i64 = 100;
/// Best score in a configured shape; shapes are scaled up from it.
const MAX_SHAPE_SCORE: i64 = 10;

/// Default `resources`: cpu and memory with equal weight.
pub(crate) const DEFAULT_RESOURCES: &str = r#"[{"name":"cpu","weight":1},{"name":"memory","weight":1}]"#;

/// Schema of one point of a shape.
pub(crate) static SHAPE_POINT: ArgKind = ArgKind::Object(&[
    ArgField {
        name: "utilization",
        kind: ArgKind::Int { min: 0, max: 100 },
        default: "0",
        help: "How full, in percent.",
    },
    ArgField {
        name: "score",
        kind: ArgKind::Int { min: 0, max: 10 },
        default: "0",
        help: "Score at that utilization.",
    },
]);

/// A resource to score by, as configured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ResourceSpec {
    /// Name.
    pub(crate) name: String,
    /// Weight; absent or 0 means 1.
    #[serde(default)]
    weight: i64,
}

impl ResourceSpec {
    /// Effective weight.
    pub(crate) fn weight(&self) -> i64 {
        if self.weight == 0 { 1 } else { self.weight }
    }
}

/// The configured resources, or the default ones when there are none.
pub(crate) fn or_default(resources: Vec<ResourceSpec>) -> Vec<ResourceSpec> {
    if !resources.is_empty() {
        return resources;
    }
    ["cpu", "memory"].map(|name| ResourceSpec { name: name.to_owned(), weight: 1 }).into()
}

/// A point of a shape, as configured.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct ShapePoint {
    /// In percent.
    #[serde(default)]
    utilization: i64,
    /// 0 to 10.
    #[serde(default)]
    score: i64,
}

#[derive(Debug)]
enum Kind {
    Cpu,
    Memory,
    EphemeralStorage,
    Scalar(Str),
}

/// A resource to score by, with what the pod asks of it.
#[derive(Debug)]
pub(crate) struct Asked {
    kind: Kind,
    weight: i64,
    amount: i64,
}

/// What the pod asks of each configured resource. Scalar resources that it does not ask for play no part.
pub(crate) fn asked(resources: &[ResourceSpec], amounts: &Resources) -> Box<[Asked]> {
    let of = |spec: &ResourceSpec| {
        let amount = amounts.get(&spec.name);
        let kind = match spec.name.as_str() {
            "cpu" => Kind::Cpu,
            "memory" => Kind::Memory,
            "ephemeral-storage" => Kind::EphemeralStorage,
            _ if amount == 0 => return None,
            name => Kind::Scalar(name.into()),
        };
        Some(Asked { kind, weight: spec.weight(), amount })
    };
    resources.iter().filter_map(of).collect()
}

impl Asked {
    /// What the node has of it.
    pub(crate) fn capacity(&self, allocatable: &Resources) -> i64 {
        match &self.kind {
            Kind::Cpu => allocatable.milli_cpu,
            Kind::Memory => allocatable.memory,
            Kind::EphemeralStorage => allocatable.ephemeral_storage,
            Kind::Scalar(name) => allocatable.scalar(name).unwrap_or(0),
        }
    }

    /// What the node's pods ask of it.
    pub(crate) fn used(&self, load: &NodeLoad) -> i64 {
        match &self.kind {
            Kind::Cpu => load.requested.milli_cpu,
            Kind::Memory => load.requested.memory,
            Kind::EphemeralStorage => load.requested.ephemeral_storage,
            Kind::Scalar(name) => load.requested.scalar(name).unwrap_or(0),
        }
    }

    /// The same with cpu and memory taken from the sums that count something for containers which name none.
    fn used_non_zero(&self, load: &NodeLoad) -> i64 {
        match &self.kind {
            Kind::Cpu => load.non_zero_milli_cpu,
            Kind::Memory => load.non_zero_memory,
            _ => self.used(load),
        }
    }

    /// What the pod asks.
    pub(crate) fn amount(&self) -> i64 {
        self.amount
    }
}

/// `scoringStrategy.type`, with the shape where there is one.
#[derive(Clone, Debug)]
pub(crate) enum Strategy {
    /// Emptier is better.
    LeastAllocated,
    /// Fuller is better.
    MostAllocated,
    /// By a shape.
    RequestedToCapacityRatio(Box<[ShapePoint]>),
}

impl Strategy {
    /// A node's score, 0 to 100.
    pub(crate) fn score(&self, asked: &[Asked], allocatable: &Resources, load: &NodeLoad) -> i64 {
        match self {
            Self::LeastAllocated => average(asked, allocatable, load, |requested, capacity| {
                if requested > capacity { 0 } else { percentage(capacity.wrapping_sub(requested), capacity) }
            }),
            Self::MostAllocated => average(asked, allocatable, load, |requested, capacity| {
                // Pods without requests count as a little, so that the sum can exceed the capacity.
                percentage(requested.min(capacity), capacity)
            }),
            Self::RequestedToCapacityRatio(shape) => {
                let (mut score, mut weights) = (0, 0);
                for resource in asked {
                    let capacity = resource.capacity(allocatable);
                    if capacity == 0 {
                        continue;
                    }
                    let requested = resource.used_non_zero(load).wrapping_add(resource.amount);
                    let utilization = if requested > capacity { 100 } else { percentage(requested, capacity) };
                    let at = interpolate(shape, utilization);
                    // Resources that score nothing do not dilute the others.
                    if at > 0 {
                        score += at * resource.weight;
                        weights += resource.weight;
                    }
                }
                if weights == 0 { 0 } else { (score as f64 / weights as f64).round() as i64 }
            }
        }
    }
}

fn average(asked: &[Asked], allocatable: &Resources, load: &NodeLoad, score: impl Fn(i64, i64) -> i64) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for resource in asked {
        let capacity = resource.capacity(allocatable);
        if capacity == 0 {
            continue;
        }
        let requested = resource.used_non_zero(load).wrapping_add(resource.amount);
        sum = score(requested, capacity).wrapping_mul(resource.weight).wrapping_add(sum);
        weights += resource.weight;
    }
    if weights == 0 { 0_i64 } else { sum / weights }
}

/// Wraps where 64 bits end, as kube-scheduler's does: such a score is outside of its bounds, which ends the attempt.
fn percentage(part: i64, capacity: i64) -> i64 {
    part.wrapping_mul(MAX_SCORE).wrapping_div(capacity)
}

/// Piecewise linear through the shape's points, in whole numbers; flat outside of them.
fn interpolate(shape: &[ShapePoint], utilization: i64) -> i64 {
    let scaled = |point: &ShapePoint| point.score * (MAX_SCORE / MAX_SHAPE_SCORE);
    let Some(right) = shape.iter().position(|point| utilization <= point.utilization) else {
        return shape.last().map_or(0, scaled);
    };
    if right == 0 {
        return scaled(&shape[0]);
    }
    let (from, to) = (&shape[right - 1], &shape[right]);
    scaled(from) + (scaled(to) - scaled(from)) * (utilization - from.utilization) / (to.utilization - from.utilization)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::GI;

    fn resources(json: &str) -> Vec<ResourceSpec> {
        serde_json::from_str(json).unwrap()
    }

    fn shape(points: &[(i64, i64)]) -> Box<[ShapePoint]> {
        let point = |&(utilization, score): &(i64, i64)| ShapePoint { utilization, score };
        points.iter().map(point).collect()
    }

    /// A node of 4 cores and 8 GiB that is used by `cpu` and `memory`, for a pod that asks for 1 core and 2 GiB.
    fn score(strategy: &Strategy, specs: &str, cpu: i64, memory: i64) -> i64 {
        let mut amounts = Resources { milli_cpu: 1000, memory: 2 * GI, ..Resources::default() };
        amounts.set_scalar("example.com/gpu".into(), 1);
        let mut allocatable = Resources { milli_cpu: 4000, memory: 8 * GI, ..Resources::default() };
        allocatable.set_scalar("example.com/gpu".into(), 4);
        let load = NodeLoad { non_zero_milli_cpu: cpu, non_zero_memory: memory, ..NodeLoad::default() };
        strategy.score(&asked(&resources(specs), &amounts), &allocatable, &load)
    }

    #[test]
    fn least_and_most_allocated() {
        // cpu 2000/4000, memory 6/8 GiB after placing.
        assert_eq!(score(&Strategy::LeastAllocated, DEFAULT_RESOURCES, 1000, 4 * GI), 37);
        assert_eq!(score(&Strategy::MostAllocated, DEFAULT_RESOURCES, 1000, 4 * GI), 62);
        // Over capacity: 0, and full.
        assert_eq!(score(&Strategy::LeastAllocated, DEFAULT_RESOURCES, 4000, 8 * GI), 0);
        assert_eq!(score(&Strategy::MostAllocated, DEFAULT_RESOURCES, 4000, 8 * GI), 100);
        let weighted = r#"[{"name":"cpu","weight":3},{"name":"memory"}]"#;
        assert_eq!(score(&Strategy::LeastAllocated, weighted, 1000, 4 * GI), (150 + 25) / 4);
    }

    #[test]
    fn resources_that_are_not_asked_for_or_not_there_play_no_part() {
        let specs = r#"[{"name":"cpu","weight":1},{"name":"example.com/fpga","weight":5}]"#;
        assert_eq!(score(&Strategy::LeastAllocated, specs, 1000, 0), 50);
        let specs = r#"[{"name":"cpu","weight":1},{"name":"ephemeral-storage","weight":5}]"#;
        assert_eq!(score(&Strategy::LeastAllocated, specs, 1000, 0), 50);
        let specs = r#"[{"name":"example.com/gpu","weight":5}]"#;
        assert_eq!(score(&Strategy::LeastAllocated, specs, 0, 0), 75);
        assert_eq!(score(&Strategy::LeastAllocated, r#"[{"name":"ephemeral-storage"}]"#, 0, 0), 0);
    }

    #[test]
    fn amounts_beyond_64_bits_wrap_around() {
        let specs = r#"[{"name":"cpu"}]"#;
        let most = |capacity: i64, used: i64, strategy: &Strategy| {
            let allocatable = Resources { milli_cpu: capacity, ..Resources::default() };
            let load = NodeLoad { non_zero_milli_cpu: used, ..NodeLoad::default() };
            strategy.score(&asked(&resources(specs), &Resources::default()), &allocatable, &load)
        };
        // 5000 - (2 - 2^63) wraps to a negative number, a hundred times that to a positive one.
        let free = 5000_i64.wrapping_sub(2 + i64::MIN);
        assert_eq!(most(5000, 2 + i64::MIN, &Strategy::LeastAllocated), free.wrapping_mul(100) / 5000);
        assert_eq!(most(5000, i64::MIN / 4, &Strategy::MostAllocated), (i64::MIN / 4).wrapping_mul(100) / 5000);
        // A quantity of 2^64-1 comes out as -1, and -2^63 divided by that does not fit: Go leaves it as it is.
        assert_eq!(most(-1, i64::MIN / 4, &Strategy::MostAllocated), i64::MIN);
        assert_eq!(most(-1, -1, &Strategy::LeastAllocated), 0);
    }

    #[test]
    fn requested_to_capacity_ratio_follows_the_shape() {
        let packing = Strategy::RequestedToCapacityRatio(shape(&[(0, 0), (100, 10)]));
        // 50 % and 75 %: round(62.5) away from zero.
        assert_eq!(score(&packing, DEFAULT_RESOURCES, 1000, 4 * GI), 63);
        let spreading = Strategy::RequestedToCapacityRatio(shape(&[(0, 10), (100, 0)]));
        // Memory is full and scores 0: it does not dilute.
        assert_eq!(score(&spreading, DEFAULT_RESOURCES, 1000, 6 * GI), 50);
        assert_eq!(score(&spreading, DEFAULT_RESOURCES, 9000, 9 * GI), 0);
    }

    #[test]
    fn shapes_are_flat_outside_and_whole_numbers_inside() {
        let points = shape(&[(20, 2), (50, 9)]);
        let at: Vec<_> = [0, 20, 21, 35, 50, 100].map(|u| interpolate(&points, u)).into();
        assert_eq!(at, [20, 20, 22, 55, 90, 90]);
    }
}
