//! Plugin sets: merged with the default profile, then multiPoint spread over the extension points.

use std::collections::BTreeSet;

use loadline_api::doc::did_you_mean;
use loadline_framework::{DefaultProfile, Descriptor, ExtensionPoint, Registry};

use crate::convert;
use crate::log::{Log, Place, text};
use crate::reader::{Field, Fields};
use crate::types::{PluginLists, PluginRef};

/// All plugins, in a list of disabled ones.
const ALL: &str = "*";

/// Extension points of alpha features (pod groups) that no plugin here has; kube-scheduler knows their fields.
const ALPHA_POINTS: [(&str, &str); 2] =
    [("placementGenerate", "PlacementGeneratePlugin"), ("placementScore", "PlacementScorePlugin")];

/// A plugin as a set of the file names it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) weight: Option<i32>,
    pub(crate) place: Place,
    pub(crate) weight_place: Place,
}

/// `enabled` and `disabled` of one field of `plugins`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) enabled: Vec<Entry>,
    pub(crate) disabled: Vec<Entry>,
    pub(crate) place: Place,
}

impl Set {
    fn read(log: &mut Log, plugins: &Fields<'_>, name: &str) -> Self {
        let fields = plugins.open_field(log, name, &["enabled", "disabled"]);
        let mut entries = |list: &str| -> Vec<Entry> {
            let items = fields.list(log, list);
            items.iter().map(|field| read_entry(log, field)).collect()
        };
        Self { enabled: entries("enabled"), disabled: entries("disabled"), place: plugins.place_of(name) }
    }

    fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|entry| entry.name == name)
    }

    /// Whether two sets say the same.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let enabled = |set: &Self| -> Vec<(String, i32)> {
            let entries = set.enabled.iter();
            entries.map(|entry| (entry.name.clone(), entry.weight.unwrap_or(0))).collect()
        };
        let disabled = |set: &Self| -> Vec<String> { set.disabled.iter().map(|entry| entry.name.clone()).collect() };
        enabled(self) == enabled(other) && disabled(self) == disabled(other)
    }
}

fn read_entry(log: &mut Log, field: &Field<'_>) -> Entry {
    let fields = Fields::open(log, field, &["name", "weight"]);
    let name = fields.text(log, "name").unwrap_or_default();
    if name.is_empty() {
        log.problem(&fields.place_of("name"), text::required("the name of a plugin"));
    }
    Entry {
        name,
        weight: fields.int32(log, "weight"),
        place: field.place.clone(),
        weight_place: fields.place_of("weight"),
    }
}

/// `plugins` of a profile, as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    pub(crate) multi_point: Set,
    /// By extension point.
    pub(crate) points: Vec<(ExtensionPoint, Set)>,
    alpha: Vec<(&'static str, Set)>,
}

impl Sets {
    pub(crate) fn read(log: &mut Log, profile: &Fields<'_>) -> Self {
        let mut known: Vec<&str> = ExtensionPoint::ALL.iter().map(|point| point.field()).collect();
        known.push("multiPoint");
        known.extend(ALPHA_POINTS.iter().map(|(field, _)| *field));
        let fields = profile.open_field(log, "plugins", &known);
        Self {
            multi_point: Set::read(log, &fields, "multiPoint"),
            points: ExtensionPoint::ALL
                .into_iter()
                .map(|point| (point, Set::read(log, &fields, point.field())))
                .collect(),
            alpha: ALPHA_POINTS.into_iter().map(|(field, kind)| (kind, Set::read(log, &fields, field))).collect(),
        }
    }

    /// Every set.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Set> {
        std::iter::once(&mut self.multi_point)
            .chain(self.points.iter_mut().map(|(_, set)| set))
            .chain(self.alpha.iter_mut().map(|(_, set)| set))
    }

    /// The set at an extension point.
    pub(crate) fn at(&self, point: ExtensionPoint) -> Option<&Set> {
        self.points.iter().find(|(at, _)| *at == point).map(|(_, set)| set)
    }
}

/// A plugin that multiPoint enables, by the file or by the default profile.
struct Candidate<'e> {
    plugin: &'static Descriptor,
    weight: i32,
    entry: Option<&'e Entry>,
}

