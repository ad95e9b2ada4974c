#![allow(clippy::unwrap_used)]

use super::*;

fn read(text: &str) -> Loaded {
    let mut objects = Vec::new();
    let mut reader = Reader::new(|object| objects.push(object));
    reader.read_text(text, "f");
    let summary = reader.finish();
    Loaded { objects, summary }
}

fn names(loaded: &Loaded) -> Vec<String> {
    loaded
        .objects
        .iter()
        .map(|object| object_name(object.kind(), &object.metadata().namespace, &object.metadata().name))
        .collect()
}

fn problems(text: &str) -> Vec<String> {
    read(text).summary.problems.iter().map(ToString::to_string).collect()
}

const DUMP: &str = r#"{
    "apiVersion": "v1",
    "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": {"allocatable": {"cpu": "4", "memory": "16Gi"}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x"}, "spec": {"containers": [{"name": "c"}]}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    ],
    "kind": "List",
    "metadata": {"resourceVersion": ""}
}"#;

#[test]
fn lists_of_all_shapes() {
    let expected = ["Node a", "Pod x/p"];
    let dump = read(DUMP);
    assert_eq!(names(&dump), expected);
    assert_eq!(dump.summary.ignored, [("ConfigMap".to_owned(), 1)].into());
    assert_eq!(dump.summary.objects, 2);
    let yaml = "apiVersion: v1\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: a}}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p, namespace: x}\nkind: List\n";
    assert_eq!(names(&read(yaml)), expected);
    // As the API itself gives them: the elements do not say what they are.
    let typed = r#"{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}{"kind":"PodList","apiVersion":"v1","metadata":{},
        "items":[{"metadata":{"name":"p","namespace":"x"}}]}"#;
    assert_eq!(names(&read(typed)), expected);
    let late = "items:\n- metadata: {name: a}\nkind: NodeList\napiVersion: v1\n---\nkind: List\napiVersion: v1\nitems:\n- kind: PodList\n  apiVersion: v1\n  items:\n  - metadata: {name: p, namespace: x}\n";
    assert_eq!(names(&read(late)), expected);
    let late = r#"{"items":[{"metadata":{"name":"a"}}],"kind":"NodeList","apiVersion":"v1"}
        {"kind":"List","items":[{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"p","namespace":"x"}}]}],"apiVersion":"v1"}"#;
    assert_eq!(names(&read(late)), expected);
    // Single ones, with the kind in front and behind.
    let single = r#"{"metadata":{"name":"a"},"kind":"Node","apiVersion":"v1"} {"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"x"}}"#;
    assert_eq!(names(&read(single)), expected);
    for empty in ["", "{}\n", "---\n# nothing\n---\n"] {
        assert_eq!(names(&read(empty)), [""; 0], "{empty}");
    }
    assert_eq!(read(r#"{"kind":"PodList","apiVersion":"v1","items":null}"#).summary.problems, []);
}

#[test]
fn one_bad_object_hides_no_other() {
    let text = DUMP
        .replace("16Gi", "16gi")
        .replace("\"cpu\": \"4\"", "\"cpu\": true")
        .replace("\"name\": \"c\"}]", "\"name\": 7}]");
    let loaded = read(&text);
    assert_eq!(names(&loaded), [""; 0]);
    assert_eq!(
        problems(&text),
        [
            "f:4:107: status.allocatable.cpu: expected a quantity such as 100m, 1.5, 2Gi or 1e3, found the boolean true",
            "f:4:123: status.allocatable.memory: expected a quantity such as 100m, 1.5, 2Gi or 1e3; found `16gi`",
            "f:5:123: spec.containers[0].name: expected a text, found the number 7 (write it in quotes to make it a text)",
        ]
    );
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\n  labels: {version: 1.10, on: yes}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: good}\n---\nkind: [Pod\n---\napiVersion: v1\nkind: Node\nmetadata: {name: node-n}\n";
    let loaded = read(yaml);
    assert_eq!(names(&loaded), ["Pod default/good", "Node node-n"]);
    assert_eq!(
        problems(yaml),
        [
            "f:5:21: metadata.labels.version: expected a text, found the number 1.1 (write it in quotes to make it a text)",
            "f:5:31: metadata.labels.true: expected a text, found the boolean true (without quotes, yes, no, on, off, y and n are booleans too: write it in quotes to make it a text)",
            "f:11:7: unclosed bracket '['",
        ]
    );
}

#[test]
fn what_is_no_object() {
    assert_eq!(problems("kind: Pod\nmetadata: {name: p}\n"), ["f:1:1: apiVersion: expected v1, found none"]);
    assert_eq!(
        problems("apiVersion: v1\nmetadata: {name: p}\n"),
        ["f:1:1: kind: expected a kind such as Pod, found none"]
    );
    assert_eq!(
        problems("apiVersion: extensions/v1beta1\nkind: Deployment\n"),
        ["f:1:1: apiVersion: expected apps/v1 for a Deployment, found `extensions/v1beta1`"]
    );
    assert_eq!(problems("- a\n"), ["f:1:1: expected a Kubernetes object, found a list"]);
    assert_eq!(
        problems("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[3]}"),
        ["f:1:43: expected a Kubernetes object, found the number 3"]
    );
    assert_eq!(
        problems("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":{}}"),
        ["f:1:37: items: expected a list, found a map"]
    );
    assert_eq!(
        problems("kind: PodList\napiVersion: v1\nitems: x\n"),
        ["f:3:1: items: expected a list, found the text `x`"]
    );
    assert_eq!(
        problems("{\"kind\":\"Pod\",\n\"apiVersion\":\"v1\",\n  \"metadata\":{"),
        ["f:3:14: EOF while parsing an object"]
    );
    assert_eq!(
        problems("apiVersion: v1\nkind: Pod\nmetadata: {}\n"),
        ["f:3:1: metadata.name: expected a name, found none"]
    );
    let twice = "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\n\"name\":\"b\"}}";
    assert_eq!(problems(twice), ["f:2:1: metadata.name: the key `name` stands here twice, first in line 1"]);
    let same = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default}\n";
    assert_eq!(problems(same), ["f:5:1: metadata.name: Pod default/a stands here a second time, first in f:1"]);
    // Pods go by their uid: of two with one, the other would vanish.
    let same = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, uid: u}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, uid: u}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: a, uid: u}\n";
    assert_eq!(
        problems(same),
        ["f:5:1: metadata.uid: Pod default/b has the uid of Pod default/a, which stands in f:1"]
    );
    assert_eq!(names(&read(same)), ["Pod default/a", "Node a"]);
    assert_eq!(problems(&same.replace("uid: u", "uid: ''")), [""; 0]);
    assert_eq!(
        read("apiVersion: serving.knative.dev/v1\nkind: Service\n").summary.ignored,
        [("Service.serving.knative.dev".to_owned(), 1)].into()
    );
}

