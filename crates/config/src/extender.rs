//! HTTP extenders: read and checked here, called elsewhere.

use std::collections::BTreeSet;

use loadline_model::duration::SECOND;
use loadline_model::name::{is_extended_resource, qualified_name_error};
use serde_json::Value;

use crate::log::{Log, text};
use crate::reader::{Field, Fields};
use crate::types::{Config, ExtenderConfig, ExtenderTls, ManagedResource};

/// The plugin whose arguments extenders change: it leaves alone what they take care of.
const FIT: &str = "NodeResourcesFit";
const IGNORED: &str = "ignoredResources";

/// What a call may take when nothing is said.
const DEFAULT_TIMEOUT: i64 = 5 * SECOND;

pub(crate) fn read(log: &mut Log, config: &Fields<'_>) -> Vec<ExtenderConfig> {
    let mut managed = BTreeSet::new();
    let extenders: Vec<ExtenderConfig> =
        config.list(log, "extenders").iter().map(|field| read_one(log, field, &mut managed)).collect();
    let binders = extenders.iter().filter(|extender| !extender.bind_verb.is_empty()).count();
    if binders > 1 {
        log.problem(
            &config.place_of("extenders"),
            text::invalid(
                format_args!("\"found {binders} extenders implementing bind\""),
                "only one extender can implement bind",
            ),
        );
    }
    extenders
}

fn read_one(log: &mut Log, field: &Field<'_>, managed: &mut BTreeSet<String>) -> ExtenderConfig {
    let fields = Fields::open(
        log,
        field,
        &[
            "urlPrefix",
            "filterVerb",
            "preemptVerb",
            "prioritizeVerb",
            "weight",
            "bindVerb",
            "enableHTTPS",
            "tlsConfig",
            "httpTimeout",
            "nodeCacheCapable",
            "managedResources",
            "ignorable",
        ],
    );
    let prioritize_verb = fields.text(log, "prioritizeVerb").unwrap_or_default();
    let weight = fields.int64(log, "weight").unwrap_or(0);
    if !prioritize_verb.is_empty() && weight <= 0 {
        log.problem(&fields.place_of("weight"), text::invalid(weight, "must have a positive weight applied to it"));
    }
    let http_timeout = fields.duration(log, "httpTimeout").unwrap_or(0);
    if http_timeout == 0 {
        log.forget(&fields.place_of("httpTimeout").path);
    }
    ExtenderConfig {
        url_prefix: fields.text(log, "urlPrefix").unwrap_or_default(),
        filter_verb: fields.text(log, "filterVerb").unwrap_or_default(),
        preempt_verb: fields.text(log, "preemptVerb").unwrap_or_default(),
        prioritize_verb,
        weight,
        bind_verb: fields.text(log, "bindVerb").unwrap_or_default(),
        enable_https: fields.bool(log, "enableHTTPS").unwrap_or(false),
        tls_config: fields.get("tlsConfig").map(|field| read_tls(log, &field)),
        http_timeout: if http_timeout == 0 { DEFAULT_TIMEOUT } else { http_timeout },
        node_cache_capable: fields.bool(log, "nodeCacheCapable").unwrap_or(false),
        managed_resources: fields
            .list(log, "managedResources")
            .iter()
            .map(|field| read_resource(log, field, managed))
            .collect(),
        ignorable: fields.bool(log, "ignorable").unwrap_or(false),
    }
}

fn read_resource(log: &mut Log, field: &Field<'_>, managed: &mut BTreeSet<String>) -> ManagedResource {
    let fields = Fields::open(log, field, &["name", "ignoredByScheduler"]);
    let name = fields.text(log, "name").unwrap_or_default();
    let place = fields.place_of("name");
    if let Some(why) = not_extended(&name) {
        log.problem(&place, text::invalid(format_args!("\"{name}\""), why));
    }
    if !managed.insert(name.clone()) {
        log.problem(&place, text::invalid(format_args!("\"{name}\""), "duplicate extender managed resource name"));
    }
    ManagedResource { name, ignored_by_scheduler: fields.bool(log, "ignoredByScheduler").unwrap_or(false) }
}

fn read_tls(log: &mut Log, field: &Field<'_>) -> ExtenderTls {
    let fields = Fields::open(
        log,
        field,
        &["insecure", "serverName", "certFile", "keyFile", "caFile", "certData", "keyData", "caData"],
    );
    let mut data = |name: &str| {
        let value = fields.text(log, name).unwrap_or_default();
        if !is_base64(&value) {
            // The value may be a key, so it is not repeated.
            log.problem(&fields.place_of(name), "expected base64");
        }
        value
    };
    let (cert_data, key_data, ca_data) = (data("certData"), data("keyData"), data("caData"));
    ExtenderTls {
        insecure: fields.bool(log, "insecure").unwrap_or(false),
        server_name: fields.text(log, "serverName").unwrap_or_default(),
        cert_file: fields.text(log, "certFile").unwrap_or_default(),
        key_file: fields.text(log, "keyFile").unwrap_or_default(),
        ca_file: fields.text(log, "caFile").unwrap_or_default(),
        cert_data,
        key_data,
        ca_data,
    }
}

/// Base64 with padding, line breaks allowed.
fn is_base64(text: &str) -> bool {
    let compact: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let padding = compact.iter().rev().take_while(|b| **b == b'=').count();
    compact.len().is_multiple_of(4)
        && padding <= 2
        && compact[..compact.len() - padding].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// Why a name is not one of an extended resource, if so.
fn not_extended(name: &str) -> Option<&'static str> {
    qualified_name_error(name).or((!is_extended_resource(name)).then_some("is an invalid extended resource name"))
}

/// Resources that extenders ask to be ignored replace NodeResourcesFit's own list, in every profile.
pub(crate) fn ignore_resources(log: &mut Log, config_fields: &Fields<'_>, config: &mut Config) {
    let mut ignored: Vec<Value> = Vec::new();
    let mut origins = Vec::new();
    for (index, extender) in config.extenders.iter().enumerate() {
        for (at, resource) in extender.managed_resources.iter().enumerate() {
            if resource.ignored_by_scheduler {
                ignored.push(resource.name.clone().into());
                let path = format!("extenders[{index}].managedResources[{at}].name");
                origins.push(log.origins.get(&path).cloned());
            }
        }
    }
    if ignored.is_empty() {
        return;
    }
    for (index, profile) in config.profiles.iter_mut().enumerate() {
        let Some(fit) = profile.plugin_config.iter_mut().find(|args| args.name == FIT) else {
            let mut place = config_fields.place_of("extenders");
            place.path = format!("profiles[{index}].pluginConfig");
            log.problem(
                &place,
                format!(
                    "can't find {FIT}Args in plugin config: an extender's managed resource is ignoredByScheduler, \
                     but the profile does not run {FIT}"
                ),
            );
            continue;
        };
        if let Value::Object(args) = &mut fit.args {
            args.insert(IGNORED.to_owned(), Value::Array(ignored.clone()));
            fit.origins.retain(|path, _| !path.starts_with(IGNORED));
            for (at, origin) in origins.iter().enumerate() {
                if let Some(origin) = origin {
                    fit.origins.insert(format!("{IGNORED}[{at}]"), origin.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for text in ["", "QQ==", "QUI=", "QUJD", "QUJD\nQUI="] {
            assert!(is_base64(text), "{text}");
        }
        for text in ["Q", "Q===", "====", "QU D", "Q=Q="] {
            assert!(!is_base64(text), "{text}");
        }
    }
}
