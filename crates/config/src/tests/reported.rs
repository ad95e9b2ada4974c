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
        @""
    );
}

#[test]
fn other_files() {
    insta::assert_snapshot!(refused_text(""), @"");
    insta::assert_snapshot!(refused_text("# nothing\n---\n"), @"");
    insta::assert_snapshot!(refused_text("parallelism: 3\n"), @"");
    insta::assert_snapshot!(refused_text("- a\n"), @"");
    insta::assert_snapshot!(refused_text("apiVersion: v1\nkind: ConfigMap\ndata: {}\n"), @"");
    insta::assert_snapshot!(refused_text("apiVersion: v1\nkind: Policy\n"), @"");
    insta::assert_snapshot!(refused_text("apiVersion: kubescheduler.config.k8s.io/v2\nkind: KubeSchedulerConfig\n"), @"");
    insta::assert_snapshot!(refused_text("apiVersion: 1\nkind: [KubeSchedulerConfiguration]\n"), @"");
    insta::assert_snapshot!(refused("---\nkind: KubeSchedulerConfiguration\n"), @"");
}

#[test]
fn syntax_errors() {
    insta::assert_snapshot!(refused("profiles: [\n"), @"");
    insta::assert_snapshot!(refused_text("{\"apiVersion\": \n"), @"");
}

#[test]
fn json_is_read_with_positions_too() {
    let text = "{\n  \"apiVersion\": \"kubescheduler.config.k8s.io/v1\",\n  \"kind\": \"KubeSchedulerConfiguration\",\n  \"parallelism\": -1\n}\n";
    insta::assert_snapshot!(refused_text(text), @"");
    let yaml = config("parallelism: 3\n");
    let json = parse(&text.replace("-1", "3"), "c.json", &registry())
        .expect("it is valid")
        .config;
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
        lines
            .iter()
            .fold(HEAD.to_owned(), |mut text, (indent, dash, key, value)| {
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
