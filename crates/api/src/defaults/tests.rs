#![allow(clippy::unwrap_used)]

use loadline_model::quantity::Quantity;

use super::*;
use crate::wire::{Pod, StoredObject};

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let nodes = crate::doc::Document::parse(text, "test").unwrap();
    crate::doc::decode(&nodes[0]).unwrap()
}

fn stored(text: &str) -> Pod {
    let mut object = Object::Pod(Box::new(yaml(text)));
    fill_stored(&mut object);
    match object {
        Object::Pod(pod) => *pod,
        _ => unreachable!("it went in as a pod"),
    }
}

fn admitted(admission: &Admission, text: &str) -> Result<Pod, String> {
    let mut pod = stored(text);
    admission.admit(&mut pod).map(|()| pod)
}

fn amounts(list: &crate::wire::ResourceList) -> String {
    list.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_pod_alone_says() {
    let pod = stored(
        r"
metadata: {name: p}
spec:
  hostNetwork: true
  containers: [{name: a, resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 1Gi}}, ports: [{containerPort: 80}, {containerPort: 81, hostPort: 9, protocol: UDP}]}]
  initContainers: [{name: i, resources: {limits: {cpu: 3}}}]
",
    );
    assert_eq!(amounts(&pod.spec.containers[0].resources.requests), "cpu=1 memory=1Gi");
    assert_eq!(amounts(&pod.spec.init_containers[0].resources.requests), "cpu=3");
    let ports: Vec<_> = pod.spec.containers[0].ports.iter().map(|port| (port.host_port, &*port.protocol)).collect();
    assert_eq!(ports, [(80, "TCP"), (9, "UDP")]);
    assert_eq!((&*pod.spec.scheduler_name, &*pod.status.phase), ("default-scheduler", "Pending"));
    assert_eq!(stored("spec: {containers: [{ports: [{containerPort: 80}]}]}").spec.containers[0].ports[0].host_port, 0);
}

#[test]
fn pod_level_requests_come_from_containers_and_limits() {
    let pod = stored(
        r"
spec:
  resources: {limits: {cpu: 4, memory: 2Gi}}
  containers: [{name: a, resources: {requests: {cpu: 1, example.com/gpu: 1}, limits: {hugepages-2Mi: 4Mi}}}, {name: b, resources: {requests: {cpu: 500m}}}]
",
    );
    let resources = pod.spec.resources.unwrap();
    assert_eq!(amounts(&resources.requests), "cpu=1500m hugepages-2Mi=4Mi memory=2Gi");
    assert_eq!(amounts(&resources.limits), "cpu=4 hugepages-2Mi=4Mi memory=2Gi");
    // Requests alone take nothing from the containers.
    let pod = stored(
        "spec: {resources: {requests: {cpu: 1}}, containers: [{name: a, resources: {requests: {memory: 1Gi}}}]}",
    );
    assert_eq!(amounts(&pod.spec.resources.unwrap().requests), "cpu=1");
}

#[test]
fn nodes_namespaces_and_uids() {
    let mut node = Object::Node(Box::new(yaml("{metadata: {name: a}, status: {capacity: {cpu: 4}}}")));
    fill_stored(&mut node);
    fill_uid(&mut node);
    let Object::Node(node) = node else { unreachable!("it went in as a node") };
    assert_eq!(amounts(&node.status.allocatable), "cpu=4");
    assert_eq!(node.metadata.uid, derived_uid("Node", "", "a"));
    assert_ne!(derived_uid("Pod", "a", "b"), derived_uid("Pod", "b", "a"));
    let uid = derived_uid("Pod", "default", "web-0");
    assert_eq!((uid.len(), uid.as_bytes()[14]), (36, b'8'), "{uid}");
    let missing: Vec<String> =
        system_namespaces(&["kube-system", "x"]).into_iter().map(|namespace| namespace.metadata.name).collect();
    assert_eq!(missing, ["default", "kube-node-lease", "kube-public"]);
    assert_eq!(system_namespaces(&[])[0].metadata.labels["kubernetes.io/metadata.name"], "default");
}

