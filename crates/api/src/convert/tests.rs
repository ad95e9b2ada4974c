#![allow(clippy::unwrap_used)]

use loadline_model::{
    Effect, GroupApi, Operator, Protocol, Resources, Selector, TolerationOperator, UnsatisfiableAction, VolumeSource,
};

use super::*;
use crate::wire;

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let nodes = crate::doc::Document::parse(text, "test").unwrap();
    crate::doc::decode(&nodes[0]).unwrap()
}

fn resources(milli_cpu: i64, memory: i64, ephemeral_storage: i64, scalars: &[(&str, i64)]) -> Resources {
    let scalars = scalars.iter().map(|(name, amount)| (Str::from(*name), *amount)).collect();
    Resources { milli_cpu, memory, ephemeral_storage, scalars }
}

fn requests(text: &str) -> PodRequests {
    pod_requests(&yaml::<wire::Pod>(text), &mut StrPool::new())
}

const MI: i64 = 1 << 20;

#[test]
fn a_node() {
    let node = Converter::new().node(&yaml(
        r#"
metadata: {name: a, uid: u, labels: {zone: z1}}
spec: {unschedulable: true, taints: [{key: k, value: v, effect: NoExecute}, {key: odd, effect: Never}]}
status:
  allocatable: {cpu: 3920m, memory: 1Gi, ephemeral-storage: "10", pods: "110", example.com/gpu: 4, hugepages-2Mi: 1Gi, requests.example.com/x: 1, plain: 7, attachable-volumes-x: 3}
  images: [{names: [b, a], sizeBytes: 5}, {names: [b], sizeBytes: 6}]
  declaredFeatures: [Z, A]
"#,
    ));
    assert_eq!((node.name.as_str(), node.uid.as_str(), node.allowed_pods, node.unschedulable), ("a", "u", 110, true));
    assert_eq!(
        node.allocatable,
        resources(
            3920,
            1 << 30,
            10,
            &[("attachable-volumes-x", 3), ("example.com/gpu", 4), ("hugepages-2Mi", 1 << 30)]
        )
    );
    assert_eq!(node.taints.len(), 1);
    assert_eq!(node.taints[0].effect, Effect::NoExecute);
    let images: Vec<_> = node.images.iter().map(|image| (image.name.as_str(), image.size)).collect();
    // As in kube-scheduler's cache, the first of two entries with one name.
    assert_eq!(images, [("a", 5), ("b", 5)]);
    assert_eq!(node.declared_features.iter().map(Str::as_str).collect::<Vec<_>>(), ["A", "Z"]);
}

#[test]
fn sums_are_exact_and_rounded_once() {
    let found = requests(
        "spec: {containers: [{name: a, resources: {requests: {cpu: 100.5m, memory: 0.5}}}, {name: b, resources: {requests: {cpu: 100.5m, memory: 0.5}}}]}",
    );
    assert_eq!(found.spec, resources(201, 1, 0, &[]));
    assert_eq!(found.usage, found.spec);
    assert_eq!(found.score, found.spec);
}

#[test]
fn containers_without_requests_get_defaults_for_scoring() {
    let found = requests(
        "spec: {containers: [{name: a, resources: {requests: {cpu: 0}}}, {name: b, resources: {requests: {memory: 1Mi}}}], overhead: {cpu: 5m, memory: 1Mi}}",
    );
    assert_eq!(found.spec, resources(5, 2 * MI, 0, &[]));
    assert_eq!((found.non_zero_milli_cpu, found.non_zero_memory), (105, 202 * MI));
    assert_eq!(found.score, resources(105, 202 * MI, 0, &[]));
}

#[test]
fn init_containers_and_sidecars() {
    let found = requests(
        r"
spec:
  containers: [{name: app, resources: {requests: {cpu: 100m, example.com/gpu: 1}}}]
  initContainers:
  - {name: first, resources: {requests: {cpu: 500m}}}
  - {name: sidecar, restartPolicy: Always, resources: {requests: {cpu: 50m, memory: 10Mi}}}
  - {name: second, resources: {requests: {cpu: 470m}}}
",
    );
    // 100 + 50 while running; 500, then 50, then 470 + 50 before.
    assert_eq!(found.spec, resources(520, 10 * MI, 0, &[("example.com/gpu", 1)]));
}

