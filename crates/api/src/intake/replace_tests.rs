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

/// The objects without namespaces in the order of the input, names of the workloads that lack pods with how many they lack, and what
/// was said.
fn loaded_objects(earlier: &str, later: &str) -> (Vec<Object>, Vec<(String, usize)>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let paths = [("old.yaml", earlier), ("new.yaml", later)].map(|(name, text)| {
        fs::write(folder.path().join(name), text).expect("a file can be written");
        folder.path().join(name)
    });
    let mut objects = Vec::new();
    let loaded = load(&paths, true, &mut std::io::empty(), &mut |place, object| objects.push((place, object)));
    assert_eq!(loaded.summary.problems, []);
    objects.sort_by_key(|(place, _)| *place);
    let objects =
        objects.into_iter().map(|(_, object)| object).filter(|object| object.kind() != Kind::Namespace).collect();
    let missing = loaded.missing.into_iter().map(|missing| (missing.name, missing.pods.len())).collect();
    let prefix = format!("{}/", folder.path().display());
    (objects, missing, loaded.replaced.iter().map(|said| said.replace(&prefix, "")).collect())
}

/// Names of the objects, names of the workloads that lack pods with how many they lack, and what was said.
fn loaded(earlier: &str, later: &str) -> (Vec<String>, Vec<(String, usize)>, Vec<String>) {
    let (objects, missing, said) = loaded_objects(earlier, later);
    let names = objects.iter().map(|object| format!("{} {}", object.kind().name(), object.metadata().name)).collect();
    (names, missing, said)
}