fn admission(objects: &[(&str, Kind)]) -> Admission {
    let mut admission = Admission::new();
    for (text, kind) in objects {
        let object = match kind {
            Kind::PriorityClass => Object::PriorityClass(yaml(text)),
            Kind::RuntimeClass => Object::RuntimeClass(yaml(text)),
            Kind::LimitRange => Object::LimitRange(yaml(text)),
            _ => Object::StorageClass(yaml(text)),
        };
        admission.observe(&object);
    }
    admission
}

#[test]
fn priorities() {
    let with_default = admission(&[
        ("{metadata: {name: high}, value: 1000, preemptionPolicy: Never}", Kind::PriorityClass),
        ("{metadata: {name: usual}, value: 10, globalDefault: true}", Kind::PriorityClass),
        ("{metadata: {name: other}, value: 20, globalDefault: true}", Kind::PriorityClass),
    ]);
    let priority = |admission: &Admission, spec: &str| {
        admitted(admission, &format!("{{metadata: {{name: p}}, spec: {spec}}}"))
            .map(|pod| (pod.spec.priority.unwrap(), pod.spec.preemption_policy.unwrap(), pod.spec.priority_class_name))
    };
    let lower = || "PreemptLowerPriority".to_owned();
    assert_eq!(priority(&with_default, "{priorityClassName: high}"), Ok((1000, "Never".into(), "high".into())));
    assert_eq!(priority(&with_default, "{}"), Ok((10, lower(), "usual".into())));
    assert_eq!(priority(&with_default, "{priority: 5}"), Ok((5, lower(), String::new())));
    assert_eq!(priority(&Admission::new(), "{}"), Ok((0, lower(), String::new())));
    assert_eq!(
        priority(&Admission::new(), "{priorityClassName: system-node-critical}"),
        Ok((2_000_001_000, lower(), "system-node-critical".into()))
    );
    assert_eq!(
        priority(&Admission::new(), "{priorityClassName: gone}"),
        Err("there is no PriorityClass gone (spec.priorityClassName)".into())
    );
}

#[test]
fn limit_ranges_fill_what_containers_do_not_name() {
    let admission = admission(&[
        (
            "{metadata: {name: a, namespace: ns}, spec: {limits: [{type: Container, default: {cpu: 2}, min: {memory: 8Mi}, max: {ephemeral-storage: 5}}, {type: Pod, max: {cpu: 9}}]}}",
            Kind::LimitRange,
        ),
        (
            "{metadata: {name: b, namespace: ns}, spec: {limits: [{type: Container, defaultRequest: {cpu: 7, example.com/gpu: 1}}]}}",
            Kind::LimitRange,
        ),
    ]);
    let pod = admitted(&admission, "{metadata: {name: p, namespace: ns}, spec: {containers: [{name: a}, {name: b, resources: {requests: {cpu: 1}}}]}}").unwrap();
    assert_eq!(
        amounts(&pod.spec.containers[0].resources.requests),
        "cpu=2 ephemeral-storage=5 example.com/gpu=1 memory=8Mi"
    );
    assert_eq!(amounts(&pod.spec.containers[0].resources.limits), "cpu=2 ephemeral-storage=5");
    assert_eq!(
        amounts(&pod.spec.containers[1].resources.requests),
        "cpu=1 ephemeral-storage=5 example.com/gpu=1 memory=8Mi"
    );
    let elsewhere =
        admitted(&admission, "{metadata: {name: p, namespace: other}, spec: {containers: [{name: a}]}}").unwrap();
    assert!(elsewhere.spec.containers[0].resources.requests.is_empty());
}

#[test]
fn failing_nodes_are_tolerated_for_five_minutes() {
    let keys = |text: &str| {
        let pod = admitted(&Admission::new(), text).unwrap();
        pod.spec
            .tolerations
            .iter()
            .map(|toleration| format!("{} {:?}", toleration.key, toleration.toleration_seconds))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys("{metadata: {name: p}}"),
        ["node.kubernetes.io/not-ready Some(300)", "node.kubernetes.io/unreachable Some(300)"]
    );
    assert_eq!(
        keys(
            "{metadata: {name: p}, spec: {tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, tolerationSeconds: 5}]}}"
        ),
        ["node.kubernetes.io/not-ready Some(5)", "node.kubernetes.io/unreachable Some(300)"]
    );
    assert_eq!(keys("{metadata: {name: p}, spec: {tolerations: [{operator: Exists, effect: NoExecute}]}}"), [" None"]);
}

