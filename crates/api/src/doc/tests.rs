#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thing {
    name: String,
    count: i32,
    ratio: f64,
    on: bool,
    limit: Option<u16>,
    labels: BTreeMap<String, String>,
    parts: Vec<Part>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    id: i64,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
enum Kind {
    #[default]
    Plain,
    Fancy,
}

fn one(text: &str) -> Node<'_> {
    let mut nodes = Document::parse(text, "f.yaml").unwrap();
    assert_eq!(nodes.len(), 1, "{text}");
    nodes.remove(0)
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn all(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    decode_all::<Thing>(&mut one(text), &Arc::from("f.yaml"), &mut problems);
    messages(&problems)
}

#[test]
fn decodes_the_same_from_yaml_and_json() {
    let expected = Thing {
        name: "a".into(),
        count: 3,
        ratio: 0.5,
        on: true,
        limit: Some(7),
        labels: [("x".to_owned(), "1".to_owned()), ("y z".to_owned(), String::new())].into(),
        parts: vec![Part { id: 1, kind: Kind::Plain }, Part { id: -2, kind: Kind::Fancy }],
    };
    let yaml = "name: a\ncount: 3.0\nratio: .5\non: yes\nlimit: 0x7\nother: {z: [1]}\nlabels:\n  x: '1'\n  y z:\nparts:\n- id: 1\n- {id: -2, kind: Fancy}\n";
    // `on` is a boolean as a key as well: Kubernetes reads it as "true", so it has to be quoted.
    assert!(!decode::<Thing>(&one(yaml)).unwrap().on);
    let yaml = yaml.replace("\non:", "\n\"on\":");
    assert_eq!(decode::<Thing>(&one(&yaml)).unwrap(), expected);
    let json = r#"{"name":"a","count":3,"ratio":0.5,"on":true,"limit":7,"other":{"z":[1]},
        "labels":{"x":"1","y z":null},"parts":[{"id":1},{"id":-2,"kind":"Fancy"}]}"#;
    assert_eq!(decode::<Thing>(&one(json)).unwrap(), expected);
}

#[test]
fn null_is_the_zero_value() {
    let node = one("{name: null, count: ~, ratio: null, limit: null, labels: null, parts: null}");
    assert_eq!(decode::<Thing>(&node).unwrap(), Thing::default());
}

#[test]
fn every_problem_of_an_object_is_found_with_its_place() {
    let found = all(
        "name: 1.10\ncount: many\nlimit: 70000\nlabels:\n  a: yes\n  b/c: 3\nparts:\n- id: x\n- id: 1\n  kin: Fancy\n- id: 2\n  kind: Odd\n- 7\n- kind: Plain\n",
    );
    assert_eq!(
        found,
        [
            "f.yaml:1:7: name: expected a text, found the number 1.1 (write it in quotes to make it a text)",
            "f.yaml:2:8: count: expected a whole number of 32 bits, found the text `many`",
            "f.yaml:3:8: limit: expected a whole number from 0 to 65535, found the number 70000",
            "f.yaml:5:6: labels.a: expected a text, found the boolean true (without quotes, yes, no, on, off, y and n are booleans too: write it in quotes to make it a text)",
            "f.yaml:6:8: labels[b/c]: expected a text, found the number 3 (write it in quotes to make it a text)",
            "f.yaml:8:7: parts[0].id: expected a whole number, found the text `x`",
            "f.yaml:10:3: parts[1].kin: unknown field `kin`; did you mean \"kind\"?",
            "f.yaml:12:9: parts[2].kind: expected one of Plain, Fancy, found the text `Odd`",
            "f.yaml:13:3: parts[3]: expected a map, found the number 7",
            "f.yaml:14:3: parts[4]: the field `id` is missing",
        ]
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
    );
}

#[test]
fn documents_are_read_past_broken_ones() {
    let text = "a: 1\n---\nb: [1, 2\n---\n# nothing\n---\nc: 3\n---\nd: *nowhere\n---\n{e: 5}\n";
    let (nodes, problems) = Document::parse_lenient(text, "f.yaml");
    assert_eq!(nodes.iter().map(|node| node.entries()[0].key.to_string()).collect::<Vec<_>>(), ["a", "c", "e"]);
    assert_eq!(nodes[1].entries()[0].value, Node { value: Value::Int(3), line: 7, column: 4 });
    let lines: Vec<u32> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 9], "{problems:?}");
}

