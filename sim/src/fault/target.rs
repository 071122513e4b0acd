//! Whom a fault strikes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MarkTarget;

/// Whom a fault strikes. What a role is, and who plays it, says the system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Target {
    /// The host of that name, or the first who plays the role of that name at the moment. A host that is
    /// called as a role cannot be named.
    Named(String),
    /// One of those who play a role at the moment: this number, modulo how many there are.
    Nth(String, u64),
    /// The first who has played a role for so many milliseconds. A fault of one host waits for it until
    /// its end.
    Since(String, u64),
    /// Who hits a mark in its code. A fault of one host waits for it until its end.
    Mark(MarkTarget),
    /// Who hit the mark which the fault waited for.
    Here,
}

impl Target {
    /// The host or role of that name.
    pub fn named(name: impl Into<String>) -> Target {
        Target::Named(name.into())
    }

    /// The role that it names, if it can only be a role.
    pub fn role(&self) -> Option<&str> {
        match self {
            Target::Nth(role, _) | Target::Since(role, _) => Some(role),
            Target::Named(_) | Target::Mark(_) | Target::Here => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Named(name) => f.write_str(name),
            Target::Nth(role, index) => write!(f, "{role}:{index}"),
            Target::Since(role, since_ms) => write!(f, "{role}+{since_ms}"),
            Target::Mark(target) => target.fmt(f),
            Target::Here => f.write_str("here"),
        }
    }
}

impl From<String> for Target {
    fn from(text: String) -> Target {
        if text == "here" {
            return Target::Here;
        }
        if let Some(target) = MarkTarget::parse(&text) {
            return Target::Mark(target);
        }
        let with_number = |sign| {
            let (role, number) = text.split_once(sign)?;
            Some((role.to_owned(), number.parse().ok()?)).filter(|(role, _)| !role.is_empty())
        };
        if let Some((role, index)) = with_number(':') {
            return Target::Nth(role, index);
        }
        match with_number('+') {
            Some((role, since_ms)) => Target::Since(role, since_ms),
            None => Target::Named(text),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}
