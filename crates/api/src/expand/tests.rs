use loadline_model::Set;

use super::*;
use crate::convert::Converter;
use crate::defaults::{admit_job, fill_stored, fill_uid};
use crate::read::Reader;

/// Expands the objects of a text. Workloads are completed, nodes are compiled.
fn expanded(text: &str) -> Expansion {
    expanded_within(MOST_PODS, text)
}

fn expanded_within(most: usize, text: &str) -> Expansion {
    let mut objects = Vec::new();
    let mut reader = Reader::new(|object| objects.push(object));
    reader.read_text(text, "test");
    assert_eq!(reader.finish().problems, []);
    for object in &mut objects {
        fill_stored(object);
        fill_uid(object);
        if let Object::Job(job) = object {
            admit_job(job);
        }
    }
    let mut present = Present::default();
    let mut nodes = Vec::new();
    let mut converter = Converter::new();
    for object in &objects {
        match object {
            Object::Pod(pod) => present.observe(pod),
            Object::Node(node) => nodes.push(converter.node(node)),
            _ => {}
        }
    }
    expand_within(most, objects.iter(), &present, &nodes)
}

/// For each workload: kind, name and number of missing pods.
fn counts(expansion: &Expansion) -> Vec<String> {
    expansion
        .missing
        .iter()
        .map(|missing| format!("{} {} {}", missing.kind.name(), missing.name, missing.pods.len()))
        .collect()
}

fn pod(name: &str, owner: &str, more: &str) -> String {
    let (kind, owner) = owner.split_once('/').expect("kind/name");
    format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, ownerReferences: [{{apiVersion: v1, kind: {kind}, name: {owner}, controller: true}}]{more}}}}}\n"
    )
}

const SET: &str = "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: rs}, spec: {replicas: 4, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}\n";

#[test]
fn a_replica_set_lacks_what_is_not_there_and_active() {
    let text = [
        SET.to_owned(),
        pod("rs-1", "ReplicaSet/rs", ""),
        pod("rs-2", "ReplicaSet/rs", ", deletionTimestamp: '2026-01-01T00:00:00Z'"),
        pod("rs-3", "ReplicaSet/rs", "}, status: {phase: Failed"),
        pod("other", "ReplicaSet/other", ""),
        pod("elsewhere", "ReplicaSet/rs", ", namespace: x"),
    ]
    .concat();
    let expansion = expanded(&text);
    assert_eq!(counts(&expansion), ["ReplicaSet rs 3"]);
    let pods = &expansion.missing[0].pods;
    let owner = &pods[0].metadata.owner_references[0];
    assert_eq!(
        (&*owner.api_version, &*owner.kind, &*owner.name, owner.uid.len(), owner.controller),
        ("apps/v1", "ReplicaSet", "rs", 36, true)
    );
    assert_eq!(
        (&*pods[0].metadata.namespace, &*pods[0].metadata.labels["a"], pods[0].spec.containers.len()),
        ("default", "b", 1)
    );
    let mut names: Vec<&str> = pods.iter().map(|pod| &*pod.metadata.name).collect();
    assert!(names.iter().all(|name| name.len() == "rs-".len() + 5 && name.starts_with("rs-")), "{names:?}");
    names.dedup();
    assert_eq!(names.len(), 3);
    // The same input gives the same names.
    assert_eq!(expanded(&text), expansion);
    assert_eq!(
        counts(&expanded(&SET.replace("name: rs}", "name: rs, deletionTimestamp: '2026-01-01T00:00:00Z'}"))),
        [""; 0]
    );
    assert_eq!(counts(&expanded(&SET.replace("replicas: 4, ", ""))), ["ReplicaSet rs 1"]);
}

#[test]
fn owners_of_the_same_name_are_told_apart_by_uid() {
    let text = SET.replace("name: rs}", "name: rs, uid: new}")
        + &pod("rs-1", "ReplicaSet/rs", "").replace("name: rs, controller", "name: rs, uid: old, controller");
    assert_eq!(counts(&expanded(&text)), ["ReplicaSet rs 4"]);
}

const DEPLOYMENT: &str = "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 5, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}\n";

