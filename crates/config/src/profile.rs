//! Profiles.

use std::collections::BTreeMap;

use loadline_framework::{ExtensionPoint, Registry};

use crate::convert;
use crate::log::{Log, Place, text};
use crate::merge::{Sets, expand};
use crate::read::{DEFAULT_SCHEDULER_NAME, Version, read_percentage};
use crate::reader::Fields;
use crate::schema::read_args;
use crate::types::{PluginArgs, ProfileConfig};

/// A profile that was read, and what of its text is still needed.
struct Read {
    config: ProfileConfig,
    /// It has no `schedulerName`.
    unnamed: bool,
    sets: Sets,
    place: Place,
    name_place: Place,
}

/// Reads all profiles; without any, the default one.
pub(crate) fn read_all(
    log: &mut Log,
    registry: &Registry,
    config: &Fields<'_>,
    version: Version,
) -> Vec<ProfileConfig> {
    let items = config.list(log, "profiles");
    let mut profiles: Vec<Read> = if items.is_empty() {
        let absent = Fields::absent(Place { path: "profiles[0]".to_owned(), ..config.place_of("profiles") });
        vec![read_one(log, registry, &absent, version)]
    } else {
        let known = ["schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"];
        items
            .iter()
            .map(|field| {
                let fields = Fields::open(log, field, &known);
                read_one(log, registry, &fields, version)
            })
            .collect()
    };
    name(log, &mut profiles);
    for profile in &profiles {
        check_points(log, profile);
    }
    if let Some((first, others)) = profiles.split_first() {
        for profile in others {
            check_queue_sort(log, first, profile);
        }
    }
    profiles.into_iter().map(|profile| profile.config).collect()
}

fn read_one(log: &mut Log, registry: &Registry, fields: &Fields<'_>, version: Version) -> Read {
    let mut sets = Sets::read(log, fields);
    convert::convert_sets(log, registry, &mut sets, version);
    let plugins = expand(log, registry, &sets);
    let mut config = ProfileConfig {
        scheduler_name: String::new(),
        percentage_of_nodes_to_score: read_percentage(log, fields),
        plugins,
        plugin_config: Vec::new(),
    };
    config.plugin_config = read_plugin_config(log, registry, fields, &config, version);
    if version == Version::V1Beta2 {
        convert::warn_about_weights(log, registry, &config, &fields.place);
    }
    let unnamed = fields.get("schedulerName").is_none();
    // What is no text has been reported; its path stands in, so that it is not taken for a missing or repeated name too.
    let name = fields.text(log, "schedulerName");
    config.scheduler_name = match name {
        Some(name) => name,
        None if unnamed => String::new(),
        None => fields.place.path.clone(),
    };
    Read { config, unnamed, sets, place: fields.place.clone(), name_place: fields.place_of("schedulerName") }
}

/// Gives the only profile its default name, and checks names.
fn name(log: &mut Log, profiles: &mut [Read]) {
    let single = profiles.len() == 1;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, profile) in profiles.iter_mut().enumerate() {
        let name = &mut profile.config.scheduler_name;
        if profile.unnamed && single {
            DEFAULT_SCHEDULER_NAME.clone_into(name);
        } else if name.is_empty() {
            let why = if single { "" } else { "each of several profiles needs a name of its own" };
            log.problem(&profile.name_place, text::required(why));
        } else if let Some(first) = seen.get(name.as_str()) {
            log.problem(&profile.name_place, format!("{}: profiles[{first}] has it", text::duplicate(&*name)));
        } else {
            seen.insert(name.clone(), index);
        }
    }
}

fn read_plugin_config(
    log: &mut Log,
    registry: &Registry,
    profile: &Fields<'_>,
    config: &ProfileConfig,
    version: Version,
) -> Vec<PluginArgs> {
    let mut seen: BTreeMap<&'static str, PluginArgs> = BTreeMap::new();
    for field in profile.list(log, "pluginConfig") {
        let fields = Fields::open(log, &field, &["name", "args"]);
        let name = fields.text(log, "name").unwrap_or_default();
        let place = fields.place_of("name");
        let args = fields.get("args");
        if name.is_empty() {
            log.problem(&place, text::required("the name of a plugin"));
            continue;
        }
        let Some(plugin) = registry.get(&name) else {
            unknown(log, registry, &name, &place, version);
            continue;
        };
        let read = read_args(log, plugin, args.as_ref(), &fields.place_of("args"));
        if seen.contains_key(plugin.name) {
            log.problem(&field.place, text::duplicate(&name));
            continue;
        }
        if !config.plugins.contains(plugin.name) {
            log.warn(&place, format!("{name} does not run in this profile, so these arguments have no effect"));
        }
        if !plugin.args.is_empty() {
            seen.insert(plugin.name, read);
        }
    }
    for plugin in registry.iter() {
        let runs = config.plugins.contains(plugin.name);
        if runs && !plugin.args.is_empty() && !seen.contains_key(plugin.name) {
            let place = place_of_defaults(profile, config, plugin.name);
            seen.insert(plugin.name, read_args(log, plugin, None, &place));
        }
    }
    // By name, as kube-scheduler prints them.
    seen.into_values().collect()
}

