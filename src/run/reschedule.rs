//! By which options pods are moved while the scheduler runs.

use std::sync::Arc;

use loadline_config::{Config, ProfileConfig};
use loadline_rescheduler::Options;

/// Name of the plugin whose arguments they are.
const PLUGIN: &str = "Rescheduler";

/// The options of the first profile that has the plugin; `None` when none has. There is one controller for all profiles, so profiles
/// that do not agree are told of in a warning.
///
/// # Errors
/// What is wrong with the arguments.
pub(super) fn options(config: &Config, warnings: &mut Vec<String>) -> Result<Option<Arc<Options>>, Vec<String>> {
    let has = |profile: &&ProfileConfig| profile.plugins.contains(PLUGIN);
    let mut first: Option<(&str, Options)> = None;
    for profile in config.profiles.iter().filter(has) {
        let name = profile.scheduler_name.as_str();
        let args = profile.args(PLUGIN).map_or_else(|| serde_json::json!({}), |args| args.args.clone());
        let wrong = |errors: Vec<loadline_framework::FieldError>| -> Vec<String> {
            let told = |error: &loadline_framework::FieldError| {
                format!("profile {name}: {PLUGIN}: {}: {}", error.path, error.message)
            };
            errors.iter().map(told).collect()
        };
        let options = Options::from_args(&args).map_err(wrong)?;
        match &first {
            None => first = Some((name, options)),
            Some((other, of_first)) if *of_first != options => warnings.push(format!(
                "profile {name}: the arguments of {PLUGIN} differ from those of profile {other}: pods of all profiles are moved by those of {other}"
            )),
            Some(_) => {}
        }
    }
    Ok(first.map(|(_, options)| Arc::new(options)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(profiles: &str) -> (Option<Arc<Options>>, Vec<String>) {
        let registry = loadline_plugins::registry();
        let text = format!(
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n{profiles}"
        );
        let config = loadline_config::parse(&text, "config", &registry).expect("it is valid").config;
        let mut warnings = Vec::new();
        (options(&config, &mut warnings).expect("its arguments are valid"), warnings)
    }

    fn profile(name: &str, args: &str) -> String {
        format!(
            "- schedulerName: {name}\n  plugins: {{filter: {{enabled: [{{name: Rescheduler}}]}}}}\n  pluginConfig: [{{name: Rescheduler, args: {{{args}}}}}]\n"
        )
    }

    #[test]
    fn the_first_profile_that_has_the_plugin_says_how_pods_are_moved() {
        assert_eq!(found("- schedulerName: plain\n"), (None, Vec::new()));
        let (options, warnings) = found(&("- schedulerName: plain\n".to_owned() + &profile("a", "readings: 7")));
        assert_eq!((options.map(|options| options.readings), warnings.len()), (Some(7), 0));
        let same = profile("a", "readings: 7") + &profile("b", "readings: 7");
        assert_eq!(found(&same).1.len(), 0);
        let (options, warnings) = found(&(profile("a", "readings: 7") + &profile("b", "readings: 8")));
        assert_eq!(options.map(|options| options.readings), Some(7));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("profile b: the arguments of Rescheduler differ from those of profile a"));
    }
}
