//! A server's configuration, read from Apache ZooKeeper's `zoo.cfg` and `myid` (ZooKeeper
//! Administrator's Guide, "Configuration Parameters").
//!
//! Reading is a pure function of the files' texts. Keys that change quorum, durability or security
//! and are not implemented are refused, and so is every value that does not make sense; keys that
//! merely tune are read past with a warning. Limits and defaults are Apache's; the time-outs
//! `initLimit` and `syncLimit` have no default in an ensemble.

mod error;
mod keys;
mod properties;
mod server_line;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use keeper_core::ids::ServerId;
use keeper_core::log::purge::SNAPSHOTS_MIN;
use keeper_core::zab::ensemble::{Ensemble, Purge, Settings};

use crate::bounds::Bounds;
pub use error::{ConfigError, ConfigWarning};
pub use server_line::ServerAddress;
use values::Values;

/// Everything that `zoo.cfg` says to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `dataDir`: snapshots, epoch files and `myid`.
    pub data_dir: PathBuf,
    /// `dataLogDir`: the transaction log; `dataDir` unless given.
    pub log_dir: PathBuf,
    /// `clientPortAddress`, `0.0.0.0` unless given. See [`Config::client`].
    pub client_address: String,
    /// `clientPort`; none when every `server.N` line has a client port. See [`Config::client`].
    pub client_port: Option<u16>,
    /// Time limits and sizes.
    pub settings: Settings,
    /// The voting members by `server.N`; empty for a standalone server.
    pub servers: BTreeMap<ServerId, ServerAddress>,
    /// `maxClientCnxns`: connections of one client address; none for no limit.
    pub max_client_connections: Option<u32>,
    /// `unreadAnswersMaxBytes` and `electionPortBindRetry`.
    pub bounds: Bounds,
    /// `quorumListenOnAllIPs`: listen for other servers on every address of the machine, and not
    /// only on that of the server's own line.
    pub quorum_listen_on_all: bool,
    /// The file's name, for messages.
    file: String,
    /// Line of each `server.N`.
    server_lines: BTreeMap<ServerId, usize>,
}

/// Where a server listens for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// Host name or address; an IPv6 address is without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The text of a file: UTF-8, or else Latin-1, which Java's properties are read as.
pub fn decoded(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
    }
}

/// Reads the text of a `zoo.cfg`; `file_name` is for messages.
///
/// # Errors
/// When the text is malformed, lacks what is needed, contradicts itself, or asks for what is not
/// implemented and cannot be gone without.
pub fn parse(text: &str, file_name: &str) -> Result<(Config, Vec<ConfigWarning>), ConfigError> {
    let mut values = Values::read(text, file_name)?;
    values.only("electionAlg", "3", "fast leader election is the only one")?;
    values.only("peerType", "participant", "observers are not implemented")?;
    values.only("version", "0", "a configuration in zoo.cfg is the initial one")?;
    let (servers, server_lines) = values.servers()?;
    let data_dir = values
        .path("dataDir")?
        .ok_or_else(|| values.missing("dataDir", "a folder for snapshots and for the file myid"))?;
    let log_dir = values.path("dataLogDir")?.unwrap_or_else(|| data_dir.clone());
    let (client_address, client_port) = client(&values, &servers)?;
    let standalone_enabled = values.switch("standaloneEnabled", true)?;
    if servers.is_empty() && !standalone_enabled {
        let place = values.error("standaloneEnabled");
        return Err(place.wrong("is false and there are no servers", "lines server.N=..."));
    }
    if servers.len() > 1 && servers.len() % 2 == 0 {
        values.warn_of_even_number(servers.len(), &server_lines);
    }
    let config = Config {
        data_dir,
        log_dir,
        client_address,
        client_port,
        settings: settings(&values, servers.len() > 1 || !standalone_enabled)?,
        servers,
        max_client_connections: values
            .number("maxClientCnxns", "connections, 0 for no limit", 0..=INT_MAX)?
            .map_or(Some(CLIENT_CONNECTIONS_DEFAULT), |limit| (limit > 0).then_some(limit as u32)),
        bounds: bounds(&values)?,
        quorum_listen_on_all: values.switch("quorumListenOnAllIPs", false)?,
        file: file_name.to_owned(),
        server_lines,
    };
    Ok((config, values.into_warnings()))
}

