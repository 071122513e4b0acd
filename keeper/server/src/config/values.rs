//! The entries of a `zoo.cfg` sorted by key, read as numbers, switches, paths and server lines.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use keeper_core::ids::ServerId;

use super::error::{ConfigError, ConfigWarning};
use super::keys::{Rule, other_case, rule};
use super::properties::{Entry, entries};
use super::server_line::{ServerAddress, Wrong};

/// The keys that the server obeys, each once, and what was noticed while reading.
pub(super) struct Values {
    file: String,
    entries: BTreeMap<String, Entry>,
    /// `server.N` lines in the order of the file; none may be doubled.
    server_entries: Vec<Entry>,
    warnings: Vec<ConfigWarning>,
}

/// The members of an ensemble, and the line of each.
type Servers = (BTreeMap<ServerId, ServerAddress>, BTreeMap<ServerId, usize>);

impl Values {
    /// Sorts the entries of `text`, refusing those that the server must not read past.
    pub(super) fn read(text: &str, file: &str) -> Result<Values, ConfigError> {
        let mut values = Values {
            file: file.to_owned(),
            entries: BTreeMap::new(),
            server_entries: Vec::new(),
            warnings: Vec::new(),
        };
        // A byte order mark is what some editors leave; Java would make it part of the first key.
        for entry in entries(text.trim_start_matches('\u{feff}'), file)? {
            values.sort_in(entry)?;
        }
        Ok(values)
    }

    fn sort_in(&mut self, entry: Entry) -> Result<(), ConfigError> {
        // Apache knows most keys as system properties as well, which begin with its name.
        let key = entry.key.strip_prefix("zookeeper.").unwrap_or(&entry.key).to_owned();
        match rule(&key) {
            Rule::Obeyed if key.starts_with("server.") => self.server_entries.push(entry),
            Rule::Obeyed => self.obey(key, entry),
            Rule::Refused { harmless, what } => {
                if !harmless.iter().any(|value| value.eq_ignore_ascii_case(&entry.value)) {
                    return Err(self.refused(&entry, harmless, what));
                }
            }
            Rule::Ignored => self.warn(&entry, "is not implemented and has no effect".to_owned()),
            Rule::Unknown => {
                let hint = other_case(&key).map_or_else(String::new, |known| {
                    format!("; did you mean {}?", known.trim_end_matches('*'))
                });
                self.warn(&entry, format!("is not known and has no effect{hint}"));
            }
        }
        Ok(())
    }

    /// As in Java, the last of a key's values counts.
    fn obey(&mut self, key: String, entry: Entry) {
        let line = entry.line;
        match self.entries.entry(key) {
            Place::Vacant(place) => {
                place.insert(entry);
            }
            Place::Occupied(mut place) => {
                let earlier = place.insert(entry);
                self.warn(&earlier, format!("is given again on line {line}, which counts"));
            }
        }
    }

    fn refused(&self, entry: &Entry, harmless: &[&str], what: &str) -> ConfigError {
        let expected = match harmless.iter().find(|value| !value.is_empty()) {
            Some(value) => format!("{value}, or no such key"),
            None => "no such key".to_owned(),
        };
        ConfigError::new(&self.file, Some(entry.line), &entry.key)
            .wrong(format!("asks for {what}, which is not implemented"), expected)
    }

    fn warn(&mut self, entry: &Entry, message: String) {
        self.warnings.push(ConfigWarning {
            file: self.file.clone(),
            line: entry.line,
            key: entry.key.clone(),
            message,
        });
    }

    /// Warns that one server more than an odd number does not help.
    pub(super) fn warn_of_even_number(&mut self, count: usize, lines: &BTreeMap<ServerId, usize>) {
        let (id, line) = lines.last_key_value().expect("an even number above one is not none");
        let survives = (count - 1) / 2;
        self.warnings.push(ConfigWarning {
            file: self.file.clone(),
            line: *line,
            key: format!("server.{id}"),
            message: format!("{count} servers survive the loss of {survives}, as {} do", count - 1),
        });
    }

