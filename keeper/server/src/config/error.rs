//! What is wrong with a configuration, in words that an operator can act on.

use std::fmt;

use thiserror::Error;

/// A configuration that the server refuses to run with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{key}: {problem}; expected {expected}", Place { file, line: *line })]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// Its line, from 1; `None` when something is missing from the file.
    pub line: Option<usize>,
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would have been right.
    pub expected: String,
}

/// A key that the server reads past: what the operator should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// What to know.
    pub message: String,
}

impl ConfigError {
    /// An error to be completed by [`ConfigError::wrong`].
    pub(super) fn new(file: &str, line: Option<usize>, key: &str) -> ConfigError {
        ConfigError {
            file: file.to_owned(),
            line,
            key: key.to_owned(),
            problem: String::new(),
            expected: String::new(),
        }
    }

    /// The error with what is wrong and what was expected.
    pub(super) fn wrong(
        mut self,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> ConfigError {
        self.problem = problem.into();
        self.expected = expected.into();
        self
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place { file: &self.file, line: Some(self.line) };
        write!(f, "{place}{}: {}", self.key, self.message)
    }
}

/// `FILE:LINE: `, as compilers print it.
struct Place<'a> {
    file: &'a str,
    line: Option<usize>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: ", self.file),
            None => write!(f, "{}: ", self.file),
        }
    }
}
