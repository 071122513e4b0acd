//! EDN (extensible data notation), as far as histories use it, with lines for messages.

use super::FormatError;
use crate::history::Value;

/// How deep collections may nest: far above any history, far below the end of the stack.
const DEPTH_MAX: usize = 100;

/// Reads every form of a text, each with the line on which it starts. One vector or list at the
/// top is taken apart, so that a file of maps and a file of one vector of maps are the same.
///
/// # Errors
/// When the text is not EDN.
pub fn parse_edn(text: &str) -> Result<Vec<(usize, Value)>, FormatError> {
    let mut parser = Parser { rest: text, line: 1 };
    parser.skip_blank(0)?;
    let opened = parser.peek().filter(|c| matches!(c, '[' | '('));
    if let Some(open) = opened {
        parser.next();
        return parser.items(if open == '[' { ']' } else { ')' }, 1);
    }
    let mut forms = Vec::new();
    while parser.peek().is_some() {
        let line = parser.line;
        forms.push((line, parser.form(0)?));
        parser.skip_blank(0)?;
    }
    Ok(forms)
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
    fn items(&mut self, close: char, depth: usize) -> Result<Vec<(usize, Value)>, FormatError> {
        let mut items = Vec::new();
        loop {
            self.skip_blank(depth)?;
            match self.peek() {
                Some(c) if c == close => {
                    self.next();
                    return Ok(items);
                }
                Some(_) => items.push((self.line, self.form(depth)?)),
                None => return Err(self.error(&format!("`{close}`"))),
            }
        }
    }

    fn values(&mut self, close: char, depth: usize) -> Result<Vec<Value>, FormatError> {
        Ok(self.items(close, depth)?.into_iter().map(|(_, value)| value).collect())
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
                Ok(Value::List(self.values(')', depth + 1)?))
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

    fn map(&mut self, depth: usize) -> Result<Value, FormatError> {
        let values = self.values('}', depth)?;
        if !values.len().is_multiple_of(2) {
            return Err(self.error("a value for each key of the map"));
        }
        let mut entries = Vec::with_capacity(values.len() / 2);
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            entries.push((key, value));
        }
        Ok(Value::Map(entries))
    }

    /// A set or a tagged element, after its `#`.
    fn dispatch(&mut self, depth: usize) -> Result<Value, FormatError> {
        if self.peek() == Some('{') {
            self.next();
            return Ok(Value::Set(self.values('}', depth + 1)?));
        }
        let tag = self.token().to_owned();
        if tag.is_empty() {
            return Err(self.error("a set or a tag after `#`"));
        }
        self.skip_blank(depth)?;
        Ok(Value::Tagged(tag, Box::new(self.form(depth + 1)?)))
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

fn number_or_symbol(token: &str, first: char) -> Value {
    let digits = token.strip_suffix('N').unwrap_or(token);
    if let Ok(number) = digits.parse::<i64>() {
        return Value::Int(number);
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
        let text = "{:a nil, \"b\" [true -7 2.5 12N], c #{\\x \\space}, :d (1 #inst \"2020\") \
                    #_ (9) :e #_ x 5}";
        let forms = parse_edn(text).unwrap();
        assert_eq!(forms.len(), 1);
        assert_eq!(
            forms[0].1.to_string(),
            "{:a nil, \"b\" [true -7 2.5 12], c #{\\x \\space}, :d (1 #inst \"2020\"), :e 5}"
        );
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
        fn arbitrary_text_never_panics(text in "[\\[\\](){}#_:\\\\\"; a-z0-9\n]{0,60}") {
            let _ = parse_edn(&text);
        }
    }
}