#[test]
fn pods_of_the_same_template_stay() {
    let (names, missing, said) = loaded(DUMP, &changed(5, ""));
    assert_eq!(names, ["Pod web-5d4-a", "Pod web-5d4-b", "Pod other", "ReplicaSet web-5d4", "Deployment web"]);
    assert_eq!(missing, [("web".to_owned(), 3)]);
    assert_eq!(said, ["new.yaml:1: Deployment default/web replaces the one in old.yaml:10"]);
    let (names, missing, said) = loaded(DUMP, &changed(1, ""));
    assert_eq!((names.len(), missing), (5, Vec::new()));
    assert!(said[0].ends_with("; it wants 1 of the 2 pods that there are: the 1 too many stays"), "{said:?}");
    let without: Vec<&str> = DUMP.split("---").filter(|text| !text.contains("kind: ReplicaSet, metadata")).collect();
    let (_, _, said) = loaded(&without.join("---"), &changed(0, ""));
    assert!(said[0].ends_with("; it wants 0 of the 2 pods that there are: the 2 too many stay"), "{said:?}");
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
            "new.yaml:1: Deployment default/web replaces the one in old.yaml:10; its pod template is another in what a scheduler reads, so what that one owned is taken out: 1 ReplicaSet, 2 pods"
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
fn a_later_object_keeps_what_it_does_not_say() {
    let later = "{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {containers: [{name: c}]}}\n";
    let (objects, missing, said) = loaded_objects(DUMP, later);
    assert_eq!((objects.len(), missing), (5, Vec::new()));
    assert_eq!(said, ["new.yaml:1: Pod default/other replaces the one in old.yaml:6; it stays on node node-a"]);
    let pod = |objects: &[Object]| {
        let found = objects.iter().find_map(|object| match object {
            Object::Pod(pod) if pod.metadata.name == "other" => Some((**pod).clone()),
            _ => None,
        });
        found.expect("it is there")
    };
    // Not what was admitted: that is done again.
    let found = pod(&objects);
    assert_eq!((&*found.spec.node_name, found.spec.priority, &*found.status.phase), ("node-a", Some(0), "Pending"));
    let dump = DUMP.replace("uid: p3}, spec: {nodeName: node-a, containers: [{name: c}]}", "uid: p3, creationTimestamp: '2026-01-01T00:00:00Z', ownerReferences: [{kind: ReplicaSet, name: x, uid: x, controller: true}]}, spec: {nodeName: node-a, containers: [{name: c}]}, status: {phase: Running, startTime: '2026-01-01T00:00:00Z'}");
    let found = pod(&loaded_objects(&dump, later).0);
    assert_eq!((&*found.status.phase, found.status.start_time), ("Running", found.metadata.creation_timestamp));
    assert_eq!(found.metadata.owner_references.len(), 1);
    // Another node, and another pod.
    let elsewhere = later.replace("spec: {", "spec: {nodeName: node-b, ");
    assert_eq!(pod(&loaded_objects(DUMP, &elsewhere).0).spec.node_name, "node-b");
    let other = later.replace("name: other}", "name: other, uid: p4}");
    assert_eq!(pod(&loaded_objects(&dump, &other).0).spec.node_name, "");

    let node = "{apiVersion: v1, kind: Node, metadata: {name: node-a, uid: n1}, status: {capacity: {cpu: 4}, allocatable: {cpu: 3}}}\n";
    let status = |later: &str| match loaded_objects(node, later).0.swap_remove(0) {
        Object::Node(node) => (node.metadata.labels.len(), node.status.allocatable["cpu"].to_string()),
        other => panic!("{other:?}"),
    };
    let labelled = "{apiVersion: v1, kind: Node, metadata: {name: node-a, labels: {zone: a}}}\n";
    assert_eq!(status(labelled), (1, "3".to_owned()));
    assert_eq!(status(&labelled.replace("}}}", "}}, status: {capacity: {cpu: 5}}}")), (1, "5".to_owned()));
}

#[test]
fn a_later_workload_without_a_number_has_the_earlier_one() {
    let later = changed(7, "").replace("replicas: 7, ", "");
    for (replicas, lacking) in [("replicas: 6", 4), ("replicas: 1", 0)] {
        let dump = DUMP.replace("uid: d}, spec: {replicas: 2", &format!("uid: d}}, spec: {{{replicas}"));
        let missing: Vec<usize> = loaded(&dump, &later).1.iter().map(|(_, number)| *number).collect();
        assert_eq!(missing.iter().sum::<usize>(), lacking);
    }
    for (api_version, kind) in [("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("v1", "ReplicationController")]
    {
        for (earlier, later, lacking) in
            [("replicas: 3", "", 3), ("replicas: 3", "replicas: 0", 0), ("replicas: 3", "replicas: 2", 2), ("", "", 1)]
        {
            let text = |metadata: &str, spec: &str| {
                let selector = selector(kind);
                format!(
                    "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: w{metadata}}}, spec: {{{selector} template: {{metadata: {{labels: {{a: b}}}}}}, {spec}}}}}\n"
                )
            };
            let missing = loaded(&text(", uid: u", earlier), &text("", later)).1;
            assert_eq!(missing.first().map_or(0, |(_, number)| *number), lacking, "{kind}: {earlier}, then {later}");
        }
    }
    for (earlier, later, lacking) in [
        ("parallelism: 3, completions: 5", "", 3),
        ("parallelism: 3, completions: 5", "parallelism: 4", 4),
        ("parallelism: 3, completions: 5", "parallelism: 9", 5),
        ("parallelism: 3, completions: 5", "completions: 2", 2),
        ("parallelism: 3", "", 3),
        // One completion was its default.
        ("", "parallelism: 3", 1),
    ] {
        let job = |metadata: &str, spec: &str| {
            format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: j{metadata}}}, spec: {{{spec}}}}}\n")
        };
        let missing = loaded(&job(", uid: u", earlier), &job("", later)).1;
        assert_eq!(missing.first().map_or(0, |(_, number)| *number), lacking, "{earlier}, then {later}");
    }
    let done = "{apiVersion: batch/v1, kind: Job, metadata: {name: j, uid: u}, spec: {completions: 3, parallelism: 3}, status: {succeeded: 2}}\n";
    let again = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {completions: 3, parallelism: 3}}\n";
    assert_eq!(loaded(done, again).1, [("j".to_owned(), 1)]);
}

