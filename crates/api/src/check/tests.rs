use crate::read::Reader;

/// Problems of a text, each as `line: path: message`.
fn problems(text: &str) -> Vec<String> {
    let mut reader = Reader::new(|object| panic!("nothing is wrong with {object:?}"));
    reader.read_text(text, "f");
    let found = reader.finish().problems.into_iter();
    found.map(|problem| format!("{}: {}: {}", problem.line, problem.path, problem.message)).collect()
}

#[test]
fn everything_wrong_with_a_pod_is_said() {
    let text = r#"apiVersion: v1
kind: Pod
metadata: {name: bad}
spec:
  preemptionPolicy: Sometimes
  nodeSelector: {"-a": b}
  overhead: {cpu: -1}
  containers:
  - name: c
    resources:
      requests: {cpu: -100m}
      limits: {memory: "-1"}
    ports:
    - {containerPort: 70000}
    - {containerPort: 80, hostPort: -1, protocol: ICMP}
  tolerations:
  - {key: a, operator: Is}
  - {operator: Equal, value: x}
  - {key: a, operator: Exists, value: x, effect: NoRun}
  topologySpreadConstraints:
  - maxSkew: 0
    whenUnsatisfiable: Never
    minDomains: 0
    nodeTaintsPolicy: Maybe
    labelSelector: {matchExpressions: [{key: a, operator: In}]}
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, matchLabelKeys: [a, /b]}
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
        - matchExpressions:
          - {key: a, operator: Gt, values: [x]}
          - {key: a, operator: Lt, values: ["1", "2"]}
          - {key: a, operator: Exists, values: [x]}
          - {key: a, operator: Almost}
          matchFields: [{key: metadata.uid, operator: Exists}]
      preferredDuringSchedulingIgnoredDuringExecution:
      - {weight: 101, preference: {}}
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: "", labelSelector: {matchLabels: {a: "x y"}}}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 0
        podAffinityTerm: {topologyKey: zone, namespaceSelector: {matchExpressions: [{key: a, operator: Gt, values: ["1"]}]}}
"#;
    let required = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]";
    let expected = [
        "11: spec.containers[0].resources.requests.cpu: expected 0 or more, found `-100m`".to_owned(),
        "12: spec.containers[0].resources.limits.memory: expected 0 or more, found `-1`".into(),
        "14: spec.containers[0].ports[0].containerPort: expected a port from 1 to 65535, found 70000".into(),
        "15: spec.containers[0].ports[1].hostPort: expected a port from 1 to 65535, found -1".into(),
        "15: spec.containers[0].ports[1].protocol: expected one of TCP, UDP, SCTP, found `ICMP`".into(),
        "7: spec.overhead.cpu: expected 0 or more, found `-1`".into(),
        "6: spec.nodeSelector.-a: expected a label key such as app or example.com/app, found `-a`".into(),
        format!("33: {required}.matchExpressions[1].values: expected exactly one value for Lt, found 2"),
        format!("34: {required}.matchExpressions[2].values: expected no values for Exists, found 1"),
        format!("35: {required}.matchExpressions[3].operator: expected one of In, NotIn, Exists, DoesNotExist, Gt, Lt, found `Almost`"),
        format!("36: {required}.matchFields[0].key: expected one of metadata.name, found `metadata.uid`"),
        format!("36: {required}.matchFields[0].operator: expected one of In, NotIn, found `Exists`"),
        format!("36: {required}.matchFields[0].values: expected exactly one value, found 0"),
        "38: spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: expected a weight from 1 to 100, found 101".into(),
        "41: spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: expected a label key such as app or example.com/app, found nothing".into(),
        "41: spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels.a: expected a label value (up to 63 letters, digits, `-`, `_` and `.`), found `x y`".into(),
        "44: spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: expected a weight from 1 to 100, found 0".into(),
        "45: spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.namespaceSelector.matchExpressions[0].operator: expected one of In, NotIn, Exists, DoesNotExist, found `Gt`".into(),
        "17: spec.tolerations[0].operator: expected one of Exists, Equal, Lt, Gt, found `Is`".into(),
        "18: spec.tolerations[1].operator: expected Exists, as there is no key".into(),
        "19: spec.tolerations[2].effect: expected one of NoSchedule, PreferNoSchedule, NoExecute, found `NoRun`".into(),
        "19: spec.tolerations[2].value: expected no value for Exists, found `x`".into(),
        "21: spec.topologySpreadConstraints[0].maxSkew: expected 1 or more, found 0".into(),
        "21: spec.topologySpreadConstraints[0].topologyKey: expected a label key such as app or example.com/app, found nothing".into(),
        "22: spec.topologySpreadConstraints[0].whenUnsatisfiable: expected one of DoNotSchedule, ScheduleAnyway, found `Never`".into(),
        "25: spec.topologySpreadConstraints[0].labelSelector.matchExpressions[0].values: expected at least one value for In, found none".into(),
        "23: spec.topologySpreadConstraints[0].minDomains: expected 1 or more, found 0".into(),
        "24: spec.topologySpreadConstraints[0].nodeTaintsPolicy: expected one of Honor, Ignore, found `Maybe`".into(),
        "26: spec.topologySpreadConstraints[1].matchLabelKeys[1]: expected a label key such as app or example.com/app, found `/b`".into(),
        "5: spec.preemptionPolicy: expected one of PreemptLowerPriority, Never, found `Sometimes`".into(),
    ];
    let found = problems(text);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn other_kinds_are_looked_at_too() {
    let text = r#"apiVersion: v1
kind: Node
metadata: {name: node-a}
spec: {taints: [{key: "", effect: Evict}]}
status: {allocatable: {cpu: -1}, capacity: {example.com/gpu: -2}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: -1
  selector: {matchLabels: {"a/b/c": d}}
  template: {spec: {containers: [{resources: {requests: {cpu: -1}}}]}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, preemptionPolicy: Always}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, overhead: {podFixed: {cpu: -1}}, scheduling: {tolerations: [{key: a, effect: Non}]}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Node, default: {cpu: -1}}]}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: pdb}, spec: {selector: {matchExpressions: [{operator: Exists}]}}}
