//! What goes in: paths, standard input, what is wrong with it, and the exit codes that scripts rely on.

use std::fs;

use crate::run::{NODE, command, loadline, loadline_with, pod};

#[test]
fn a_wrong_command_line_ends_with_2_and_prints_nothing() {
    for args in
        [&["explain", "--no-such-flag"][..], &["no-such-command"], &["simulate", "-f", "x", "--until", "soon"], &[]]
    {
        let done = loadline(args);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{args:?}\n{done}");
        assert!(!done.err.is_empty(), "{args:?}");
    }
}

#[test]
fn without_input_the_way_to_a_cluster_is_shown() {
    let done = loadline(&["simulate"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    let way = "\n  loadline snapshot save cluster.json\n  loadline simulate -f cluster.json\n";
    assert!(done.err.contains(way), "{done}");
    // Where no cluster is known, a snapshot and an explanation of it can not be had.
    for args in [&["explain"][..], &["explain", "shop/web"], &["snapshot", "save", "-"]] {
        let mut command = command(args);
        for variable in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"] {
            command.env_remove(variable);
        }
        let output = command.env("HOME", "/no/such/folder").output().expect("the command runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &[][..]), "{err}");
        assert!(err.starts_with("error: no cluster is known: give --kubeconfig, set KUBECONFIG"), "{err}");
    }
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path.to_string_lossy().into_owned()
    };
    let pods = write("pods.yaml", &(pod("good", "1") + &pod("bad", "much") + &pod("worse", "-1")));
    let config = write(
        "config.yaml",
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparallelism: 0\nprofils: []\n",
    );
    let done = loadline(&["explain", "-f", &pods, "--config", &config]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    for place in [
        format!("{config}:3:"),
        format!("{config}:4:"),
        format!("{pods}:21:"),
        format!("{pods}:32:"),
        "spec.containers[0].resources.requests.cpu: ".to_owned(),
    ] {
        assert!(done.err.contains(&place), "{place} is missing in\n{done}");
    }
    assert!(done.err.ends_with("problems found; nothing was done\n"), "{done}");
}

#[test]
fn a_missing_file_is_a_problem_of_that_file() {
    let done = loadline(&["simulate", "-f", "no/such/file.yaml"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with("no/such/file.yaml: "), "{done}");
    let done = loadline(&["simulate", "-f", "examples/cluster", "--config", "no/such/config.yaml"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with("no/such/config.yaml: "), "{done}");
}

#[test]
fn keep_going_leaves_out_what_is_wrong_and_says_so_by_3() {
    let text = NODE.to_owned() + &pod("good", "1") + &pod("bad", "much");
    for command in ["explain", "simulate"] {
        let done = loadline_with(&[command, "-f", "-"], &text);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        let done = loadline_with(&[command, "-f", "-", "--keep-going"], &text);
        assert_eq!(done.code, 3, "{done}");
        assert!(done.out.contains("good") && !done.out.contains("bad"), "{done}");
        assert!(done.err.contains("-:28:") && done.err.contains("left out"), "{done}");
    }
}

/// The second path is often what a command is to make: nothing in it must not pass for "nothing is wrong".
#[test]
fn each_path_has_something_in_it() {
    let cluster = ["simulate", "-f", "examples/cluster", "-f", "-"];
    let done = loadline_with(&cluster, "");
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with("-: no Kubernetes object on standard input\n"), "{done}");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("empty.yaml");
    fs::write(&path, "---\n# nothing\n").expect("a file can be written");
    let path = path.to_string_lossy();
    let done = loadline(&["explain", "-f", "examples/cluster", "-f", &path]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with(&format!("{path}: no Kubernetes object in this file\n")), "{done}");
    assert_eq!(loadline(&["explain", "-f", "examples/cluster", "-f", &path, "--keep-going"]).code, 3);
    // What kubectl prints when there is nothing.
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": []}"#;
    assert_eq!(loadline_with(&cluster, list).code, 0);
    // A folder of what is left out already.
    let config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n";
    fs::write(folder.path().join("empty.yaml"), config_map).expect("a file can be written");
    let folder = folder.path().to_string_lossy();
    assert_eq!(loadline_with(&["explain", "-f", "-", "-f", &folder], &(NODE.to_owned() + config_map)).code, 0);
}

#[test]
fn kinds_that_are_not_followed_are_warned_of() {
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}}\n";
    let done = loadline_with(&["simulate", "-f", "-"], &(NODE.to_owned() + quota));
    assert_eq!((done.code, done.err.as_str()), (0, "warning: 1 ResourceQuota: not checked\n"), "{done}");
}

#[test]
fn pending_pods_fail_only_when_asked_to() {
    let fits = NODE.to_owned() + &pod("fits", "1");
    let does_not = fits.clone() + &pod("too-big", "3");
    for command in ["explain", "simulate"] {
        let code = |args: &[&str], text: &str| loadline_with(&[&[command, "-f", "-"], args].concat(), text).code;
        assert_eq!(code(&[], &does_not), 0);
        assert_eq!(code(&["--fail-on-pending"], &does_not), 1);
        assert_eq!(code(&["--fail-on-pending", "-o", "json"], &does_not), 1);
        assert_eq!(code(&["--fail-on-pending"], &fits), 0);
    }
}

#[test]
fn kinds_without_use_are_counted_on_standard_error() {
    let text = NODE.to_owned() + &pod("a", "1") + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let done = loadline_with(&["explain", "-f", "-"], &text);
    assert_eq!(done.code, 0, "{done}");
    assert!(done.err.contains("1 ConfigMap") && !done.out.contains("ConfigMap"), "{done}");
}

#[test]
fn a_pod_that_is_not_there_is_named() {
    let done = loadline_with(&["explain", "-f", "-", "nobody"], NODE);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("nobody"), "{done}");
}

