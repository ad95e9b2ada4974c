//! Plugin arguments, read by the schema in the plugin's descriptor.

use loadline_api::doc::did_you_mean;
use loadline_api::doc::{FieldPath, Segment, Value as NodeValue};
use loadline_framework::{ArgField, ArgKind, Descriptor, FieldError};
use serde_json::{Map, Value};

use crate::log::{Log, Place, text};
use crate::reader::{Field, Fields};
use crate::types::PluginArgs;

/// Reads, completes and checks the arguments of a plugin. `field` is the `args` of the file; without it they are the
/// defaults, and `place` says where they would stand.
pub(crate) fn read_args(log: &mut Log, plugin: &Descriptor, field: Option<&Field<'_>>, place: &Place) -> PluginArgs {
    let before = log.problems.len();
    let fields = match field {
        Some(field) => {
            let mut known: Vec<&str> = plugin.args.iter().map(|arg| arg.name).collect();
            known.extend(["apiVersion", "kind"]);
            Fields::open(log, field, &known)
        }
        None => Fields::absent(place.clone()),
    };
    check_kind(log, plugin, &fields);
    let args = Value::Object(read_object(log, plugin.args, &fields));
    // Checks of the plugin's own are for arguments of the right types; on others they would only repeat what is said.
    if log.problems.len() == before {
        for error in (plugin.validate)(&args) {
            report(log, &error, field, place);
        }
    }
    PluginArgs { name: plugin.name.to_owned(), args, origins: log.take_origins(&place.path) }
}

/// Puts what a plugin says about its arguments where they stand in the file.
fn report(log: &mut Log, error: &FieldError, field: Option<&Field<'_>>, args: &Place) {
    let mut place = Place {
        path: match error.path.as_str() {
            "" => args.path.clone(),
            path => format!("{}.{path}", args.path),
        },
        ..args.clone()
    };
    if let Some(field) = field
        && !error.path.is_empty()
    {
        let (line, column) = field.node.position(&parse_path(&error.path));
        (place.line, place.column) = (line, column);
    }
    log.problem(&place, error.message.clone());
}

/// `a.b[0].c` in steps.
fn parse_path(path: &str) -> FieldPath {
    path.split('.')
        .flat_map(|part| {
            let (name, indices) = part.split_once('[').unwrap_or((part, ""));
            let name = (!name.is_empty()).then(|| Segment::Name(name.to_owned()));
            let indices = indices.split(['[', ']']).filter_map(|index| index.parse().ok()).map(Segment::Index);
            name.into_iter().chain(indices).collect::<Vec<_>>()
        })
        .collect()
}

fn check_kind(log: &mut Log, plugin: &Descriptor, fields: &Fields<'_>) {
    let expected = format!("{}Args", plugin.name);
    if let Some(kind) = fields.text(log, "kind")
        && kind != expected
    {
        log.problem(
            &fields.place_of("kind"),
            format!("args for plugin {} were not of type {expected}, got {kind}", plugin.name),
        );
    }
    if let Some(version) = fields.text(log, "apiVersion") {
        let known = crate::read::Version::parse(&version).is_some();
        if !known {
            log.problem(&fields.place_of("apiVersion"), text::unsupported(&version, &[crate::read::API_VERSION]));
        }
    }
}

fn read_object(log: &mut Log, schema: &'static [ArgField], fields: &Fields<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    for arg in schema {
        let written = fields.get(arg.name).filter(|field| !means_default(arg, field));
        let value = match written {
            Some(field) => read_value(log, arg.kind, &field),
            None => default_of(log, arg, &fields.place),
        };
        if let Some(value) = value {
            object.insert(arg.name.to_owned(), value);
        }
    }
    object
}

/// Whether a written value is one that Go can not tell from an absent one, where absent means a default: 0 where it is
/// not allowed, the empty text where one of a few is expected, an empty list in place of a list that is not.
fn means_default(arg: &ArgField, field: &Field<'_>) -> bool {
    let has_default = !matches!(arg.default, "" | "[]");
    match (arg.kind, &field.node.value) {
        (ArgKind::Int { min, .. }, NodeValue::Int(0)) => min > 0 && has_default,
        (ArgKind::Enum(_), NodeValue::String(text)) => text.is_empty(),
        (ArgKind::List(_), NodeValue::Seq(items)) => items.is_empty() && has_default,
        _ => false,
    }
}

