//! EDN (extensible data notation, <https://github.com/edn-format/edn>), with lines for messages, and
//! what Clojure's printer adds to it: `##NaN`, namespaced maps, metadata. Values are given in the
//! form in which equal ones are equal (see [`Value`]).

use super::{FormatError, Sink};
use crate::history::{Value, instant, number};

/// How deep collections may nest: far above any history, far below the end of the stack.
const DEPTH_MAX: usize = 100;

/// Reads every form of a text, each with the line on which it starts. One vector or list at the
/// top is taken apart, so that a file of maps and a file of one vector of maps are the same.
///
/// # Errors
/// When the text is not EDN.
pub fn parse_edn(text: &str) -> Result<Vec<(usize, Value)>, FormatError> {
    let mut forms = Vec::new();
    each_form(text, &mut |line, value| {
        forms.push((line, value));
        Ok(())
    })?;
    Ok(forms)
}

/// The same, one form after the other: a history takes several times as much as text.
pub(super) fn each_form(text: &str, sink: &mut Sink<'_>) -> Result<(), FormatError> {
    let mut parser = Parser { rest: text, line: 1 };
    parser.skip_blank(0)?;
    let opened = parser.peek().filter(|c| matches!(c, '[' | '('));
    if let Some(open) = opened {
        parser.next();
        return parser.items(if open == '[' { ']' } else { ')' }, 1, sink);
    }
    while parser.peek().is_some() {
        let line = parser.line;
        sink(line, parser.form(0)?)?;
        parser.skip_blank(0)?;
    }
    Ok(())
}

