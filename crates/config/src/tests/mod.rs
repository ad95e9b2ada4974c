//! Whole files in, configurations and messages out.

mod built_in;
mod converting;
mod defaults;
mod differences;
mod merging;
mod plugin_args;
mod printing;
mod profiles;
mod registry;
mod reported;
mod vectors;

use loadline_framework::ExtensionPoint;

use crate::{Config, Loaded, Problem, ProfileConfig, parse};
use registry::registry;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

/// A valid file; `body` goes on behind its first two lines.
#[track_caller]
fn load(body: &str) -> Loaded {
    match parse(&format!("{HEAD}{body}"), "c.yaml", &registry()) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{}", lines(&problems)),
    }
}

/// A valid file without anything to warn about.
#[track_caller]
fn config(body: &str) -> Config {
    let loaded = load(body);
    assert_eq!(lines(&loaded.warnings), "");
    loaded.config
}

/// A valid file with something to warn about: the warnings.
#[track_caller]
fn warned(body: &str) -> String {
    lines(&load(body).warnings)
}

/// A file with problems: the problems.
#[track_caller]
fn refused(body: &str) -> String {
    refused_text(&format!("{HEAD}{body}"))
}

#[track_caller]
fn refused_text(text: &str) -> String {
    match parse(text, "c.yaml", &registry()) {
        Ok(_) => panic!("it is valid"),
        Err(problems) => lines(&problems),
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Names at an extension point.
fn names(profile: &ProfileConfig, point: ExtensionPoint) -> Vec<&str> {
    profile.plugins.at(point).iter().map(|entry| entry.name.as_str()).collect()
}

/// Names and weights at Score.
fn weights(profile: &ProfileConfig) -> Vec<(&str, i64)> {
    let score = profile.plugins.at(ExtensionPoint::Score);
    score.iter().map(|entry| (entry.name.as_str(), entry.weight)).collect()
}
