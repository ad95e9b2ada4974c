//! What must hold of any input at all, whoever made it.
//!
//! Each function takes the bytes of one input and panics when something does not hold. The fuzz targets in `fuzz/` call them with
//! inputs that libFuzzer makes up; the test of this package calls them with the inputs that are kept in `fuzz/corpus`. Input that is
//! not UTF-8 is left alone: files are refused before anything looks at them.

mod configuration;
mod objects;
mod quantity;
mod selector;

pub use configuration::configuration;
pub use objects::objects;
pub use quantity::quantity;
pub use selector::selector;

/// What a target calls.
pub type Body = fn(&[u8]);

/// All targets, by the names of their folders in `fuzz/corpus`.
pub const TARGETS: [(&str, Body); 4] =
    [("configuration", configuration), ("objects", objects), ("quantity", quantity), ("selector", selector)];

/// Problems name a place in the text that they are about, or none when they are about all of it.
fn assert_in_text(text: &str, problems: &[loadline_api::doc::Problem]) {
    // A line of YAML ends with any of these; one of JSON only with the last, which is no less of a line.
    let breaks = text.replace("\r\n", "\n").replace('\r', "\n");
    for problem in problems {
        assert!(!problem.message.is_empty(), "{problem:?} says nothing");
        if (problem.line, problem.column) == (0, 0) {
            continue;
        }
        // What is behind the last line break is a line as well, also when it is empty.
        let line = problem.line.checked_sub(1).and_then(|line| breaks.split('\n').nth(line as usize));
        assert!(line.is_some(), "{problem}: there is no such line");
        let columns = if text.contains('\r') { text.len() } else { line.map_or(0, str::len) } + 1;
        assert!((1..=columns).contains(&(problem.column as usize)), "{problem}: there is no such column");
    }
}