---
{apiVersion: v1, kind: Service, metadata: {name: svc}, spec: {selector: {app: "a b"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {completions: -1, parallelism: -2}}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {}}
"#;
    let key = "expected a label key such as app or example.com/app, found";
    assert_eq!(
        problems(text),
        [
            format!("4: spec.taints[0].key: {key} nothing"),
            "4: spec.taints[0].effect: expected one of NoSchedule, PreferNoSchedule, NoExecute, found `Evict`".into(),
            "5: status.capacity[example.com/gpu]: expected 0 or more, found `-2`".into(),
            "5: status.allocatable.cpu: expected 0 or more, found `-1`".into(),
            "11: spec.replicas: expected 0 or more, found -1".into(),
            "13: spec.template.spec.containers[0].resources.requests.cpu: expected 0 or more, found `-1`".into(),
            format!("12: spec.selector.matchLabels[a/b/c]: {key} `a/b/c`"),
            "15: preemptionPolicy: expected one of PreemptLowerPriority, Never, found `Always`".into(),
            "17: overhead.podFixed.cpu: expected 0 or more, found `-1`".into(),
            "17: scheduling.tolerations[0].effect: expected one of NoSchedule, PreferNoSchedule, NoExecute, found `Non`".into(),
            "19: spec.limits[0].type: expected one of Container, Pod, PersistentVolumeClaim, found `Node`".into(),
            "19: spec.limits[0].default.cpu: expected 0 or more, found `-1`".into(),
            format!("21: spec.selector.matchExpressions[0].key: {key} nothing"),
            "23: spec.selector.app: expected a label value (up to 63 letters, digits, `-`, `_` and `.`), found `a b`".into(),
            "25: spec.completions: expected 0 or more, found -1".into(),
            "25: spec.parallelism: expected 0 or more, found -2".into(),
            "27: metadata.name: expected a name, found none".into(),
        ]
    );
}

#[test]
fn resources_that_there_are_not() {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n");
    let of_container = "expected cpu, memory, ephemeral-storage, hugepages-SIZE, or a name with a domain such as example.com/device, found";
    assert_eq!(
        problems(&pod(
            "{overhead: {cpus: 1}, containers: [{name: c, resources: {requests: {memroy: 1Gi, pods: 1}, limits: {a b/c: 1}}}]}"
        )),
        [
            format!(
                "4: spec.containers[0].resources.requests.memroy: {of_container} `memroy`; did you mean \"memory\"?"
            ),
            format!("4: spec.containers[0].resources.requests.pods: {of_container} `pods`"),
            format!("4: spec.containers[0].resources.limits[a b/c]: {of_container} `a b/c`"),
            format!("4: spec.overhead.cpus: {of_container} `cpus`; did you mean \"cpu\"?"),
        ]
    );
    assert_eq!(
        problems(&pod("{resources: {requests: {cpu: 1, hugepages-2Mi: 2Mi, ephemeral-storage: 1Gi, example.com/gpu: 1}}}")),
        ["ephemeral-storage", "[example.com/gpu]"].map(|name| {
            let dot = if name.starts_with('[') { "" } else { "." };
            let found = name.trim_matches(['[', ']']);
            format!(
                "4: spec.resources.requests{dot}{name}: expected cpu, memory or hugepages-SIZE, as for all resources of a pod as a whole, found `{found}`"
            )
        })
    );
    let range = |kind: &str| {
        format!(
            "apiVersion: v1\nkind: LimitRange\nmetadata: {{name: r}}\nspec: {{limits: [{{type: {kind}, max: {{storage: 1Gi}}}}]}}\n"
        )
    };
    assert_eq!(
        problems(&range("Container")),
        [format!("4: spec.limits[0].max.storage: {of_container} `storage`; did you mean \"ephemeral-storage\"?")]
    );
    let mut claims = 0;
    Reader::new(|_| claims += 1).read_text(&range("PersistentVolumeClaim"), "f");
    assert_eq!(claims, 1);
}

