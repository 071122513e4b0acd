//! The syntax of Java's properties files, in which `zoo.cfg` is written (java.util.Properties,
//! `load`): keys end at `=`, `:` or white space, `#` and `!` begin comments, an odd number of
//! backslashes at the end of a line continues it, and `\t \n \r \f \uXXXX` are escapes.

use super::error::ConfigError;

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key, unescaped.
    pub(super) key: String,
    /// The value, unescaped and without white space around it.
    pub(super) value: String,
    /// The line on which the key begins, from 1.
    pub(super) line: usize,
}

/// All entries of a file in its order, doubled keys included.
pub(super) fn entries(text: &str, file: &str) -> Result<Vec<Entry>, ConfigError> {
    let mut found = Vec::new();
    for (line, logical) in logical_lines(text) {
        found.push(entry(&logical, line, file)?);
    }
    Ok(found)
}

/// Lines joined over their continuations, without comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in natural_lines(text).into_iter().enumerate() {
        let trimmed = natural.trim_start_matches(is_space);
        let (line, mut joined) = match open.take() {
            Some(unfinished) => unfinished,
            // A comment is one only where a logical line begins, and cannot be continued.
            None if trimmed.is_empty() || trimmed.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = trimmed.len() - trimmed.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            joined.push_str(&trimmed[..trimmed.len() - 1]);
            open = Some((line, joined));
        } else {
            joined.push_str(trimmed);
            lines.push((line, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Lines ended by `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        let ending = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
    }
    lines.push(rest);
    lines
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn entry(logical: &str, line: usize, file: &str) -> Result<Entry, ConfigError> {
    let mut key_end = logical.len();
    let mut escaped = false;
    for (at, c) in logical.char_indices() {
        if !escaped && (matches!(c, '=' | ':') || is_space(c)) {
            key_end = at;
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    let raw_key = &logical[..key_end];
    // White space, then at most one separator, then white space again.
    let after = logical[key_end..].trim_start_matches(is_space);
    let value = after.strip_prefix(['=', ':']).unwrap_or(after);
    let unescape = |text: &str| {
        unescape(text).ok_or_else(|| {
            ConfigError::new(file, Some(line), raw_key)
                .wrong("has a damaged \\u escape", "\\u and four hexadecimal digits")
        })
    };
    let key = unescape(raw_key)?.trim().to_owned();
    let value = unescape(value.trim_start_matches(is_space))?.trim().to_owned();
    Ok(Entry { key, value, line })
}

/// The text with its escapes resolved; `None` when a `\u` is not followed by a code unit. Halves
/// of surrogate pairs are joined, and refused on their own.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = characters.next() {
        let plain = match c {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits = characters.as_str().get(..4)?;
                    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)?);
                    characters = characters.as_str()[4..].chars();
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, usize)> {
        let entries = entries(text, "zoo.cfg").unwrap();
        entries.into_iter().map(|entry| (entry.key, entry.value, entry.line)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = read(text);
        assert_eq!(all.len(), 1, "{text:?}");
        let (key, value, _) = all.remove(0);
        (key, value)
    }

    #[test]
    fn every_separator_is_one() {
        for text in ["a=b", "a = b", "a:b", "a b", "  a\t=\tb  ", "a \u{c} b", "a=b\r\n"] {
            assert_eq!(one(text), ("a".to_owned(), "b".to_owned()), "{text:?}");
        }
        assert_eq!(one("a==b"), ("a".to_owned(), "=b".to_owned()));
        assert_eq!(one("a"), ("a".to_owned(), String::new()));
        assert_eq!(one("server.1=h:1:2"), ("server.1".to_owned(), "h:1:2".to_owned()));
        assert_eq!(one("a\\=b\\ c = d"), ("a=b c".to_owned(), "d".to_owned()));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_lines_counted() {
        let text = "# first\n\n  ! second\\\na=1\rb=2 # no comment\r\n\r\nc=3";
        assert_eq!(
            read(text),
            [
                ("a".to_owned(), "1".to_owned(), 4),
                ("b".to_owned(), "2 # no comment".to_owned(), 5),
                ("c".to_owned(), "3".to_owned(), 7),
            ]
        );
    }

    #[test]
    fn an_odd_number_of_backslashes_continues_a_line() {
        assert_eq!(one("a = b,\\\n    # c,\\\n  d"), ("a".to_owned(), "b,# c,d".to_owned()));
        assert_eq!(one("a=b\\\\"), ("a".to_owned(), "b\\".to_owned()));
        assert_eq!(one("a=b\\"), ("a".to_owned(), "b".to_owned()));
        assert_eq!(read("a=1\\\n2\nb=3")[1], ("b".to_owned(), "3".to_owned(), 3));
    }

    #[test]
    fn escapes_are_resolved_and_a_damaged_one_is_named() {
        assert_eq!(one("a=x\\ty\\u0041\\q").1, "x\tyAq");
        assert_eq!(one("a=\\ud83d\\ude00").1, "😀");
        for text in ["a=1\nb=\\u12", "a=1\nb=\\u+123", "a=1\nb=\\ud83d", "a=1\nb=\\uäöü"] {
            let error = entries(text, "zoo.cfg").unwrap_err().to_string();
            assert!(error.starts_with("zoo.cfg:2: b: "), "{error}");
        }
    }

    /// Every text of up to five of the characters that mean something, and some that do not.
    #[test]
    fn no_text_makes_it_panic() {
        let characters = ['a', '\\', '=', ' ', '\n', '\r', '#', 'u', '0', 'ä'];
        for length in 0..=5 {
            for number in 0..characters.len().pow(length) {
                let digit = |place| number / characters.len().pow(place) % characters.len();
                let text: String = (0..length).map(|place| characters[digit(place)]).collect();
                if let Ok(entries) = entries(&text, "zoo.cfg") {
                    assert!(entries.len() <= text.lines().count() + 2, "{text:?}");
                }
            }
        }
    }
}