#[test]
fn a_deployment_alone_brings_its_replica_set() {
    let expansion = expanded(DEPLOYMENT);
    assert_eq!(counts(&expansion), ["Deployment web 5"]);
    let set = &expansion.replica_sets[0];
    let hash = &set.spec.template.metadata.labels["pod-template-hash"];
    assert_eq!(set.metadata.name, format!("web-{hash}"));
    assert_eq!(set.spec.selector.as_ref().map(|selector| selector.match_labels.len()), Some(2));
    assert_eq!(set.metadata.owner_references[0].kind, "Deployment");
    let pod = &expansion.missing[0].pods[0];
    assert_eq!(&pod.metadata.labels["pod-template-hash"], hash);
    assert_eq!(
        (&*pod.metadata.owner_references[0].kind, &pod.metadata.owner_references[0].uid),
        ("ReplicaSet", &set.metadata.uid)
    );
    assert!(pod.metadata.name.starts_with(&*set.metadata.name));
    // Another template, another hash.
    assert_ne!(
        &expanded(&DEPLOYMENT.replace("name: c}", "name: d}")).replica_sets[0].metadata.name,
        &set.metadata.name
    );
}

#[test]
fn a_deployment_counts_its_replica_sets_and_their_pods() {
    let set = |name: &str, replicas: u32, created: u32| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: {name}, creationTimestamp: '{created}-01-01T00:00:00Z', ownerReferences: [{{kind: Deployment, name: web, controller: true}}]}}, spec: {{replicas: {replicas}, selector: {{matchLabels: {{of: {name}}}}}, template: {{metadata: {{labels: {{of: {name}}}}}}}}}}}\n"
        )
    };
    // In the middle of a rollout: 2 of the new one are wanted (1 is there), 3 of the old one are there and 2 wanted.
    let text = [
        DEPLOYMENT.to_owned(),
        set("web-old", 2, 2024),
        set("web-new", 2, 2025),
        pod("web-new-1", "ReplicaSet/web-new", ""),
        pod("web-old-1", "ReplicaSet/web-old", ""),
        pod("web-old-2", "ReplicaSet/web-old", ""),
        pod("web-old-3", "ReplicaSet/web-old", ""),
    ]
    .concat();
    assert_eq!(counts(&expanded(&text)), ["ReplicaSet web-new 1"]);
    // Scaled up: the newest one grows, and no name is given twice.
    let expansion = expanded(&text.replace("replicas: 5", "replicas: 8"));
    assert_eq!(counts(&expansion), ["Deployment web 3", "ReplicaSet web-new 1"]);
    assert!(expansion.replica_sets.is_empty());
    let pods: Vec<_> = expansion.missing.iter().flat_map(|missing| &missing.pods).collect();
    assert!(pods.iter().all(|pod| pod.metadata.labels["of"] == "web-new"));
    let mut names: Vec<&str> = pods.iter().map(|pod| &*pod.metadata.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 4);
    // The pods without the ReplicaSets: the names tell whose they are.
    let text = [
        DEPLOYMENT.to_owned(),
        pod("web-5f-1", "ReplicaSet/web-5f", ", labels: {pod-template-hash: 5f}"),
        pod("web-5f-2", "ReplicaSet/web-5f", ", labels: {pod-template-hash: 5f}"),
        pod("web-api-5f-2", "ReplicaSet/web-api-5f", ", labels: {pod-template-hash: 5f}"),
    ]
    .concat();
    assert_eq!(counts(&expanded(&text)), ["Deployment web 3"]);
}

#[test]
fn stateful_sets_fill_their_ordinals() {
    let text = [
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 3, ordinals: {start: 2}, volumeClaimTemplates: [{metadata: {name: data}}], selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {volumes: [{name: data, ephemeral: {}}, {name: other, ephemeral: {}}]}}}}\n".to_owned(),
        pod("db-3", "StatefulSet/db", ""),
        pod("db-4", "StatefulSet/db", ", deletionTimestamp: '2026-01-01T00:00:00Z'"),
        pod("db-0", "StatefulSet/db", ""),
    ]
    .concat();
    let expansion = expanded(&text);
    let pods = &expansion.missing[0].pods;
    assert_eq!(pods.iter().map(|pod| &*pod.metadata.name).collect::<Vec<_>>(), ["db-2", "db-4"]);
    assert_eq!(pods[0].metadata.labels["statefulset.kubernetes.io/pod-name"], "db-2");
    assert_eq!(pods[0].metadata.labels["apps.kubernetes.io/pod-index"], "2");
    let volumes: Vec<_> = pods[0]
        .spec
        .volumes
        .iter()
        .map(|volume| (&*volume.name, volume.persistent_volume_claim.as_ref().map(|claim| &*claim.claim_name)))
        .collect();
    assert_eq!(volumes, [("data", Some("data-db-2")), ("other", None)]);
}

#[test]
fn daemon_sets_go_to_every_eligible_node() {
    let text = [
        r"
{apiVersion: v1, kind: Node, metadata: {name: node-a, labels: {os: linux}}, spec: {unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-b, labels: {os: linux}}, spec: {taints: [{key: gpu, effect: NoSchedule}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-c, labels: {os: windows}}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-d, labels: {os: linux}}, spec: {taints: [{key: x, effect: PreferNoSchedule}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-e, labels: {os: linux}}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-f, labels: {os: linux}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      nodeSelector: {os: linux}
      tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: os, operator: Exists}]}]}}}
