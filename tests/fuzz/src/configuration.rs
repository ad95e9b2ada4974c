//! Configurations.

use std::sync::OnceLock;

use loadline_config::effective::{to_json, to_yaml};
use loadline_config::{Config, Loaded, compile, hash, parse};
use loadline_framework::Registry;

use crate::assert_in_text;

/// Reads a configuration. One that is refused is refused for a reason and at a place; one that is accepted can be run, and what is
/// shown of it, as YAML and as JSON, is the same configuration.
pub fn configuration(bytes: &[u8]) {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let registry = REGISTRY.get_or_init(loadline_plugins::registry);
    match parse(text, "f", registry) {
        Err(problems) => {
            assert!(!problems.is_empty(), "it is refused without a reason");
            assert_in_text(text, &problems);
        }
        Ok(Loaded { config, warnings }) => {
            assert_in_text(text, &warnings);
            if let Err(problems) = compile(&config, registry) {
                assert_in_text(text, &problems);
            }
            same(&config, &to_yaml(&config, registry, true), registry);
            same(&config, &to_yaml(&config, registry, false), registry);
            same(&config, &to_json(&config, registry).to_string(), registry);
        }
    }
}

fn same(config: &Config, shown: &str, registry: &Registry) {
    match parse(shown, "again", registry) {
        Ok(Loaded { config: again, .. }) => {
            assert_eq!(to_json(&again, registry), to_json(config, registry));
            assert_eq!(hash(&again), hash(config));
        }
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(problems.is_empty(), "what is shown is refused: {problems:#?}\n{shown}");
        }
    }
}
