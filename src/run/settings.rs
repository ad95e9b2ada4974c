//! The configuration and the flags, put together as kube-scheduler does it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use loadline_config::{Config, Problem};
use loadline_kubernetes::{Access, RateLimit};
use loadline_model::Time;

use super::RunArgs;
use super::flags::{ConfigFlags, ElectionFlags};
use super::serve::ServeSettings;
use super::{gates, go};

/// How to run.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The configuration, with what flags have changed of it.
    pub(crate) config: Config,
    /// How the API server is reached.
    pub(crate) access: Access,
    /// Limits for requests to the API server, when somebody has set some.
    pub(crate) client_limits: Option<RateLimit>,
    /// After this time a pod without a node is tried again, whatever happens.
    pub(crate) max_in_unschedulable: Time,
    /// Feature gates that matter, with stage and value.
    pub(crate) gates: Vec<(&'static str, &'static str, bool)>,
    /// What is served.
    pub(crate) serve: ServeSettings,
    /// All flags with their values.
    pub(crate) flags: BTreeMap<String, String>,
}

/// The version whose behaviour this is.
const VERSION: &str = "1.36";

/// Puts flags and configuration together. `warnings` gets what the user should know; what is wrong comes back, all of it.
pub(crate) fn merge(args: &RunArgs, mut config: Config, warnings: &mut Vec<String>) -> Result<Settings, Vec<Problem>> {
    let mut wrong = Vec::new();
    warnings.extend(args.idle.warnings());
    match gates::check(&args.versions.feature_gates) {
        Ok(said) => warnings.extend(said),
        Err(said) => wrong.extend(said.into_iter().map(|message| Problem::of_file(gates::FLAG, message))),
    }
    for version in go::elements(&args.versions.emulated_version) {
        if version.strip_prefix("kube=").unwrap_or(version) != VERSION {
            let message = format!("{version}: what {VERSION} does is done, and nothing else");
            wrong.push(Problem::of_file("--emulated-version", message));
        }
    }
    connection(&args.config, &mut config, warnings);
    wrong.extend(election(&args.election, &mut config));
    if args.config.kube_api_burst.is_some_and(|burst| burst < 0) {
        wrong.push(Problem::of_file("--kube-api-burst", "must be non-negative"));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let kubeconfig = Some(&config.client_connection.kubeconfig).filter(|path| !path.is_empty()).map(PathBuf::from);
    let limits = ["clientConnection.qps", "clientConnection.burst"];
    let in_file = limits.into_iter().any(|path| config.origins.contains_key(path));
    let in_flags =
        args.config.config.is_none() && (args.config.kube_api_qps.is_some() || args.config.kube_api_burst.is_some());
    let limits = RateLimit { qps: config.client_connection.qps, burst: config.client_connection.burst };
    Ok(Settings {
        config,
        access: Access { kubeconfig, master: args.config.master.clone() },
        client_limits: (in_file || in_flags).then_some(limits),
        max_in_unschedulable: args.config.pod_max_in_unschedulable_pods_duration,
        gates: gates::in_force(&args.versions.feature_gates),
        serve: args.serve.settings(),
        flags: args.values.0.clone(),
    })
}

/// Flags that count only where no file is given.
fn connection(flags: &ConfigFlags, config: &mut Config, warnings: &mut Vec<String>) {
    let connection = &mut config.client_connection;
    if flags.config.is_some() {
        let given = [
            ("kubeconfig", flags.kubeconfig.is_some(), "kubeconfig"),
            ("kube-api-qps", flags.kube_api_qps.is_some(), "qps"),
            ("kube-api-burst", flags.kube_api_burst.is_some(), "burst"),
        ];
        for (flag, _, field) in given.iter().filter(|(_, given, _)| *given) {
            warnings.push(format!(
                "--{flag} is ignored with --config, as kube-scheduler does: set clientConnection.{field} in the file"
            ));
        }
        return;
    }
    if let Some(path) = &flags.kubeconfig {
        connection.kubeconfig = path.to_string_lossy().into_owned();
    }
    connection.qps = flags.kube_api_qps.unwrap_or(connection.qps);
    connection.burst = flags.kube_api_burst.unwrap_or(connection.burst);
}

/// Flags that take the place of what the file says.
fn election(flags: &ElectionFlags, config: &mut Config) -> Vec<Problem> {
    let election = &mut config.leader_election;
    let mut by_flag = Vec::new();
    macro_rules! overrides {
        ($($flag:ident => $field:ident, $path:literal;)*) => {$(
            if let Some(value) = &flags.$flag {
                election.$field = value.clone();
                // It does not stand in the file any more.
                config.origins.remove(concat!("leaderElection.", $path));
                by_flag.push(($path, concat!("--", stringify!($flag))));
            }
        )*};
    }
    overrides! {
        leader_elect => leader_elect, "leaderElect";
        leader_elect_lease_duration => lease_duration, "leaseDuration";
        leader_elect_renew_deadline => renew_deadline, "renewDeadline";
        leader_elect_retry_period => retry_period, "retryPeriod";
        leader_elect_resource_lock => resource_lock, "resourceLock";
        leader_elect_resource_name => resource_name, "resourceName";
        leader_elect_resource_namespace => resource_namespace, "resourceNamespace";
    }
    let named = |field: &str| by_flag.iter().find(|(path, _)| *path == field).map(|(_, flag)| flag.replace('_', "-"));
    let place = |field: &str| named(field).unwrap_or_else(|| format!("leaderElection.{field}"));
    let problems = election.problems().into_iter();
    problems.map(|(field, message)| Problem::of_file(&place(field), message)).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use loadline_model::duration::SECOND;

    use super::*;
    use crate::cli::KubeScheduler;

    const FILE: &str = "\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaseDuration: 30s, renewDeadline: 20s, resourceName: of-the-file}
clientConnection: {kubeconfig: /of/the/file, qps: 7}
";

    fn merged(file: Option<&str>, flags: &[&str]) -> (Result<Settings, Vec<String>>, Vec<String>) {
        let registry = loadline_plugins::registry();
        let config = match file {
            Some(text) => loadline_config::parse(text, "file", &registry).expect("it is right").config,
            None => loadline_config::default_config(&registry).expect("it is right"),
        };
        let with_file = ["--config=file"];
        let line = ["kube-scheduler"].iter().chain(file.iter().flat_map(|_| &with_file)).chain(flags);
        let args = KubeScheduler::try_parse_from(line).expect("the command line is right").run;
        let mut warnings = Vec::new();
        let merged = merge(&args, config, &mut warnings);
        (merged.map_err(|wrong| wrong.iter().map(ToString::to_string).collect()), warnings)
    }

    #[test]
    fn flags_of_leader_election_override_the_file() {
        let flags = ["--leader-elect-renew-deadline=12s", "--leader-elect-resource-name=of-the-flag"];
        let (settings, warnings) = merged(Some(FILE), &flags);
        let election = settings.expect("it is right").config.leader_election;
        assert_eq!((election.lease_duration, election.renew_deadline), (30 * SECOND, 12 * SECOND));
        assert_eq!((election.leader_elect, election.resource_name.as_str()), (true, "of-the-flag"));
        assert_eq!(warnings, Vec::<String>::new());
        let (settings, _) = merged(None, &["--leader-elect=false", "--leader-elect-lease-duration=1s"]);
        assert!(!settings.expect("without election nothing is wrong with it").config.leader_election.leader_elect);
    }

    #[test]
    fn what_flags_make_of_leader_election_is_checked() {
        let (settings, _) = merged(None, &["--leader-elect-renew-deadline=20s"]);
        let wrong = settings.expect_err("it is longer than the lease");
        assert_eq!(
            wrong,
            ["leaderElection.leaseDuration: Invalid value: 15s: must be greater than `RenewDeadline` (20s)"]
        );
        let (settings, _) = merged(None, &["--leader-elect-resource-lock=endpoints", "--leader-elect-resource-name="]);
        let wrong = settings.expect_err("there are only leases");
        assert!(wrong[0].starts_with("--leader-elect-resource-lock: "), "{wrong:?}");
        assert!(wrong[1].starts_with("--leader-elect-resource-name: "), "{wrong:?}");
    }

    #[test]
    fn flags_of_the_client_count_without_a_file_alone() {
        let flags = ["--kubeconfig=/of/the/flag", "--kube-api-qps=9", "--kube-api-burst=11"];
        let (settings, warnings) = merged(Some(FILE), &flags);
        let settings = settings.expect("it is right");
        assert_eq!(settings.access.kubeconfig, Some("/of/the/file".into()));
        assert_eq!(settings.client_limits, Some(RateLimit { qps: 7.0, burst: 100 }));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        let (settings, warnings) = merged(None, &flags);
        let settings = settings.expect("it is right");
        assert_eq!(settings.access.kubeconfig, Some("/of/the/flag".into()));
        assert_eq!(settings.client_limits, Some(RateLimit { qps: 9.0, burst: 11 }));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(merged(None, &[]).0.expect("it is right").client_limits, None);
    }

    #[test]
    fn there_is_one_version() {
        for right in ["1.36", "kube=1.36"] {
            assert!(merged(None, &["--emulated-version", right]).0.is_ok(), "{right}");
        }
        assert!(merged(None, &["--emulated-version=1.35"]).0.is_err());
    }

    #[test]
    fn flags_without_effect_are_told() {
        let (settings, warnings) = merged(None, &["--profiling=false", "--logtostderr", "--tls-cipher-suites", "A,B"]);
        assert!(settings.is_ok());
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings.iter().any(|said| said.starts_with("--profiling has no effect: ")), "{warnings:?}");
    }
}