#[test]
fn standard_input_is_read_once() {
    let config = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparallelism: 0\n";
    let done = loadline_with(&["simulate", "-f", "examples/cluster", "--config", "-"], config);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.starts_with("-:3:1: parallelism: "), "{done}");
    let done = loadline_with(&["simulate", "-f", "examples/cluster", "--config", "-"], &config.replace('0', "8"));
    assert_eq!(done.code, 0, "{done}");
    for twice in [&["explain", "-f", "-", "--config", "-"], &["simulate", "-f", "-", "-f", "-"]] {
        let done = loadline_with(twice, NODE);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        assert!(done.err.contains("standard input, which can be read once"), "{done}");
    }
}

#[test]
fn what_kubernetes_does_not_have_is_refused_like_by_kubectl() {
    let text = NODE.to_owned() + &pod("good", "1") + &pod("bad", "1").replace("resources:", "resorces:");
    let done = loadline_with(&["simulate", "-f", "-"], &text);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    let said = "unknown field \"resorces\"; did you mean \"resources\"?\n";
    assert!(done.err.contains("spec.containers[0].resorces: ") && done.err.contains(said), "{done}");
    assert_eq!(loadline_with(&["simulate", "-f", "-", "--keep-going"], &text).code, 3);
}

#[test]
fn a_later_file_replaces_when_it_is_meant_to() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("later.yaml");
    fs::write(&path, pod("web", "1000")).expect("a file can be written");
    let later = path.to_string_lossy();
    let text = NODE.to_owned() + &pod("web", "1");
    let command = ["simulate", "-f", "-", "-f", &later, "--fail-on-pending"];
    let done = loadline_with(&command, &text);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
    assert!(done.err.contains("; with --replace the later one takes its place\n"), "{done}");
    let done = loadline_with(&[&command[..], &["--replace"]].concat(), &text);
    assert_eq!(done.code, 1, "{done}");
    let said = format!("{later}:1: Pod default/web replaces the one in -:");
    assert!(done.err.starts_with(&said), "{done}");
}

