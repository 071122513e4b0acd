//! JSON histories (RFC 8259): one object on each line, or one array of objects.
//!
//! The reader is our own because numbers count by value here: `serde_json` makes floating point
//! numbers of integers beyond 64 bits, and different ones become equal.

use super::{FormatError, Sink};
use crate::history::{Value, number};

/// How deep arrays and objects may nest: far above any history, far below the end of the stack.
const DEPTH_MAX: usize = 100;

/// Reads one object from each line that is not blank.
pub(super) fn each_line(text: &str, sink: &mut Sink<'_>) -> Result<(), FormatError> {
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut scan = Scan { rest: line, line: index + 1 };
        let value = scan.whole().map_err(|error| {
            let expected = format!("a JSON object on each line ({} there)", error.expected);
            FormatError { expected, ..error }
        })?;
        sink(index + 1, value)?;
    }
    Ok(())
}

/// Reads an array of objects, each with its line.
pub(super) fn each_element(text: &str, sink: &mut Sink<'_>) -> Result<(), FormatError> {
    let mut scan = Scan { rest: text, line: 1 };
    scan.skip_blank();
    scan.expect('[')?;
    scan.skip_blank();
    if scan.take(']') {
        return Ok(());
    }
    loop {
        let line = scan.line;
        sink(line, scan.value(0)?)?;
        scan.skip_blank();
        if scan.take(']') {
            return Ok(());
        }
        scan.expect(',')?;
        scan.skip_blank();
    }
}

struct Scan<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scan<'a> {
    /// One value with nothing behind it.
    fn whole(&mut self) -> Result<Value, FormatError> {
        self.skip_blank();
        let value = self.value(0)?;
        self.skip_blank();
        if self.rest.is_empty() { Ok(value) } else { Err(self.error("the end")) }
    }

    fn error(&self, expected: &str) -> FormatError {
        const FOUND_MAX: usize = 20;
        let found: String = self.rest.chars().take_while(|c| *c != '\n').take(FOUND_MAX).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
        FormatError::new(self.line, expected, found)
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.bytes().filter(|b| *b == b'\n').count();
        self.rest = rest;
        passed
    }

    fn skip_blank(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.advance(wanted.len_utf8());
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), FormatError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(&format!("`{wanted}`"))) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, FormatError> {
        if depth > DEPTH_MAX {
            return Err(self.error(&format!("at most {DEPTH_MAX} nested arrays and objects")));
        }
        if self.take('{') {
            return self.object(depth);
        }
        if self.take('[') {
            return self.array(depth);
        }
        if self.take('"') {
            return Ok(Value::Text(self.text()?));
        }
        let is_end = |c: char| c.is_whitespace() || "[]{},:\"".contains(c);
        let token = &self.rest[..self.rest.find(is_end).unwrap_or(self.rest.len())];
        let value = match token {
            "null" => Some(Value::Nil),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            number => number::from_json(number),
        };
        let Some(value) = value else { return Err(self.error("a value")) };
        self.advance(token.len());
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, FormatError> {
        let mut items = Vec::new();
        self.skip_blank();
        if self.take(']') {
            return Ok(Value::Vector(items));
        }
        loop {
            self.skip_blank();
            items.push(self.value(depth + 1)?);
            self.skip_blank();
            if self.take(']') {
                return Ok(Value::Vector(items));
            }
            self.expect(',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, FormatError> {
        let mut entries = Vec::new();
        self.skip_blank();
        if self.take('}') {
            return Ok(Value::map(entries));
        }
        loop {
            self.skip_blank();
            self.expect('"')?;
            let key = Value::Text(self.text()?);
            self.skip_blank();
            self.expect(':')?;
            self.skip_blank();
            entries.push((key, self.value(depth + 1)?));
            self.skip_blank();
            if self.take('}') {
                return Ok(Value::map(entries));
            }
            self.expect(',')?;
        }
    }

    /// A string, after its first quote.
    fn text(&mut self) -> Result<String, FormatError> {
        let mut text = String::new();
        loop {
            let plain = self.rest.find(['"', '\\']);
            let Some(plain) = plain else { return Err(self.error("the end of the string")) };
            text.push_str(self.advance(plain));
            if self.take('"') {
                return Ok(text);
            }
            text.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Result<char, FormatError> {
        self.expect('\\')?;
        let Some(c) = self.rest.chars().next() else {
            return Err(self.error("an escaped character"));
        };
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                self.advance(1);
                return self.unicode();
            }
            _ => return Err(self.error("an escaped character")),
        };
        self.advance(1);
        Ok(plain)
    }

    /// A character by its code in UTF-16: what lies beyond 16 bits is written as a pair.
    fn unicode(&mut self) -> Result<char, FormatError> {
        let mut units = vec![self.code()?];
        if matches!(units[0], 0xd800..=0xdbff) && self.rest.starts_with("\\u") {
            self.advance(2);
            units.push(self.code()?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(c)), None) => Ok(c),
            (_, _) => Err(self.error("a whole pair of codes before this")),
        }
    }

    fn code(&mut self) -> Result<u16, FormatError> {
        let digits = self.rest.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.error("four digits of a code"))?;
        self.advance(4);
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Result<Value, FormatError> {
        Scan { rest: text, line: 1 }.whole()
    }

    #[test]
    fn numbers_are_equal_by_value_and_at_every_size() {
        assert_eq!(one("[1, 1.0, 10e-1]").unwrap(), one("[1.0, 1, 1]").unwrap());
        assert_ne!(one("9007199254740993.0").unwrap(), one("9007199254740992.0").unwrap());
        assert_ne!(one("18446744073709551617").unwrap(), one("18446744073709551616").unwrap());
    }

    #[test]
    fn objects_are_equal_in_any_order_and_strings_in_any_spelling() {
        let ordered = one(r#"{"a": {"b": 1, "c": [true, null]}, "d": "\ud83d\ude00é\n"}"#).unwrap();
        let other = one("{\"d\":\"😀\\u00e9\\u000a\",\"a\":{\"c\":[true,null],\"b\":1}}").unwrap();
        assert_eq!(ordered, other);
    }

    #[test]
    fn what_is_damaged_is_no_value() {
        for text in
            ["", "{", "[1,]", "{\"a\"}", "\"", "\"\\x\"", "\"\\ud83d\"", "01x", "1 2", "nul"]
        {
            assert!(one(text).is_err(), "{text}");
        }
        assert!(one(&"[".repeat(100_000)).unwrap_err().expected.contains("nested"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\]{}:\\\\\"u, a-f0-9.é\n]{0,60}") {
            let _ = one(&text);
        }
    }
}
