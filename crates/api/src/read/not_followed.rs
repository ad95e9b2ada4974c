//! Kinds that are not read although they have a say in which pods there are.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ignored_name;
use crate::doc::Node;

const SCHEDULER_CONFIGURATION: &str = "KubeSchedulerConfiguration.kubescheduler.config.k8s.io";

/// Whether to tell about an object that is not read, apart from those that no pod depends on.
pub(super) fn is_not_followed(api_version: &str, kind: &str, has_pod_template: impl FnOnce() -> bool) -> bool {
    let name = ignored_name(api_version, kind);
    of_kubernetes(&name).is_some() || (name.contains('.') && has_pod_template())
}

fn of_kubernetes(name: &str) -> Option<&'static str> {
    Some(match name {
        "CronJob" => "no Jobs are made",
        "ResourceQuota" => "not checked",
        "HorizontalPodAutoscaler" => "not followed, replicas stay as they are written",
        SCHEDULER_CONFIGURATION => "no effect here, a scheduler's configuration is given with --config",
        "NodeUsageReport.loadline.dev" | "NodeMetrics.metrics.k8s.io" => {
            "no effect here, what nodes really use is given with --usage"
        }
        _ => return None,
    })
}

/// What to tell about so many objects of a kind.
pub(super) fn in_words(name: &str, number: usize) -> String {
    match of_kubernetes(name) {
        Some(what) => format!("{number} {name}: {what}"),
        None => format!("{number} {name}: pods that are still to be made of the template are not counted"),
    }
}

/// Whether an object in a tree has a template of pods where controllers have it.
pub(super) fn has_pod_template(object: &Node<'_>) -> bool {
    let containers = ["spec", "template", "spec", "containers"];
    containers.iter().try_fold(object, |node, field| node.get(field)).is_some()
}

/// Whether an object in JSON has one.
pub(super) fn has_pod_template_in_json(object: &str) -> bool {
    #[derive(Deserialize)]
    struct Workload {
        #[serde(rename = "spec")]
        _spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "template")]
        _template: Template,
    }
    #[derive(Deserialize)]
    struct Template {
        #[serde(rename = "spec")]
        _spec: PodSpec,
    }
    #[derive(Deserialize)]
    struct PodSpec {
        #[serde(rename = "containers")]
        _containers: IgnoredAny,
    }
    serde_json::from_str::<Workload>(object).is_ok()
}
