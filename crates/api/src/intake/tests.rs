use super::*;

fn loaded(text: &str) -> (Vec<(usize, Object)>, Loaded) {
    let mut objects = Vec::new();
    let loaded = load(&["-".into()], false, &mut text.as_bytes(), &mut |place, object| {
        objects.push((place, object));
    });
    objects.sort_by_key(|(place, _)| *place);
    (objects, loaded)
}

fn names(objects: &[(usize, Object)]) -> Vec<String> {
    objects
        .iter()
        .map(|(place, object)| format!("{place} {} {}", object.kind().name(), object.metadata().name))
        .collect()
}

#[test]
fn what_depends_on_others_waits_for_them() {
    let text = r"
{apiVersion: v1, kind: Pod, metadata: {name: new}, spec: {priorityClassName: high, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: old, uid: u1}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-a}, status: {capacity: {cpu: 4}}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 9}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Container, defaultRequest: {cpu: 300m}}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: default}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {priorityClassName: high, containers: [{name: c, resources: {limits: {memory: 1Gi}}}]}}}}
";
    let (objects, loaded) = loaded(text);
    assert_eq!(loaded.summary.problems, []);
    let set = format!("7 ReplicaSet {}", objects[7].1.metadata().name);
    assert_eq!(
        names(&objects),
        [
            "0 Pod new",
            "1 Pod old",
            "2 Node node-a",
            "3 PriorityClass high",
            "4 LimitRange limits",
            "5 Namespace default",
            "6 Deployment web",
            &set,
            "8 Namespace kube-node-lease",
            "9 Namespace kube-public",
            "10 Namespace kube-system",
        ]
    );
    assert_eq!(loaded.summary.objects, 7);
    let pods: Vec<&Pod> = objects
        .iter()
        .filter_map(|(_, object)| match object {
            Object::Pod(pod) => Some(&**pod),
            _ => None,
        })
        .collect();
    let cpu = |pod: &Pod| {
        pod.spec.containers[0].resources.requests.get("cpu").map(loadline_model::quantity::Quantity::milli_value)
    };
    // The new one is admitted; the old one was, when there was no LimitRange.
    assert_eq!((pods[0].spec.priority, pods[0].spec.tolerations.len(), cpu(pods[0])), (Some(9), 2, Some(300)));
    assert_eq!((pods[1].spec.priority, pods[1].spec.tolerations.len(), cpu(pods[1])), (None, 0, None));
    assert!(objects.iter().all(|(_, object)| !object.metadata().uid.is_empty()));
    let missing = &loaded.missing[0].pods;
    assert_eq!(
        (missing.len(), missing[0].spec.priority, cpu(&missing[0]), &*missing[0].spec.scheduler_name),
        (2, Some(9), Some(300), "default-scheduler")
    );
    assert_eq!(missing[0].spec.containers[0].resources.requests["memory"].to_string(), "1Gi");
    assert_ne!(missing[0].metadata.uid, missing[1].metadata.uid);
}

#[test]
fn what_the_api_server_would_refuse_is_a_problem() {
    let text = r"
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {priorityClassName: gone}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {runtimeClassName: gone}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, uid: u}, spec: {runtimeClassName: gone, priorityClassName: gone, priority: 3}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {priorityClassName: gone}}}}
";
    let (objects, loaded) = loaded(text);
    let problems: Vec<String> = loaded.summary.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "-:2:1: the API server would refuse Pod default/a: there is no PriorityClass gone (spec.priorityClassName)",
            "-:4:1: the API server would refuse Pod default/b: there is no RuntimeClass gone (spec.runtimeClassName)",
            "-:8:1: the API server would refuse its pods: there is no PriorityClass gone (spec.priorityClassName)",
        ]
    );
    assert_eq!(names(&objects)[..2], ["2 Pod c", "3 StatefulSet db"]);
    assert_eq!((loaded.missing.len(), loaded.summary.objects), (0, 2));
}

#[test]
fn a_number_of_pods_that_no_memory_holds_is_a_problem() {
    let text = r"
{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: huge}, spec: {replicas: 2000000000, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: wide}, spec: {completions: 2000000000, parallelism: 2000000000, completionMode: Indexed, template: {spec: {restartPolicy: Never, containers: [{name: c}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: long}, spec: {completions: 2000000000, parallelism: 3, template: {spec: {restartPolicy: Never, containers: [{name: c}]}}}}
";
    let (_, loaded) = loaded(text);
    let problems: Vec<String> = loaded.summary.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("its 2000000000 pods are left out"), "{problems:#?}");
    assert!(problems[0].starts_with("-:2:1: "), "{problems:#?}");
    assert_eq!(loaded.missing.len(), 1);
    assert_eq!(loaded.missing[0].pods.len(), 3);
}

#[test]
fn namespaces_that_are_not_there_are_told() {
    let pod = |namespace: &str, uid: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {namespace}-{uid}p, namespace: {namespace}, uid: '{uid}'}}, spec: {{containers: [{{name: c}}]}}}}\n"
        )
    };
    let text =
        ["shop", "shopp", "other", "kube-system"].map(|namespace| pod(namespace, "")).concat() + &pod("other", "u");
    assert_eq!(loaded(&text).1.warnings, [""; 0], "nothing is known of namespaces");
    let text = text + "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n";
    let said =
        "1 object is in namespace `shopp`, which is not among the Namespaces of the input; did you mean \"shop\"?";
    assert_eq!(loaded(&text).1.warnings, [said]);
    let many: String = (0..9).map(|number| pod(&format!("away-{number}"), "")).collect();
    let warnings = loaded(&(text + &many)).1.warnings;
    assert_eq!(warnings.len(), 6);
    assert_eq!(warnings[5], "5 more namespaces of objects are not among the Namespaces of the input");
}