/// The largest `int` of Java: Apache reads every number as one.
const INT_MAX: u64 = i32::MAX as u64;

/// The largest `unreadAnswersMaxBytes`: beyond it there is no use in a bound.
const UNREAD_BYTES_MAX: u64 = 1 << 40;

/// The default of `maxClientCnxns`.
const CLIENT_CONNECTIONS_DEFAULT: u32 = 60;

/// The largest `jute.maxbuffer`: a proposal adds its headers to a request and must still fit into
/// a packet between servers.
const PACKET_BYTES_MAX: u64 = (keeper_core::limits::QUORUM_PACKET_BYTES_MAX as u64) / 2;

impl Config {
    /// Who this server is, from the text of the file `myid` in [`Config::data_dir`], if there is
    /// one; `file` is its name, for messages. A standalone server needs none and is 1.
    ///
    /// # Errors
    /// When the text is no server number, is missing in an ensemble, names no `server.N`, or that
    /// line's client port differs from `clientPort`.
    pub fn with_myid(&self, text: Option<&str>, file: &str) -> Result<ServerId, ConfigError> {
        let error = |line| ConfigError::new(file, line, "myid");
        let Some(text) = text else {
            let only = self.servers.keys().next().copied().unwrap_or(ServerId(1));
            if self.servers.len() <= 1 {
                return Ok(only);
            }
            return Err(error(None).wrong("the file is missing", self.one_of_the_servers()));
        };
        let first = text.lines().next().unwrap_or("").trim();
        let me = values::server_id(first).ok_or_else(|| {
            let problem = format!("\"{first}\" is no server number");
            error(Some(1)).wrong(problem, "a number from 0 to 255 and nothing else")
        })?;
        let Some(address) = self.servers.get(&me) else {
            if self.servers.is_empty() {
                return Ok(me);
            }
            let problem = format!("{} has no line server.{me}", self.file);
            return Err(error(Some(1)).wrong(problem, self.one_of_the_servers()));
        };
        match (&address.client, self.client_port) {
            (Some(client), Some(port)) if client.port != port => {
                let line = self.server_lines.get(&me).copied();
                Err(ConfigError::new(&self.file, line, &format!("server.{me}")).wrong(
                    format!("its client port {} is not clientPort {port}", client.port),
                    "the same port at both places, or at one only",
                ))
            }
            _ => Ok(me),
        }
    }

    /// Where the server `me` listens for clients: its own `server.N` line goes before `clientPort`.
    pub fn client(&self, me: ServerId) -> ClientAddress {
        if let Some(client) = self.servers.get(&me).and_then(|server| server.client.clone()) {
            return client;
        }
        // A server that is not in the list (a standalone one with a myid of its own) has no line.
        let any_line = || self.servers.values().find_map(|server| server.client.as_ref());
        let port = self.client_port.or_else(|| any_line().map(|client| client.port));
        ClientAddress {
            host: self.client_address.clone(),
            port: port
                .expect("parse demands clientPort unless every server line has a client port"),
        }
    }

    /// The ensemble as the server `me` sees it; without `server.N` lines, `me` alone.
    pub fn ensemble(&self, me: ServerId) -> Ensemble {
        let voters = match self.servers.is_empty() {
            true => [me].into(),
            false => self.servers.keys().copied().collect(),
        };
        Ensemble { me, voters, config_text: self.config_text(), config_version: 0 }
    }

    /// The list of servers in the form in which Apache's servers exchange it.
    fn config_text(&self) -> String {
        let lines = self.servers.iter();
        let servers: String = lines
            .map(|(id, server)| format!("server.{id}={}\n", server.to_config_text()))
            .collect();
        servers + "version=0"
    }

    fn one_of_the_servers(&self) -> String {
        let ids: Vec<String> = self.servers.keys().map(ServerId::to_string).collect();
        format!("a file that contains one of {}", ids.join(", "))
    }
}

/// `clientPortAddress` and `clientPort`.
fn client(
    values: &Values,
    servers: &BTreeMap<ServerId, ServerAddress>,
) -> Result<(String, Option<u16>), ConfigError> {
    let port = values.parsed("clientPort", server_line::port)?;
    let address = values.parsed("clientPortAddress", server_line::host)?;
    if port.is_none() && address.is_some() {
        let place = values.error("clientPortAddress");
        return Err(place.wrong("is set without clientPort", "clientPort as well"));
    }
    let on_lines = !servers.is_empty() && servers.values().all(|server| server.client.is_some());
    if port.is_none() && !on_lines {
        return Err(values.missing("clientPort", "a port, here or after ; on every server line"));
    }
    Ok((address.unwrap_or_else(|| "0.0.0.0".to_owned()), port))
}

