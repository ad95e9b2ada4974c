//! Files that are no configuration, and that nothing makes reading panic.

use loadline_framework::Registry;
use proptest::prelude::*;

use super::registry::registry;
use super::{HEAD, config, refused, refused_text};
use crate::parse;

#[test]
fn unknown_and_duplicate_fields() {
    insta::assert_snapshot!(
        refused(
            "paralelism: 16\nparallelism: 3\nparallelism: 4\nmetadata: {}\nleaderElection:\n  leaderelect: true\n  leaderElect: false\n  leaderElect: false\n\
             profiles:\n- schedulerNames: x\n  plugin: {}\n"
        ),
        @r#"
    c.yaml:3:1: paralelism: unknown field "paralelism"; did you mean "parallelism"?
    c.yaml:5:1: parallelism: the key `parallelism` stands here twice, first in line 4
    c.yaml:6:1: metadata: unknown field "metadata"
    c.yaml:8:3: leaderElection.leaderelect: unknown field "leaderelect"; did you mean "leaderElect"?
    c.yaml:10:3: leaderElection.leaderElect: the key `leaderElect` stands here twice, first in line 9
    c.yaml:12:3: profiles[0].schedulerNames: unknown field "schedulerNames"; did you mean "schedulerName"?
    c.yaml:13:3: profiles[0].plugin: unknown field "plugin"; did you mean "plugins"?
    "#
    );
}

