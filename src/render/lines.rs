//! JSON that people can read without being long: spread over lines down to a depth, and each piece below that on one
//! line. A node, a placement, a score is then one line, which tools that work by line can pick out as well.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Spaces for each level.
const INDENT: usize = 2;

/// Writes commas, line breaks and indents.
pub(crate) struct Lines {
    depth: usize,
    open: usize,
    filled: bool,
}

impl Lines {
    /// Starts inside of `depth` arrays and objects. What is deeper than `open` of them stays on one line.
    pub(crate) const fn new(depth: usize, open: usize) -> Self {
        Self { depth, open, filled: false }
    }

    fn begin<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(bracket)
    }

    fn end<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.filled && self.depth <= self.open {
            line(out, self.depth - 1)?;
        }
        self.depth -= 1;
        out.write_all(bracket)
    }

    fn item<W: ?Sized + Write>(&self, out: &mut W, first: bool) -> io::Result<()> {
        if self.depth <= self.open {
            if !first {
                out.write_all(b",")?;
            }
            line(out, self.depth)
        } else if first {
            Ok(())
        } else {
            out.write_all(b", ")
        }
    }
}

/// Begins a line.
pub(crate) fn line<W: ?Sized + Write>(out: &mut W, depth: usize) -> io::Result<()> {
    write!(out, "\n{:1$}", "", depth * INDENT)
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::output::write_json;

    fn written(value: &Value, depth: usize, open: usize) -> String {
        let mut out = Vec::new();
        write_json(value, depth, open, &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn what_is_deep_stays_on_one_line() {
        let value = json!({"a": [{"b": [1, 2], "c": {}}, {"b": []}], "d": [], "e": "x"});
        let text = written(&value, 0, 2);
        assert_eq!(
            text,
            "{\n  \"a\": [\n    {\"b\": [1, 2], \"c\": {}},\n    {\"b\": []}\n  ],\n  \"d\": [],\n  \"e\": \"x\"\n}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), value);
    }

    #[test]
    fn a_piece_is_indented_as_in_its_place() {
        assert_eq!(written(&json!({"a": {"b": 1}}), 1, 2), "{\n    \"a\": {\"b\": 1}\n  }");
        assert_eq!(written(&json!({"a": 1}), 2, 2), "{\"a\": 1}");
    }
}
