//! From a configuration to profiles that run.

use std::sync::Arc;

use loadline_framework::{
    Descriptor, ExtensionPoint, FieldError, Plugin, Profile, ProfilePlugin, Profiles, Registry, ScorePlugin,
};
use loadline_model::duration::SECOND;
use serde_json::{Map, Value};

use crate::Problem;
use crate::effective::hash;
use crate::log::{Origin, Origins};
use crate::types::{Config, PluginRef, ProfileConfig};

/// Builds the plugins of every profile.
///
/// # Errors
/// What plugins say about their arguments beyond what [`crate::parse`] finds, and names that the registry does not have.
pub fn compile(config: &Config, registry: &Registry) -> Result<Profiles, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut profiles = Vec::with_capacity(config.profiles.len());
    for (index, profile) in config.profiles.iter().enumerate() {
        let path = format!("profiles[{index}]");
        if let Some(profile) = compile_profile(config, profile, &path, registry, &mut problems) {
            profiles.push(Arc::new(profile));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Profiles {
        profiles,
        extenders: Vec::new(),
        config_hash: hash(config).into(),
        pod_initial_backoff: config.pod_initial_backoff_seconds.saturating_mul(SECOND),
        pod_max_backoff: config.pod_max_backoff_seconds.saturating_mul(SECOND),
    })
}

fn compile_profile(
    config: &Config,
    profile: &ProfileConfig,
    path: &str,
    registry: &Registry,
    problems: &mut Vec<Problem>,
) -> Option<Profile> {
    let before = problems.len();
    let mut plugins = Vec::new();
    for descriptor in registry.iter().filter(|plugin| profile.plugins.contains(plugin.name)) {
        match build(profile, path, descriptor) {
            Ok(plugin) => plugins.push(ProfilePlugin { plugin, descriptor }),
            Err(found) => problems.extend(found),
        }
    }
    // In a list only what was built; the rest of the names is reported, as is what can not run where it is named.
    let mut indices = |point: ExtensionPoint| -> Vec<(usize, &PluginRef)> {
        let mut list = Vec::new();
        for (at, entry) in profile.plugins.at(point).iter().enumerate() {
            let place = format!("{path}.plugins.{}.enabled[{at}]", point.field());
            match plugins.iter().position(|plugin| plugin.descriptor.name == entry.name) {
                Some(index) if runs_at(&plugins[index].plugin, point) => list.push((index, entry)),
                Some(_) => problems.push(problem(
                    entry.origin.as_ref(),
                    place,
                    format!("plugin \"{}\" does not extend {point}Plugin plugin", entry.name),
                )),
                None if registry.get(&entry.name).is_none() => problems.push(problem(
                    entry.origin.as_ref(),
                    place,
                    format!("{point}Plugin \"{}\" does not exist", entry.name),
                )),
                None => {}
            }
        }
        list
    };
    let mut at = |point: ExtensionPoint| -> Vec<usize> { indices(point).into_iter().map(|(index, _)| index).collect() };
    let (pre_enqueue, queue_sort) = (at(ExtensionPoint::PreEnqueue), at(ExtensionPoint::QueueSort));
    let (pre_filter, filter) = (at(ExtensionPoint::PreFilter), at(ExtensionPoint::Filter));
    let (post_filter, pre_score) = (at(ExtensionPoint::PostFilter), at(ExtensionPoint::PreScore));
    let (reserve, permit) = (at(ExtensionPoint::Reserve), at(ExtensionPoint::Permit));
    let (pre_bind, bind) = (at(ExtensionPoint::PreBind), at(ExtensionPoint::Bind));
    let post_bind = at(ExtensionPoint::PostBind);
    let score = indices(ExtensionPoint::Score)
        .into_iter()
        .map(|(plugin, entry)| ScorePlugin { plugin, weight: entry.weight.max(1) })
        .collect();
    if problems.len() > before {
        return None;
    }
    let [queue_sort] = queue_sort[..] else {
        problems.push(problem(
            None,
            format!("{path}.plugins.queueSort"),
            format!("exactly one queue sort plugin is needed, but got {}", queue_sort.len()),
        ));
        return None;
    };
    Some(Profile {
        scheduler_name: profile.scheduler_name.as_str().into(),
        percentage_of_nodes_to_score: Some(
            profile.percentage_of_nodes_to_score.unwrap_or(config.percentage_of_nodes_to_score),
        ),
        plugins,
        pre_enqueue,
        queue_sort,
        pre_filter,
        filter,
        post_filter,
        pre_score,
        score,
        reserve,
        permit,
        pre_bind,
        bind,
        post_bind,
    })
}

fn build(profile: &ProfileConfig, path: &str, descriptor: &'static Descriptor) -> Result<Plugin, Vec<Problem>> {
    let none = Value::Object(Map::new());
    let written = profile.args(descriptor.name);
    let args = written.map_or(&none, |written| &written.args);
    (descriptor.build)(args).map_err(|errors| {
        let origins = written.map(|written| &written.origins);
        let list = format!("{path}.pluginConfig[{}].args", descriptor.name);
        errors
            .iter()
            .map(|error| {
                let place = match error.path.as_str() {
                    "" => list.clone(),
                    below => format!("{list}.{below}"),
                };
                problem(
                    origins.and_then(|origins| nearest_origin(origins, error)),
                    place,
                    format!("initializing plugin \"{}\": {}", descriptor.name, error.message),
                )
            })
            .collect()
    })
}

/// Where what an error names was written, or else the closest thing around it.
fn nearest_origin<'o>(origins: &'o Origins, error: &FieldError) -> Option<&'o Origin> {
    let mut path = error.path.as_str();
    loop {
        if let Some(origin) = origins.get(path) {
            return Some(origin);
        }
        let Some(end) = path.rfind(['.', '[']) else {
            // The arguments as a whole: by the first of them.
            return origins.values().min_by_key(|origin| (origin.line, origin.column));
        };
        path = &path[..end];
    }
}

fn problem(origin: Option<&Origin>, path: String, message: String) -> Problem {
    Problem {
        file: origin.map_or_else(|| "the default configuration".into(), |origin| origin.file.clone()),
        line: origin.map_or(0, |origin| origin.line),
        column: origin.map_or(0, |origin| origin.column),
        path,
        message,
    }
}

/// Whether a plugin, as it was built, has what an extension point calls.
fn runs_at(plugin: &Plugin, point: ExtensionPoint) -> bool {
    match point {
        ExtensionPoint::PreEnqueue => plugin.pre_enqueue.is_some(),
        ExtensionPoint::QueueSort => plugin.queue_sort.is_some(),
        ExtensionPoint::PreFilter | ExtensionPoint::Filter | ExtensionPoint::PreScore | ExtensionPoint::Score => {
            plugin.node.is_some()
        }
        ExtensionPoint::PostFilter => plugin.post_filter.is_some(),
        ExtensionPoint::Reserve => plugin.reserve.is_some(),
        ExtensionPoint::Permit => plugin.permit.is_some(),
        ExtensionPoint::PreBind => plugin.pre_bind.is_some(),
        ExtensionPoint::Bind => plugin.bind.is_some(),
        ExtensionPoint::PostBind => plugin.post_bind.is_some(),
    }
}
