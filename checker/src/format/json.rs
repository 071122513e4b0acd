//! JSON histories: one object on each line, or one array of objects.

use super::FormatError;
use crate::history::Value;

/// Reads one object from each line that is not blank.
pub(super) fn parse_lines(text: &str) -> Result<Vec<(usize, Value)>, FormatError> {
    let mut records = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let json: serde_json::Value = serde_json::from_str(line).map_err(|error| {
            FormatError::new(index + 1, "a JSON object on each line", error.to_string())
        })?;
        records.push((index + 1, Value::from(json)));
    }
    Ok(records)
}

/// Reads an array of objects, element by element so that each keeps its line.
pub(super) fn parse_array(text: &str) -> Result<Vec<(usize, Value)>, FormatError> {
    let mut scan = Scan { text, at: 0, line: 1 };
    scan.skip_blank();
    scan.expect('[')?;
    scan.skip_blank();
    let mut records = Vec::new();
    if scan.take(']') {
        return Ok(records);
    }
    loop {
        let line = scan.line;
        records.push((line, scan.element()?));
        scan.skip_blank();
        if scan.take(']') {
            return Ok(records);
        }
        scan.expect(',')?;
        scan.skip_blank();
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.text.as_bytes()[self.at..self.at + bytes];
        self.line += passed.iter().filter(|b| **b == b'\n').count();
        self.at += bytes;
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.advance(rest.len() - rest.trim_start().len());
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.advance(wanted.len_utf8());
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), FormatError> {
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.rest().chars().next();
        let found = found.map_or("the end".to_owned(), |c| format!("`{c}`"));
        Err(FormatError::new(self.line, format!("`{wanted}`"), found))
    }

    fn element(&mut self) -> Result<Value, FormatError> {
        let mut stream =
            serde_json::Deserializer::from_str(self.rest()).into_iter::<serde_json::Value>();
        let expected = "a JSON array of objects";
        match stream.next() {
            Some(Ok(json)) => {
                let bytes = stream.byte_offset();
                self.advance(bytes);
                Ok(Value::from(json))
            }
            Some(Err(error)) => {
                let line = self.line + error.line().saturating_sub(1);
                Err(FormatError::new(line, expected, error.to_string()))
            }
            None => Err(FormatError::new(self.line, expected, "the end")),
        }
    }
}
