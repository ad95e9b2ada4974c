//! What kube-scheduler 1.36.3 made of random configurations: `vectors.jsonl` was written by its own packages (the decoder,
//! the validation, `scheduler.New` and `ListPlugins`), one configuration a line with the plugins at each extension point,
//! or the error. PreEnqueue is left out: plugins of ours gate pods there that they can not judge.

use loadline_framework::ExtensionPoint as P;
use loadline_plugins::registry;
use serde_json::{Map, Value, json};

use super::lines;
use crate::{Config, Problem, compile, parse};

fn vectors() -> impl Iterator<Item = Value> {
    include_str!("vectors.jsonl").lines().map(|line| serde_json::from_str(line).expect("a line is JSON"))
}

fn read(vector: &Value) -> Result<Config, Vec<Problem>> {
    let config = parse(&vector["config"].to_string(), "vector", &registry())?.config;
    compile(&config, &registry())?;
    Ok(config)
}

/// By profile and extension point, the plugins that run there; with weights at Score.
fn lists(config: &Config) -> Value {
    let profiles = config.profiles.iter().map(|profile| {
        let mut points = Map::new();
        for point in P::ALL.into_iter().filter(|point| *point != P::PreEnqueue) {
            let entries = profile.plugins.at(point).iter();
            let entries: Vec<String> = entries
                .map(|entry| match point {
                    P::Score => format!("{}={}", entry.name, entry.weight),
                    _ => entry.name.clone(),
                })
                .collect();
            if !entries.is_empty() {
                points.insert(point.field().to_owned(), entries.into());
            }
        }
        (profile.scheduler_name.clone(), Value::Object(points))
    });
    Value::Object(profiles.collect())
}

#[test]
fn the_same_plugins_in_the_same_order() {
    let mut seen = 0;
    for vector in vectors().filter(|vector| vector.get("error").is_none()) {
        seen += 1;
        let config = read(&vector).unwrap_or_else(|found| panic!("{}\n{}", lines(&found), vector["config"]));
        assert_eq!(lists(&config), vector["profiles"], "{}", vector["config"]);
    }
    assert_eq!(seen, 40);
}

#[test]
fn the_same_are_refused_at_the_same_paths() {
    let mut seen = 0;
    for vector in vectors() {
        let Some(error) = vector["error"].as_str() else {
            continue;
        };
        seen += 1;
        let problems = read(&vector).expect_err(&vector["config"].to_string());
        let path = error.strip_prefix("validate: ").and_then(|rest| rest.split_once(": "));
        // Several problems stand in brackets there.
        if let Some((path, _)) = path
            && !path.starts_with('[')
        {
            let found = problems.iter().any(|problem| problem.path == path);
            assert!(found, "{error}\n{}", lines(&problems));
        }
    }
    assert_eq!(seen, 40);
    assert_eq!(vectors().next().map(|vector| vector["config"]["kind"].clone()), Some(json!(crate::KIND)));
}
