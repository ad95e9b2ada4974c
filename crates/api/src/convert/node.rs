//! Nodes.

use loadline_model::{Effect, Image, Labels, NodeSpec, Str, Taint};

use super::Converter;
use super::requests::to_resources;
use crate::wire::{self, StringMap};

impl Converter {
    /// Compiles a node.
    pub fn node(&mut self, node: &wire::Node) -> NodeSpec {
        let allocatable = &node.status.allocatable;
        let mut images: Vec<Image> = Vec::new();
        for image in &node.status.images {
            images.extend(
                image.names.iter().map(|name| Image { name: self.strings.intern(name), size: image.size_bytes }),
            );
        }
        // Of two entries with one name, the first one counts; the sort keeps their order.
        images.sort_by(|a, b| a.name.cmp(&b.name));
        images.dedup_by(|later, earlier| later.name == earlier.name);
        let mut declared_features = self.strs(&node.status.declared_features);
        declared_features.sort_unstable();
        NodeSpec {
            name: self.str(&node.metadata.name),
            uid: Str::from(&*node.metadata.uid),
            created: node.metadata.creation_timestamp.map(|time| time.0),
            labels: self.labels(&node.metadata.labels),
            taints: node.spec.taints.iter().filter_map(|taint| self.taint(taint)).collect(),
            unschedulable: node.spec.unschedulable,
            allocatable: to_resources(allocatable.iter().map(|(name, amount)| (&**name, *amount)), &mut self.strings),
            allowed_pods: allocatable.get("pods").map_or(0, loadline_model::quantity::Quantity::value),
            images: self.images.share(images),
            declared_features: declared_features.into(),
        }
    }

    /// A set of labels, shared.
    pub fn labels(&mut self, labels: &StringMap) -> std::sync::Arc<Labels> {
        let labels = self.own_labels(labels);
        self.labels.share(labels)
    }

    /// A set of labels, not shared.
    pub(super) fn own_labels(&mut self, labels: &StringMap) -> Labels {
        labels.iter().map(|(key, value)| (self.strings.intern(key), self.strings.intern(value))).collect()
    }

    fn taint(&mut self, taint: &wire::Taint) -> Option<Taint> {
        Some(Taint { key: self.str(&taint.key), value: self.str(&taint.value), effect: effect(&taint.effect)? })
    }
}

/// `None` for an effect that does not exist.
pub(super) fn effect(effect: &str) -> Option<Effect> {
    match effect {
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        _ => None,
    }
}