#[test]
fn runtime_classes() {
    let admission = admission(&[(
        "{metadata: {name: kata}, overhead: {podFixed: {cpu: 250m}}, scheduling: {nodeSelector: {kata: 'yes'}, tolerations: [{key: kata, operator: Exists}, {key: a, operator: Equal, value: b, effect: NoSchedule}]}}",
        Kind::RuntimeClass,
    )]);
    let pod = admitted(&admission, "{metadata: {name: p}, spec: {runtimeClassName: kata, nodeSelector: {x: z}, tolerations: [{operator: Exists, effect: NoSchedule}]}}").unwrap();
    assert_eq!(amounts(&pod.spec.overhead), "cpu=250m");
    assert_eq!(
        pod.spec.node_selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["kata=yes", "x=z"]
    );
    let keys: Vec<&str> = pod.spec.tolerations.iter().map(|toleration| &*toleration.key).collect();
    // The pod's own covers the class' second.
    assert_eq!(keys, ["", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "kata"]);
    let refused = |spec: &str| admitted(&admission, &format!("{{metadata: {{name: p}}, spec: {spec}}}")).unwrap_err();
    assert_eq!(refused("{runtimeClassName: gone}"), "there is no RuntimeClass gone (spec.runtimeClassName)");
    assert_eq!(
        refused("{runtimeClassName: kata, overhead: {cpu: 1}}"),
        "spec.overhead differs from that of the RuntimeClass kata"
    );
    assert_eq!(
        refused("{runtimeClassName: kata, nodeSelector: {kata: other}}"),
        "spec.nodeSelector has kata=other, the RuntimeClass kata has kata=yes"
    );
}

#[test]
fn what_admission_adds_is_filled_in_as_well() {
    let admission = admission(&[
        ("{metadata: {name: vm}, overhead: {podFixed: {cpu: 100.01m}}}", Kind::RuntimeClass),
        (
            "{metadata: {name: a, namespace: ns}, spec: {limits: [{type: Container, defaultRequest: {memory: 1Gi}}]}}",
            Kind::LimitRange,
        ),
    ]);
    let text = "{metadata: {name: p, namespace: ns}, spec: {runtimeClassName: vm, resources: {limits: {cpu: 2}}, containers: [{name: a}]}}";
    let pod = admitted(&admission, text).unwrap();
    assert_eq!(amounts(&pod.spec.overhead), "cpu=101m");
    assert_eq!(amounts(&pod.spec.resources.unwrap().requests), "cpu=2 memory=1Gi");
}

#[test]
fn pods_on_a_node_have_its_zone() {
    let mut admission = Admission::new();
    let labels = "{topology.kubernetes.io/zone: east, kubernetes.io/hostname: node-a}";
    admission.observe(&Object::Node(yaml(&format!("{{metadata: {{name: node-a, labels: {labels}}}}}"))));
    let pod = |node: &str| {
        let labels = "{app: web, topology.kubernetes.io/zone: old}";
        let text = format!("{{metadata: {{name: p, labels: {labels}}}, spec: {{nodeName: {node}}}}}");
        admitted(&admission, &text).unwrap().metadata.labels.into_values().collect::<Vec<_>>()
    };
    assert_eq!((pod("node-a"), pod("node-b")), (vec!["web".into(), "east".into()], vec!["web".into(), "old".into()]));
}

#[test]
fn templates_are_filled_in_without_what_makes_a_pod() {
    let spec = "{hostNetwork: true, containers: [{name: c, ports: [{containerPort: 80}], resources: {limits: {cpu: 1.0001m}}}]}";
    let mut object = Object::Deployment(yaml(&format!("{{spec: {{template: {{spec: {spec}}}}}}}")));
    fill_stored(&mut object);
    let Object::Deployment(deployment) = object else { unreachable!("it went in as a deployment") };
    let spec = deployment.spec.template.spec;
    assert_eq!(
        (deployment.spec.replicas, &*spec.scheduler_name, &*spec.restart_policy),
        (Some(1), "default-scheduler", "Always")
    );
    let container = &spec.containers[0];
    assert_eq!((container.ports[0].host_port, &*container.ports[0].protocol), (0, "TCP"));
    assert_eq!(
        (amounts(&container.resources.limits), amounts(&container.resources.requests)),
        ("cpu=2m".into(), String::new())
    );
}