#[test]
fn an_init_container_beside_a_decimal_is_worth_its_lowest_64_bits() {
    // As the referee says: 10E alone comes out as 0; compared with 1Pi, a decimal, it becomes one itself.
    let pod = |of: &str| {
        format!(
            "{{spec: {{initContainers: [{{name: i, resources: {{requests: {{memory: 10E}}}}}}], \
             containers: [{{name: c, resources: {{requests: {{memory: {of}}}}}}}]}}}}"
        )
    };
    assert_eq!(requests(&pod("1Pi")).usage.memory, 10_000_000_000_000_000_000_u64 as i64);
    assert_eq!(requests(&pod("1Gi")).usage.memory, 0);
}

#[test]
fn a_resize_counts_the_largest_until_it_is_infeasible() {
    let pod = |condition: &str| {
        requests(&format!(
            r"
spec: {{containers: [{{name: a, resources: {{requests: {{cpu: 100m, memory: 30Mi}}}}}}]}}
status:
  conditions: [{condition}]
  containerStatuses: [{{name: a, allocatedResources: {{cpu: 200m}}, resources: {{requests: {{cpu: 150m, memory: 20Mi}}}}}}]
"
        ))
    };
    let found = pod("");
    assert_eq!(found.spec, resources(100, 30 * MI, 0, &[]));
    assert_eq!(found.usage, resources(200, 30 * MI, 0, &[]));
    let found = pod("{type: PodResizePending, status: 'True', reason: Infeasible}");
    assert_eq!(found.usage, resources(200, 20 * MI, 0, &[]));
    assert_eq!(
        pod("{type: PodResizePending, status: 'True', reason: Deferred}").usage,
        resources(200, 30 * MI, 0, &[])
    );
    // Without reported resources the status says nothing.
    let silent = requests(
        "{spec: {containers: [{name: a, resources: {requests: {cpu: 1}}}]}, status: {containerStatuses: [{name: a, allocatedResources: {cpu: 5}}]}}",
    );
    assert_eq!(silent.usage.milli_cpu, 1000);
}

#[test]
fn pod_level_requests_take_the_place_of_the_sum() {
    let found = requests(
        r"
spec:
  resources: {requests: {cpu: 500m, hugepages-2Mi: 4Mi, ephemeral-storage: 5}}
  containers: [{name: a, resources: {requests: {cpu: 700m, memory: 10Mi, ephemeral-storage: 3}}}, {name: b}]
  overhead: {cpu: 10m}
",
    );
    assert_eq!(found.spec, resources(510, 10 * MI, 3, &[("hugepages-2Mi", 4 * MI)]));
    // Both resources are named somewhere, so nothing is added for the container that names none.
    assert_eq!((found.non_zero_milli_cpu, found.non_zero_memory), (510, 10 * MI));
    // Scoring does not look at the pod as a whole.
    assert_eq!(found.score, resources(810, 210 * MI, 3, &[]));
    let memory_missing = requests("spec: {resources: {requests: {cpu: 1}}, containers: [{name: a}, {name: b}]}");
    assert_eq!((memory_missing.non_zero_milli_cpu, memory_missing.non_zero_memory), (1000, 400 * MI));
    let resized = requests(
        "{spec: {resources: {requests: {cpu: 1}}, containers: [{name: a}]}, status: {resources: {requests: {cpu: 2}}, allocatedResources: {cpu: 3}}}",
    );
    assert_eq!((resized.spec.milli_cpu, resized.usage.milli_cpu), (1000, 3000));
}

