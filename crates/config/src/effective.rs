//! A configuration shown as it runs: a complete KubeSchedulerConfiguration that reads back as itself.
//!
//! Plugins are listed at each extension point in the order in which they run, and multiPoint brings nothing more, so the
//! text means the same whatever the default profile of the reader is.

use std::fmt::Write;

use loadline_framework::{ArgKind, ExtensionPoint, Registry};
use loadline_model::duration;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::log::{Origin, Origins, join};
use crate::read::{API_VERSION, KIND};
use crate::schema::fields_of;
use crate::tree::{Source, Tree};
use crate::types::{Config, ExtenderConfig, ExtenderTls, PluginArgs, PluginRef, ProfileConfig};

/// The configuration as YAML; with `provenance`, a comment behind each value says where it comes from.
pub fn to_yaml(config: &Config, registry: &Registry, provenance: bool) -> String {
    tree(config, registry).to_yaml(provenance)
}

/// A private key.
pub(crate) const SECRET: &str = "keyData";
/// What stands in its place.
pub(crate) const HIDDEN: &str = "(not shown)";

/// The configuration as JSON.
pub fn to_json(config: &Config, registry: &Registry) -> Value {
    tree(config, registry).plain()
}

/// The same for other eyes: private keys are not shown.
pub fn shown(config: &Config, registry: &Registry) -> Value {
    fn hide(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == SECRET && value.as_str().is_some_and(|key| !key.is_empty()) {
                        *value = HIDDEN.into();
                    } else {
                        hide(value);
                    }
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(hide),
            _ => {}
        }
    }
    let mut value = to_json(config, registry);
    hide(&mut value);
    value
}

/// For each value's path where it comes from: `default`, or file and line.
pub fn provenance(config: &Config, registry: &Registry) -> Map<String, Value> {
    let mut map = Map::new();
    collect_sources(&mut map, &tree(config, registry), "");
    map
}

/// The first 16 hexadecimal digits of the SHA-256 of the configuration as canonical JSON: keys sorted, no spaces. It does
/// not depend on where values were written, on comments, or on how defaults are spelt out.
pub fn hash(config: &Config) -> String {
    let mut text = String::new();
    // The order of arguments does not matter here, so no registry is needed.
    canonical(&mut text, &tree(config, &Registry::new()).plain());
    let digest = Sha256::digest(text.as_bytes());
    digest[..8].iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String can not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The configuration as a tree.
pub fn tree(config: &Config, registry: &Registry) -> Tree {
    let show = Show { registry, origins: &config.origins };
    let election = &config.leader_election;
    let connection = &config.client_connection;
    let mut top =
        vec![fixed("apiVersion", API_VERSION), fixed("kind", KIND), show.leaf("", "parallelism", config.parallelism)];
    top.push(map("leaderElection", |at| {
        vec![
            show.leaf(at, "leaderElect", election.leader_elect),
            show.leaf(at, "leaseDuration", duration::format(election.lease_duration)),
            show.leaf(at, "renewDeadline", duration::format(election.renew_deadline)),
            show.leaf(at, "retryPeriod", duration::format(election.retry_period)),
            show.leaf(at, "resourceLock", election.resource_lock.as_str()),
            show.leaf(at, "resourceName", election.resource_name.as_str()),
            show.leaf(at, "resourceNamespace", election.resource_namespace.as_str()),
        ]
    }));
    top.push(map("clientConnection", |at| {
        vec![
            show.leaf(at, "kubeconfig", connection.kubeconfig.as_str()),
            show.leaf(at, "acceptContentTypes", connection.accept_content_types.as_str()),
            show.leaf(at, "contentType", connection.content_type.as_str()),
            show.leaf(at, "qps", shortest(connection.qps)),
            show.leaf(at, "burst", connection.burst),
        ]
    }));
    top.extend([
        show.leaf("", "enableProfiling", config.enable_profiling),
        show.leaf("", "enableContentionProfiling", config.enable_contention_profiling),
        show.leaf("", "percentageOfNodesToScore", config.percentage_of_nodes_to_score),
        show.leaf("", "podInitialBackoffSeconds", config.pod_initial_backoff_seconds),
        show.leaf("", "podMaxBackoffSeconds", config.pod_max_backoff_seconds),
        show.leaf("", "delayCacheUntilActive", config.delay_cache_until_active),
    ]);
    let profiles = config.profiles.iter().enumerate();
    let profiles = profiles.map(|(index, profile)| show.profile(&format!("profiles[{index}]"), profile));
    top.push(("profiles".to_owned(), Tree::List(profiles.collect())));
    if !config.extenders.is_empty() {
        let extenders = config.extenders.iter().enumerate();
        let extenders = extenders.map(|(index, extender)| show.extender(&format!("extenders[{index}]"), extender));
        top.push(("extenders".to_owned(), Tree::List(extenders.collect())));
    }
    Tree::Map(top)
}

type Fields = Vec<(String, Tree)>;

fn fixed(name: &str, value: &str) -> (String, Tree) {
    (name.to_owned(), Tree::Leaf(value.into(), Source::Fixed))
}

/// A 32-bit number with no more digits than it takes to read it back.
fn shortest(number: f32) -> Value {
    serde_json::from_str(&number.to_string()).unwrap_or_else(|_| Value::from(f64::from(number)))
}

fn map(name: &str, fields: impl FnOnce(&str) -> Fields) -> (String, Tree) {
    (name.to_owned(), Tree::Map(fields(name)))
}

struct Show<'c> {
    registry: &'c Registry,
    origins: &'c Origins,
}