#[test]
fn a_running_scheduler_is_asked_about_pods_by_name_over_https() {
    const URL: &str = "https://127.0.0.1:1";
    for (args, said) in [
        (&["--scheduler", URL][..], "<POD>"),
        (&["web", "--scheduler", "http://127.0.0.1:1"], "not a URL that begins with https://"),
        (
            &["web", "--scheduler", URL, "-f", "examples/cluster"],
            "'--scheduler <URL>' cannot be used with '--filename <PATH>'",
        ),
        (&["web", "--scheduler", URL, "--seed", "0"], "'--scheduler <URL>' cannot be used with '--seed <NUMBER>'"),
        (&["web", "--scheduler", URL, "--fresh"], "'--scheduler <URL>' cannot be used with '--fresh'"),
        (&["web", "--scheduler-insecure"], "--scheduler <URL>"),
        (&["web", "--scheduler-ca", "ca.crt"], "--scheduler <URL>"),
        (&["web", "--scheduler", URL, "--scheduler-ca", "ca.crt", "--scheduler-insecure"], "cannot be used with"),
    ] {
        let done = loadline(&[&["explain"][..], args].concat());
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        assert!(done.err.contains(said), "{said}: {done}");
    }
    let help = loadline(&["explain", "--help"]).out;
    for option in ["--scheduler <URL>", "--scheduler-ca <FILE>", "--scheduler-insecure", "--fresh"] {
        assert!(help.contains(option), "{option}: {help}");
    }
}

#[test]
fn help_is_a_command_too() {
    let done = loadline(&["help"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done}");
    assert_eq!(done.out, loadline(&["--help"]).out);
    assert!(loadline(&["help", "simulate"]).out.contains("--replace"));
}

/// Shells make `-f a.yaml b.yaml` of `-f *.yaml`.
#[test]
fn files_without_f_are_told_where_they_go() {
    let file = "examples/cluster/nodes.yaml";
    let tip = "give files with -f, each with its own, or the folder that they are in\n";
    for args in [
        &["simulate", "-f", "examples/cluster", file][..],
        &["simulate", file],
        &["explain", "-f", "examples/cluster", file],
        &["explain", file],
    ] {
        let done = loadline(args);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done}");
        assert!(done.err.contains(tip), "{done}");
    }
    let done = loadline(&["simulate", "no-such-file"]);
    assert!(!done.err.contains(tip), "{done}");
}

#[test]
fn pods_that_count_for_nothing_are_told() {
    let text = NODE.to_owned()
        + &pod("fits", "1")
        + &pod("elsewhere", "1").replace("spec:\n", "spec:\n  nodeName: nowhere\n")
        + &pod("misspelt", "1").replace("spec:\n", "spec:\n  schedulerName: defualt-scheduler\n");
    for command in ["explain", "simulate"] {
        let done = loadline_with(&[command, "-f", "-", "--fail-on-pending"], &text);
        assert_eq!(done.code, 0, "{done}");
        assert_eq!(
            done.err,
            "warning: 1 pod is on node `nowhere`, which is not in the input; it takes no room\n\
             warning: left alone: 1 pod asks for scheduler `defualt-scheduler`, and the configuration has \
             default-scheduler; did you mean \"default-scheduler\"?\n"
        );
    }
    let done = loadline_with(&["simulate", "-f", "-", "-o", "json"], &text);
    let report: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(report["otherSchedulers"], serde_json::json!({"defualt-scheduler": 1}), "{done}");
    let elsewhere = |number: u32| {
        let pod = pod(&format!("pod-{number}"), "1");
        pod.replace("spec:\n", &format!("spec:\n  nodeName: nowhere-{number}\n"))
    };
    let text = NODE.to_owned() + &(0..5).map(elsewhere).collect::<String>();
    let done = loadline_with(&["explain", "-f", "-"], &text);
    let said = "warning: 5 pods are on nodes that are not in the input (`nowhere-0`, `nowhere-1`, `nowhere-2` and 2 more); they take no room\n";
    assert_eq!(done.err, said);
}

#[test]
fn what_a_replacement_took_from_nodes_is_noted() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("later.yaml");
    // By its uid it is another pod, so that it does not stay where the first one is.
    let later = pod("web", "2").replace("name: web\n", "name: web\n  uid: another\n");
    fs::write(&path, later).expect("a file can be written");
    let text = NODE.to_owned() + &pod("web", "1").replace("spec:\n", "spec:\n  nodeName: node-a\n");
    let args = ["simulate", "-f", "-", "-f", &path.to_string_lossy(), "--replace"];
    let done = loadline_with(&args, &text);
    assert_eq!(done.code, 0, "{done}");
    assert!(done.out.contains("is without 1 pod that --replace took from the nodes.\n"), "{done}");
}
