//! Damaged input: whatever is in a file, reading it comes to an end with objects and problems, never with a panic.

use loadline_api::doc::Document;
use loadline_api::read::Reader;

const SEEDS: [&str; 3] = [
    r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {"a": "p\u00e4\ud83d\ude00"}, "labels": {"a": "ö"}},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m", "memory": 1.5e9}}}], "priority": -3, "hostNetwork": true}}]}"#,
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: &m {name: p, annotations: {a: pä}, labels: {a: 'ö', \"b\": x}}\n  spec:\n    containers:\n    - name: |-\n        c\n      resources: {requests: {cpu: 0x10, memory: 1_000}}\n- kind: Pod\n  apiVersion: v1\n  metadata: *m\n",
    "--- !!map\nkind: NodeList\napiVersion: v1\nitems:\n- metadata: {name: node-a}\n  spec: {taints: [{key: k, effect: NoSchedule}]}\n  status: {<<: {allocatable: {cpu: 4}}}\n...\n---\n? [a, b]\n: c\n",
];

/// Texts that do most harm where they do not belong.
const PIECES: [&str; 24] = [
    "{", "}", "[", "]", "\"", "'", ":", ",", "-", "&a", "*a", "<<", "\n", "\t", "\\", "\\u12", "null", "~", "0", "e9",
    "\u{feff}", "ä", "---\n", "|\n",
];

/// A fixed sequence of numbers (xorshift): the same damage every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 33) as usize
}

#[test]
fn reading_always_comes_to_an_end() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut read = 0;
    for round in 0..12_000 {
        let mut text: Vec<char> = SEEDS[round % SEEDS.len()].chars().collect();
        for _ in 0..=next(&mut state) % 4 {
            let at = next(&mut state) % text.len().max(1);
            let to = (at + next(&mut state) % 6).min(text.len());
            let piece = PIECES[next(&mut state) % PIECES.len()];
            text.splice(at.min(to)..to, piece.chars());
        }
        let text: String = text.into_iter().collect();
        let mut reader = Reader::new(|_| read += 1);
        reader.read_text(&text, "f");
        for problem in reader.finish().problems {
            let lines = text.lines().count() as u32 + 1;
            assert!((1..=lines).contains(&problem.line) && problem.column > 0, "{problem} in {text}");
        }
        let _ = Document::parse(&text, "f");
    }
    // Some damage is in places that a scheduler does not read.
    assert!(read > 500, "{read}");
}
