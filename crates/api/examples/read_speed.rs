//! How fast a dump of a large cluster is read.
//!
//! `cargo run --release -p loadline-api --example read_speed -- [PODS] [json|yaml]` makes a list of pods (150,000 of 4 KB of YAML or 9 of JSON by
//! default) as `kubectl get pods -A -o json|yaml` prints it, and reads it three times: into wire types, into wire types with admission
//! and conversion into the model, and with one bad pod in a thousand. Where there is a /proc it says what the model takes.

// It measures wall-clock time and prints it: that is all it is for.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::time::Instant;

use loadline_api::convert::Converter;
use loadline_api::intake::Intake;
use loadline_api::read::Reader;
use loadline_api::wire::Object;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let pods: usize = arguments.next().map_or(150_000, |count| count.parse().expect("a number of pods"));
    let yaml = arguments.next().is_some_and(|format| format == "yaml");
    let text = list(pods, yaml, "250m");
    println!("{pods} pods, {:.0} MB, {:.1} KB each", megabytes(&text), megabytes(&text) * 1000.0 / pods as f64);

    measure("wire types", &text, |text| {
        let mut reader = Reader::new(|_| {});
        reader.read_text(text, "-");
        let summary = reader.finish();
        assert!(summary.problems.is_empty(), "{}", summary.problems[0]);
        summary.objects
    });
    let mut compiled = Vec::new();
    let before = resident_kilobytes();
    measure("model", &text, |text| {
        let mut converter = Converter::new();
        let mut sink = |_, object: Object| {
            if let Object::Pod(pod) = &object {
                compiled.push(converter.pod(pod));
            }
        };
        let mut intake = Intake::new();
        let mut reader = Reader::new(|object| intake.push(object, &mut sink));
        reader.read_text(text, "-");
        drop(reader);
        intake.finish(&mut sink);
        compiled.len()
    });
    if let (Some(before), Some(after)) = (before, resident_kilobytes()) {
        println!("model: {:.2} KB a pod", after.saturating_sub(before) as f64 / compiled.len() as f64);
    }
    drop(compiled);
    let bad = list(pods, yaml, "250mm");
    measure("one bad in a thousand", &bad, |text| {
        let mut reader = Reader::new(|_| {});
        reader.read_text(text, "-");
        let summary = reader.finish();
        assert_eq!(summary.problems.len(), pods.div_ceil(1000));
        summary.objects
    });
}

/// Memory of this process that is in use.
fn resident_kilobytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn megabytes(text: &str) -> f64 {
    text.len() as f64 / 1e6
}

fn measure(what: &str, text: &str, read: impl FnOnce(&str) -> usize) {
    let start = Instant::now();
    let objects = read(text);
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {objects} objects in {seconds:.2} s, {:.0} MB/s", megabytes(text) / seconds);
}

/// A list of pods; every thousandth asks for `cpu`.
fn list(pods: usize, yaml: bool, cpu: &str) -> String {
    let items = (0..pods).map(|number| pod(number, if number % 1000 == 0 { cpu } else { "250m" }));
    if yaml {
        let mut text = "apiVersion: v1\nitems:\n".to_owned();
        for item in items {
            let value: serde_json::Value = serde_json::from_str(&item).expect("the pod is well-formed");
            text.push_str("- ");
            write_yaml(&value, 1, &mut text);
        }
        text.push_str("kind: List\nmetadata:\n  resourceVersion: \"\"\n");
        return text;
    }
    let items: Vec<String> = items.map(|item| indent(&item)).collect();
    format!(
        "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n{}\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {{\"resourceVersion\": \"\"}}\n}}\n",
        items.join(",\n")
    )
}

/// As kubectl prints JSON: four spaces a level.
fn indent(item: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(item).expect("the pod is well-formed");
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(&value, &mut serializer).expect("a value can be written");
    String::from_utf8(bytes).expect("JSON is UTF-8").replace('\n', "\n        ")
}

/// As kubectl prints YAML: lists not indented below their key.
fn write_yaml(value: &serde_json::Value, level: usize, text: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push_str(&"  ".repeat(level));
                }
                text.push_str(key);
                text.push(':');
                match field {
                    Value::Object(fields) if !fields.is_empty() => {
                        text.push('\n');
                        text.push_str(&"  ".repeat(level + 1));
                        write_yaml(field, level + 1, text);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        for item in items {
                            text.push_str(&"  ".repeat(level));
                            text.push_str("- ");
                            write_yaml(item, level + 1, text);
                        }
                    }
                    scalar => {
                        text.push(' ');
                        text.push_str(&scalar.to_string());
                        text.push('\n');
                    }
                }
            }
        }
        scalar => {
            text.push_str(&scalar.to_string());
            text.push('\n');
        }
    }
}