/// What runs at each extension point, in the order in which kube-scheduler would run it.
pub(crate) fn expand(log: &mut Log, registry: &Registry, sets: &Sets) -> PluginLists {
    check_disabled(log, registry, sets);
    let multi_point = with_defaults(log, registry, &sets.multi_point);
    let mut lists = PluginLists::default();
    let mut repeated = BTreeSet::new();
    for (point, set) in &sets.points {
        let own = own_plugins(log, registry, *point, set);
        let (overriding, spread) = spread(log, *point, set, &own, &multi_point, &mut repeated);
        let list = lists.at_mut(*point);
        // First what is named here and by multiPoint, in this order; then the rest of multiPoint; then the rest of what
        // is named here.
        let (first, last): (Vec<_>, Vec<_>) = own.into_iter().partition(|(plugin, _)| overriding.contains(plugin.name));
        for (plugin, entry) in first {
            list.push(reference(log, *point, plugin, entry.weight.unwrap_or(0), Some(entry)));
        }
        for candidate in spread {
            let entry = reference(log, *point, candidate.plugin, candidate.weight, candidate.entry);
            list.push(entry);
        }
        for (plugin, entry) in last {
            list.push(reference(log, *point, plugin, entry.weight.unwrap_or(0), Some(entry)));
        }
    }
    for (kind, set) in &sets.alpha {
        for entry in &set.enabled {
            if find(log, registry, kind, entry).is_some() {
                log.problem(&entry.place, does_not_extend(&entry.name, kind));
            }
        }
    }
    warn_about_weights(log, registry, sets);
    lists
}

/// The plugins that multiPoint spreads: the default ones that are not disabled, replaced in place where the file
/// names them, and then the others that it names.
fn with_defaults<'e>(log: &mut Log, registry: &Registry, set: &'e Set) -> Vec<Candidate<'e>> {
    let mut candidates = Vec::new();
    let mut replacing = BTreeSet::new();
    let defaults = registry.iter().filter_map(|plugin| match plugin.default_profile {
        DefaultProfile::Enabled { weight } => Some((plugin, weight)),
        DefaultProfile::Absent => None,
    });
    for (plugin, weight) in defaults {
        if set.disables(ALL) || set.disables(plugin.name) {
            continue;
        }
        // Of several entries of one name the last one counts here, and the others are found to be repeated later.
        let entry = set.enabled.iter().enumerate().rfind(|(_, entry)| entry.name == plugin.name);
        if let Some((index, _)) = entry {
            replacing.insert(index);
        }
        let entry = entry.map(|(_, entry)| entry);
        candidates.push(Candidate { plugin, weight: entry.map_or(weight, |entry| entry.weight.unwrap_or(0)), entry });
    }
    for (index, entry) in set.enabled.iter().enumerate() {
        // An unknown name replaces nothing, so each one comes by here.
        if !replacing.contains(&index)
            && let Some(plugin) = find(log, registry, "plugin", entry)
        {
            candidates.push(Candidate { plugin, weight: entry.weight.unwrap_or(0), entry: Some(entry) });
        }
    }
    candidates
}