impl Show<'_> {
    fn leaf(&self, below: &str, name: &str, value: impl Into<Value>) -> (String, Tree) {
        let origin = self.origins.get(&join(below, name));
        (name.to_owned(), Tree::Leaf(value.into(), Source::of(origin)))
    }

    fn profile(&self, at: &str, profile: &ProfileConfig) -> Tree {
        let mut fields = vec![self.leaf(at, "schedulerName", profile.scheduler_name.as_str())];
        if let Some(percentage) = profile.percentage_of_nodes_to_score {
            fields.push(self.leaf(at, "percentageOfNodesToScore", percentage));
        }
        let mut plugins = vec![(
            "multiPoint".to_owned(),
            Tree::Map(vec![("disabled".to_owned(), Tree::List(vec![Tree::Map(vec![fixed("name", "*")])]))]),
        )];
        for point in ExtensionPoint::ALL {
            let list = profile.plugins.at(point);
            if !list.is_empty() {
                let enabled = Tree::List(list.iter().map(|entry| plugin(entry, point)).collect());
                plugins.push((point.field().to_owned(), Tree::Map(vec![("enabled".to_owned(), enabled)])));
            }
        }
        fields.push(("plugins".to_owned(), Tree::Map(plugins)));
        let args = profile
            .plugin_config
            .iter()
            .map(|args| Tree::Map(vec![fixed("name", &args.name), ("args".to_owned(), self.args(args))]));
        fields.push(("pluginConfig".to_owned(), Tree::List(args.collect())));
        Tree::Map(fields)
    }

    fn args(&self, args: &PluginArgs) -> Tree {
        let kind = self.registry.get(&args.name).map(|plugin| ArgKind::Object(plugin.args));
        arg(&args.args, kind, &args.origins, "", None)
    }

    fn extender(&self, at: &str, extender: &ExtenderConfig) -> Tree {
        let mut fields = vec![
            self.leaf(at, "urlPrefix", extender.url_prefix.as_str()),
            self.leaf(at, "filterVerb", extender.filter_verb.as_str()),
            self.leaf(at, "preemptVerb", extender.preempt_verb.as_str()),
            self.leaf(at, "prioritizeVerb", extender.prioritize_verb.as_str()),
            self.leaf(at, "weight", extender.weight),
            self.leaf(at, "bindVerb", extender.bind_verb.as_str()),
            self.leaf(at, "enableHTTPS", extender.enable_https),
        ];
        if let Some(tls) = &extender.tls_config {
            let at = join(at, "tlsConfig");
            fields.push(("tlsConfig".to_owned(), self.tls(&at, tls)));
        }
        fields.extend([
            self.leaf(at, "httpTimeout", duration::format(extender.http_timeout)),
            self.leaf(at, "nodeCacheCapable", extender.node_cache_capable),
        ]);
        let resources = extender.managed_resources.iter().enumerate().map(|(index, resource)| {
            let at = format!("{at}.managedResources[{index}]");
            Tree::Map(vec![
                self.leaf(&at, "name", resource.name.as_str()),
                self.leaf(&at, "ignoredByScheduler", resource.ignored_by_scheduler),
            ])
        });
        fields.push(("managedResources".to_owned(), Tree::List(resources.collect())));
        fields.push(self.leaf(at, "ignorable", extender.ignorable));
        Tree::Map(fields)
    }

    fn tls(&self, at: &str, tls: &ExtenderTls) -> Tree {
        Tree::Map(vec![
            self.leaf(at, "insecure", tls.insecure),
            self.leaf(at, "serverName", tls.server_name.as_str()),
            self.leaf(at, "certFile", tls.cert_file.as_str()),
            self.leaf(at, "keyFile", tls.key_file.as_str()),
            self.leaf(at, "caFile", tls.ca_file.as_str()),
            self.leaf(at, "certData", tls.cert_data.as_str()),
            self.leaf(at, "keyData", tls.key_data.as_str()),
            self.leaf(at, "caData", tls.ca_data.as_str()),
        ])
    }
}

