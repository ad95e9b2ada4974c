//! NodeResourcesFitArgs.

use loadline_framework::{ArgField, ArgKind, FieldError};
use loadline_model::name::{is_extended_resource, qualified_name_error};
use serde::Deserialize;
use serde_json::Value;

use crate::args::decode;
use crate::scoring_strategy::{DEFAULT_RESOURCES, ResourceSpec, SHAPE_POINT, ShapePoint, Strategy, or_default};

const RATIO: &str = "RequestedToCapacityRatio";
const TYPES: [&str; 3] = ["LeastAllocated", "MostAllocated", RATIO];

/// Schema.
pub(super) const FIELDS: &[ArgField] = &[
    ArgField {
        name: "ignoredResources",
        kind: ArgKind::List(&ArgKind::Text),
        default: "",
        help: "Extended resources that the filter passes over. Scores are not affected.",
    },
    ArgField {
        name: "ignoredResourceGroups",
        kind: ArgKind::List(&ArgKind::Text),
        default: "",
        help: "Extended resources that the filter passes over, by what stands before the '/'. Scores are not affected.",
    },
    ArgField {
        name: "scoringStrategy",
        kind: ArgKind::Object(&[
            ArgField {
                name: "type",
                kind: ArgKind::Enum(&TYPES),
                default: "",
                help: "LeastAllocated prefers emptier nodes, MostAllocated fuller ones, RequestedToCapacityRatio goes by a shape.",
            },
            ArgField {
                name: "resources",
                kind: ArgKind::List(&ArgKind::Object(&[
                    ArgField { name: "name", kind: ArgKind::Text, default: "", help: "Resource name." },
                    ArgField {
                        name: "weight",
                        kind: ArgKind::Int { min: 1, max: 100 },
                        default: "1",
                        help: "Weight, 1 to 100; 0 means 1.",
                    },
                ])),
                default: DEFAULT_RESOURCES,
                help: "Resources to score by.",
            },
            ArgField {
                name: "requestedToCapacityRatio",
                kind: ArgKind::Object(&[ArgField {
                    name: "shape",
                    kind: ArgKind::List(&SHAPE_POINT),
                    default: "",
                    help: "Points of the score over the utilization, by growing utilization.",
                }]),
                default: "",
                help: "For the type RequestedToCapacityRatio, and only for it.",
            },
        ]),
        default: r#"{"type":"LeastAllocated","resources":[{"name":"cpu","weight":1},{"name":"memory","weight":1}]}"#,
        help: "How nodes are scored.",
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    ignored_resources: Option<Vec<String>>,
    ignored_resource_groups: Option<Vec<String>>,
    scoring_strategy: GivenStrategy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenStrategy {
    r#type: String,
    resources: Option<Vec<ResourceSpec>>,
    requested_to_capacity_ratio: Option<GivenShape>,
}

#[derive(Deserialize)]
struct GivenShape {
    shape: Vec<ShapePoint>,
}

/// The arguments as the plugin uses them.
pub(super) struct Args {
    ignored_resources: Vec<String>,
    ignored_resource_groups: Vec<String>,
    /// How nodes are scored.
    pub(super) strategy: Strategy,
    /// By which resources.
    pub(super) resources: Vec<ResourceSpec>,
}

impl Args {
    /// From complete, valid arguments.
    pub(super) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let given: Given = decode(args)?;
        let scoring = given.scoring_strategy;
        let strategy = match (scoring.r#type.as_str(), scoring.requested_to_capacity_ratio) {
            ("LeastAllocated", None) => Strategy::LeastAllocated,
            ("MostAllocated", None) => Strategy::MostAllocated,
            (RATIO, Some(ratio)) => Strategy::RequestedToCapacityRatio(ratio.shape.into()),
            _ => return Err(validate(args)),
        };
        Ok(Self {
            ignored_resources: given.ignored_resources.unwrap_or_default(),
            ignored_resource_groups: given.ignored_resource_groups.unwrap_or_default(),
            strategy,
            resources: or_default(scoring.resources.unwrap_or_default()),
        })
    }

    /// Whether the filter passes over a scalar resource.
    pub(super) fn ignores(&self, resource: &str) -> bool {
        let group = || resource.split_once('/').map_or(resource, |(prefix, _)| prefix);
        (self.ignored_resources.iter().any(|r| r == resource)
            || self.ignored_resource_groups.iter().any(|g| g == group()))
            && is_extended_resource(resource)
    }
}

/// kube-scheduler's rules beyond types and bounds.
pub(super) fn validate(args: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, name) in texts(args, "ignoredResources") {
        if let Some(error) = qualified_name_error(name) {
            errors.push(FieldError::new(format!("ignoredResources[{index}]"), error));
        }
    }
    for (index, group) in texts(args, "ignoredResourceGroups") {
        let path = format!("ignoredResourceGroups[{index}]");
        if group.contains('/') {
            errors.push(FieldError::new(path, "resource group name can't contain '/'"));
        } else if let Some(error) = qualified_name_error(group) {
            errors.push(FieldError::new(path, error));
        }
    }
    let strategy = &args["scoringStrategy"];
    if strategy.is_null() {
        errors.push(FieldError::new("scoringStrategy", "is required"));
        return errors;
    }
    let kind = strategy["type"].as_str().unwrap_or_default();
    if !TYPES.contains(&kind) {
        let message = format!("must be one of {}", TYPES.join(", "));
        errors.push(FieldError::new("scoringStrategy.type", message));
    }
    let ratio = &strategy["requestedToCapacityRatio"];
    let path = "scoringStrategy.requestedToCapacityRatio";
    match (kind == RATIO, ratio.is_null()) {
        (true, true) => errors.push(FieldError::new(path, "must be given when type is RequestedToCapacityRatio")),
        (true, false) => errors.extend(validate_shape(&ratio["shape"], &format!("{path}.shape"))),
        (false, false) => {
            errors.push(FieldError::new(path, "must be left out when type is not RequestedToCapacityRatio"));
        }
        (false, true) => {}
    }
    errors
}

fn texts<'a>(args: &'a Value, field: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let list = args[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = list.iter().enumerate();
    texts.filter_map(|(index, text)| Some((index, text.as_str()?)))
}

fn validate_shape(shape: &Value, path: &str) -> Option<FieldError> {
    let points = shape.as_array().map(Vec::as_slice).unwrap_or_default();
    if points.is_empty() {
        return Some(FieldError::new(path, "at least one point must be given"));
    }
    let at = |point: &Value| point["utilization"].as_i64().unwrap_or(0);
    let wrong = points.windows(2).position(|pair| at(&pair[0]) >= at(&pair[1]))?;
    Some(FieldError::new(format!("{path}[{}].utilization", wrong + 1), "must be greater than the one before it"))
}