#[test]
fn label_keys_go_into_selectors() {
    let pod = admitted(
        &Admission::new(),
        r"
metadata: {name: p, labels: {app: web, hash: h1}}
spec:
  topologySpreadConstraints:
  - {labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [hash, absent]}
  - {matchLabelKeys: [hash]}
  affinity:
    podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}, matchLabelKeys: [app], mismatchLabelKeys: [hash]}]}
    podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{podAffinityTerm: {labelSelector: {}, matchLabelKeys: [hash]}}]}
",
    )
    .unwrap();
    let shown = |selector: &Option<crate::wire::LabelSelector>| {
        let expressions = &selector.as_ref().unwrap().match_expressions;
        expressions.iter().map(|it| format!("{} {} {}", it.key, it.operator, it.values.join(","))).collect::<Vec<_>>()
    };
    assert_eq!(shown(&pod.spec.topology_spread_constraints[0].label_selector), ["hash In h1"]);
    assert_eq!(pod.spec.topology_spread_constraints[1].label_selector, None);
    let affinity = pod.spec.affinity.unwrap();
    assert_eq!(
        shown(&affinity.pod_affinity.unwrap().required_during_scheduling_ignored_during_execution[0].label_selector),
        ["app In web", "hash NotIn h1"]
    );
    assert_eq!(
        shown(
            &affinity.pod_anti_affinity.unwrap().preferred_during_scheduling_ignored_during_execution[0]
                .pod_affinity_term
                .label_selector
        ),
        ["hash In h1"]
    );
}

#[test]
fn claims_get_the_default_storage_class() {
    let class = |name: &str, created: &str, default: &str| {
        format!(
            "{{metadata: {{name: {name}, creationTimestamp: '{created}', annotations: {{storageclass.kubernetes.io/is-default-class: '{default}'}}}}}}"
        )
    };
    let classes = [
        class("old", "2024-01-01T00:00:00Z", "true"),
        class("new", "2025-01-01T00:00:00Z", "true"),
        class("newest", "2026-01-01T00:00:00Z", "false"),
    ];
    let admission = admission(&[
        (&classes[0], Kind::StorageClass),
        (&classes[1], Kind::StorageClass),
        (&classes[2], Kind::StorageClass),
    ]);
    let class_of = |text: &str| {
        let mut claim: StoredObject = yaml(text);
        admission.admit_claim(&mut claim);
        claim.value["spec"]["storageClassName"].clone()
    };
    assert_eq!(class_of("{metadata: {name: c}, spec: {}}"), "new");
    assert_eq!(class_of("{metadata: {name: c}, spec: {storageClassName: ''}}"), "");
    assert_eq!(
        class_of("{metadata: {name: c, annotations: {volume.beta.kubernetes.io/storage-class: x}}, spec: {}}"),
        serde_json::Value::Null
    );
}

#[test]
fn amounts_are_rounded_up_to_thousandths_one_by_one() {
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    for (given, stored) in
        [("0.0001", "1m"), ("1.9995", "2"), ("100u", "1m"), ("1500m", "1500m"), ("0", "0"), ("1Ki", "1Ki")]
    {
        assert_eq!(quantity(given).round_up_to_milli(), quantity(stored), "{given}");
    }
}

#[test]
fn amounts_are_stored_in_their_canonical_form() {
    let pod = stored(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [\
         {name: a, resources: {requests: {cpu: '500000000000000000'}}}]}}",
    );
    // `500P`, whose thousandths kube-scheduler takes for 0.
    assert_eq!(pod.spec.containers[0].resources.requests["cpu"].milli_value(), 0);
}

#[test]
fn pod_level_requests_are_filled_in_before_amounts_are_rounded() {
    let pod = stored(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {resources: {limits: {cpu: 2}}, containers: [\
         {name: a, resources: {requests: {cpu: 100u}}}, {name: b, resources: {requests: {cpu: 100u}}}]}}",
    );
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    assert_eq!(pod.spec.resources.unwrap().requests["cpu"], quantity("1m"));
    assert_eq!(pod.spec.containers[0].resources.requests["cpu"], quantity("1m"));
}
