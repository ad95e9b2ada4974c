//! The binary with the plugin decides by it.

use std::process::Command;

use serde_json::Value;

fn run(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_own-plugin"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary was built for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[test]
fn the_plugin_filters_and_scores() {
    let text = run(&["explain", "-f", "cluster.yaml", "--config", "config.yaml", "-o", "json"]);
    let list: Value = serde_json::from_str(&text).expect("output is JSON");
    let pod = &list["pods"][0];
    assert_eq!(pod["node"], "node-c");
    let nodes = pod["nodes"].as_array().expect("every node is listed");
    assert_eq!(nodes[0]["rejectedBy"], "Maintenance");
    assert_eq!(nodes[0]["reasons"][0], "node(s) were in maintenance");
    assert_eq!(nodes[1]["scores"]["Maintenance"]["weighted"], 100);
    assert_eq!(nodes[2]["scores"]["Maintenance"]["weighted"], 900);
}

#[test]
fn the_plugin_is_listed_and_its_arguments_are_checked() {
    assert!(run(&["plugins"]).contains("Maintenance"));
    assert!(run(&["plugins", "Maintenance"]).contains("defaultRank"));
}