#[test]
fn duplicate_keys_are_problems() {
    let problems = Document::parse("a:\n  b: 1\n  c: [{x: 1, x: 2}]\n  b: 2\n", "f.yaml").unwrap_err();
    assert_eq!(
        messages(&problems),
        [
            "f.yaml:4:3: a.b: the key `b` stands here twice, first in line 2",
            "f.yaml:3:14: a.c[0].x: the key `x` stands here twice, first in line 3"
        ]
    );
    let json = Document::parse("{\"a\": 1,\n \"a\": 2}", "f.json").unwrap_err();
    assert_eq!(messages(&json), ["f.json:2:2: a: the key `a` stands here twice, first in line 1"]);
    let many = (0..40).map(|i| format!("k{}: 1", i % 39)).collect::<Vec<_>>().join("\n");
    assert_eq!(
        messages(&Document::parse(&many, "f.yaml").unwrap_err()),
        ["f.yaml:40:1: k0: the key `k0` stands here twice, first in line 1"]
    );
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let node = one("base: &b {x: 1, z: 2}\nover:\n  <<: *b\n  z: 3\nlist: [*b, *b]\ntext: &t 'yes'\nagain: *t\n");
    let over = node.get("over").unwrap();
    assert_eq!((&over.get("x").unwrap().value, &over.get("z").unwrap().value), (&Value::Int(1), &Value::Int(3)));
    assert_eq!(node.get("list").unwrap().items()[1].get("z").unwrap().value, Value::Int(2));
    assert_eq!(node.get("again").unwrap().as_str(), Some("yes"));
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    lines.extend((1..12).map(|i| format!("a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 10].join(", "))));
    let problems = Document::parse(&lines.join("\n"), "f.yaml").unwrap_err();
    assert!(problems[0].message.contains("aliases"), "{problems:?}");
}

#[test]
fn anchors_cannot_fill_the_memory() {
    let nested = |depth: usize, values: usize| {
        let open: Vec<String> = (0..depth).map(|i| format!("&a{i} [")).collect();
        let open = open.concat();
        format!("{open}{}{}\n", "x, ".repeat(values), "]".repeat(depth))
    };
    let problems = Document::parse(&nested(30, 50_000), "f.yaml").unwrap_err();
    let message = "anchors and aliases stand for more than 1000000 values";
    assert!(problems[0].message.contains(message), "{problems:?}");
    // What the anchors of a document keep is gone with it.
    let documents = vec![nested(10, 50_000); 3].join("---\n");
    assert_eq!(Document::parse(&documents, "f.yaml").unwrap().len(), 3);
}

#[test]
fn tags_quotes_and_blocks() {
    let node = one("a: !!str 12\nb: \"yes\"\nc: |\n  12\nd: !!int '12'\ne: !!float 3\nf: !custom x\n");
    let value = |key| node.get(key).unwrap().value.clone();
    assert_eq!(value("a"), Value::String("12".into()));
    assert_eq!(value("b"), Value::String("yes".into()));
    assert_eq!(value("c"), Value::String("12\n".into()));
    assert_eq!(value("d"), Value::Int(12));
    assert_eq!(value("e"), Value::Float(3.0));
    assert_eq!(value("f"), Value::String("x".into()));
}

#[test]
fn items_come_one_by_one() {
    let mut seen = Vec::new();
    let text = "kind: List\nitems:\n- a: 1\n- b: {items: [1]}\n  b: 2\n- 3\nmetadata: {}\n---\nother: [1]\n";
    assert!(read_yaml(text, "f.yaml", true, &mut |piece| match piece {
        Piece::Item { node, problems } => seen.push((format!("item {}", node.describe()), messages(&problems))),
        Piece::Root { node, .. } => seen.push((format!("root of {}", node.entries().len()), Vec::new())),
        Piece::Broken(problem) => panic!("{problem}"),
    }));
    assert_eq!(
        seen,
        [
            ("item a map".to_owned(), vec![]),
            ("item a map".to_owned(), vec!["f.yaml:5:3: b: the key `b` stands here twice, first in line 4".to_owned()]),
            ("item the number 3".to_owned(), vec![]),
            ("root of 3".to_owned(), vec![]),
            ("root of 1".to_owned(), vec![]),
        ]
    );
}

#[test]
fn json_has_its_own_reader() {
    let node = one(
        "{\n\t\"a\\/b\": \"\\ud83d\\ude00\\u0041\\n\\ud800\",\n\t\"n\": [-1.5e3, 12, 18446744073709551615, true, null]\n}",
    );
    assert_eq!(node.get("a/b").unwrap().as_str(), Some("😀A\n\u{fffd}"));
    let n = node.get("n").unwrap();
    assert_eq!((n.line, n.column), (3, 7));
    assert_eq!(n.items()[0].value, Value::Float(-1500.0));
    assert_eq!(n.items()[1].value, Value::Int(12));
    assert_eq!(n.items()[2].value, Value::Float(18_446_744_073_709_551_615.0));
    assert_eq!(Document::parse("{\"a\":1}{\"b\":2}\n[3]", "-").unwrap().len(), 3);
    // A flow mapping is YAML, though it begins with a brace.
    assert_eq!(one("{a: 1}").get("a").unwrap().value, Value::Int(1));
    for (text, expected) in [
        ("{\"a\":\n  tru}", "f.json:2:3: expected a value, found `t`"),
        ("{\"a\": 01}", "f.json:1:7: expected a number, found `01`"),
        ("{\"a\" 1}", "f.json:1:6: expected `:`, found `1`"),
        ("[1, 2", "f.json:1:6: expected `,` or `]`, found the end of the text"),
        ("[\"\\x\"]", "f.json:1:4: expected one of the escapes that JSON knows behind `\\`"),
    ] {
        let mut nodes = Vec::new();
        assert_eq!(read_json(text, "f.json", 1, 1, &mut nodes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn paths_lead_to_nodes() {
    let mut node = one("spec:\n  list:\n  - name: a\n    labels: {x/y: z}\n");
    let path = FieldPath::root().field("spec").field("list").index(0).field("labels").field("x/y");
    assert_eq!(path.to_string(), "spec.list[0].labels[x/y]");
    assert_eq!(node.at(&path).unwrap().as_str(), Some("z"));
    assert_eq!(node.position(&path), (4, 14));
    assert_eq!(node.position(&FieldPath::root().field("spec").field("list").index(0).field("gone")), (3, 5));
    assert!(node.remove(&path));
    assert!(!node.remove(&path));
    assert_eq!(At::Root.field("a").index(3).field("b").to_path().to_string(), "a[3].b");
}

#[test]
fn an_empty_text_holds_nothing() {
    for text in ["", "\u{feff}", "---\n...\n", "# only words\n", "null\n"] {
        assert_eq!(Document::parse(text, "f.yaml").unwrap(), [], "{text:?}");
    }
}