"
        .to_owned(),
        pod("agent-1", "DaemonSet/agent", "}, spec: {nodeName: node-e"),
        pod("agent-2", "DaemonSet/agent", "}, spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [node-f]}]}]}}}"),
    ]
    .concat();
    let expansion = expanded(&text);
    let pods = &expansion.missing[0].pods;
    let targets: Vec<&str> = pods
        .iter()
        .filter_map(|pod| {
            pod.spec
                .affinity
                .as_ref()?
                .node_affinity
                .as_ref()?
                .required_during_scheduling_ignored_during_execution
                .as_ref()
        })
        .map(|required| {
            assert_eq!(
                (required.node_selector_terms.len(), required.node_selector_terms[0].match_expressions.len()),
                (1, 0)
            );
            &*required.node_selector_terms[0].match_fields[0].values[0]
        })
        .collect();
    assert_eq!(targets, ["node-a", "node-d"]);
    let tolerations: Vec<String> = pods[0]
        .spec
        .tolerations
        .iter()
        .map(|it| format!("{} {} {:?}", it.key, it.effect, it.toleration_seconds))
        .collect();
    assert_eq!(
        tolerations,
        [
            "node.kubernetes.io/not-ready NoExecute None",
            "node.kubernetes.io/unreachable NoExecute None",
            "node.kubernetes.io/disk-pressure NoSchedule None",
            "node.kubernetes.io/memory-pressure NoSchedule None",
            "node.kubernetes.io/pid-pressure NoSchedule None",
            "node.kubernetes.io/unschedulable NoSchedule None",
        ]
    );
    assert_eq!(
        counts(&expanded(&text.replace("      nodeSelector", "      hostNetwork: true\n      nodeSelector"))),
        ["DaemonSet agent 2"]
    );
}

#[test]
fn jobs_run_what_is_left() {
    let job = |spec: &str, status: &str| {
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: job, uid: u}}, spec: {{{spec}}}, status: {{{status}}}}}\n"
        )
    };
    let done = |name: &str| pod(name, "Job/job", "}, status: {phase: Succeeded");
    let lacks = |text: &str| expanded(text).missing.first().map_or(0, |missing| missing.pods.len());
    assert_eq!(lacks(&job("", "")), 1);
    assert_eq!(lacks(&job("completions: 5, parallelism: 3", "")), 3);
    assert_eq!(lacks(&job("completions: 5, parallelism: 3", "succeeded: 4")), 1);
    assert_eq!(lacks(&(job("completions: 5, parallelism: 3", "") + &pod("job-1", "Job/job", "") + &done("job-2"))), 2);
    assert_eq!(lacks(&job("completions: 5, suspend: true", "")), 0);
    assert_eq!(lacks(&job("completions: 5", "conditions: [{type: Failed, status: 'True'}]")), 0);
    // A work queue.
    assert_eq!(lacks(&job("parallelism: 4", "")), 4);
    assert_eq!(lacks(&(job("parallelism: 4", "") + &done("job-1"))), 0);
    let expansion = expanded(&job("parallelism: 2", ""));
    let labels = &expansion.missing[0].pods[1].metadata.labels;
    assert_eq!((&*labels["job-name"], &*labels["batch.kubernetes.io/controller-uid"]), ("job", "u"));
    // Whoever selects the pods himself gets no labels.
    let expansion = expanded(&job("manualSelector: true", ""));
    assert_eq!(expansion.missing[0].pods[0].metadata.labels.len(), 0);
}

#[test]
fn indexed_jobs_take_the_lowest_indexes() {
    let text = "{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {completions: 9, parallelism: 5, completionMode: Indexed}, status: {succeeded: 4, completedIndexes: '1,3-5'}}\n".to_owned()
        + &pod("job-0-x", "Job/job", ", annotations: {batch.kubernetes.io/job-completion-index: '0'}");
    let expansion = expanded(&text);
    let pods = &expansion.missing[0].pods;
    let indexes: Vec<&str> =
        pods.iter().map(|pod| &*pod.metadata.labels["batch.kubernetes.io/job-completion-index"]).collect();
    assert_eq!(indexes, ["2", "6", "7", "8"]);
    assert!(pods[0].metadata.name.starts_with("job-2-"), "{}", pods[0].metadata.name);
    assert_eq!(pods[0].metadata.annotations["batch.kubernetes.io/job-completion-index"], "2");
}