#[test]
fn other_files() {
    insta::assert_snapshot!(refused_text(""), @"c.yaml: the file is empty: a KubeSchedulerConfiguration starts with `apiVersion: kubescheduler.config.k8s.io/v1` and `kind: KubeSchedulerConfiguration`");
    insta::assert_snapshot!(refused_text("# nothing\n---\n"), @"c.yaml: the file is empty: a KubeSchedulerConfiguration starts with `apiVersion: kubescheduler.config.k8s.io/v1` and `kind: KubeSchedulerConfiguration`");
    insta::assert_snapshot!(refused_text("parallelism: 3\n"), @r#"
    c.yaml:1:1: apiVersion: Required value: must be kubescheduler.config.k8s.io/v1
    c.yaml:1:1: kind: Required value: must be KubeSchedulerConfiguration
    "#);
    insta::assert_snapshot!(refused_text("- a\n"), @"c.yaml:1:1: expected a map, found a list");
    insta::assert_snapshot!(refused_text("apiVersion: v1\nkind: ConfigMap\ndata: {}\n"), @r#"
    c.yaml:1:1: apiVersion: Unsupported value: "v1": supported values: "kubescheduler.config.k8s.io/v1"
    c.yaml:2:1: kind: Unsupported value: "ConfigMap": supported values: "KubeSchedulerConfiguration"; this object holds a file: the configuration is the text under one of its keys in `data`
    "#);
    insta::assert_snapshot!(refused_text("apiVersion: v1\nkind: Policy\n"), @r#"
    c.yaml:1:1: apiVersion: Unsupported value: "v1": supported values: "kubescheduler.config.k8s.io/v1"
    c.yaml:2:1: kind: Unsupported value: "Policy": supported values: "KubeSchedulerConfiguration"; scheduler policies went with Kubernetes 1.23: predicates and priorities are plugins of a profile now
    "#);
    insta::assert_snapshot!(refused_text("apiVersion: kubescheduler.config.k8s.io/v2\nkind: KubeSchedulerConfig\n"), @r#"
    c.yaml:1:1: apiVersion: Unsupported value: "kubescheduler.config.k8s.io/v2": supported values: "kubescheduler.config.k8s.io/v1"; did you mean "kubescheduler.config.k8s.io/v1"?
    c.yaml:2:1: kind: Unsupported value: "KubeSchedulerConfig": supported values: "KubeSchedulerConfiguration"; did you mean "KubeSchedulerConfiguration"?
    "#);
    insta::assert_snapshot!(refused_text("apiVersion: 1\nkind: [KubeSchedulerConfiguration]\n"), @r#"
    c.yaml:1:1: apiVersion: expected a text, found the number 1 (quotes make it a text)
    c.yaml:2:1: kind: expected a text, found a list
    "#);
    insta::assert_snapshot!(refused("---\nkind: KubeSchedulerConfiguration\n"), @"c.yaml:4:1: a second document: a configuration is one document");
}

#[test]
fn syntax_errors() {
    insta::assert_snapshot!(refused("profiles: [\n"), @"c.yaml:3:11: unclosed bracket '['");
    insta::assert_snapshot!(refused_text("{\"apiVersion\": \n"), @"c.yaml:2:1: expected a value, found the end of the text");
}

#[test]
fn json_is_read_with_positions_too() {
    let text = "{\n  \"apiVersion\": \"kubescheduler.config.k8s.io/v1\",\n  \"kind\": \"KubeSchedulerConfiguration\",\n  \"parallelism\": -1\n}\n";
    insta::assert_snapshot!(refused_text(text), @"c.yaml:4:3: parallelism: Invalid value: -1: should be an integer value greater than zero");
    let yaml = config("parallelism: 3\n");
    let json = parse(&text.replace("-1", "3"), "c.json", &registry()).expect("it is valid").config;
    assert_eq!(crate::hash(&json), crate::hash(&yaml));
}

/// Texts that look like configurations: keys and values that have a meaning, put together at random.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "profiles",
        "plugins",
        "pluginConfig",
        "multiPoint",
        "score",
        "filter",
        "enabled",
        "disabled",
        "name",
        "weight",
        "args",
        "schedulerName",
        "extenders",
        "leaderElection",
        "leaseDuration",
        "scoringStrategy",
        "resources",
        "addedAffinity",
        "defaultConstraints",
        "NodeAffinity",
        "NodeResourcesFit",
        "PodTopologySpread",
        "Everywhere",
        "'*'",
        "10s",
        "-1",
        "99999999999999999999",
        "1e400",
        ".nan",
        "true",
        "null",
        "{}",
        "[]",
        "~",
        "&a",
        "*a",
        "<<",
        "\"\\u0000\"",
    ]);
    prop::collection::vec((0_usize..8, any::<bool>(), word.clone(), word), 0..24).prop_map(|lines| {
        lines.iter().fold(HEAD.to_owned(), |mut text, (indent, dash, key, value)| {
            text.push_str(&" ".repeat(*indent));
            text.push_str(if *dash { "- " } else { "" });
            text.push_str(key);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
            text
        })
    })
}

/// Trees of the right shape with wrong things in them.
fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[*A-Za-z0-9./-]{0,12}".prop_map(Into::into),
        prop::sample::select(vec!["NodeAffinity", "NodeResourcesFit", "Everywhere", "10s", "List"])
            .prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "profiles",
        "plugins",
        "pluginConfig",
        "multiPoint",
        "score",
        "enabled",
        "disabled",
        "name",
        "weight",
        "args",
        "extenders",
        "managedResources",
        "tlsConfig",
        "leaderElection",
        "clientConnection",
        "qps",
        "scoringStrategy",
        "resources",
        "shape",
        "defaultConstraints",
        "maxSkew",
        "kind",
        "parallelism",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| { fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text: String) {
        let _ = parse(&text, "f", &registry());
        let _ = parse(&format!("{HEAD}{text}"), "f", &registry());
    }

    #[test]
    fn no_text_like_a_configuration_does(text in nearly()) {
        let _ = parse(&text, "f", &registry());
        let _ = parse(&text, "f", &Registry::new());
    }

    #[test]
    fn no_tree_does(mut tree in tree()) {
        if let Some(fields) = tree.as_object_mut() {
            fields.insert("apiVersion".into(), "kubescheduler.config.k8s.io/v1".into());
            fields.insert("kind".into(), "KubeSchedulerConfiguration".into());
        }
        if let Err(problems) = parse(&tree.to_string(), "f", &registry()) {
            prop_assert!(!problems.is_empty());
        }
    }
}