/// What selects pods with the label `a: b`.
fn selector(kind: &str) -> &'static str {
    match kind {
        "Job" => "",
        "ReplicationController" => "selector: {a: b},",
        _ => "selector: {matchLabels: {a: b}},",
    }
}

/// A workload with a pod for each ordinal, before and after a change of the template and of what else `more` says.
fn changed_owner(api_version: &str, kind: &str, earlier: &str, later: &str) -> (Vec<String>, usize, String) {
    let selector = selector(kind);
    let workload = |metadata: &str, more: &str, cpu: u32| {
        format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: w{metadata}}}, spec: {{{selector} {more} template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c, resources: {{requests: {{cpu: {cpu}}}}}}}]}}}}}}}}\n"
        )
    };
    let pods = (0..3).map(|number| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: w-{number}, uid: p{number}, ownerReferences: [{{kind: {kind}, name: w, uid: u, controller: true}}]}}, spec: {{nodeName: node-{number}, containers: [{{name: c}}]}}}}\n"
        )
    });
    let nodes = (0..3).map(|number| {
        format!("---\n{{apiVersion: v1, kind: Node, metadata: {{name: node-{number}, uid: n{number}}}}}\n")
    });
    let dump: String = std::iter::once(workload(", uid: u", earlier, 1)).chain(pods).chain(nodes).collect();
    let (names, missing, said) = loaded(&dump, &workload("", later, 2));
    let pods = names.into_iter().filter(|name| name.starts_with("Pod ")).collect();
    let said = said[0].split_once("; ").map_or("", |(_, said)| said).to_owned();
    (pods, missing.iter().map(|(_, number)| number).sum(), said)
}

#[test]
fn only_a_controller_that_replaces_pods_takes_them_out() {
    let taken = "its pod template is another in what a scheduler reads, so what that one owned is taken out: 3 pods";
    let left = |why: &str| {
        format!(
            "its pod template is another in what a scheduler reads, which does not touch 3 pods of that one ({why})"
        )
    };
    let on_delete = left("spec.updateStrategy.type: OnDelete");
    let no_rollout = left("no controller of this kind replaces pods");
    let strategy = "updateStrategy: {type: OnDelete},";
    for (api_version, kind, earlier, later, pods, lacking, said) in [
        ("apps/v1", "StatefulSet", "replicas: 3,", "", 0, 3, taken),
        ("apps/v1", "StatefulSet", "replicas: 3, updateStrategy: {type: RollingUpdate},", "", 0, 3, taken),
        ("apps/v1", "StatefulSet", &format!("replicas: 4, {strategy}"), "", 3, 1, &on_delete),
        ("apps/v1", "StatefulSet", "replicas: 3,", strategy, 3, 0, &on_delete),
        (
            "apps/v1",
            "StatefulSet",
            &format!("replicas: 3, {strategy}"),
            "updateStrategy: {type: RollingUpdate},",
            0,
            3,
            taken,
        ),
        ("apps/v1", "DaemonSet", "", "", 0, 3, taken),
        ("apps/v1", "DaemonSet", strategy, "", 3, 0, &on_delete),
        ("apps/v1", "ReplicaSet", "replicas: 5,", "", 3, 2, &no_rollout),
        ("v1", "ReplicationController", "replicas: 5,", "", 3, 2, &no_rollout),
        ("batch/v1", "Job", "parallelism: 5, completions: 9,", "", 3, 2, &no_rollout),
    ] {
        let changed = changed_owner(api_version, kind, earlier, later);
        assert_eq!((changed.0.len(), changed.1, &*changed.2), (pods, lacking, said), "{kind}: {earlier} {later}");
    }
    // From the ordinal of the partition on.
    let partition = "replicas: 3, ordinals: {start: 0}, updateStrategy: {rollingUpdate: {partition: 2}},";
    let said = "its pod template is another in what a scheduler reads, so what that one owned is taken out: 1 pod, which does not touch 2 pods of that one (spec.updateStrategy.rollingUpdate.partition)";
    assert_eq!(
        changed_owner("apps/v1", "StatefulSet", partition, ""),
        (vec!["Pod w-0".to_owned(), "Pod w-1".to_owned()], 1, said.to_owned())
    );
}

