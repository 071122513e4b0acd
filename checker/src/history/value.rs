//! Values of histories: what EDN and JSON can say, with equality, order and hash.
//!
//! Values that were read are equal where Clojure's `=` says so (<https://clojure.org/guides/equality>):
//! readers give each value in one form. Lists are vectors, sets and maps are in the order of their
//! elements and keys, numbers are spelled in one way (`number.rs`), and metadata is left out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value as read from EDN or JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// `nil` or `null`.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// Any other number. Readers spell equal numbers alike.
    Number(String),
    /// A string, without quotes and escapes.
    Text(String),
    /// An EDN keyword, without its colon.
    Keyword(String),
    /// An EDN symbol.
    Symbol(String),
    /// An EDN character.
    Character(char),
    /// An EDN vector or list, or a JSON array.
    Vector(Vec<Value>),
    /// An EDN set; see [`Value::set`].
    Set(Vec<Value>),
    /// A map; see [`Value::map`].
    Map(Vec<(Value, Value)>),
    /// An EDN tagged element, as `#inst "…"`.
    Tagged(String, Box<Value>),
}

impl Value {
    /// A set of these elements: equal to every set of the same ones.
    pub fn set(mut elements: Vec<Value>) -> Value {
        elements.sort_unstable();
        elements.dedup();
        Value::Set(elements)
    }

    /// A map of these entries: equal to every map of the same ones. Of entries with one key the last
    /// stays.
    pub fn map(mut entries: Vec<(Value, Value)>) -> Value {
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        Value::Map(entries)
    }

    /// The characters of a string, keyword or symbol: what names a field or a function.
    pub fn name(&self) -> Option<&str> {
        match self {
            Value::Text(name) | Value::Keyword(name) | Value::Symbol(name) => Some(name),
            Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Number(_)
            | Value::Character(_)
            | Value::Vector(_)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Tagged(..) => None,
        }
    }

    /// The elements of a vector or set.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::Vector(items) | Value::Set(items) => Some(items),
            Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::Keyword(_)
            | Value::Symbol(_)
            | Value::Character(_)
            | Value::Map(_)
            | Value::Tagged(..) => None,
        }
    }

    /// The value without its tags: a `#jepsen.history.Op{…}` is a map to us.
    pub fn untagged(&self) -> &Value {
        let mut value = self;
        while let Value::Tagged(_, inner) = value {
            value = inner;
        }
        value
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::Keyword(_) => "a keyword",
            Value::Symbol(_) => "a symbol",
            Value::Character(_) => "a character",
            Value::Vector(_) => "a vector",
            Value::Set(_) => "a set",
            Value::Map(_) => "a map",
            Value::Tagged(..) => "a tagged element",
        }
    }

    /// As JSON; what JSON lacks becomes the nearest thing (keywords become strings, sets arrays).
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Nil => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Int(number) => Json::from(*number),
            Value::Number(digits) => number_to_json(digits),
            Value::Text(text) | Value::Keyword(text) | Value::Symbol(text) => {
                Json::String(text.clone())
            }
            Value::Character(c) => Json::String(c.to_string()),
            Value::Vector(items) | Value::Set(items) => {
                Json::Array(items.iter().map(Value::to_json).collect())
            }
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let name = key.name().map_or_else(|| key.to_string(), str::to_owned);
                        (name, value.to_json())
                    })
                    .collect(),
            ),
            Value::Tagged(_, inner) => inner.to_json(),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Nil,
            Json::Bool(truth) => Value::Bool(truth),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Value::Int(integer),
                None => Value::Number(number.to_string()),
            },
            Json::String(text) => Value::Text(text),
            Json::Array(items) => Value::Vector(items.into_iter().map(Value::from).collect()),
            Json::Object(fields) => Value::Map(
                fields.into_iter().map(|(key, value)| (Value::Text(key), value.into())).collect(),
            ),
        }
    }
}

impl fmt::Display for Value {
    /// As EDN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Number(digits) => f.write_str(digits),
            Value::Text(text) => write_text(f, text),
            Value::Keyword(name) => write!(f, ":{name}"),
            Value::Symbol(name) => f.write_str(name),
            Value::Character('\n') => f.write_str("\\newline"),
            Value::Character(' ') => f.write_str("\\space"),
            Value::Character('\t') => f.write_str("\\tab"),
            Value::Character('\r') => f.write_str("\\return"),
            Value::Character(c) => write!(f, "\\{c}"),
            Value::Vector(items) => write_items(f, "[", items, "]"),
            Value::Set(items) => write_items(f, "#{", items, "}"),
            Value::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{key} {value}")?;
                }
                f.write_str("}")
            }
            Value::Tagged(tag, inner) => write!(f, "#{tag} {inner}"),
        }
    }
}

/// A number as JSON, or its digits as a string where the nearest number of `serde_json` is another.
fn number_to_json(digits: &str) -> serde_json::Value {
    use serde_json::Value as Json;
    if let Ok(number) = digits.parse::<u64>() {
        return Json::from(number);
    }
    let is_whole = digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_whole => Json::from(number),
        Ok(_) | Err(_) => Json::String(digits.to_owned()),
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

fn write_items(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: &[Value],
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(f, "{space}{item}")?;
    }
    f.write_str(close)
}