    /// What was noticed, in the order of the file.
    pub(super) fn into_warnings(mut self) -> Vec<ConfigWarning> {
        self.warnings.sort_by_key(|warning| warning.line);
        self.warnings
    }

    /// An error at the key's line, to be completed.
    pub(super) fn error(&self, key: &str) -> ConfigError {
        let entry = self.entries.get(key);
        let written = entry.map_or(key, |entry| &entry.key);
        ConfigError::new(&self.file, entry.map(|entry| entry.line), written)
    }

    /// The error of a key that must be there.
    pub(super) fn missing(&self, key: &str, expected: &str) -> ConfigError {
        self.error(key).wrong("is not set", expected)
    }

    /// The value as it stands.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// The value as a function reads it.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        read: fn(&str) -> Result<T, Wrong>,
    ) -> Result<Option<T>, ConfigError> {
        let read = |text| {
            read(text).map_err(|(problem, expected)| self.error(key).wrong(problem, expected))
        };
        self.text(key).map(read).transpose()
    }

    /// A whole number of `unit`.
    pub(super) fn number(
        &self,
        key: &str,
        unit: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        // Java's `Integer.getInteger`, by which `jute.maxbuffer` is read, knows hexadecimal.
        let number = match text.strip_prefix("0x").filter(|_| key == "jute.maxbuffer") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) | None => {
                let (least, most) = range.into_inner();
                let expected = format!("a whole number of {unit}, from {least} to {most}");
                Err(self.error(key).wrong(format!("is \"{text}\""), expected))
            }
        }
    }

    /// `true` or `false`, in upper or lower case.
    pub(super) fn switch(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.text(key) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(self.error(key).wrong(format!("is \"{text}\""), "true or false")),
        }
    }

    /// A folder.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        match self.text(key) {
            Some("") => Err(self.error(key).wrong("is empty", "the path of a folder")),
            text => Ok(text.map(PathBuf::from)),
        }
    }

    /// Refuses every value but one.
    pub(super) fn only(&self, key: &str, value: &str, why: &str) -> Result<(), ConfigError> {
        match self.text(key) {
            Some(text) if !text.eq_ignore_ascii_case(value) => {
                let expected = format!("{value}: {why}");
                Err(self.error(key).wrong(format!("is \"{text}\""), expected))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The `server.N` lines.
    pub(super) fn servers(&self) -> Result<Servers, ConfigError> {
        let (mut servers, mut lines) = Servers::default();
        for entry in &self.server_entries {
            let error = || ConfigError::new(&self.file, Some(entry.line), &entry.key);
            let number = entry.key.rsplit_once("server.").map_or("", |(_, number)| number);
            let id = server_id(number).ok_or_else(|| {
                let problem = format!("\"{number}\" is no server number");
                error().wrong(problem, "server.N with N from 0 to 255")
            })?;
            if let Some(line) = lines.insert(id, entry.line) {
                let problem = format!("server {id} is already on line {line}");
                return Err(error().wrong(problem, "one line for each server"));
            }
            let address = ServerAddress::parse(&entry.value)
                .map_err(|(problem, expected)| error().wrong(problem, expected))?;
            if let Some((other, port)) = shared_port(&address, &servers) {
                let problem = format!("server {other} has {}:{port} already", address.host);
                return Err(error().wrong(problem, "ports of its own for each server"));
            }
            servers.insert(id, address);
        }
        Ok((servers, lines))
    }
}

/// A server's number: Apache puts it into one byte of every session id.
pub(super) fn server_id(text: &str) -> Option<ServerId> {
    let is_plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse::<u8>().ok().filter(|_| is_plain).map(|id| ServerId(id.into()))
}

/// The server that would listen on the same port of the same host, and that port.
fn shared_port(
    address: &ServerAddress,
    servers: &BTreeMap<ServerId, ServerAddress>,
) -> Option<(ServerId, u16)> {
    let ports = |server: &ServerAddress| [server.quorum_port, server.election_port];
    servers.iter().filter(|(_, other)| other.host == address.host).find_map(|(id, other)| {
        let taken = ports(other);
        ports(address).into_iter().find(|port| taken.contains(port)).map(|port| (*id, port))
    })
}
