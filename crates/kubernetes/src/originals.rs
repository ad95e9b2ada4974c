//! Objects as the API server wrote them. The engine keeps only what a scheduler reads; extenders are shown whole objects. They are
//! kept only when an extender is configured that asks for them, and without `managedFields`, `kind` and `apiVersion`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use loadline_config::ExtenderConfig;
use loadline_model::{Map, Str};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::resources::{Nodes, Pods, Resource};

/// What is kept for extenders; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    pub(crate) pods: Option<Shelf>,
    pub(crate) nodes: Option<Shelf>,
}

impl Originals {
    /// What these extenders have to be shown.
    pub(crate) fn for_extenders(extenders: &[ExtenderConfig]) -> Self {
        let judges =
            |extender: &ExtenderConfig| !extender.filter_verb.is_empty() || !extender.prioritize_verb.is_empty();
        let preempts = |extender: &ExtenderConfig| !extender.preempt_verb.is_empty();
        let any = |wants: &dyn Fn(&ExtenderConfig) -> bool| extenders.iter().any(wants);
        // Victims are on their nodes, the pod in question is on none.
        let victims = any(&|extender| preempts(extender) && !extender.node_cache_capable);
        let pods = any(&|extender| judges(extender) || preempts(extender));
        let nodes = any(&|extender| judges(extender) && !extender.node_cache_capable);
        Self { pods: pods.then(|| Shelf::new(!victims)), nodes: nodes.then(|| Shelf::new(false)) }
    }

    /// Whether all is kept that `wanted` asks for.
    pub(crate) fn cover(&self, wanted: &Self) -> bool {
        let covers = |kept: &Option<Shelf>, wanted: &Option<Shelf>| match (kept, wanted) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(kept), Some(wanted)) => !kept.unplaced || wanted.unplaced,
        };
        covers(&self.pods, &wanted.pods) && covers(&self.nodes, &wanted.nodes)
    }

    /// Where objects of a resource are put, if they are.
    pub(crate) fn shelf<R: Resource>(&self) -> Option<Shelf> {
        match R::NAME {
            Pods::NAME => self.pods.clone(),
            Nodes::NAME => self.nodes.clone(),
            _ => None,
        }
    }
}

/// Objects of one resource by uid or name.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    objects: Arc<Mutex<Map<Str, Arc<RawValue>>>>,
    /// Only pods that are on no node are kept.
    unplaced: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Placed {
    spec: PlacedSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlacedSpec {
    #[serde(rename = "nodeName")]
    node_name: String,
}

impl Shelf {
    pub(crate) fn new(unplaced: bool) -> Self {
        Self { objects: Arc::default(), unplaced }
    }

    /// An object is there, or changed.
    pub(crate) fn put(&self, key: &Str, object: &RawValue) {
        let is_placed = || serde_json::from_str::<Placed>(object.get()).is_ok_and(|pod| !pod.spec.node_name.is_empty());
        if self.unplaced && is_placed() {
            self.remove(key);
            return;
        }
        let object = trimmed(object).unwrap_or_else(|_| object.to_owned());
        self.with(|objects| objects.insert(key.clone(), object.into()));
    }

    /// An object is gone.
    pub(crate) fn remove(&self, key: &Str) {
        self.with(|objects| objects.remove(key));
    }

    pub(crate) fn get(&self, key: &Str) -> Option<Arc<RawValue>> {
        self.with(|objects| objects.get(key).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Map<Str, Arc<RawValue>>) -> T) -> T {
        work(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An object without `managedFields`, which is often half of it (kube-scheduler takes them off pods alone), and without `kind` and
/// `apiVersion`, which come with watches alone.
fn trimmed(object: &RawValue) -> serde_json::Result<Box<RawValue>> {
    const MANAGED: &str = "managedFields";
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(object.get())?;
    fields.remove("kind");
    fields.remove("apiVersion");
    let metadata = match fields.get("metadata").filter(|metadata| metadata.get().contains(MANAGED)) {
        Some(metadata) => {
            let mut metadata: BTreeMap<String, &RawValue> = serde_json::from_str(metadata.get())?;
            metadata.remove(MANAGED);
            Some(to_raw_value(&metadata)?)
        }
        None => None,
    };
    if let Some(metadata) = &metadata {
        fields.insert("metadata".to_owned(), metadata);
    }
    to_raw_value(&fields)
}

/// The text by which an object is found on a shelf.
pub(crate) trait ShelfKey {
    /// `None` for resources that are never kept.
    fn shelf_key(&self) -> Option<&Str>;
}

impl ShelfKey for Str {
    fn shelf_key(&self) -> Option<&Str> {
        Some(self)
    }
}

impl ShelfKey for (Str, Str) {
    fn shelf_key(&self) -> Option<&Str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn text(shelf: &Shelf, key: &str) -> Option<String> {
        shelf.get(&key.into()).map(|object| object.get().to_owned())
    }

    #[test]
    fn managed_fields_are_left_out() {
        let shelf = Shelf::new(false);
        let node = r#"{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","managedFields":[{}]},"spec":{"podCIDR":"10.0.0.0/24"}}"#;
        shelf.put(&"n".into(), &raw(node));
        let kept = r#"{"metadata":{"name":"n"},"spec":{"podCIDR":"10.0.0.0/24"}}"#;
        assert_eq!(text(&shelf, "n").as_deref(), Some(kept));
        // The word alone, in another place, changes nothing.
        let node = r#"{"metadata":{"name":"n","labels":{"kind":"1.0"}},"spec":{"n":1.50,"of":"managedFields"}}"#;
        shelf.put(&"n".into(), &raw(node));
        assert_eq!(text(&shelf, "n").as_deref(), Some(node));
        shelf.remove(&"n".into());
        assert_eq!(text(&shelf, "n"), None);
    }

    #[test]
    fn a_pod_that_has_a_node_is_kept_for_preemption_alone() {
        let extender = |filter: &str, preempt: &str, node_cache_capable| ExtenderConfig {
            filter_verb: filter.to_owned(),
            preempt_verb: preempt.to_owned(),
            node_cache_capable,
            ..ExtenderConfig::default()
        };
        let placed = raw(r#"{"metadata":{"uid":"1"},"spec":{"nodeName":"n"}}"#);
        let waiting = raw(r#"{"metadata":{"uid":"1"},"spec":{}}"#);
        let names_only = Originals::for_extenders(&[extender("f", "p", true)]);
        let pods = names_only.pods.clone().unwrap();
        pods.put(&"1".into(), &waiting);
        assert!(pods.get(&"1".into()).is_some());
        pods.put(&"1".into(), &placed);
        assert!(pods.get(&"1".into()).is_none() && names_only.nodes.is_none());

        let whole = Originals::for_extenders(&[extender("f", "", false), extender("", "p", false)]);
        let pods = whole.pods.clone().unwrap();
        pods.put(&"1".into(), &placed);
        assert!(pods.get(&"1".into()).is_some() && whole.nodes.is_some());

        let none = Originals::for_extenders(&[extender("", "", false)]);
        assert!(none.pods.is_none() && none.nodes.is_none(), "one that only binds is shown nothing");
        assert!(whole.cover(&names_only) && names_only.cover(&none) && !names_only.cover(&whole));
        let filters = Originals::for_extenders(&[extender("f", "", false)]);
        assert!(whole.cover(&filters) && !filters.cover(&whole) && !none.cover(&names_only));
    }
}