#[test]
fn a_pod() {
    let mut converter = Converter::new();
    let text = r#"
metadata:
  name: p
  namespace: ns
  uid: u
  labels: {app: x}
  creationTimestamp: "2026-05-11T08:12:01Z"
  ownerReferences: [{apiVersion: v1, kind: Other, name: o}, {apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: r, controller: true}]
spec:
  schedulerName: s
  priority: 7
  preemptionPolicy: Never
  hostNetwork: true
  hostUsers: false
  nodeSelector: {disk: ssd}
  schedulingGates: [{name: g}]
  schedulingGroup: {podGroupName: pg}
  resourceClaims: [{name: gpu}]
  containers:
  - {name: a, image: repo:5000/app, ports: [{containerPort: 80, hostPort: 80}, {containerPort: 81}], restartPolicyRules: [{action: RestartAllContainers}]}
  - {name: b, image: "app:1", ports: [{hostPort: 53, protocol: UDP, hostIP: 127.0.0.1}]}
  initContainers:
  - {name: i, image: init, ports: [{hostPort: 99}]}
  - {name: s, image: side@sha256:00, restartPolicy: Always, ports: [{hostPort: 98, protocol: SCTP}]}
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: c}}
  - {name: scratch, ephemeral: {}}
  - {name: conf, configMap: {name: x}}
  - {name: img, image: {reference: models}}
  - {name: disk, gcePersistentDisk: {pdName: d}}
  - {name: inline, csi: {driver: drv}}
  tolerations: [{key: a, operator: Exists, effect: NoSchedule}, {key: b, value: c}, {key: c, operator: Lt, value: "1"}, {operator: Exists, effect: Odd}]
  topologySpreadConstraints:
  - {maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: x}}, matchLabelKeys: [v], nodeTaintsPolicy: Honor, nodeAffinityPolicy: Ignore, minDomains: 3}
  - {maxSkew: 1, topologyKey: host, whenUnsatisfiable: ScheduleAnyway}
status:
  phase: Failed
  nominatedNodeName: node
  conditions: [{type: DisruptionTarget, status: "True", reason: PreemptionByScheduler}]
"#;
    let pod = converter.pod(&yaml(text));
    assert_eq!(pod.full_name(), "ns/p");
    assert_eq!((pod.uid.as_str(), pod.scheduler_name.as_str(), pod.priority), ("u", "s", 7));
    assert_eq!(pod.preemption_policy, loadline_model::PreemptionPolicy::Never);
    assert_eq!(pod.owner.as_ref().unwrap().name, "rs");
    assert_eq!(pod.created, Some(1_778_487_121_000_000_000));
    assert_eq!((pod.node_name.clone(), pod.nominated_node_name.clone()), (None, Some(Str::from("node"))));
    assert!(pod.finished && pod.preempted && !pod.is_terminating());
    assert_eq!(pod.node_selector.get("disk").unwrap(), "ssd");
    assert_eq!(
        (
            pod.scheduling_gates[0].as_str(),
            pod.resource_claims[0].as_str(),
            pod.pod_group.as_ref().unwrap().name.as_str()
        ),
        ("g", "gpu", "pg")
    );
    assert_eq!(
        pod.images.iter().map(Str::as_str).collect::<Vec<_>>(),
        ["init:latest", "side@sha256:00", "repo:5000/app:latest", "app:1", "models:latest"]
    );
    assert_eq!(pod.container_count, 4);
    let ports: Vec<_> = pod.host_ports.iter().map(|port| (port.protocol, port.ip.as_str(), port.port)).collect();
    assert_eq!(
        ports,
        [(Protocol::Tcp, "0.0.0.0", 80), (Protocol::Udp, "127.0.0.1", 53), (Protocol::Sctp, "0.0.0.0", 98)]
    );
    let volumes: Vec<_> = pod.volumes.iter().map(|volume| (volume.name.as_str(), volume.source.clone())).collect();
    assert_eq!(
        volumes,
        [
            ("data", VolumeSource::Claim("c".into())),
            ("scratch", VolumeSource::Ephemeral),
            ("disk", VolumeSource::InTree("gcePersistentDisk".into())),
            ("inline", VolumeSource::InlineCsi("drv".into())),
        ]
    );
    let operators: Vec<_> = pod.tolerations.iter().map(|toleration| (toleration.operator, toleration.effect)).collect();
    assert_eq!(
        operators,
        [
            (TolerationOperator::Exists, Some(Effect::NoSchedule)),
            (TolerationOperator::Equal, None),
            (TolerationOperator::Never, None),
            (TolerationOperator::Never, None),
        ]
    );
    let spread = &pod.spread[0];
    assert_eq!((spread.max_skew, spread.min_domains, spread.honor_affinity, spread.honor_taints), (2, 3, false, true));
    assert_eq!(
        (spread.when_unsatisfiable, spread.match_label_keys[0].as_str()),
        (UnsatisfiableAction::DoNotSchedule, "v")
    );
    assert_eq!(
        (pod.spread[1].selector.clone(), pod.spread[1].min_domains, pod.spread[1].honor_affinity),
        (Selector::Nothing, 1, true)
    );
    assert_eq!(
        pod.required_features.iter().map(Str::as_str).collect::<Vec<_>>(),
        ["RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport"]
    );
    // A second pod of the same template shares what is equal.
    let twin = converter.pod(&yaml(&text.replace("name: p\n", "name: q\n")));
    assert!(
        Arc::ptr_eq(&pod.labels, &twin.labels)
            && Arc::ptr_eq(&pod.requests, &twin.requests)
            && Arc::ptr_eq(&pod.spread, &twin.spread)
    );
    assert!(Arc::ptr_eq(&pod.tolerations, &twin.tolerations) && Arc::ptr_eq(&pod.images, &twin.images));
    drop((pod, twin));
    converter.shrink();
    assert_eq!((converter.labels.0.len(), converter.requests.0.len(), converter.names.0.len()), (0, 0, 0));
}