fn default_of(log: &mut Log, arg: &ArgField, object: &Place) -> Option<Value> {
    if arg.default.is_empty() {
        return None;
    }
    match serde_json::from_str(arg.default) {
        Ok(mut value) => {
            complete(log, arg.kind, &mut value, object);
            Some(value)
        }
        Err(error) => {
            let place = object.missing(arg.name);
            log.problem(&place, format!("the plugin's own default `{}` is not JSON: {error}", arg.default));
            None
        }
    }
}

/// Fills in the defaults of what a default leaves out, and has numbers and durations as they are when they are written.
fn complete(log: &mut Log, kind: ArgKind, value: &mut Value, place: &Place) {
    match (kind, value) {
        (ArgKind::Number { .. }, value) => {
            if let Some(number) = value.as_f64() {
                *value = number.into();
            }
        }
        (ArgKind::Duration, Value::String(text)) => {
            if let Some(nanoseconds) = loadline_model::duration::parse(text) {
                *text = loadline_model::duration::format(nanoseconds);
            }
        }
        (ArgKind::Object(schema), Value::Object(object)) => {
            for arg in schema {
                if let Some(value) = object.get_mut(arg.name) {
                    complete(log, arg.kind, value, place);
                } else if let Some(value) = default_of(log, arg, place) {
                    object.insert(arg.name.to_owned(), value);
                }
            }
        }
        (ArgKind::List(element), Value::Array(items)) => {
            for item in items {
                complete(log, *element, item, place);
            }
        }
        _ => {}
    }
}

fn read_value(log: &mut Log, kind: ArgKind, field: &Field<'_>) -> Option<Value> {
    match kind {
        ArgKind::Bool => field.bool(log).map(Value::from),
        ArgKind::Int { min, max } => {
            let number = field.int(log)?;
            if !(min..=max).contains(&number) {
                let range = range(min, max);
                log.problem(&field.place, text::invalid(number, format_args!("not in valid range {range}")));
                return None;
            }
            Some(number.into())
        }
        ArgKind::Number { min, max } => {
            let number = field.float(log)?;
            if !(min..=max).contains(&number) {
                log.problem(&field.place, text::invalid(number, format_args!("not in valid range [{min}, {max}]")));
                return None;
            }
            Some(number.into())
        }
        ArgKind::Text => field.text(log).map(Value::from),
        ArgKind::Enum(choices) => {
            let value = field.text(log)?;
            if !choices.contains(&value.as_str()) {
                let near = did_you_mean(&value, choices.iter().copied());
                log.problem(&field.place, format!("{}{near}", text::unsupported(&value, choices)));
                return None;
            }
            Some(value.into())
        }
        // Kept as Go prints it, so that `60s` and `1m` are the same configuration.
        ArgKind::Duration => {
            field.duration(log).map(|nanoseconds| loadline_model::duration::format(nanoseconds).into())
        }
        ArgKind::List(element) => {
            let items = field.list(log);
            Some(items.iter().filter_map(|item| read_value(log, *element, item)).collect())
        }
        ArgKind::Object(schema) => Some(read_strictly(log, schema, field)),
        ArgKind::NodeAffinity => Some(read_strictly(log, NODE_AFFINITY, field)),
        ArgKind::SpreadConstraint => Some(read_constraint(log, field)),
    }
}

fn read_strictly(log: &mut Log, schema: &'static [ArgField], field: &Field<'_>) -> Value {
    let known: Vec<&str> = schema.iter().map(|arg| arg.name).collect();
    let fields = Fields::open(log, field, &known);
    log.written(&field.place);
    Value::Object(read_object(log, schema, &fields))
}

fn read_constraint(log: &mut Log, field: &Field<'_>) -> Value {
    const SELECTOR: &str = "labelSelector";
    let mut known: Vec<&str> = SPREAD_CONSTRAINT.iter().map(|arg| arg.name).collect();
    known.push(SELECTOR);
    let fields = Fields::open(log, field, &known);
    if let Some(selector) = fields.get(SELECTOR) {
        log.problem(
            &selector.place,
            text::forbidden("constraint must not define a selector, as they deduced for each pod"),
        );
    }
    log.written(&field.place);
    Value::Object(read_object(log, SPREAD_CONSTRAINT, &fields))
}

