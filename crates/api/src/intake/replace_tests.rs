//! Two paths, of which the second one replaces.

use std::fs;

use super::*;

/// A dump of a Deployment, its ReplicaSet, two pods of it, and a pod of somebody else.
const DUMP: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: web-5d4-a, uid: p1, labels: {pod-template-hash: 5d4}, ownerReferences: [{kind: ReplicaSet, name: web-5d4, uid: r, controller: true}]}, spec: {nodeName: node-a, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-5d4-b, uid: p2, labels: {pod-template-hash: 5d4}, ownerReferences: [{kind: ReplicaSet, name: web-5d4, uid: r, controller: true}]}, spec: {nodeName: node-a, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: other, uid: p3}, spec: {nodeName: node-a, containers: [{name: c}]}}
---
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-5d4, uid: r, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}, spec: {replicas: 2, selector: {matchLabels: {pod-template-hash: 5d4}}, template: {metadata: {labels: {app: web, pod-template-hash: 5d4}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, uid: d}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}, annotations: {a: b}}, spec: {restartPolicy: Always, schedulerName: default-scheduler, containers: [{name: c}]}}}}
";

fn changed(replicas: u32, cpu: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, resources: {{requests: {{{cpu}}}}}}}]}}}}}}}}\n"
    )
}

/// Names of the objects, names of the workloads that lack pods with how many they lack, and what was said.
fn loaded(earlier: &str, later: &str) -> (Vec<String>, Vec<(String, usize)>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let paths = [("old.yaml", earlier), ("new.yaml", later)].map(|(name, text)| {
        fs::write(folder.path().join(name), text).expect("a file can be written");
        folder.path().join(name)
    });
    let mut objects = Vec::new();
    let loaded = load(&paths, true, &mut std::io::empty(), &mut |place, object| objects.push((place, object)));
    assert_eq!(loaded.summary.problems, []);
    objects.sort_by_key(|(place, _)| *place);
    let names = objects.iter().filter(|(_, object)| object.kind() != Kind::Namespace);
    let names = names.map(|(_, object)| format!("{} {}", object.kind().name(), object.metadata().name)).collect();
    let missing = loaded.missing.into_iter().map(|missing| (missing.name, missing.pods.len())).collect();
    let prefix = format!("{}/", folder.path().display());
    (names, missing, loaded.replaced.iter().map(|said| said.replace(&prefix, "")).collect())
}

#[test]
fn pods_of_the_same_template_stay() {
    let (names, missing, said) = loaded(DUMP, &changed(5, ""));
    assert_eq!(names, ["Pod web-5d4-a", "Pod web-5d4-b", "Pod other", "ReplicaSet web-5d4", "Deployment web"]);
    assert_eq!(missing, [("web".to_owned(), 3)]);
    assert_eq!(said, ["new.yaml:1: Deployment default/web replaces the one in old.yaml:10"]);
    let (names, missing, _) = loaded(DUMP, &changed(1, ""));
    assert_eq!((names.len(), missing), (5, Vec::new()));
}

#[test]
fn pods_of_another_template_are_taken_out() {
    let (names, missing, said) = loaded(DUMP, &changed(2, "cpu: 1"));
    assert_eq!(names[..2], ["Pod other", "Deployment web"]);
    // The one that the Deployment makes for its new template.
    assert!(names[2].starts_with("ReplicaSet web-") && names[2] != "ReplicaSet web-5d4", "{names:?}");
    assert_eq!(names.len(), 3);
    assert_eq!(missing, [("web".to_owned(), 2)]);
    assert_eq!(
        said,
        [
            "new.yaml:1: Deployment default/web replaces the one in old.yaml:10; its pod template is another, so what that one owned is taken out: 1 ReplicaSet, 2 pods"
        ]
    );
    // A dump without ReplicaSets says by names and hashes whose pods they are.
    let without: Vec<&str> = DUMP.split("---").filter(|text| !text.contains("kind: ReplicaSet, metadata")).collect();
    let (names, missing, said) = loaded(&without.join("---"), &changed(2, "cpu: 1"));
    assert_eq!(names[..2], ["Pod other", "Deployment web"]);
    assert_eq!(missing, [("web".to_owned(), 2)]);
    assert!(said[0].ends_with(": 2 pods"), "{said:?}");
}

#[test]
fn what_comes_with_the_later_one_stays() {
    let later = DUMP.replace("containers: [{name: c}]", "containers: [{name: c, resources: {requests: {cpu: 1}}}]");
    let (names, missing, said) = loaded(DUMP, &later);
    assert_eq!((names.len(), missing, said.len()), (5, Vec::new(), 5));
}

#[test]
fn other_objects_stand_as_they_are_written() {
    let later = "{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {containers: [{name: c}]}}\n";
    let (names, missing, said) = loaded(DUMP, later);
    assert_eq!(names[2], "Pod other");
    assert_eq!((names.len(), missing), (5, Vec::new()));
    assert_eq!(said, ["new.yaml:1: Pod default/other replaces the one in old.yaml:6"]);
}

#[test]
fn a_job_keeps_its_pods() {
    let job = |metadata: &str, template: &str| {
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: j{metadata}}}, spec: {{parallelism: 2, completions: 2, selector: {{matchLabels: {{batch.kubernetes.io/controller-uid: j}}}}, template: {{metadata: {{labels: {{{template}}}}}, spec: {{restartPolicy: Never, containers: [{{name: c}}]}}}}}}}}\n"
        )
    };
    let pod = "---\n{apiVersion: v1, kind: Pod, metadata: {name: j-1, uid: p, ownerReferences: [{kind: Job, name: j, uid: j, controller: true}]}, spec: {nodeName: node-a, containers: [{name: c}]}}\n";
    let stored =
        "job-name: j, batch.kubernetes.io/job-name: j, controller-uid: j, batch.kubernetes.io/controller-uid: j";
    let (names, missing, said) = loaded(&(job(", uid: j", stored) + pod), &job("", ""));
    assert_eq!(names, ["Job j", "Pod j-1"]);
    assert_eq!(missing, [("j".to_owned(), 1)], "{said:?}");
}

#[test]
fn the_same_twice_in_one_path_is_a_problem_all_the_same() {
    let node = "{apiVersion: v1, kind: Node, metadata: {name: node-a}}\n";
    let text = format!("{node}---\n{node}");
    let loaded = load(&["-".into()], true, &mut text.as_bytes(), &mut |_, _| {});
    assert_eq!(loaded.summary.problems.len(), 1);
    assert!(loaded.summary.problems[0].message.ends_with("first in -:1"), "{:?}", loaded.summary.problems);
}
