//! Every input that is kept is tried again.

use std::fs;
use std::path::{Path, PathBuf};

use loadline_fuzz::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_kept_input_holds() {
    for (name, body) in TARGETS {
        let inputs = entries(&corpora().join(name));
        assert!(inputs.len() >= 20, "{name} has {} inputs", inputs.len());
        for path in inputs {
            let bytes = fs::read(&path).expect("it is readable");
            if let Err(panic) = std::panic::catch_unwind(|| body(&bytes)) {
                eprintln!("the input is {}", path.display());
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_is_small() {
    let names: Vec<_> = entries(&corpora()).iter().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(names, TARGETS.map(|(name, _)| name), "folders of fuzz/corpus, by name");
    let bytes: u64 = TARGETS
        .iter()
        .flat_map(|(name, _)| entries(&corpora().join(name)))
        .map(|path| path.metadata().map_or(0, |metadata| metadata.len()))
        .sum();
    assert!(bytes < 1_000_000, "{bytes} bytes: run `cargo fuzz cmin`");
}

/// A body that takes everything shows nothing.
#[test]
fn bodies_look_at_what_they_get() {
    let wrong = std::panic::catch_unwind(|| loadline_fuzz::objects(b"\xff"));
    assert!(wrong.is_ok(), "what is no text is left alone");
    let kept = entries(&corpora().join("objects"));
    let mut read = 0;
    for path in kept {
        let text = String::from_utf8(fs::read(path).expect("it is readable")).unwrap_or_default();
        let mut reader = loadline_api::read::Reader::new(|_| read += 1);
        reader.read_text(&text, "f");
    }
    assert!(read > 30, "the corpus has {read} objects that are read");
}