/// `[0, 100]`, `[1, inf)`.
pub(crate) fn range(min: i64, max: i64) -> String {
    let from = match min {
        i64::MIN => "(-inf".to_owned(),
        min if min == i64::from(i32::MIN) => "(-inf".to_owned(),
        min => format!("[{min}"),
    };
    let to = match max {
        i64::MAX => "inf)".to_owned(),
        max if max == i64::from(i32::MAX) => "inf)".to_owned(),
        max => format!("{max}]"),
    };
    format!("{from}, {to}")
}

/// The fields of a kind that is an object.
pub(crate) fn fields_of(kind: ArgKind) -> Option<&'static [ArgField]> {
    match kind {
        ArgKind::Object(fields) => Some(fields),
        ArgKind::NodeAffinity => Some(NODE_AFFINITY),
        ArgKind::SpreadConstraint => Some(SPREAD_CONSTRAINT),
        _ => None,
    }
}

const INT32: ArgKind = ArgKind::Int { min: i32::MIN as i64, max: i32::MAX as i64 };

const fn plain(name: &'static str, kind: ArgKind, help: &'static str) -> ArgField {
    ArgField { name, kind, default: "", help }
}

const REQUIREMENT: &[ArgField] = &[
    plain("key", ArgKind::Text, "Label, or field."),
    plain(
        "operator",
        ArgKind::Enum(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        "How the node's value and `values` are compared.",
    ),
    plain("values", ArgKind::List(&ArgKind::Text), "What it is compared with."),
];

const TERM: &[ArgField] = &[
    plain("matchExpressions", ArgKind::List(&ArgKind::Object(REQUIREMENT)), "Requirements on the node's labels."),
    plain(
        "matchFields",
        ArgKind::List(&ArgKind::Object(REQUIREMENT)),
        "Requirements on the node's fields (`metadata.name`).",
    ),
];

/// `v1.NodeAffinity`.
const NODE_AFFINITY: &[ArgField] = &[
    plain(
        "requiredDuringSchedulingIgnoredDuringExecution",
        ArgKind::Object(&[plain(
            "nodeSelectorTerms",
            ArgKind::List(&ArgKind::Object(TERM)),
            "A node has to match one of them.",
        )]),
        "Nodes that do not match are not feasible.",
    ),
    plain(
        "preferredDuringSchedulingIgnoredDuringExecution",
        ArgKind::List(&ArgKind::Object(&[
            plain("weight", INT32, "Points for a node that matches."),
            plain("preference", ArgKind::Object(TERM), "What it matches."),
        ])),
        "Nodes that match are preferred.",
    ),
];

const POLICIES: ArgKind = ArgKind::Enum(&["Honor", "Ignore"]);

/// `v1.TopologySpreadConstraint` without its selector, which default constraints must not have.
const SPREAD_CONSTRAINT: &[ArgField] = &[
    plain("maxSkew", INT32, "How far domains may differ in matching pods."),
    plain("topologyKey", ArgKind::Text, "Node label whose values are the domains."),
    plain("whenUnsatisfiable", ArgKind::Text, "`DoNotSchedule` or `ScheduleAnyway`."),
    plain("minDomains", INT32, "With fewer domains than this, the least is taken for 0."),
    plain("nodeAffinityPolicy", POLICIES, "Whether nodes that the pod's node affinity excludes are left out."),
    plain("nodeTaintsPolicy", POLICIES, "Whether nodes with taints that the pod does not tolerate are left out."),
    plain("matchLabelKeys", ArgKind::List(&ArgKind::Text), "Labels of the pod that matching pods have to share."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for path in ["a", "a.b", "a[0]", "a.b[3].c", "a[0][1]"] {
            assert_eq!(parse_path(path).to_string(), path);
        }
    }

    #[test]
    fn ranges_read_like_kube_schedulers() {
        assert_eq!(range(0, 100), "[0, 100]");
        assert_eq!(range(0, i64::from(i32::MAX)), "[0, inf)");
        assert_eq!(range(i64::MIN, 3), "(-inf, 3]");
    }
}