#[test]
fn workloads_know_their_own_pods() {
    let workload = |api_version: &str, kind: &str, selector: &str| {
        let text = format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n  {selector}\n  template:\n    metadata:\n      labels: {{app: web, tier: front}}\n    spec: {{}}\n"
        );
        let mut reader = Reader::new(drop);
        reader.read_text(&text, "f");
        reader.finish().problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let others = ["f:8:7: spec.template.metadata.labels: expected labels that spec.selector matches, found others"];
    let none = "expected a selector that matches the labels of the template, found none";
    for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
        let found = |selector: &str| workload("apps/v1", kind, selector);
        assert_eq!(found("selector: {matchLabels: {app: web}}"), [""; 0], "{kind}");
        assert_eq!(found("selector: {matchLabels: {app: wbe}}"), others, "{kind}");
        assert_eq!(found("selector: {matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}"), others);
        assert_eq!(found("selector: {}"), [format!("f:5:3: spec.selector: {none}")], "{kind}");
        assert_eq!(found("minReadySeconds: 0").len(), 1, "{kind}");
    }
    for (selector, number) in [("selector: {matchLabels: {app: wbe}}", 0), ("suspend: true", 0)] {
        assert_eq!(workload("batch/v1", "Job", selector).len(), number);
        assert_eq!(workload("batch/v1", "Job", &format!("manualSelector: true\n  {selector}")).len(), 1);
    }
    assert_eq!(workload("v1", "ReplicationController", "selector: {app: web}"), [""; 0]);
    assert_eq!(workload("v1", "ReplicationController", "replicas: 1"), [""; 0]);
    assert_eq!(workload("v1", "ReplicationController", "selector: {app: wbe}"), others);
}

#[test]
fn names_are_those_that_the_api_server_takes() {
    let refused = |api_version: &str, kind: &str, metadata: &str| {
        let mut reader = Reader::new(drop);
        reader.read_text(&format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{{metadata}}}}}\n"), "f");
        let problems = reader.finish().problems;
        problems.into_iter().find(|problem| problem.path == "metadata.name").map(|problem| problem.message)
    };
    assert_eq!(refused("v1", "Pod", "name: a.b-c"), None);
    let wanted = "expected a name of lower case letters, digits, `-` and `.`, 253 at most, found `Web_1`";
    assert_eq!(refused("v1", "Pod", "name: Web_1").as_deref(), Some(wanted));
    assert_eq!(refused("v1", "Pod", "name: Web_1, uid: u"), None, "it is stored");
    for (api_version, kind) in [("v1", "Namespace"), ("v1", "Service"), ("apps/v1", "StatefulSet")] {
        let wanted = "expected a name of lower case letters, digits, `-`, 63 at most, found `a.b`";
        assert_eq!(refused(api_version, kind, "name: a.b").as_deref(), Some(wanted));
        assert_eq!(refused(api_version, kind, &format!("name: {}", "a".repeat(63))), None);
        assert!(refused(api_version, kind, &format!("name: {}", "a".repeat(64))).is_some());
    }
    assert_eq!(refused("policy/v1", "PodDisruptionBudget", "name: Web_1"), None);
}

#[test]
fn what_is_wrong_with_a_pod_group_is_said() {
    let text = r#"apiVersion: scheduling.x-k8s.io/v1alpha1
kind: PodGroup
metadata: {name: a, annotations: {loadline.dev/required-topology: "a b"}}
spec:
  minMember: 0
  minResources: {cpu: -1}
  scheduleTimeoutSeconds: -5
  minMembers: 3
---
apiVersion: scheduling.k8s.io/v1alpha2
kind: PodGroup
metadata: {name: a}
spec:
  schedulingPolicy: {basic: {}, gang: {minCount: 0}}
  disruptionMode: Some
  schedulingConstraints: {topology: [{key: rack}, {key: /x}]}
---
apiVersion: scheduling.k8s.io/v1alpha2
kind: PodGroup
metadata: {name: b}
spec: {schedulingPolicy: {gang: {minCount: 0}}}
---
apiVersion: scheduling.sigs.k8s.io/v1alpha1
kind: PodGroup
metadata: {name: c}
"#;
    assert_eq!(
        problems(text),
        [
            "8: spec.minMembers: unknown field \"minMembers\"; did you mean \"minMember\"?",
            "5: spec.minMember: expected 1 or more, found 0",
            "6: spec.minResources.cpu: expected 0 or more, found `-1`",
            "7: spec.scheduleTimeoutSeconds: expected 0 or more, found -5",
            "3: metadata.annotations[loadline.dev/required-topology]: expected a label key such as app or example.com/app, found `a b`",
            "14: spec.schedulingPolicy: expected one of basic, gang, found both",
            "15: spec.disruptionMode: expected one of Pod, PodGroup, found `Some`",
            "16: spec.schedulingConstraints.topology[1]: expected one constraint at most, found 2",
            "16: spec.schedulingConstraints.topology[1].key: expected a label key such as app or example.com/app, found `/x`",
            "21: spec.schedulingPolicy.gang.minCount: expected 1 or more, found 0",
            "23: apiVersion: expected scheduling.x-k8s.io/v1alpha1 for a PodGroup, found `scheduling.sigs.k8s.io/v1alpha1`",
        ]
    );
}