fn plugin(entry: &PluginRef, point: ExtensionPoint) -> Tree {
    let source = Source::of(entry.origin.as_ref());
    let mut fields = vec![("name".to_owned(), Tree::Leaf(entry.name.as_str().into(), source))];
    if point == ExtensionPoint::Score {
        let source = Source::of(entry.weight_origin.as_ref());
        fields.push(("weight".to_owned(), Tree::Leaf(entry.weight.into(), source)));
    }
    Tree::Map(fields)
}

/// Arguments in the order of their schema. What is not written at its own path takes the place of what is around it,
/// such as the elements of a list; but what a written object leaves out is a default.
fn arg(value: &Value, kind: Option<ArgKind>, origins: &Origins, at: &str, around: Option<&Origin>) -> Tree {
    let own = origins.get(at).or(around);
    match value {
        Value::Object(object) => {
            let schema = kind.and_then(fields_of).unwrap_or_default();
            let mut names: Vec<&str> = schema.iter().map(|arg| arg.name).collect();
            names.extend(object.keys().map(String::as_str).filter(|key| schema.iter().all(|arg| arg.name != *key)));
            let fields = names.into_iter().filter_map(|name| {
                let kind = schema.iter().find(|arg| arg.name == name).map(|arg| arg.kind);
                let value = object.get(name)?;
                Some((name.to_owned(), arg(value, kind, origins, &join(at, name), None)))
            });
            Tree::Map(fields.collect())
        }
        Value::Array(items) if !items.is_empty() => {
            let kind = match kind {
                Some(ArgKind::List(element)) => Some(*element),
                _ => None,
            };
            let items = items.iter().enumerate();
            Tree::List(items.map(|(index, item)| arg(item, kind, origins, &format!("{at}[{index}]"), own)).collect())
        }
        value => Tree::Leaf(value.clone(), Source::of(own)),
    }
}

fn collect_sources(map: &mut Map<String, Value>, tree: &Tree, at: &str) {
    match tree {
        Tree::Leaf(_, source) => {
            if let Some(text) = source.text() {
                map.insert(at.to_owned(), text.into());
            }
        }
        Tree::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_sources(map, item, &format!("{at}[{index}]"));
            }
        }
        Tree::Map(fields) => {
            for (name, value) in fields {
                collect_sources(map, value, &join(at, name));
            }
        }
    }
}

fn canonical(out: &mut String, value: &Value) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(out, &object[key]);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(out, item);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
