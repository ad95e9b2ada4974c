//! The policy file of the descheduler, read with positions.

use loadline_api::doc::{Document, FieldPath, Node, Problem, Segment, decode, decode_all, did_you_mean};
use loadline_framework::FieldError;
use loadline_model::Selector;
use loadline_rescheduler::Limits;
use loadline_rescheduler::policy::args::{self, Check};
use loadline_rescheduler::policy::{Policy, Profile, Step};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

const API_VERSION: &str = "descheduler/v1alpha2";
const KIND: &str = "DeschedulerPolicy";
const EVICTOR: &str = "DefaultEvictor";

/// A policy, and what in it has no effect here.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) policy: Policy,
    pub(crate) warnings: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Written {
    api_version: String,
    kind: String,
    node_selector: Option<String>,
    max_no_of_pods_to_evict_per_node: Option<usize>,
    max_no_of_pods_to_evict_per_namespace: Option<usize>,
    max_no_of_pods_to_evict_total: Option<usize>,
    eviction_failure_event_notification: Option<bool>,
    metrics_collector: Option<IgnoredAny>,
    metrics_providers: Option<IgnoredAny>,
    grace_period_seconds: Option<i64>,
    profiles: Vec<WrittenProfile>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct WrittenProfile {
    name: String,
    plugin_config: Vec<WrittenArgs>,
    plugins: WrittenPlugins,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenArgs {
    name: String,
    /// Read by itself, once it is known of which plugin it is.
    args: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenPlugins {
    presort: WrittenSet,
    sort: WrittenSet,
    deschedule: WrittenSet,
    balance: WrittenSet,
    filter: WrittenSet,
    preevictionfilter: WrittenSet,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenSet {
    enabled: Vec<String>,
    disabled: Vec<String>,
}

/// Reads a policy from YAML or JSON. `file` is how messages name it.
///
/// # Errors
/// Everything that is wrong in it, in the order of the file.
pub(crate) fn read(text: &str, file: &str) -> Result<Read, Vec<Problem>> {
    let mut documents = Document::parse(text, file)?;
    if documents.len() != 1 {
        let message = format!("{} documents in it: expected one {KIND}", documents.len());
        return Err(vec![Problem::of_file(file, message)]);
    }
    let mut root = documents.remove(0);
    let kind = root.get("kind").and_then(Node::as_str).unwrap_or_default().to_owned();
    if kind != KIND {
        let found = if kind.is_empty() { "has no kind".to_owned() } else { format!("is a {kind}") };
        let hint =
            if kind == "ConfigMap" { "; the policy is the text under one of the keys in its `data`" } else { "" };
        let message = format!("{found}: expected a {KIND}{hint}");
        let (line, column) = root.position(&FieldPath::root().field("kind"));
        return Err(vec![Problem { file: file.into(), line, column, path: "kind".to_owned(), message }]);
    }
    let intact = root.clone();
    let mut reader = Reader { root: &intact, file, problems: Vec::new(), warnings: Vec::new() };
    let written = decode_all::<Written>(&mut root, &file.into(), &mut reader.problems).unwrap_or_default();
    let policy = reader.policy(&written);
    let Reader { mut problems, warnings, .. } = reader;
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(Read { policy, warnings }) } else { Err(problems) }
}

struct Reader<'r> {
    root: &'r Node<'r>,
    file: &'r str,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn problem(&mut self, path: &FieldPath, message: impl Into<String>) {
        let (line, column) = self.root.position(path);
        let (file, path, message) = (self.file.into(), path.to_string(), message.into());
        self.problems.push(Problem { file, line, column, path, message });
    }

    fn policy(&mut self, written: &Written) -> Policy {
        let root = FieldPath::root();
        if written.api_version != API_VERSION {
            let near = did_you_mean(&written.api_version, [API_VERSION]);
            let message = match written.api_version.as_str() {
                "" => format!("must be {API_VERSION}"),
                "descheduler/v1alpha1" => {
                    format!(
                        "is descheduler/v1alpha1, which the descheduler left with 0.29: write it anew as {API_VERSION}"
                    )
                }
                other => format!("is {other:?}, and {API_VERSION} is known{near}"),
            };
            self.problem(&root.field("apiVersion"), message);
        }
        let told = [
            (written.eviction_failure_event_notification.is_some(), "evictionFailureEventNotification"),
            (written.grace_period_seconds.is_some(), "gracePeriodSeconds"),
        ];
        for (_, name) in told.into_iter().filter(|(given, _)| *given) {
            self.warnings.push(format!("{name} says nothing here: a plan evicts nobody"));
        }
        if written.metrics_collector.is_some() || written.metrics_providers.is_some() {
            let message = "the metrics sources of the policy are not asked: the use of nodes is what pods request, or what --usage says";
            self.warnings.push(message.to_owned());
        }
        if written.profiles.is_empty() {
            self.problem(&root.field("profiles"), "is needed, with at least one profile");
        }
        Policy {
            nodes: written.node_selector.as_deref().and_then(|text| self.selector(text, &root.field("nodeSelector"))),
            limits: Limits {
                round: written.max_no_of_pods_to_evict_total,
                node: written.max_no_of_pods_to_evict_per_node,
                namespace: written.max_no_of_pods_to_evict_per_namespace,
                owner: None,
            },
            profiles: written
                .profiles
                .iter()
                .enumerate()
                .map(|(at, profile)| self.profile(profile, &root.field("profiles").index(at)))
                .collect(),
        }
    }

    fn selector(&mut self, text: &str, path: &FieldPath) -> Option<Selector> {
        match Selector::parse(text) {
            Ok(selector) => Some(selector),
            Err(error) => {
                self.problem(path, error);
                None
            }
        }
    }

    fn profile(&mut self, written: &WrittenProfile, path: &FieldPath) -> Profile {
        let known: Vec<&str> = Step::ALL.iter().map(|(name, _)| *name).chain([EVICTOR]).collect();
        for (at, config) in written.plugin_config.iter().enumerate() {
            let path = path.field("pluginConfig").index(at).field("name");
            if !known.contains(&config.name.as_str()) {
                self.unknown(&config.name, &known, &path);
            } else if written.plugin_config[..at].iter().any(|other| other.name == config.name) {
                self.problem(&path, format!("{} has its arguments already", config.name));
            }
        }
        let plugins = path.field("plugins");
        self.evictor_alone(&written.plugins.filter, &plugins.field("filter"));
        self.evictor_alone(&written.plugins.preevictionfilter, &plugins.field("preevictionfilter"));
        for (set, name) in [(&written.plugins.presort, "presort"), (&written.plugins.sort, "sort")] {
            if let Some(first) = set.enabled.first() {
                let message = format!("{first} is no plugin that is known: pods go by priority and quality of service");
                self.problem(&plugins.field(name).field("enabled").index(0), message);
            }
        }
        let mut steps = Vec::new();
        for (set, name, balances) in
            [(&written.plugins.deschedule, "deschedule", false), (&written.plugins.balance, "balance", true)]
        {
            for (at, plugin) in set.enabled.iter().enumerate().filter(|(_, plugin)| !set.disabled.contains(plugin)) {
                let place = plugins.field(name).field("enabled").index(at);
                match Step::ALL.iter().find(|(known, _)| known == plugin) {
                    None => self.unknown(plugin, &known, &place),
                    Some((_, belongs)) if *belongs != balances => {
                        let right = if *belongs { "balance" } else { "deschedule" };
                        self.problem(&place, format!("{plugin} belongs under {right}"));
                    }
                    Some((known, _)) => steps.extend(self.step(known, written, path)),
                }
            }
        }
        let evictor = self.args::<args::DefaultEvictorArgs>(EVICTOR, written, path).unwrap_or_default();
        if evictor.node_fit == Some(false) {
            self.warnings.push(format!(
                "profile {:?}: nodeFit is always on: no pod is moved that fits nowhere else",
                written.name
            ));
        }
        Profile { name: written.name.clone(), evictor, steps }
    }

    fn unknown(&mut self, name: &str, known: &[&str], path: &FieldPath) {
        let near = did_you_mean(name, known.iter().copied());
        self.problem(path, format!("there is no plugin `{name}`{near}"));
    }

    fn evictor_alone(&mut self, set: &WrittenSet, path: &FieldPath) {
        for (at, name) in set.enabled.iter().enumerate().filter(|(_, name)| *name != EVICTOR) {
            self.unknown(name, &[EVICTOR], &path.field("enabled").index(at));
        }
        if !set.disabled.is_empty() {
            self.problem(&path.field("disabled"), format!("{EVICTOR} can not be left out: it says who may be moved"));
        }
    }

    fn step(&mut self, name: &str, written: &WrittenProfile, path: &FieldPath) -> Option<Step> {
        Some(match name {
            "RemoveDuplicates" => Step::RemoveDuplicates(self.args(name, written, path)?),
            "LowNodeUtilization" => Step::LowNodeUtilization(self.args(name, written, path)?),
            "HighNodeUtilization" => Step::HighNodeUtilization(self.args(name, written, path)?),
            "RemovePodsViolatingNodeAffinity" => Step::RemovePodsViolatingNodeAffinity(self.args(name, written, path)?),
            "RemovePodsViolatingNodeTaints" => Step::RemovePodsViolatingNodeTaints(self.args(name, written, path)?),
            "RemovePodsViolatingInterPodAntiAffinity" => {
                Step::RemovePodsViolatingInterPodAntiAffinity(self.args(name, written, path)?)
            }
            "RemovePodsViolatingTopologySpreadConstraint" => {
                Step::RemovePodsViolatingTopologySpreadConstraint(self.args(name, written, path)?)
            }
            "PodLifeTime" => Step::PodLifeTime(self.args(name, written, path)?),
            "RemoveFailedPods" => Step::RemoveFailedPods(self.args(name, written, path)?),
            "RemovePodsHavingTooManyRestarts" => Step::RemovePodsHavingTooManyRestarts(self.args(name, written, path)?),
            _ => return None,
        })
    }

    /// The arguments of a plugin; the defaults where nothing is written.
    fn args<T: DeserializeOwned + Check + Default>(
        &mut self,
        name: &str,
        written: &WrittenProfile,
        path: &FieldPath,
    ) -> Option<T> {
        let at = written.plugin_config.iter().position(|config| config.name == name);
        let Some(at) = at else {
            let args = T::default();
            return self.check(&args, name, &path.field("pluginConfig")).then_some(args);
        };
        let path = path.field("pluginConfig").index(at).field("args");
        let Some(node) = self.root.at(&path).filter(|node| !node.is_null()) else {
            let args = T::default();
            return self.check(&args, name, &path).then_some(args);
        };
        match decode::<T>(node) {
            Ok(args) => self.check(&args, name, &path).then_some(args),
            Err(error) => {
                let full: FieldPath = path.segments().iter().chain(error.path().segments()).cloned().collect();
                let (line, column) = error.place();
                let message = error.message().to_owned();
                self.problems.push(Problem { file: self.file.into(), line, column, path: full.to_string(), message });
                None
            }
        }
    }

    fn check(&mut self, args: &impl Check, name: &str, path: &FieldPath) -> bool {
        let errors = args.check();
        for FieldError { path: below, message } in &errors {
            let full: FieldPath = path.segments().iter().cloned().chain(segments(below)).collect();
            self.problem(&full, format!("{name}: {message}"));
        }
        errors.is_empty()
    }
}

/// `a.b[0]` as the steps of a path.
fn segments(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, rest) = part.split_once('[').unwrap_or((part, ""));
        segments.push(Segment::Name(name.to_owned()));
        if let Some(Ok(index)) = rest.strip_suffix(']').map(str::parse) {
            segments.push(Segment::Index(index));
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(text, "policy.yaml").expect_err("it is wrong").iter().map(ToString::to_string).collect()
    }

    const POLICY: &str = "\
apiVersion: descheduler/v1alpha2
kind: DeschedulerPolicy
nodeSelector: pool=web
maxNoOfPodsToEvictPerNode: 2
maxNoOfPodsToEvictTotal: 7
gracePeriodSeconds: 5
profiles:
- name: default
  pluginConfig:
  - name: DefaultEvictor
    args: {nodeFit: false, minReplicas: 2, podProtections: {extraEnabled: [PodsWithPVC]}}
  - name: LowNodeUtilization
    args:
      thresholds: {cpu: 20, pods: 10}
      targetThresholds: {cpu: 50.5, pods: 50}
  plugins:
    deschedule: {enabled: [PodLifeTime, RemoveFailedPods]}
    balance: {enabled: [LowNodeUtilization]}
";

    #[test]
    fn a_policy() {
        let text = POLICY.replace("PodLifeTime, ", "");
        let Read { policy, warnings } = read(&text, "policy.yaml").expect("it is a policy");
        assert_eq!((policy.limits.round, policy.limits.node, policy.limits.namespace), (Some(7), Some(2), None));
        assert!(policy.nodes.is_some());
        let profile = &policy.profiles[0];
        let names: Vec<&str> = profile.steps.iter().map(Step::name).collect();
        assert_eq!(names, ["RemoveFailedPods", "LowNodeUtilization"]);
        assert_eq!(profile.evictor.min_replicas, 2);
        let Step::LowNodeUtilization(low) = &profile.steps[1] else { panic!("{:?}", profile.steps) };
        assert!((low.target_thresholds["cpu"] - 50.5).abs() < 1e-9);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_place() {
        assert_eq!(
            problems(POLICY),
            [
                "policy.yaml:9:3: profiles[0].pluginConfig: PodLifeTime: one of maxPodLifeTimeSeconds, states and exitCodes is needed"
            ]
        );
        let wrong = POLICY
            .replace("maxNoOfPodsToEvictTotal", "maxNoOfPodsToEvict")
            .replace("pods: 50}", "pods: 5}")
            .replace("minReplicas: 2", "minReplica: 2")
            .replace("[PodLifeTime, RemoveFailedPods]", "[RemoveFailedPod, LowNodeUtilization]");
        assert_eq!(
            problems(&wrong),
            [
                "policy.yaml:5:1: maxNoOfPodsToEvict: unknown field `maxNoOfPodsToEvict`; did you mean \"maxNoOfPodsToEvictTotal\"?",
                "policy.yaml:11:28: profiles[0].pluginConfig[0].args.minReplica: unknown field `minReplica`; did you mean \"minReplicas\"?",
                "policy.yaml:14:29: profiles[0].pluginConfig[1].args.thresholds.pods: LowNodeUtilization: is above the target threshold",
                "policy.yaml:17:28: profiles[0].plugins.deschedule.enabled[0]: there is no plugin `RemoveFailedPod`; did you mean \"RemoveFailedPods\"?",
                "policy.yaml:17:45: profiles[0].plugins.deschedule.enabled[1]: LowNodeUtilization belongs under balance",
            ]
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        assert_eq!(
            problems("{apiVersion: v1, kind: ConfigMap}"),
            [
                "policy.yaml:1:18: kind: is a ConfigMap: expected a DeschedulerPolicy; the policy is the text under one of the keys in its `data`"
            ]
        );
        let old = "apiVersion: descheduler/v1alpha1\nkind: DeschedulerPolicy\nprofiles: [{name: a}]\n";
        assert!(problems(old)[0].contains("write it anew as descheduler/v1alpha2"));
        assert_eq!(problems(""), ["policy.yaml: 0 documents in it: expected one DeschedulerPolicy"]);
        assert_eq!(segments("a.b[2].c").len(), 4);
    }
}