/// Arguments for a plugin that is not there. kube-scheduler takes it for one that is linked in elsewhere and passes over
/// it; that it is a misspelt name is more likely.
fn unknown(log: &mut Log, registry: &Registry, name: &str, place: &Place, version: Version) {
    if version == Version::V1 {
        if let Some(message) = convert::invalid_in_v1(name) {
            log.problem(place, message);
            return;
        }
    } else if convert::leave_out(log, registry, name, place) {
        return;
    }
    let hint = convert::hint(name, registry.iter().map(|plugin| plugin.name));
    log.warn(place, format!("plugin \"{name}\" does not exist, so these arguments have no effect{hint}"));
}

/// Where to report that a plugin can not do with default arguments: where it was enabled.
fn place_of_defaults(profile: &Fields<'_>, config: &ProfileConfig, plugin: &str) -> Place {
    let list = profile.place_of("pluginConfig");
    let enabled = ExtensionPoint::ALL
        .into_iter()
        .flat_map(|point| config.plugins.at(point))
        .find(|entry| entry.name == plugin)
        .and_then(|entry| entry.origin.as_ref());
    Place {
        path: format!("{}[{plugin}].args", list.path),
        line: enabled.map_or(list.line, |origin| origin.line),
        column: enabled.map_or(list.column, |origin| origin.column),
    }
}

/// Each profile sorts its queue by one plugin and binds by one or more.
fn check_points(log: &mut Log, profile: &Read) {
    let plugins = format!("{}.plugins", profile.place.path);
    if log.problems.iter().any(|problem| problem.path.starts_with(&plugins)) {
        // What is missing may well be what is misspelt.
        return;
    }
    let place = |point: ExtensionPoint| match profile.sets.at(point) {
        Some(set) => set.place.clone(),
        None => profile.place.missing("plugins"),
    };
    let name = &profile.config.scheduler_name;
    let sorting = profile.config.plugins.at(ExtensionPoint::QueueSort);
    if sorting.len() != 1 {
        let names: Vec<&str> = sorting.iter().map(|entry| entry.name.as_str()).collect();
        let listed = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        log.problem(
            &place(ExtensionPoint::QueueSort),
            format!(
                "only one queue sort plugin required for profile with scheduler name \"{name}\", but got {}{listed}",
                names.len()
            ),
        );
    }
    if profile.config.plugins.at(ExtensionPoint::Bind).is_empty() {
        log.problem(
            &place(ExtensionPoint::Bind),
            format!("at least one bind plugin is needed for profile with scheduler name \"{name}\""),
        );
    }
}

/// One queue serves all profiles, so all of them sort it alike. `first` is the first of them.
fn check_queue_sort(log: &mut Log, first: &Read, profile: &Read) {
    const SAME: &str = "must be the same for all profiles";
    let point = ExtensionPoint::QueueSort;
    let (Some(canon), Some(set)) = (first.sets.at(point), profile.sets.at(point)) else {
        return;
    };
    let name_of = |profile: &Read| match profile.config.plugins.at(point) {
        [entry] => entry.name.clone(),
        _ => String::new(),
    };
    let (expected, name) = (name_of(first), name_of(profile));
    if !canon.same(set) {
        log.problem(&set.place, text::invalid(format_args!("\"{name}\""), SAME));
    } else if expected != name {
        log.problem(
            &set.place,
            format!(
                "different queue sort plugins for profile \"{}\": \"{name}\", first: \"{expected}\"",
                profile.config.scheduler_name
            ),
        );
    }
    let args = |profile: &Read| profile.config.args(&name).map(|args| args.args.clone());
    if expected == name && args(first) != args(profile) {
        log.problem(
            &profile.place.missing("pluginConfig"),
            format!("queueSort {SAME}: {name} has other arguments here than in the first"),
        );
    }
}