/// Reads the first form of a text; returns what stands behind it as well.
pub(super) fn parse_first(text: &str) -> Result<(Value, &str), FormatError> {
    let mut parser = Parser { rest: text, line: 1 };
    parser.skip_blank(0)?;
    let value = parser.form(0)?;
    Ok((value, parser.rest))
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn error(&self, expected: &str) -> FormatError {
        const FOUND_MAX: usize = 20;
        let found: String = self.rest.chars().take_while(|c| *c != '\n').take(FOUND_MAX).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
        FormatError::new(self.line, expected, found)
    }

    fn check_depth(&self, depth: usize) -> Result<(), FormatError> {
        if depth <= DEPTH_MAX {
            return Ok(());
        }
        Err(self.error(&format!("at most {DEPTH_MAX} nested collections")))
    }

    /// Skips white space, commas, comments and discarded forms.
    fn skip_blank(&mut self, depth: usize) -> Result<(), FormatError> {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() || c == ',' => {
                    self.next();
                }
                Some(';') => while self.next().is_some_and(|c| c != '\n') {},
                Some('#') if self.rest.starts_with("#_") => {
                    self.check_depth(depth)?;
                    self.next();
                    self.next();
                    self.skip_blank(depth + 1)?;
                    self.form(depth + 1)?;
                }
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The items up to a closing bracket, which is consumed.
    fn items(&mut self, close: char, depth: usize, sink: &mut Sink<'_>) -> Result<(), FormatError> {
        loop {
            self.skip_blank(depth)?;
            match self.peek() {
                Some(c) if c == close => {
                    self.next();
                    return Ok(());
                }
                Some(_) => {
                    let line = self.line;
                    sink(line, self.form(depth)?)?;
                }
                None => return Err(self.error(&format!("`{close}`"))),
            }
        }
    }

    fn values(&mut self, close: char, depth: usize) -> Result<Vec<Value>, FormatError> {
        let mut values = Vec::new();
        self.items(close, depth, &mut |_, value| {
            values.push(value);
            Ok(())
        })?;
        Ok(values)
    }

    fn form(&mut self, depth: usize) -> Result<Value, FormatError> {
        self.check_depth(depth)?;
        match self.peek() {
            Some('[') => {
                self.next();
                Ok(Value::Vector(self.values(']', depth + 1)?))
            }
            Some('(') => {
                self.next();
                Ok(Value::Vector(self.values(')', depth + 1)?))
            }
            Some('^') => {
                self.next();
                self.with_metadata(depth)
            }
            Some('{') => {
                self.next();
                self.map(depth + 1)
            }
            Some('"') => {
                self.next();
                self.text()
            }
            Some('\\') => {
                self.next();
                self.character()
            }
            Some('#') => {
                self.next();
                self.dispatch(depth)
            }
            Some(c) if !matches!(c, ']' | ')' | '}') => self.atom(),
            Some(_) | None => Err(self.error("a value")),
        }
    }

    /// The value behind metadata, without it: it takes no part in equality.
    fn with_metadata(&mut self, depth: usize) -> Result<Value, FormatError> {
        self.skip_blank(depth)?;
        self.form(depth + 1)?;
        self.skip_blank(depth)?;
        self.form(depth + 1)
    }

    fn map(&mut self, depth: usize) -> Result<Value, FormatError> {
        let line = self.line;
        let values = self.values('}', depth)?;
        if !values.len().is_multiple_of(2) {
            return Err(self.error("a value for each key of the map"));
        }
        let mut entries = Vec::with_capacity(values.len() / 2);
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            entries.push((key, value));
        }
        let count = entries.len();
        match Value::map(entries) {
            Value::Map(unique) if unique.len() < count => {
                Err(FormatError::new(line, "each key of a map once", "one twice"))
            }
            map => Ok(map),
        }
    }

    /// What begins with a `#`: a set, a tagged element, a number that is none, a map with its
    /// keys' namespace before it, or metadata as it once was written.
    fn dispatch(&mut self, depth: usize) -> Result<Value, FormatError> {
        match self.peek() {
            Some('{') => {
                self.next();
                return Ok(Value::set(self.values('}', depth + 1)?));
            }
            Some('^') => {
                self.next();
                return self.with_metadata(depth);
            }
            Some('#') => {
                self.next();
                let name = self.token().to_owned();
                return match name.as_str() {
                    "NaN" | "Inf" | "-Inf" => Ok(Value::Number(format!("##{name}"))),
                    _ => {
                        let found = format!("`##{name}`");
                        Err(FormatError::new(self.line, "##NaN, ##Inf or ##-Inf", found))
                    }
                };
            }
            Some(_) | None => {}
        }
        let tag = self.token().to_owned();
        if tag.is_empty() {
            return Err(self.error("a set or a tag after `#`"));
        }
        self.skip_blank(depth)?;
        let value = self.form(depth + 1)?;
        match (tag.strip_prefix(':'), value) {
            (Some(namespace), Value::Map(entries)) => Ok(in_namespace(namespace, entries)),
            (Some(_), _) => Err(self.error("a map behind its namespace")),
            (None, Value::Text(text)) => {
                let text = match tag.as_str() {
                    // The same identifier in any case.
                    "uuid" => text.to_ascii_lowercase(),
                    "inst" => instant::canonical(&text).unwrap_or(text),
                    _ => text,
                };
                Ok(Value::Tagged(tag, Box::new(Value::Text(text))))
            }
            (None, value) => Ok(Value::Tagged(tag, Box::new(value))),
        }
    }

    fn text(&mut self) -> Result<Value, FormatError> {
        let started = self.line;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(Value::Text(text)),
                Some('\\') => {
                    let c = match self.next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('u') => self.unicode()?,
                        Some(c @ ('"' | '\\' | '/' | '\'')) => c,
                        Some(_) | None => return Err(self.error("an escaped character")),
                    };
                    text.push(c);
                }
                Some(c) => text.push(c),
                None => {
                    return Err(FormatError::new(started, "the end of the string", "the end"));
                }
            }
        }
    }

    fn unicode(&mut self) -> Result<char, FormatError> {
        let digits: String = self.rest.chars().take(4).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
        let c = code.and_then(char::from_u32).ok_or_else(|| self.error("four digits of a code"))?;
        for _ in 0..4 {
            self.next();
        }
        Ok(c)
    }

    fn character(&mut self) -> Result<Value, FormatError> {
        let first = self.next().ok_or_else(|| self.error("a character"))?;
        let rest = self.token().to_owned();
        let name = format!("{first}{rest}");
        let c = match name.as_str() {
            "newline" => '\n',
            "space" => ' ',
            "tab" => '\t',
            "return" => '\r',
            _ if rest.is_empty() => first,
            _ => {
                let code = name.strip_prefix('u').and_then(|d| u32::from_str_radix(d, 16).ok());
                code.and_then(char::from_u32).ok_or_else(|| self.error("a character"))?
            }
        };
        Ok(Value::Character(c))
    }

    /// The characters up to white space or a bracket.
    fn token(&mut self) -> &str {
        let is_end = |c: char| c.is_whitespace() || "[](){},;\"".contains(c);
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn atom(&mut self) -> Result<Value, FormatError> {
        let line = self.line;
        let token = self.token();
        let Some(first) = token.chars().next() else {
            return Err(self.error("a value"));
        };
        let value = match token {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ if first == ':' && token.len() > 1 => Value::Keyword(token[1..].to_owned()),
            _ if first == ':' => return Err(FormatError::new(line, "a keyword", "`:`")),
            _ => number_or_symbol(token, first),
        };
        Ok(value)
    }
}

