//! PodTopologySpreadArgs: the constraints of pods that have none of their own.

use std::sync::Arc;

use loadline_framework::{ArgField, ArgKind, FieldError};
use loadline_model::{Selector, SpreadConstraint, UnsatisfiableAction};
use serde_json::Value;

use loadline_model::name::qualified_name_error;

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
            errors.push(FieldError::new("defaultingType", "must be `List` when `defaultConstraints` is not empty"));
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
        Ok(Self { defaults: constraints.into(), system_defaulted })
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
    } else if let Some(problem) = qualified_name_error(topology_key) {
        fail("topologyKey", problem);
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
}
