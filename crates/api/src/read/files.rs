//! What paths name.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::Reader;
use crate::doc::Problem;
use crate::wire::Object;

impl<S: FnMut(Object)> Reader<S> {
    /// Reads a file, a folder with all that is in it but hidden files and folders, or `-` for `stdin`.
    pub fn read_path(&mut self, path: &Path, stdin: &mut dyn Read) {
        self.path += 1;
        self.is_empty = true;
        let problems = self.summary.problems.len();
        let nothing = if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let result = stdin.read_to_end(&mut bytes).map(|_| bytes);
            self.read_bytes(result, "-");
            "no Kubernetes object on standard input"
        } else if path.is_dir() {
            self.read_folder(path);
            "no objects found in the .yaml, .yml and .json files of this folder"
        } else {
            self.read_bytes(fs::read(path), &path.to_string_lossy());
            "no Kubernetes object in this file"
        };
        // What a command leaves behind that failed; when there is nothing to list, kubectl writes a list of nothing.
        if self.is_empty && self.summary.problems.len() == problems {
            self.problem(path, nothing);
        }
    }

    fn read_folder(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, &error.to_string()),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            // .git, what editors leave behind, and the versions of a mounted ConfigMap, which links lead to.
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.read_folder(&path),
                Ok(_) if has_known_extension(&path) => self.read_bytes(fs::read(&path), &path.to_string_lossy()),
                Ok(_) => {}
                Err(error) => self.problem(&path, &error.to_string()),
            }
        }
    }

    fn read_bytes(&mut self, bytes: std::io::Result<Vec<u8>>, name: &str) {
        match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => self.read_text(&text, name),
            Ok(Err(error)) => {
                let at = error.utf8_error().valid_up_to();
                let good = String::from_utf8_lossy(&error.as_bytes()[..at]);
                let line = good.matches('\n').count() as u32 + 1;
                let column = good.lines().next_back().map_or(0, |last| last.chars().count()) as u32 + 1;
                let message = "this is not UTF-8 text".into();
                self.summary.problems.push(Problem { file: name.into(), line, column, path: String::new(), message });
            }
            Err(error) => self.summary.problems.push(Problem::of_file(name, error.to_string())),
        }
    }

    fn problem(&mut self, path: &Path, message: &str) {
        self.summary.problems.push(Problem::of_file(&path.to_string_lossy(), message));
    }
}

fn has_known_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}
