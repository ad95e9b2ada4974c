//! `apiVersion` and `kind`, read ahead of the rest.

use std::borrow::Cow;

use serde::Deserialize;

use super::ItemDefault;
use crate::doc::{Node, Value};

/// What an object says it is.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    #[serde(borrow, default)]
    pub(super) api_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) kind: Option<Cow<'a, str>>,
}

impl<'a> Head<'a> {
    /// Of a JSON object. kubectl and people write both fields first; only when they do not is the object scanned to its end.
    pub(super) fn of_json(json: &'a str) -> Self {
        match Self::of_first_fields(json) {
            head @ Self { api_version: Some(_), kind: Some(_) } => head,
            _ => serde_json::from_str(json).unwrap_or_default(),
        }
    }

    /// From the fields before the first one that is no plain text.
    pub(super) fn of_first_fields(json: &'a str) -> Self {
        let mut head = Self::default();
        let Some(mut rest) = json.trim_start().strip_prefix('{') else {
            return head;
        };
        while let Some((key, behind)) = plain_text(rest) {
            let value = behind.trim_start().strip_prefix(':').and_then(plain_text);
            let Some((value, behind)) = value else { break };
            match key {
                "apiVersion" => head.api_version = Some(value.into()),
                "kind" => head.kind = Some(value.into()),
                _ => {}
            }
            if head.api_version.is_some() && head.kind.is_some() {
                break;
            }
            let Some(behind) = behind.trim_start().strip_prefix(',') else {
                break;
            };
            rest = behind;
        }
        head
    }
}

/// A JSON text without escapes at the beginning, and what stands behind it.
fn plain_text(json: &str) -> Option<(&str, &str)> {
    let (text, rest) = json.trim_start().strip_prefix('"')?.split_once('"')?;
    (!text.contains('\\')).then_some((text, rest))
}

fn text<'n>(node: &'n Node<'_>, field: &str) -> &'n str {
    node.get(field).and_then(Node::as_str).unwrap_or_default()
}

/// Whether an object says what it is.
pub(super) fn says_kind(node: &Node<'_>) -> bool {
    node.get("kind").is_some() && node.get("apiVersion").is_some()
}

/// What the elements of a list are; `None` for what is no list.
pub(super) fn list_of(node: &Node<'_>) -> Option<ItemDefault> {
    ItemDefault::of_list(text(node, "apiVersion"), text(node, "kind"))
}

/// The elements of a list.
pub(super) fn into_items(node: Node<'_>) -> Vec<Node<'_>> {
    let Value::Map(entries) = node.value else {
        return Vec::new();
    };
    let items = entries.into_iter().find(|entry| entry.key == "items");
    match items.map(|entry| entry.value.value) {
        Some(Value::Seq(items)) => items,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fields_are_enough() {
        let head = |api_version: &'static str, kind: &'static str| Head {
            api_version: Some(api_version.into()),
            kind: Some(kind.into()),
        };
        assert_eq!(Head::of_first_fields(" {\n \"kind\" : \"Pod\", \"apiVersion\":\"v1\", oops"), head("v1", "Pod"));
        assert_eq!(Head::of_first_fields("{\"x\":\"y\",\"kind\":\"Pod\",\"apiVersion\":\"v1\"}"), head("v1", "Pod"));
        assert_eq!(Head::of_first_fields("{\"metadata\":{},\"kind\":\"Pod\"}"), Head::default());
        assert_eq!(
            Head::of_json("{\"metadata\":{\"kind\":\"x\"},\"kind\":\"Pod\",\"apiVersion\":\"v1\"}"),
            head("v1", "Pod")
        );
        assert_eq!(Head::of_json("{\"ki\\u006ed\":\"P\\u006fd\",\"apiVersion\":\"v1\"}"), head("v1", "Pod"));
        assert_eq!(Head::of_json("{}"), Head::default());
    }
}