fn pod(number: usize, cpu: &str) -> String {
    let (app, team, node) = (number % 3000, number % 40, number % 5000);
    let toleration = |key: &str| {
        format!(
            r#"{{"effect":"NoExecute","key":"node.kubernetes.io/{key}","operator":"Exists","tolerationSeconds":300}}"#
        )
    };
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"annotations":{{"cni.projectcalico.org/podIP":"10.244.{team}.7/32","kubectl.kubernetes.io/restartedAt":"2026-03-01T10:22:33+01:00","prometheus.io/scrape":"true"}},
"creationTimestamp":"2026-05-11T08:12:01Z","generateName":"web-{app}-6c5f7b9d4-","labels":{{"app":"web-{app}","app.kubernetes.io/name":"web","pod-template-hash":"6c5f7b9d4","tier":"frontend"}},
"name":"web-{app}-6c5f7b9d4-{number}","namespace":"team-{team}","ownerReferences":[{{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicaSet","name":"web-{app}-6c5f7b9d4","uid":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}}],
"resourceVersion":"{number}","uid":"7d444840-9dc0-11d1-b245-{number:012}"}},
"spec":{{"affinity":{{"podAntiAffinity":{{"preferredDuringSchedulingIgnoredDuringExecution":[{{"podAffinityTerm":{{"labelSelector":{{"matchLabels":{{"app":"web-{app}"}}}},"topologyKey":"kubernetes.io/hostname"}},"weight":100}}]}}}},
"containers":[{{"env":[{{"name":"JAVA_OPTS","value":"-Xmx512m -XX:+UseG1GC"}}],"image":"registry.example.com/team/web:1.{team}.0","imagePullPolicy":"IfNotPresent",
"livenessProbe":{{"failureThreshold":3,"httpGet":{{"path":"/healthz","port":8080,"scheme":"HTTP"}},"initialDelaySeconds":10,"periodSeconds":10,"successThreshold":1,"timeoutSeconds":1}},
"name":"web","ports":[{{"containerPort":8080,"name":"http","protocol":"TCP"}}],"resources":{{"limits":{{"cpu":"1","memory":"1Gi"}},"requests":{{"cpu":"{cpu}","memory":"512Mi"}}}},
"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","volumeMounts":[{{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access-x7k2p","readOnly":true}}]}}],
"dnsPolicy":"ClusterFirst","enableServiceLinks":true,"nodeName":"node-{node:04}","preemptionPolicy":"PreemptLowerPriority","priority":0,"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{{}},
"serviceAccount":"default","serviceAccountName":"default","terminationGracePeriodSeconds":30,"tolerations":[{},{}],
"volumes":[{{"name":"kube-api-access-x7k2p","projected":{{"defaultMode":420,"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"items":[{{"key":"ca.crt","path":"ca.crt"}}],"name":"kube-root-ca.crt"}}}}]}}}}]}},
"status":{{"conditions":[{{"lastProbeTime":null,"lastTransitionTime":"2026-05-11T08:12:01Z","status":"True","type":"Ready"}},{{"lastProbeTime":null,"lastTransitionTime":"2026-05-11T08:12:01Z","status":"True","type":"PodScheduled"}}],
"containerStatuses":[{{"allocatedResources":{{"cpu":"250m","memory":"512Mi"}},"containerID":"containerd://2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","image":"registry.example.com/team/web:1.{team}.0",
"imageID":"registry.example.com/team/web@sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9","lastState":{{}},"name":"web","ready":true,
"resources":{{"limits":{{"cpu":"1","memory":"1Gi"}},"requests":{{"cpu":"250m","memory":"512Mi"}}}},"restartCount":0,"started":true,"state":{{"running":{{"startedAt":"2026-05-11T08:12:01Z"}}}}}}],
"hostIP":"192.168.1.{team}","phase":"Running","podIP":"10.244.{team}.7","podIPs":[{{"ip":"10.244.{team}.7"}}],"qosClass":"Burstable","startTime":"2026-05-11T08:12:01Z"}}}}"#,
        toleration("not-ready"),
        toleration("unreachable"),
    )
}