#[test]
fn null_is_absent() {
    let loaded = read(
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","creationTimestamp":null,"labels":null},"spec":{"containers":null,"affinity":null,"tolerations":[{"key":"a","value":null,"tolerationSeconds":null}]}}"#,
    );
    assert_eq!(loaded.summary.problems, []);
    assert_eq!(names(&loaded), ["Pod default/p"]);
    // An unquoted nothing as a label's value is the empty text; it takes the slow way and comes out well.
    let loaded = read(
        "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n\",\"labels\":{\"node-role.kubernetes.io/worker\":null}}}",
    );
    assert_eq!(loaded.summary.problems, []);
    assert_eq!(loaded.objects[0].metadata().labels["node-role.kubernetes.io/worker"], "");
}

#[test]
fn times_beyond_what_nanoseconds_hold_are_the_first_and_the_last() {
    let created = |time: &str| {
        let loaded =
            read(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: a, creationTimestamp: '{time}'}}}}"));
        loaded.objects.first().map(|object| object.metadata().creation_timestamp.unwrap().0).ok_or(loaded.summary)
    };
    assert_eq!(created("0001-01-01T00:00:00Z"), Ok(i64::MIN));
    assert_eq!(created("9999-12-31T23:59:59Z"), Ok(i64::MAX));
    assert_eq!(created("1970-01-01T01:00:01+01:00"), Ok(1_000_000_000));
    assert!(created("9999-12-31").is_err());
    assert!(created("10000-01-01T00:00:00Z").is_err());
    assert!(created("2026-02-30T00:00:00Z").is_err());
}