#[test]
fn indexes_that_are_done_are_skipped_as_intervals() {
    let pending = |completions: i32, status: &str| -> Vec<String> {
        let text = format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: job}}, spec: {{completions: {completions}, parallelism: 3, completionMode: Indexed, template: {{}}}}, status: {{{status}}}}}"
        );
        let expansion = expanded(&text);
        let pods = expansion.missing.iter().flat_map(|missing| &missing.pods);
        pods.map(|pod| pod.metadata.annotations[job::INDEX].clone()).collect()
    };
    assert_eq!(pending(i32::MAX, "completedIndexes: '0-2147483644'"), ["2147483645", "2147483646"]);
    assert_eq!(pending(i32::MAX, "completedIndexes: '0-99999999999'"), [""; 0]);
    // In any order, one inside another, backwards, or no intervals at all.
    assert_eq!(pending(9, "completedIndexes: '4-6,0-3,1-2,x,8-7,7-'"), ["7", "8"]);
    // An index that has failed for good is not tried again.
    assert_eq!(pending(9, "completedIndexes: '1', failedIndexes: '0,3-4'"), ["2", "5", "6"]);
}

#[test]
fn workloads_are_refused_by_the_pods_that_they_lack() {
    // Each wants 6 pods, has 3 of its own, and there is room for 3: none needs more.
    let own = |kind: &str, name: &str| {
        let pods = (0..3).map(|number| pod(&format!("{name}-{number}"), &format!("{kind}/{name}"), ""));
        pods.collect::<String>()
    };
    let set = |spec: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{{spec}, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}}}}}}}\n"
        )
    };
    let job = |spec: &str| {
        format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: job}}, spec: {{{spec}, template: {{}}}}}}\n")
    };
    let indexed = "parallelism: 6, completions: 100, completionMode: Indexed";
    let web = own("ReplicaSet", "web-5f")
        .replace("controller: true}]", "controller: true}], labels: {pod-template-hash: 5f}");
    for text in [
        SET.replace("replicas: 4", "replicas: 6") + &own("ReplicaSet", "rs"),
        DEPLOYMENT.replace("replicas: 5", "replicas: 6") + &web,
        set("replicas: 6") + &own("StatefulSet", "db"),
        job("parallelism: 6") + &own("Job", "job"),
        job(indexed) + &own("Job", "job"),
    ] {
        let expansion = expanded_within(3, &text);
        assert_eq!((expansion.too_many, expansion.missing[0].pods.len()), (vec![], 3), "{text}");
        let expansion = expanded_within(2, &text);
        let refused: Vec<usize> = expansion.too_many.iter().map(|it| it.pods).collect();
        assert_eq!((refused, expansion.missing, expansion.replica_sets), (vec![3], vec![], vec![]), "{text}");
    }
    // Pods beyond the ordinals do not count as its own; room is for all workloads together.
    let text = set("replicas: 3, ordinals: {start: 2}") + &own("StatefulSet", "db");
    assert_eq!(expanded_within(1, &text).too_many[0].pods, 2);
    let expansion = expanded_within(5, &(text + DEPLOYMENT + "---\n" + SET));
    assert_eq!(counts(&expansion), ["StatefulSet db 2"]);
    let refused: Vec<_> = expansion.too_many.iter().map(|it| (it.kind, it.pods)).collect();
    assert_eq!(refused, [(Kind::Deployment, 5), (Kind::ReplicaSet, 4)]);
}

#[test]
fn many_pods_take_no_time_for_each_pair() {
    const PODS: usize = 50_000;
    let replicas = format!("replicas: {PODS}");
    let present: String = (0..PODS / 2).map(|number| pod(&format!("db-{number}"), "StatefulSet/db", "")).collect();
    let stateful = format!(
        "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{{replicas}, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}}}}}}}\n{present}"
    );
    for (text, missing) in [(DEPLOYMENT.replace("replicas: 5", &replicas), PODS), (stateful, PODS / 2)] {
        // Looking through all of them for each of them would take minutes.
        let expansion = expanded(&text);
        let names: Set<&str> = expansion.missing[0].pods.iter().map(|pod| &*pod.metadata.name).collect();
        assert_eq!(names.len(), missing);
    }
}

#[test]
fn replication_controllers_and_long_names() {
    let name = "x".repeat(80);
    let expansion = expanded(&format!(
        "{{apiVersion: v1, kind: ReplicationController, metadata: {{name: {name}}}, spec: {{replicas: 2, template: {{}}}}}}"
    ));
    let pods = &expansion.missing[0].pods;
    assert_eq!((pods.len(), pods[0].metadata.name.len()), (2, 64));
    assert_ne!(pods[0].metadata.name, pods[1].metadata.name);
}