#[test]
fn affinity_terms() {
    let pod = Converter::new().pod(&yaml(
        r"
metadata: {name: p, namespace: ns}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
        - {matchExpressions: [{key: a, operator: In, values: [w, x]}], matchFields: [{key: metadata.name, operator: NotIn, values: [node]}]}
        - {matchExpressions: [{key: a, operator: Gt, values: [ten]}]}
        - {}
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: zone, labelSelector: {matchExpressions: [{key: b, operator: Exists}]}}
      - {topologyKey: zone, namespaces: [z, a, z]}
      - {topologyKey: zone, namespaceSelector: {}, labelSelector: {}}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 9, podAffinityTerm: {topologyKey: host, labelSelector: {matchExpressions: [{key: b, operator: Like, values: [c]}]}}}
",
    ));
    let affinity = pod.affinity.unwrap();
    let terms = &affinity.node_required.as_ref().unwrap().terms;
    assert_eq!(terms[0].expressions[0].operator, Operator::In);
    assert!(terms[0].problems.is_empty() && terms[0].fields[0].negated);
    assert!(!terms[1].problems.is_empty() && terms[2].is_empty() && terms[2].problems.is_empty());
    let names = |index: usize| {
        affinity.pod_required[index].pods.namespaces.names.iter().map(Str::to_string).collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(1), names(2)), (vec!["ns".to_owned()], vec!["a".into(), "z".into()], vec![]));
    assert_eq!(affinity.pod_required[1].pods.selector, Selector::Nothing);
    assert_eq!(affinity.pod_required[0].pods.namespaces.selector, Selector::Nothing);
    assert!(affinity.pod_required[2].pods.namespaces.selector.is_everything());
    // What cannot be understood matches nothing.
    assert_eq!(
        (affinity.anti_preferred[0].weight, &affinity.anti_preferred[0].term.pods.selector),
        (9, &Selector::Nothing)
    );
}

