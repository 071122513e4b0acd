//! The value of `server.N` (ZooKeeper Administrator's Guide, "Cluster Options"; Dynamic
//! Reconfiguration, "Specifying the client port"):
//! `host:quorumPort:electionPort[:participant][;[address:]clientPort]`.

use super::ClientAddress;

/// Where a member of the ensemble listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Host name or address; an IPv6 address is without its brackets.
    pub host: String,
    /// Where its leader listens for learners.
    pub quorum_port: u16,
    /// Where it listens for votes.
    pub election_port: u16,
    /// Where it listens for clients, if its line says so.
    pub client: Option<ClientAddress>,
}

/// What is wrong with a line, and what was expected.
pub(super) type Wrong = (String, &'static str);

const FORM: &str = "host:quorumPort:electionPort[:participant][;[address:]clientPort]";
const PORT: &str = "a port from 1 to 65535";

impl ServerAddress {
    pub(super) fn parse(value: &str) -> Result<ServerAddress, Wrong> {
        let mut halves = value.split(';').map(str::trim);
        let server = halves.next().unwrap_or("");
        let client = halves.next().unwrap_or("");
        if halves.next().is_some() {
            return Err((
                format!("\"{value}\" has a secure client port, and TLS is not implemented"),
                FORM,
            ));
        }
        if server.contains('|') {
            return Err((
                format!("\"{value}\" gives several addresses, which is not implemented"),
                "one address for each server",
            ));
        }
        let parts = split_host(server).ok_or_else(|| bad_form(value))?;
        let (host, quorum, election, role) = match parts[..] {
            [host, quorum, election] => (host, quorum, election, "participant"),
            [host, quorum, election, role] => (host, quorum, election, role),
            _ => return Err(bad_form(value)),
        };
        if role.eq_ignore_ascii_case("observer") {
            return Err(("observers are not implemented".to_owned(), "participant"));
        }
        if !role.eq_ignore_ascii_case("participant") {
            return Err((format!("\"{role}\" is no role"), "participant"));
        }
        let (quorum_port, election_port) = (port(quorum)?, port(election)?);
        if quorum_port == election_port {
            let problem = format!("quorum port and election port are both {quorum_port}");
            return Err((problem, "two different ports"));
        }
        let client = if client.is_empty() { None } else { Some(client_address(client)?) };
        Ok(ServerAddress { host: self::host(host)?, quorum_port, election_port, client })
    }

    /// The line's value as Apache writes it into the configuration that servers exchange.
    pub(super) fn to_config_text(&self) -> String {
        let ServerAddress { host, quorum_port, election_port, client } = self;
        let server = format!("{}:{quorum_port}:{election_port}:participant", bracketed(host));
        match client {
            None => server,
            Some(client) => format!("{server};{}:{}", bracketed(&client.host), client.port),
        }
    }
}

/// A port number's text as a port.
pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    let number: Option<u16> = text.trim().parse().ok();
    number.filter(|port| *port > 0).ok_or_else(|| (format!("\"{text}\" is no port"), PORT))
}

/// A host name or address; brackets around an IPv6 address are taken away.
pub(super) fn host(text: &str) -> Result<String, Wrong> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "[]|;,/=\"'\\".contains(c);
    if bare.is_empty() || bare.contains(is_odd) {
        return Err((format!("\"{text}\" is no host"), "a host name or an address"));
    }
    Ok(bare.to_owned())
}

fn client_address(text: &str) -> Result<ClientAddress, Wrong> {
    match split_host(text).as_deref() {
        Some([number]) => Ok(ClientAddress { host: "0.0.0.0".to_owned(), port: port(number)? }),
        Some([address, number]) => Ok(ClientAddress { host: host(address)?, port: port(number)? }),
        _ => Err((format!("\"{text}\" is no client address"), "[address:]clientPort after the ;")),
    }
}

fn bad_form(value: &str) -> Wrong {
    (format!("\"{value}\" is not of the right form"), FORM)
}

/// The parts between colons; a first part in brackets may have colons of its own.
fn split_host(text: &str) -> Option<Vec<&str>> {
    if !text.starts_with('[') {
        return Some(text.split(':').map(str::trim).collect());
    }
    let end = text.find(']')?;
    let rest = text[end + 1..].strip_prefix(':')?;
    Some(std::iter::once(&text[..=end]).chain(rest.split(':').map(str::trim)).collect())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_as_apache_writes_it() {
        for (value, written) in [
            ("n1:2888:3888", "n1:2888:3888:participant"),
            (" n1 : 2888 : 3888 : PARTICIPANT ", "n1:2888:3888:participant"),
            ("n1:2888:3888;2181", "n1:2888:3888:participant;0.0.0.0:2181"),
            ("10.0.0.1:1:2:participant;n1:2181", "10.0.0.1:1:2:participant;n1:2181"),
            ("[::1]:1:2;[fe80::1]:2181", "[::1]:1:2:participant;[fe80::1]:2181"),
            ("n1:1:2;", "n1:1:2:participant"),
        ] {
            let address = ServerAddress::parse(value).unwrap();
            assert_eq!(address.to_config_text(), written);
            assert_eq!(ServerAddress::parse(written), Ok(address));
        }
        assert_eq!(ServerAddress::parse("[::1]:1:2").unwrap().host, "::1");
    }

    #[test]
    fn every_other_form_is_refused_with_its_reason() {
        for (value, reason) in [
            ("", "right form"),
            ("n1", "right form"),
            ("n1:2888", "right form"),
            ("::1:2888:3888", "right form"),
            ("[::1:2888:3888", "right form"),
            ("n1:2888:3888:participant:x", "right form"),
            ("n1:2888:3888:observer", "observers"),
            ("n1:2888:3888:learner", "no role"),
            ("n1:0:3888", "no port"),
            ("n1:2888:65536", "no port"),
            ("n1:2888:2888", "both 2888"),
            (":2888:3888", "no host"),
            ("n 1:2888:3888", "no host"),
            ("n1:2888:3888;;2281", "TLS"),
            ("n1:1:2|n2:1:2", "several addresses"),
            ("n1:1:2;a:b:c", "no client address"),
            ("n1:1:2;x", "no port"),
        ] {
            let (problem, _) = ServerAddress::parse(value).unwrap_err();
            assert!(problem.contains(reason), "{value}: {problem}");
        }
    }
}