#[test]
fn files_folders_and_standard_input() {
    let folder = std::env::temp_dir().join(format!("loadline-read-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("b/..data")).unwrap();
    std::fs::create_dir_all(folder.join("empty")).unwrap();
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    let node = |name: &str| format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n");
    for (path, text) in [
        ("c.yml", node("c")),
        ("a.json", "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}".into()),
        ("b/b.yaml", node("b")),
        ("b/..data/x.yaml", node("x")),
        (".git/y.yaml", node("q")),
        (".y.yaml.swp.json", node("q")),
        ("d.txt", node("d")),
    ] {
        std::fs::write(folder.join(path), text).unwrap();
    }
    std::fs::write(folder.join("z.yaml"), b"a: b\nc: \xff").unwrap();
    let paths = [
        folder.clone(),
        "-".into(),
        folder.join("d.txt"),
        folder.join("gone"),
        folder.join("empty"),
        folder.join(".git/y.yaml"),
    ];
    let loaded = read_paths(&paths, &mut node("in").as_bytes());
    assert_eq!(names(&loaded), ["Node a", "Node b", "Node c", "Node in", "Node d", "Node q"]);
    let found: Vec<String> = loaded
        .summary
        .problems
        .iter()
        .map(|problem| problem.to_string().replace(&*folder.to_string_lossy(), ""))
        .collect();
    assert_eq!(
        found,
        [
            "/z.yaml:2:4: this is not UTF-8 text",
            "/gone: No such file or directory (os error 2)",
            "/empty: no objects found in the .yaml, .yml and .json files of this folder",
        ]
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn places_in_json_are_those_of_the_file() {
    let item = |name: &str| {
        format!(
            "{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\"}},\n\"spec\":{{\"priority\":\"high\"}}}}"
        )
    };
    let text = format!(
        "\n{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[\n{},\n  {}]}}\n {}",
        item("a"),
        item("b"),
        item("c")
    );
    let places: Vec<(u32, u32)> =
        read(&text).summary.problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(places, [(4, 20), (6, 20), (8, 20)]);
}

#[test]
fn lists_of_nothing_are_empty_in_json_and_in_yaml() {
    let ignored = |json: &str| {
        let read = |text: &str| {
            let mut reader = Reader::new(drop);
            reader.read_text(text, "f");
            let summary = reader.finish();
            assert_eq!(summary.problems, [], "{text}");
            summary.ignored.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(read(json), read(&format!("---\n{json}")), "{json}");
        read(json)
    };
    for items in ["[]", "null"] {
        let no_kinds: [&str; 0] = [];
        assert_eq!(ignored(&format!(r#"{{"apiVersion": "v1", "items": {items}, "kind": "PodList"}}"#)), no_kinds);
        assert_eq!(ignored(&format!(r#"{{"apiVersion": "v1", "items": {items}, "kind": "List"}}"#)), no_kinds);
    }
    // Not everything that is called a list is one.
    assert_eq!(
        ignored(r#"{"apiVersion": "example.com/v1", "kind": "AllowList", "spec": {}}"#),
        ["AllowList.example.com"]
    );
}

#[test]
fn fields_that_kubernetes_does_not_have() {
    let pod = |metadata: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec:\n  nodeSelecter: {{a: b}}\n  priority: high\n  container: []\n"
        )
    };
    let said = [
        "f:5:3: spec.nodeSelecter: unknown field \"nodeSelecter\"; did you mean \"nodeSelector\"?",
        "f:7:3: spec.container: unknown field \"container\"; did you mean \"containers\"?",
        "f:6:13: spec.priority: expected a whole number of 32 bits, found the text `high`",
    ];
    assert_eq!(problems(&pod("name: p")), said);
    assert_eq!(problems(&pod("name: p, uid: null")), said);
    // What comes from an API server is taken as it is: a newer one may know more fields.
    assert_eq!(problems(&pod("name: p, uid: u")), said[2..]);
    let json = |uid: &str| {
        format!(r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p"{uid}}},"spec":{{"nodeSelecter":{{}}}}}}"#)
    };
    let place = "f:1:65: spec.nodeSelecter: unknown field \"nodeSelecter\"; did you mean \"nodeSelector\"?";
    assert_eq!(problems(&json("")), [place]);
    assert_eq!(names(&read(&json(r#","uid":"u""#))), ["Pod default/p"]);
    // One that is wrong hides no other.
    let loaded = read(&format!("{}---\n{}", pod("name: p"), "apiVersion: v1\nkind: Node\nmetadata: {name: node-n}\n"));
    assert_eq!(names(&loaded), ["Node node-n"]);
}

#[test]
fn kinds_that_kubernetes_does_not_have() {
    let yaml = "apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: d}\n";
    let said = ["f:2:1: kind: unknown kind \"Deploymnt\"; did you mean \"Deployment\"?"];
    assert_eq!(problems(yaml), said);
    assert_eq!(problems(r#"{"kind":"pod","apiVersion":"v1","metadata":{"name":"p"}}"#).len(), 1);
    assert_eq!(problems(&yaml.replace("apps/v1", "example.com/v1")), [""; 0]);
    let stored = read(&yaml.replace("name: d", "name: d, uid: u"));
    assert_eq!((stored.summary.problems, stored.summary.ignored), (Vec::new(), [("Deploymnt".to_owned(), 1)].into()));
}

#[test]
fn kinds_that_have_a_say_in_which_pods_there_are() {
    let template = r#""spec": {"template": {"spec": {"containers": []}}}"#;
    let list = [
        format!(r#"{{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", {template}}}"#),
        r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "spec": {"template": 3}}"#.to_owned(),
        r#"{"apiVersion": "batch/v1", "kind": "CronJob", "spec": {}}"#.to_owned(),
        r#"{"apiVersion": "v1", "kind": "ResourceQuota"}"#.to_owned(),
        r#"{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"uid": "u"}}"#.to_owned(),
        r#"{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}"#.to_owned(),
        r#"{"apiVersion": "loadline.dev/v1alpha1", "kind": "NodeUsageReport"}"#.to_owned(),
    ];
    let json = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{}]}}"#, list.join(", "));
    for text in [json.clone(), format!("---\n{json}")] {
        let summary = read(&text).summary;
        assert_eq!(summary.problems, []);
        assert_eq!(summary.ignored, [("AppProject.argoproj.io".to_owned(), 1)].into());
        assert_eq!(
            summary.warnings().collect::<Vec<_>>(),
            [
                "1 CronJob: no Jobs are made",
                "1 HorizontalPodAutoscaler: not followed, replicas stay as they are written",
                "1 KubeSchedulerConfiguration.kubescheduler.config.k8s.io: no effect here, a scheduler's configuration is given with --config",
                "1 NodeUsageReport.loadline.dev: no effect here, what nodes really use is given with --usage",
                "1 ResourceQuota: not checked",
                "1 Rollout.argoproj.io: pods that are still to be made of the template are not counted",
            ]
        );
    }
}