/// `#:a{:b 1, :_/c 2}` is `{:a/b 1, :c 2}`.
fn in_namespace(namespace: &str, entries: Vec<(Value, Value)>) -> Value {
    let named = |name: &str| match name.strip_prefix("_/") {
        Some(plain) => plain.to_owned(),
        None if name.contains('/') => name.to_owned(),
        None => format!("{namespace}/{name}"),
    };
    let entries = entries.into_iter().map(|(key, value)| match key {
        Value::Keyword(name) => (Value::Keyword(named(&name)), value),
        Value::Symbol(name) => (Value::Symbol(named(&name)), value),
        other => (other, value),
    });
    Value::map(entries.collect())
}

fn number_or_symbol(token: &str, first: char) -> Value {
    if let Some(number) = number::from_edn(token) {
        return number;
    }
    let after_sign = token.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    if first.is_ascii_digit() || (matches!(first, '-' | '+') && after_sign) {
        Value::Number(token.to_owned())
    } else {
        Value::Symbol(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_value_reads_and_writes() {
        let text = "{:a nil, \"b\" [true -7 2.5 12N], c #{\\x \\space}, :d (1 #at \"2020\") \
                    #_ (9) :e #_ x 5}";
        let forms = parse_edn(text).unwrap();
        assert_eq!(forms.len(), 1);
        assert_eq!(
            forms[0].1.to_string(),
            "{\"b\" [true -7 2.5 12], :a nil, :d [1 #at \"2020\"], :e 5, c #{\\space \\x}}"
        );
    }

    fn one(text: &str) -> Value {
        let (value, rest) = parse_first(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rest, "", "{text}");
        value
    }

    #[test]
    fn values_are_equal_where_clojure_says_so() {
        let equal = [
            ("#{1 2 #{3 4}}", "#{#{4 3} 2 1}"),
            ("{:a 1, :b {:c 2, :d 3}}", "{:b {:d 3, :c 2}, :a 1}"),
            ("#:a{:b 1, :c/d 2, :_/e 3, f 4}", "{:a/b 1, :c/d 2, :e 3, a/f 4}"),
            ("(1 [2 (3)])", "[1 (2 [3])]"),
            ("[1N 0x10 1.50M 1.0 2/4]", "[1 16N 1.5M 1.00 1/2]"),
            ("#uuid \"AB\"", "#uuid \"ab\""),
            ("#inst \"2020-01-01\"", "#inst \"2020-01-01T01:00:00.000+01:00\""),
            ("^{:line 7} [1 ^:x 2 ^\"String\" a #^b c]", "[1 2 a c]"),
            ("[##NaN ##Inf ##-Inf]", "[##NaN ##Inf ##-Inf]"),
        ];
        for (a, b) in equal {
            assert_eq!(one(a), one(b), "{a} = {b}");
        }
        let different = [
            ("1", "1.0"),
            ("1", "1M"),
            ("1.0", "1.0M"),
            ("##Inf", "##-Inf"),
            ("[1 2]", "[2 1]"),
            ("[1 2]", "#{1 2}"),
            ("\"a\"", ":a"),
            (":a", "a"),
            ("#a 1", "#b 1"),
        ];
        for (a, b) in different {
            assert_ne!(one(a), one(b), "{a} = {b}");
        }
        for text in ["##Foo", "#:a 1", "{:a 1, :a 2}", "^", "^:a"] {
            assert!(parse_first(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "{:a ".repeat(100_000);
        assert!(parse_edn(&deep).unwrap_err().expected.contains("nested"));
        let discards = "#_ ".repeat(100_000);
        assert!(parse_edn(&discards).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[\\[\\](){}#_:^\\\\\"; a-z0-9\n]{0,60}") {
            let _ = parse_edn(&text);
        }
    }
}