#[test]
fn a_paused_deployment_keeps_its_pods() {
    let paused = |text: &str| {
        text.replace("selector: {matchLabels: {app: web}}", "paused: true, selector: {matchLabels: {app: web}}")
    };
    let changed = changed(3, "cpu: 1");
    let unpaused = changed.replace("replicas: 3", "replicas: 3, paused: false");
    for (dump, later) in [(DUMP, &paused(&changed)), (&paused(DUMP), &changed)] {
        let (names, missing, said) = loaded(dump, later);
        assert_eq!(names, ["Pod web-5d4-a", "Pod web-5d4-b", "Pod other", "ReplicaSet web-5d4", "Deployment web"]);
        // Of the template that it has: a new ReplicaSet is what a pause puts off.
        assert_eq!(missing, [("web".to_owned(), 1)]);
        assert!(
            said[0].ends_with("; its pod template is another in what a scheduler reads, which does not touch 2 pods of that one (spec.paused)"),
            "{said:?}"
        );
    }
    assert_eq!(loaded(&paused(DUMP), &unpaused).1, [("web".to_owned(), 3)]);
}

#[test]
fn another_object_of_the_same_name_owns_nothing() {
    let later = changed(2, "").replace("name: web}", "name: web, uid: d2}");
    let (names, missing, said) = loaded(DUMP, &later);
    assert_eq!((names.len(), &*names[0], missing), (3, "Pod other", vec![("web".to_owned(), 2)]));
    assert!(
        said[0].ends_with("; its uid is another, so what that one owned is taken out: 1 ReplicaSet, 2 pods"),
        "{said:?}"
    );
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

#[test]
fn a_later_path_that_replaces_nothing_is_told() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file can be written");
        folder.path().join(name)
    };
    let (dump, other) = (write("dump.yaml", DUMP), changed(1, "").replace("name: web}", "name: web, namespace: shop}"));
    let warnings = |later: &str, replace: bool| {
        let paths = [dump.clone(), write("later.yaml", later)];
        let loaded = load(&paths, replace, &mut std::io::empty(), &mut |_, _| {});
        assert_eq!(loaded.summary.problems, []);
        loaded
            .warnings
            .iter()
            .map(|said| said.replace(&format!("{}/", folder.path().display()), ""))
            .collect::<Vec<_>>()
    };
    let nothing = "nothing was replaced by later.yaml (--replace)";
    let namesake = format!("{nothing}; Deployment shop/web has the name of Deployment default/web");
    assert_eq!(warnings(&other, true), [namesake]);
    assert_eq!(warnings(&other, false), [""; 0]);
    assert_eq!(warnings(&other.replace("name: web,", "name: wbe,"), true), [nothing]);
    assert_eq!(warnings(&changed(1, ""), true), [""; 0]);
    assert_eq!(load(&[dump], true, &mut std::io::empty(), &mut |_, _| {}).warnings, [""; 0]);
}

#[test]
fn pods_that_leave_their_nodes_are_counted() {
    let vacated = |later: &str| {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let paths = [("old.yaml", DUMP), ("new.yaml", later)].map(|(name, text)| {
            fs::write(folder.path().join(name), text).expect("a file can be written");
            folder.path().join(name)
        });
        load(&paths, true, &mut std::io::empty(), &mut |_, _| {}).vacated
    };
    assert_eq!(vacated(&changed(1, "")), 0);
    assert_eq!(vacated(&changed(1, "cpu: 1")), 2);
    // It stays where it is, unless it is another.
    let pod = |uid: &str| {
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: other{uid}}}, spec: {{containers: [{{name: c}}]}}}}\n")
    };
    assert_eq!(vacated(&pod("")), 0);
    assert_eq!(vacated(&pod(", uid: another")), 1);
}
