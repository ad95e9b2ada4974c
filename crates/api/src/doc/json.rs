//! JSON text to nodes. YAML contains JSON only almost (tabs, escaped surrogate pairs, long keys), so JSON has a reader of its own.

use std::borrow::Cow;

use super::build::drop_duplicates;
use super::node::{Entry, Node, Value};
use super::problem::Problem;

/// As deep as the YAML reader goes.
const MAX_DEPTH: usize = 255;

/// Reads JSON values that stand one after the other, separated by nothing or by white space.
/// `line` and `column` are the place of the text's first byte in its file.
///
/// Returns the duplicate keys that were found; the first of each is kept.
///
/// # Errors
/// The first syntax error; `nodes` then holds the values before it.
pub fn read_json<'a>(
    text: &'a str,
    file: &str,
    line: u32,
    column: u32,
    nodes: &mut Vec<Node<'a>>,
) -> Result<Vec<Problem>, Problem> {
    let file = file.into();
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, line, line_start: 1 - i64::from(column) };
    let mut duplicates = Vec::new();
    loop {
        reader.skip_space();
        if reader.at == reader.bytes.len() {
            return Ok(duplicates);
        }
        match reader.value(0) {
            Ok(mut node) => {
                duplicates.extend(drop_duplicates(&mut node, &file));
                nodes.push(node);
            }
            Err(message) => {
                let (line, column) = reader.place();
                return Err(Problem { file, line, column, path: String::new(), message });
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    /// Offset of the line's first byte; below 0 when the text begins in the middle of a line.
    line_start: i64,
}

impl<'a> Reader<'a> {
    fn place(&self) -> (u32, u32) {
        (self.line, (self.at as i64 - self.line_start + 1) as u32)
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at as i64;
                }
                _ => break,
            }
        }
    }

    /// What stands at the current place, for a message.
    fn found(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(c) => format!("`{c}`"),
            None => "the end of the text".into(),
        }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), String> {
        if self.bytes.get(self.at) == Some(&byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(format!("expected {what}, found {}", self.found()))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let (line, column) = self.place();
        let value = match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { value, line, column })
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.at += 1;
        let mut entries = Vec::new();
        self.skip_space();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            self.skip_space();
            let (line, column) = self.place();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(format!("expected a key in double quotes, found {}", self.found()));
            }
            let key = self.string()?;
            self.skip_space();
            self.expect(b':', "`:`")?;
            self.skip_space();
            entries.push(Entry { key, line, column, value: self.value(depth + 1)? });
            self.skip_space();
            if self.bytes.get(self.at) == Some(&b',') {
                self.at += 1;
            } else {
                self.expect(b'}', "`,` or `}`")?;
                return Ok(Value::Map(entries));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::Seq(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.bytes.get(self.at) == Some(&b',') {
                self.at += 1;
            } else {
                self.expect(b']', "`,` or `]`")?;
                return Ok(Value::Seq(items));
            }
        }
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped_string(start).map(Cow::Owned),
                Some(0..0x20) => return Err("a control character inside of a text".into()),
                Some(_) => self.at += 1,
                None => return Err("expected `\"`, found the end of the text".into()),
            }
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<String, String> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            while !matches!(self.bytes.get(self.at), Some(b'"' | b'\\' | 0..0x20) | None) {
                self.at += 1;
            }
            out.push_str(&self.text[plain..self.at]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let escape = self.bytes.get(self.at + 1).copied();
                    self.at += 2;
                    out.push(match escape {
                        Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => self.unicode_escape()?,
                        _ => {
                            self.at = (self.at - 1).min(self.bytes.len());
                            return Err("expected one of the escapes that JSON knows behind `\\`".into());
                        }
                    });
                }
                Some(_) => return Err("a control character inside of a text".into()),
                None => return Err("expected `\"`, found the end of the text".into()),
            }
        }
    }

    /// Behind `\u`. A half of a surrogate pair without the other becomes U+FFFD, as in Go.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let first = self.hex4()?;
        if (0xD800..0xDC00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return Err("expected four hexadecimal digits behind `\\u`".into());
        };
        let code = digits.iter().fold(0, |code, &digit| code * 16 + char::from(digit).to_digit(16).unwrap_or(0));
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value<'a>, String> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let well_formed = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.ends_with(|c: char| c.is_ascii_digit())
            && !(digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit())
            && !digits.contains(".e")
            && !digits.contains(".E");
        let value = if !well_formed {
            None
        } else if let Ok(number) = text.parse() {
            Some(Value::Int(number))
        } else {
            text.parse().ok().map(Value::Float)
        };
        value.ok_or_else(|| {
            self.at = start;
            format!("expected a number, found `{text}`")
        })
    }

    fn word(&mut self) -> Result<Value<'a>, String> {
        for (word, value) in [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(format!("expected a value, found {}", self.found()))
    }
}