#[test]
fn small_objects() {
    let mut converter = Converter::new();
    let budget = converter.disruption_budget(&yaml(
        "{metadata: {name: b, namespace: ns}, spec: {selector: {matchLabels: {a: b}}}, status: {disruptionsAllowed: 2, disruptedPods: {p: '2026-05-11T08:12:01Z'}}}",
    ));
    assert_eq!(budget.disruptions_allowed, 2);
    assert!(budget.disrupted_pods.contains("p"));
    let controller =
        converter.replication_controller(&yaml("{metadata: {name: rc, namespace: ns}, spec: {selector: {a: b}}}"));
    assert_eq!(controller.selector, converter.selector(Some(&yaml("{matchLabels: {a: b}}"))));
    assert_eq!(converter.stateful_set(&yaml("{metadata: {name: s}}")).selector, Selector::Nothing);
    assert_eq!(converter.service(&yaml("{metadata: {name: s}, spec: {selector: {a: b}}}")).selector.len(), 1);
    assert_eq!(converter.namespace(&yaml("{metadata: {name: x, labels: {a: b}}}")).labels.len(), 1);
}

#[test]
fn a_pod_names_its_group_by_its_spec_or_a_label() {
    let mut converter = Converter::new();
    let mut group = |labels: &str, spec: &str| {
        let text = format!("{{metadata: {{name: p, namespace: ns, labels: {{{labels}}}}}, spec: {{{spec}}}}}");
        let pod = converter.pod(&yaml(&text));
        pod.pod_group.map(|key| (key.api, key.to_string()))
    };
    let crd = |name: &str| Some((GroupApi::Crd, format!("ns/{name}")));
    assert_eq!(group("", ""), None);
    assert_eq!(group("scheduling.x-k8s.io/pod-group: a", ""), crd("a"));
    assert_eq!(group("pod-group.scheduling.sigs.k8s.io: b", ""), crd("b"));
    assert_eq!(group("pod-group.scheduling.sigs.k8s.io/name: c", ""), crd("c"));
    assert_eq!(group("scheduling.x-k8s.io/pod-group: a, pod-group.scheduling.sigs.k8s.io: b", ""), crd("a"));
    assert_eq!(group("scheduling.x-k8s.io/pod-group: \"\"", ""), None);
    let core = Some((GroupApi::Core, "ns/d".to_owned()));
    assert_eq!(group("scheduling.x-k8s.io/pod-group: a", "schedulingGroup: {podGroupName: d}"), core);
}

#[test]
fn groups_of_both_apis_become_one_form() {
    let mut converter = Converter::new();
    let found = converter.pod_group(&yaml(
        r#"
metadata: {name: train, namespace: ns, uid: u, annotations: {loadline.dev/required-topology: rack, loadline.dev/preferred-topology: zone}}
spec: {minMember: 3, minResources: {cpu: 1500m, memory: 1Gi}, scheduleTimeoutSeconds: 10}
"#,
    ));
    assert_eq!((found.key.to_string(), found.key.api, found.min_member), ("ns/train".into(), GroupApi::Crd, 3));
    let resources = found.min_resources.as_ref().unwrap();
    assert_eq!((resources.milli_cpu, resources.memory), (1500, 1 << 30));
    assert_eq!((found.timeout, found.required_topology.as_deref()), (Some(10_000_000_000), Some("rack")));
    assert_eq!(
        (found.preferred_topology.as_deref(), found.priority, found.disrupted_whole),
        (Some("zone"), None, false)
    );

    let core = converter.core_pod_group(&yaml(
        r#"
metadata: {name: train, namespace: ns}
spec:
  schedulingPolicy: {gang: {minCount: 4}}
  schedulingConstraints: {topology: [{key: rack}]}
  disruptionMode: PodGroup
  priority: 7
"#,
    ));
    assert_ne!(core.key, found.key, "two APIs, two groups");
    assert_eq!((core.min_member, core.required_topology.as_deref()), (4, Some("rack")));
    assert_eq!((core.priority, core.disrupted_whole, core.timeout), (Some(7), true, None));
    let basic = converter.core_pod_group(&yaml("{metadata: {name: b}, spec: {schedulingPolicy: {basic: {}}}}"));
    assert_eq!(basic.min_member, 0);
}