/// Time limits and sizes; in an ensemble two of them must be given.
fn settings(values: &Values, in_ensemble: bool) -> Result<Settings, ConfigError> {
    const TICK_MS: u64 = 3_000;
    let defaults = Settings::default();
    let ticks = |key: &str, default: u64| match values.number(key, "ticks", 1..=INT_MAX)? {
        Some(ticks) => Ok(ticks),
        None if in_ensemble => Err(values.missing(key, "a number of ticks")),
        None => Ok(default),
    };
    let tick_ms = values.number("tickTime", "milliseconds", 1..=INT_MAX)?.unwrap_or(TICK_MS);
    let session = |key: &str, default_ticks: u64| -> Result<u64, ConfigError> {
        // Apache spells "the default" as -1.
        if values.text(key) == Some("-1") {
            return Ok(tick_ms * default_ticks);
        }
        let given = values.number(key, "milliseconds", 1..=INT_MAX)?;
        Ok(given.unwrap_or(tick_ms * default_ticks))
    };
    let (session_min_ms, session_max_ms) =
        (session("minSessionTimeout", 2)?, session("maxSessionTimeout", 20)?);
    if session_min_ms > session_max_ms {
        let key = ["maxSessionTimeout", "minSessionTimeout"]
            .into_iter()
            .find(|key| values.text(key).is_some())
            .expect("the defaults are in order, so one of the two is given");
        return Err(values.error(key).wrong(
            format!("the range is {session_min_ms} to {session_max_ms} ms, which is empty"),
            "a minSessionTimeout (2 ticks if not given) of no more than maxSessionTimeout (20)",
        ));
    }
    Ok(Settings {
        tick_ms,
        init_limit: ticks("initLimit", defaults.init_limit)?,
        sync_limit: ticks("syncLimit", defaults.sync_limit)?,
        session_min_ms,
        session_max_ms,
        snap_count: values
            .number("snapCount", "transactions", 2..=INT_MAX)?
            .unwrap_or(defaults.snap_count),
        commit_log_count: values
            .number("commitLogCount", "transactions", 1..=INT_MAX)?
            .map_or(defaults.commit_log_count, |count| count as usize),
        packet_bytes_max: values
            .number("jute.maxbuffer", "bytes", 1_024..=PACKET_BYTES_MAX)?
            .map_or(defaults.packet_bytes_max, |bytes| bytes as usize),
        apply_max: defaults.apply_max,
        apply_pause_ms: defaults.apply_pause_ms,
        epoch_transactions_max: defaults.epoch_transactions_max,
        purge: purge(values)?,
    })
}

/// What the shell holds and tries at most.
fn bounds(values: &Values) -> Result<Bounds, ConfigError> {
    let defaults = Bounds::default();
    let bytes = values.number("unreadAnswersMaxBytes", "bytes", 1..=UNREAD_BYTES_MAX)?;
    let tries = values.number("electionPortBindRetry", "tries, 0 for no limit", 0..=INT_MAX)?;
    Ok(Bounds {
        unread_bytes_max: bytes.map_or(defaults.unread_bytes_max, |bytes| bytes as usize),
        bind_tries_max: match tries {
            Some(tries) => (tries > 0).then_some(tries as u32),
            None => defaults.bind_tries_max,
        },
    })
}

/// `autopurge.*`: off unless the interval says otherwise; fewer snapshots than three are three.
fn purge(values: &Values) -> Result<Option<Purge>, ConfigError> {
    const HOUR_MS: u64 = 3_600_000;
    let least = u64::from(SNAPSHOTS_MIN);
    let retain_count =
        values.number("autopurge.snapRetainCount", "snapshots", 0..=INT_MAX)?.unwrap_or(least);
    let hours = values.number("autopurge.purgeInterval", "hours", 0..=INT_MAX)?.unwrap_or(0);
    let retain_count = retain_count.max(least) as u32;
    Ok((hours > 0).then_some(Purge { retain_count, interval_ms: hours * HOUR_MS }))
}
