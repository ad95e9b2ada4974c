//! `/metrics/resources`: what each pod asks for.

use prometheus::Registry;

use crate::metrics::{encode, gauge};

/// A pod with what it requests.
#[derive(Clone, Debug, Default)]
pub struct PodResources {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its node; empty while it has none.
    pub node: String,
    /// Its scheduler.
    pub scheduler: String,
    /// Its priority.
    pub priority: i32,
    /// Amounts by resource: cores, bytes, numbers.
    pub requests: Vec<(String, f64)>,
}

/// What `/metrics/resources` shows. It is as long as there are pods, so it is made when it is asked for.
pub fn resources_text(pods: &[PodResources]) -> String {
    let registry = Registry::new();
    let requests = gauge(&registry, "kube_pod_resource_request");
    for pod in pods {
        let priority = pod.priority.to_string();
        for (resource, amount) in pod.requests.iter().filter(|(_, amount)| *amount != 0.0) {
            let labels = [
                &*pod.namespace,
                &*pod.name,
                &*pod.node,
                &*pod.scheduler,
                &*priority,
                resource.as_str(),
                unit(resource),
            ];
            requests.with_label_values(&labels).set(*amount);
        }
    }
    encode(&registry)
}

fn unit(resource: &str) -> &'static str {
    match resource {
        "cpu" => "cores",
        "memory" | "storage" | "ephemeral-storage" => "bytes",
        other if other.starts_with("hugepages-") => "bytes",
        other if other.starts_with("attachable-volumes-") => "integer",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_and_zeros_are_left_out() {
        let pod = PodResources {
            namespace: "shop".into(),
            name: "web".into(),
            node: "node-a".into(),
            scheduler: "default-scheduler".into(),
            priority: 7,
            requests: vec![
                ("cpu".into(), 0.25),
                ("memory".into(), 1024.0),
                ("ephemeral-storage".into(), 0.0),
                ("example.com/gpu".into(), 2.0),
                ("hugepages-2Mi".into(), 4_194_304.0),
            ],
        };
        let text = resources_text(&[pod]);
        let series = |resource: &str, unit: &str, amount: &str| {
            format!(
                "kube_pod_resource_request{{namespace=\"shop\",node=\"node-a\",pod=\"web\",priority=\"7\",resource=\"{resource}\",scheduler=\"default-scheduler\",unit=\"{unit}\"}} {amount}"
            )
        };
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let wanted = [
            series("cpu", "cores", "0.25"),
            series("example.com/gpu", "", "2"),
            series("hugepages-2Mi", "bytes", "4194304"),
            series("memory", "bytes", "1024"),
        ];
        assert_eq!(lines, wanted);
        assert!(text.contains("# HELP kube_pod_resource_request [STABLE] "), "{text}");
    }
}
