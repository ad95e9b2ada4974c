//! PodTopologySpreadArgs: the constraints of pods that have none of their own.

use std::sync::Arc;

use loadline_framework::{ArgField, ArgKind, FieldError};
use loadline_model::{Selector, SpreadConstraint, UnsatisfiableAction};
use serde_json::Value;

pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The arguments' schema.
pub(super) static FIELDS: [ArgField; 2] = [
    ArgField {
        name: "defaultConstraints",
        kind: ArgKind::List(&ArgKind::SpreadConstraint),
        default: "",
        help: "Constraints of pods that have none of their own; each pod's selector comes from its services and its \
               controller. Needs `defaultingType: List`.",
    },
    ArgField {
        name: "defaultingType",
        kind: ArgKind::Enum(&["System", "List"]),
        default: "\"System\"",
        help: "`System`: spread pods that have no constraints over nodes and zones; `List`: by `defaultConstraints`.",
    },
];

/// The arguments, understood.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    /// Constraints of pods without their own, selectors left out.
    pub(super) defaults: Arc<[SpreadConstraint]>,
    /// `defaultingType: System`.
    pub(super) system_defaulted: bool,
}

impl Arguments {
    /// Understands complete arguments.
    pub(super) fn parse(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let given = args["defaultConstraints"].as_array().map_or(&[][..], Vec::as_slice);
        let system_defaulted = args["defaultingType"] != "List";
        if system_defaulted && !given.is_empty() {
            errors.push(FieldError::new(
                "defaultingType",
                "must be `List` when `defaultConstraints` is not empty",
            ));
        }
        let mut constraints: Vec<SpreadConstraint> = Vec::new();
        for (index, value) in given.iter().enumerate() {
            let path = format!("defaultConstraints[{index}]");
            if let Some(constraint) = parse_constraint(value, &path, &mut errors) {
                let same = |other: &SpreadConstraint| {
                    other.topology_key == constraint.topology_key
                        && other.when_unsatisfiable == constraint.when_unsatisfiable
                };
                if constraints.iter().any(same) {
                    errors.push(FieldError::new(
                        path,
                        "an earlier constraint has the same `topologyKey` and `whenUnsatisfiable`",
                    ));
                }
                constraints.push(constraint);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if system_defaulted {
            constraints = vec![soft(HOSTNAME, 3), soft(ZONE, 5)];
        }
        Ok(Self {
            defaults: constraints.into(),
            system_defaulted,
        })
    }
}

/// For [`loadline_framework::Descriptor::validate`].
pub(super) fn validate(args: &Value) -> Vec<FieldError> {
    Arguments::parse(args).err().unwrap_or_default()
}

fn soft(topology_key: &str, max_skew: i32) -> SpreadConstraint {
    SpreadConstraint {
        max_skew,
        topology_key: topology_key.into(),
        when_unsatisfiable: UnsatisfiableAction::ScheduleAnyway,
        selector: Selector::Nothing,
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        match_label_keys: Box::default(),
    }
}

fn parse_constraint(value: &Value, path: &str, errors: &mut Vec<FieldError>) -> Option<SpreadConstraint> {
    let before = errors.len();
    let mut fail = |field: &str, message: &str| errors.push(FieldError::new(format!("{path}.{field}"), message));
    let max_skew = value["maxSkew"].as_i64().and_then(|skew| i32::try_from(skew).ok());
    if max_skew.is_none_or(|skew| skew < 1) {
        fail("maxSkew", "must be a whole number of at least 1");
    }
    let topology_key = value["topologyKey"].as_str().unwrap_or_default();
    if topology_key.is_empty() {
        fail("topologyKey", "is required: the label key whose values are the domains");
    } else if let Some(problem) = label_key_problem(topology_key) {
        fail("topologyKey", &problem);
    }
    let action = match value["whenUnsatisfiable"].as_str() {
        Some("DoNotSchedule") => Some(UnsatisfiableAction::DoNotSchedule),
        Some("ScheduleAnyway") => Some(UnsatisfiableAction::ScheduleAnyway),
        _ => {
            fail("whenUnsatisfiable", "must be `DoNotSchedule` or `ScheduleAnyway`");
            None
        }
    };
    if !value["labelSelector"].is_null() {
        fail("labelSelector", "is not allowed here: it is deduced for each pod");
    }
    if errors.len() > before {
        return None;
    }
    let policy = |field: &str, default: bool| value[field].as_str().map_or(default, |policy| policy == "Honor");
    let min_domains = value["minDomains"].as_i64().and_then(|least| i32::try_from(least).ok());
    Some(SpreadConstraint {
        max_skew: max_skew?,
        when_unsatisfiable: action?,
        min_domains: min_domains.unwrap_or(1),
        honor_affinity: policy("nodeAffinityPolicy", true),
        honor_taints: policy("nodeTaintsPolicy", false),
        // `matchLabelKeys` add to a constraint's own selector, and a default constraint has none.
        ..soft(topology_key, 1)
    })
}

/// What keeps `key` from being a label key: `[prefix/]name`, a DNS subdomain and at most 63 of letters, digits, `-`,
/// `_` and `.`.
fn label_key_problem(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let framed = |text: &str, inner: fn(char) -> bool, outer: fn(char) -> bool| {
        text.starts_with(outer) && text.ends_with(outer) && text.chars().all(|c| inner(c) || outer(c))
    };
    let name_ok = name.len() <= 63 && framed(name, |c| matches!(c, '-' | '_' | '.'), |c| c.is_ascii_alphanumeric());
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let prefix_ok = prefix.is_none_or(|prefix| {
        prefix.len() <= 253 && prefix.split('.').all(|part| framed(part, |c| c == '-', lower))
    });
    (!name_ok || !prefix_ok).then(|| format!("`{key}` is not a label key such as `topology.kubernetes.io/zone`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(args: &Value) -> Vec<String> {
        validate(args).into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn the_system_spreads_over_nodes_and_zones() {
        let arguments = Arguments::parse(&json!({"defaultingType": "System"})).unwrap();
        assert!(arguments.system_defaulted);
        let skews: Vec<_> = arguments.defaults.iter().map(|c| (&*c.topology_key, c.max_skew)).collect();
        assert_eq!(skews, [(HOSTNAME, 3), (ZONE, 5)]);
        assert!(arguments.defaults.iter().all(|c| c.honor_affinity && !c.honor_taints && c.min_domains == 1));
    }

    #[test]
    fn a_list_replaces_them() {
        let arguments = Arguments::parse(&json!({"defaultingType": "List", "defaultConstraints": [{
            "maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3,
            "nodeAffinityPolicy": "Ignore", "nodeTaintsPolicy": "Honor",
        }]}))
        .unwrap();
        assert!(!arguments.system_defaulted);
        let expected = SpreadConstraint {
            when_unsatisfiable: UnsatisfiableAction::DoNotSchedule,
            min_domains: 3,
            honor_affinity: false,
            honor_taints: true,
            ..soft("rack", 2)
        };
        assert_eq!(*arguments.defaults, [expected]);
    }

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(
            paths(&json!({"defaultingType": "System", "defaultConstraints": [
                {"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Maybe", "labelSelector": {}},
                {"maxSkew": 1, "topologyKey": "-zone", "whenUnsatisfiable": "ScheduleAnyway"},
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
                {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
                {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            ]})),
            [
                "defaultingType",
                "defaultConstraints[0].maxSkew",
                "defaultConstraints[0].topologyKey",
                "defaultConstraints[0].whenUnsatisfiable",
                "defaultConstraints[0].labelSelector",
                "defaultConstraints[1].topologyKey",
                "defaultConstraints[3]",
            ]
        );
    }

    #[test]
    fn label_keys() {
        for good in ["zone", "topology.kubernetes.io/zone", "a.b/C_d.e-f"] {
            assert_eq!(label_key_problem(good), None, "{good}");
        }
        for bad in ["zone-", "a/b/c", "/zone", "UPPER.io/zone", "a..b/zone", "a/"] {
            assert!(label_key_problem(bad).is_some(), "{bad}");
        }
    }
}
