//! What is said to extenders and what they answer. The Go structs have no JSON tags, so the names are those of Go's fields; what
//! comes back is read as Go reads it, without regard to case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loadline_framework::{ExtenderFilter, HostPriority, NodeMetaVictims};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// `ExtenderArgs`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Args<'a> {
    pub(super) pod: &'a RawValue,
    pub(super) nodes: Option<NodeList>,
    pub(super) node_names: Option<Vec<&'a str>>,
}

/// Go writes an empty object for it.
#[derive(Serialize)]
struct NoMetadata {}

/// `v1.NodeList`.
#[derive(Serialize)]
pub(super) struct NodeList {
    metadata: NoMetadata,
    items: Vec<Arc<RawValue>>,
}

impl NodeList {
    pub(super) fn new(items: Vec<Arc<RawValue>>) -> Self {
        Self { metadata: NoMetadata {}, items }
    }
}

/// `ExtenderPreemptionArgs`: one of both maps.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PreemptionArgs<'a> {
    pub(super) pod: &'a RawValue,
    pub(super) node_name_to_victims: Option<BTreeMap<&'a str, Victims<Arc<RawValue>>>>,
    pub(super) node_name_to_meta_victims: Option<BTreeMap<&'a str, Victims<MetaPod<'a>>>>,
}

/// `Victims` with whole pods, `MetaVictims` with their uids.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Victims<P> {
    pub(super) pods: Vec<P>,
    #[serde(rename = "NumPDBViolations")]
    pub(super) pdb_violations: i64,
}

/// `MetaPod`.
#[derive(Serialize)]
pub(super) struct MetaPod<'a> {
    #[serde(rename = "UID")]
    pub(super) uid: &'a str,
}

/// `ExtenderBindingArgs`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BindingArgs<'a> {
    pub(super) pod_name: &'a str,
    pub(super) pod_namespace: &'a str,
    #[serde(rename = "PodUID")]
    pub(super) pod_uid: &'a str,
    pub(super) node: &'a str,
}

/// An object's fields with their names as they came.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }

            fn visit_unit<E>(self) -> Result<Fields<'de>, E> {
                Ok(Fields(Vec::new()))
            }
        }
        deserializer.deserialize_any(Each)
    }
}

impl<'a> Fields<'a> {
    /// A field that is there and not null. The last one counts.
    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let named = self.0.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    /// A field, or its zero value.
    fn get<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, String> {
        self.raw(name).map_or_else(|| Ok(T::default()), parse)
    }

    fn fields(&self, name: &str) -> Result<Option<Self>, String> {
        self.raw(name).map(parse).transpose()
    }

    fn list(&self, name: &str) -> Result<Vec<Self>, String> {
        self.raw(name).map_or_else(|| Ok(Vec::new()), parse)
    }
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the answer can not be read: {error}")
}

/// The first value in a body; what follows is not looked at.
fn first<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(body)).map_err(|error| unreadable(&error))
}

/// `ExtenderFilterResult`, for an extender that was shown `asked`.
pub(super) fn filter_result(
    body: &[u8],
    extender: &str,
    node_cache_capable: bool,
    asked: &BTreeSet<&str>,
) -> Result<ExtenderFilter, String> {
    let result: Fields<'_> = first(body)?;
    let error: String = result.get("Error")?;
    if !error.is_empty() {
        return Err(error);
    }
    let names = result.raw("NodeNames").filter(|_| node_cache_capable);
    let passed: Vec<String> = if let Some(names) = names {
        parse(names)?
    } else if let Some(nodes) = result.fields("Nodes")? {
        let name = |node: &Fields<'_>| node.fields("metadata")?.map_or_else(|| Ok(String::new()), |of| of.get("name"));
        nodes.list("items")?.iter().map(name).collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    if let Some(unknown) = passed.iter().find(|name| !asked.contains(name.as_str())) {
        return Err(format!(
            "extender {extender:?} claims a filtered node {unknown:?} which is not found in the input node list"
        ));
    }
    Ok(ExtenderFilter {
        passed,
        failed: result.get("FailedNodes")?,
        failed_and_unresolvable: result.get("FailedAndUnresolvableNodes")?,
    })
}

/// `HostPriorityList`.
pub(super) fn priorities(body: &[u8]) -> Result<Vec<HostPriority>, String> {
    let list: Option<Vec<Fields<'_>>> = first(body)?;
    let one = |of: &Fields<'_>| Ok(HostPriority { host: of.get("Host")?, score: of.get("Score")? });
    list.unwrap_or_default().iter().map(one).collect()
}

/// `ExtenderPreemptionResult`.
pub(super) fn victims(body: &[u8]) -> Result<Vec<NodeMetaVictims>, String> {
    let result: Fields<'_> = first(body)?;
    let Some(by_node) = result.fields("NodeNameToMetaVictims")? else { return Ok(Vec::new()) };
    // Names of nodes are keys, so case counts, and the last of equals.
    let by_node: BTreeMap<String, &RawValue> = by_node.0.into_iter().collect();
    let one = |(node, victims): (String, &RawValue)| {
        let victims: Fields<'_> = parse(victims)?;
        let uids = victims.list("Pods")?.iter().map(|pod| pod.get("UID")).collect::<Result<_, _>>()?;
        Ok(NodeMetaVictims { node, pods: uids, pdb_violations: victims.get("NumPDBViolations")? })
    };
    by_node.into_iter().map(one).collect()
}

/// `ExtenderBindingResult`.
pub(super) fn binding_result(body: &[u8]) -> Result<(), String> {
    let result: Fields<'_> = first(body)?;
    let error: String = result.get("Error")?;
    if error.is_empty() { Ok(()) } else { Err(error) }
}