/// What one extension point names itself, without what is wrong.
fn own_plugins<'e>(
    log: &mut Log,
    registry: &Registry,
    point: ExtensionPoint,
    set: &'e Set,
) -> Vec<(&'static Descriptor, &'e Entry)> {
    let kind = kind_of(point);
    let mut own: Vec<(&'static Descriptor, &Entry)> = Vec::new();
    for entry in &set.enabled {
        let Some(plugin) = find(log, registry, &kind, entry) else {
            continue;
        };
        if !plugin.points.contains(&point) {
            log.problem(&entry.place, does_not_extend(plugin.name, &kind));
        } else if own.iter().any(|(other, _)| other.name == plugin.name) {
            log.problem(&entry.place, registered_already(plugin.name, &kind));
        } else {
            own.push((plugin, entry));
        }
    }
    own
}

/// What multiPoint brings to an extension point: the names that the point has itself, and the plugins to add.
fn spread<'c, 'e>(
    log: &mut Log,
    point: ExtensionPoint,
    set: &Set,
    own: &[(&'static Descriptor, &Entry)],
    multi_point: &'c [Candidate<'e>],
    repeated: &mut BTreeSet<String>,
) -> (BTreeSet<&'static str>, Vec<&'c Candidate<'e>>) {
    let mut overriding = BTreeSet::new();
    let mut added: Vec<&Candidate<'_>> = Vec::new();
    if set.disables(ALL) {
        return (overriding, added);
    }
    for candidate in multi_point {
        let name = candidate.plugin.name;
        if !candidate.plugin.points.contains(&point) || set.disables(name) {
            continue;
        }
        if own.iter().any(|(plugin, _)| plugin.name == name) {
            overriding.insert(name);
        } else if added.iter().any(|other| other.plugin.name == name) {
            // The same at every point: said once.
            if let Some(entry) = candidate.entry
                && repeated.insert(entry.place.path.clone())
            {
                log.problem(&entry.place, registered_already(name, &kind_of(point)));
            }
        } else {
            added.push(candidate);
        }
    }
    (overriding, added)
}

/// The descriptor of a plugin that an entry names. `kind` is what kube-scheduler calls it at that point.
fn find(log: &mut Log, registry: &Registry, kind: &str, entry: &Entry) -> Option<&'static Descriptor> {
    let found = registry.get(&entry.name);
    if found.is_none() && !entry.name.is_empty() {
        let message = convert::invalid_in_v1(&entry.name).unwrap_or_else(|| {
            let names = registry.iter().map(|plugin| plugin.name);
            format!("{kind} \"{0}\" does not exist{1}", entry.name, convert::hint(&entry.name, names))
        });
        log.problem(&entry.place, message);
    }
    found.filter(|plugin| {
        if plugin.points.is_empty() {
            log.problem(&entry.place, format!("{} can not be enabled: {}", plugin.name, plugin.help));
        }
        !plugin.points.is_empty()
    })
}

fn kind_of(point: ExtensionPoint) -> String {
    format!("{point}Plugin")
}

fn does_not_extend(name: &str, kind: &str) -> String {
    format!("plugin \"{name}\" does not extend {kind} plugin")
}

fn registered_already(name: &str, kind: &str) -> String {
    format!("plugin \"{name}\" already registered as \"{kind}\"")
}

fn reference(
    log: &mut Log,
    point: ExtensionPoint,
    plugin: &'static Descriptor,
    weight: i32,
    entry: Option<&Entry>,
) -> PluginRef {
    let scores = point == ExtensionPoint::Score;
    if scores
        && weight < 0
        && let Some(entry) = entry
    {
        log.problem(
            &entry.weight_place,
            text::invalid(weight, "a weight is at least 1 (disable the plugin to leave out its score)"),
        );
    }
    let written = entry.filter(|entry| scores && entry.weight.is_some_and(|weight| weight != 0));
    PluginRef {
        name: plugin.name.to_owned(),
        weight: if scores { i64::from(weight).max(1) } else { 0 },
        origin: entry.map(|entry| log.origin(&entry.place)),
        weight_origin: written.map(|entry| log.origin(&entry.weight_place)),
    }
}

/// Names that disable nothing. kube-scheduler passes over them in silence.
fn check_disabled(log: &mut Log, registry: &Registry, sets: &Sets) {
    let names: Vec<&str> = registry.iter().map(|plugin| plugin.name).collect();
    let points = sets.points.iter().map(|(point, set)| (Some(*point), set));
    for (point, set) in points.chain([(None, &sets.multi_point)]) {
        for entry in &set.disabled {
            if entry.name == ALL || entry.name.is_empty() {
                continue;
            }
            match (registry.get(&entry.name), point) {
                (None, _) => {
                    let near = did_you_mean(&entry.name, names.iter().copied());
                    let message = format!("plugin \"{}\" does not exist, so this disables nothing{near}", entry.name);
                    log.warn(&entry.place, message);
                }
                (Some(plugin), Some(point)) if !plugin.points.contains(&point) => {
                    let message = format!("{} has no {point}, so this disables nothing", plugin.name);
                    log.warn(&entry.place, message);
                }
                _ => {}
            }
        }
    }
}

/// Weights that have no effect, and plugins whose weight silently changes because they are named without one.
fn warn_about_weights(log: &mut Log, registry: &Registry, sets: &Sets) {
    let points = sets.points.iter().map(|(point, set)| (Some(*point), set));
    for (point, set) in points.chain([(None, &sets.multi_point)]) {
        for entry in &set.enabled {
            let Some(plugin) = registry.get(&entry.name) else {
                continue;
            };
            let scores = plugin.points.contains(&ExtensionPoint::Score);
            let counts = scores && point.is_none_or(|point| point == ExtensionPoint::Score);
            let weighed_at_score = point.is_none()
                && sets
                    .at(ExtensionPoint::Score)
                    .is_some_and(|set| set.disables(ALL) || set.disables(&entry.name) || set.enables(&entry.name));
            if !counts {
                if entry.weight.is_some_and(|weight| weight != 0) {
                    let why = match point {
                        Some(point) if scores => format!("only Score has weights, {point} has none"),
                        _ => format!("{} does not score", plugin.name),
                    };
                    log.warn(&entry.weight_place, format!("this weight has no effect: {why}"));
                }
            } else if entry.weight.unwrap_or(0) == 0
                && !weighed_at_score
                && let DefaultProfile::Enabled { weight } = plugin.default_profile
                && weight > 1
            {
                log.warn(
                    &entry.place,
                    format!(
                        "{} is named without a weight and so gets 1; the default profile gives it {weight}",
                        plugin.name
                    ),
                );
            }
        }
    }
}

impl Set {
    fn enables(&self, name: &str) -> bool {
        self.enabled.iter().any(|entry| entry.name == name)
    }
}
