//! What hosts said to each other: the tapped streams of a run, cut into the messages of ZooKeeper's
//! three protocols, each with the moments at which it was sent and read, and a label for people.
//!
//! Which protocol a connection speaks follows from the port that was dialled. A message was sent
//! when its last byte was written, and delivered when its last byte was read by the program. Bytes
//! that form no message are told as such; the end of a message that was never written is no message.

mod client;
mod election;
mod quorum;

use std::collections::BTreeMap;

use crate::ensemble::{CLIENT_PORT, ELECTION_PORT, QUORUM_PORT};
use sim::tap::{Moment, Stream, Tapped};

/// A protocol of ZooKeeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Between a client and a server.
    Client,
    /// Between the leader and a learner.
    Quorum,
    /// Votes.
    Election,
}

/// One message from host to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The connection's number: both directions have the same.
    pub connection: u64,
    /// In which protocol.
    pub protocol: Protocol,
    /// When its last byte was written.
    pub sent: Moment,
    /// When its last byte was read; none if it never was.
    pub delivered: Option<Moment>,
    /// What it says, in a few words.
    pub label: String,
    /// What else it says; may be empty.
    pub detail: String,
    /// Whether it only says that somebody is alive.
    pub is_ping: bool,
}

/// A message within its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    /// The offset behind its last byte.
    end: u64,
    label: String,
    detail: String,
    is_ping: bool,
}

impl Said {
    fn new(end: usize, label: impl Into<String>) -> Said {
        Said { end: end as u64, label: label.into(), detail: String::new(), is_ping: false }
    }

    fn with(self, detail: impl Into<String>) -> Said {
        Said { detail: detail.into(), ..self }
    }

    fn ping(self) -> Said {
        Said { is_ping: true, ..self }
    }

    /// Bytes from an offset to the stream's end that cannot be read.
    fn unreadable(bytes: &[u8], from: usize, why: impl std::fmt::Display) -> Said {
        let count = bytes.len() - from;
        Said::new(bytes.len(), format!("{count} unreadable bytes")).with(why.to_string())
    }
}

/// A ping says something where somebody else speaks: further away than this from any other message it only
/// says that time passes.
const IDLE_NS: u64 = 2_000_000_000;

/// Every message of a run between different hosts, in the order of sending, but for the pings of a run that
/// stands idle: those would take memory for as long as it does.
pub fn messages(tapped: &Tapped) -> Vec<Message> {
    let mut connections: BTreeMap<u64, Vec<&Stream>> = BTreeMap::new();
    for stream in tapped.streams.iter().filter(|stream| stream.from != stream.to) {
        connections.entry(stream.connection).or_default().push(stream);
    }
    let busy_ns = busy(connections.values());
    let is_idle = |at_ns: u64| {
        let next = busy_ns.partition_point(|busy_ns| busy_ns.saturating_add(IDLE_NS) < at_ns);
        busy_ns.get(next).is_none_or(|busy_ns| *busy_ns > at_ns.saturating_add(IDLE_NS))
    };
    let mut messages = Vec::new();
    for streams in connections.values() {
        for (stream, protocol, said) in connection(streams) {
            let name = |host: sim::HostId| {
                let name = tapped.hosts.get(host.0 as usize);
                name.cloned().unwrap_or_else(|| format!("host {host}"))
            };
            messages.extend(said.into_iter().filter_map(|said| {
                let sent = stream.written(said.end)?;
                if said.is_ping && is_idle(sent.at_ns) {
                    return None;
                }
                Some(Message {
                    from: name(stream.from),
                    to: name(stream.to),
                    connection: stream.connection,
                    protocol,
                    sent,
                    delivered: stream.read(said.end),
                    label: said.label,
                    detail: said.detail,
                    is_ping: said.is_ping,
                })
            }));
        }
    }
    messages.sort_by_key(|message| (message.sent, message.connection));
    messages
}

/// When anything was said that is no ping, sorted.
fn busy<'a>(connections: impl Iterator<Item = &'a Vec<&'a Stream>>) -> Vec<u64> {
    let mut moments = Vec::new();
    for (stream, _, said) in connections.flat_map(|streams| connection(streams)) {
        let others = said.iter().filter(|said| !said.is_ping);
        moments.extend(others.filter_map(|said| Some(stream.written(said.end)?.at_ns)));
    }
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// What was said on one connection, in each direction.
fn connection<'a>(streams: &[&'a Stream]) -> Vec<(&'a Stream, Protocol, Vec<Said>)> {
    let dialled = |port: u16| streams.iter().copied().find(|stream| stream.to_port == port);
    let answered = |port: u16| streams.iter().copied().find(|stream| stream.from_port == port);
    let bytes = |stream: Option<&'a Stream>| stream.map_or(&[][..], |stream| &stream.bytes);
    let both = |port: u16, protocol: Protocol, there: Vec<Said>, back: Vec<Said>| {
        let there = dialled(port).map(|stream| (stream, protocol, there));
        let back = answered(port).map(|stream| (stream, protocol, back));
        there.into_iter().chain(back).collect::<Vec<_>>()
    };
    let has = |port: u16| dialled(port).is_some() || answered(port).is_some();
    if has(CLIENT_PORT) {
        let (there, back) = (bytes(dialled(CLIENT_PORT)), bytes(answered(CLIENT_PORT)));
        let (there, asked) = client::requests(there);
        both(CLIENT_PORT, Protocol::Client, there, client::replies(back, &asked))
    } else if has(QUORUM_PORT) {
        let (there, back) = (bytes(dialled(QUORUM_PORT)), bytes(answered(QUORUM_PORT)));
        both(QUORUM_PORT, Protocol::Quorum, quorum::learner(there), quorum::leader(back))
    } else if has(ELECTION_PORT) {
        let (there, back) = (bytes(dialled(ELECTION_PORT)), bytes(answered(ELECTION_PORT)));
        both(ELECTION_PORT, Protocol::Election, election::dialler(there), election::votes(back, 0))
    } else {
        Vec::new()
    }
}

/// The frames of a stream from an offset on: each with its content and the offset behind it. Ends at
/// the first frame that is not whole; a length below zero is told by its offset.
fn frames(bytes: &[u8], from: usize) -> impl Iterator<Item = Result<(&[u8], usize), usize>> {
    let mut at = from;
    let mut failed = false;
    std::iter::from_fn(move || {
        let prefix = bytes.get(at..)?.first_chunk::<4>().filter(|_| !failed)?;
        let Ok(len) = usize::try_from(i32::from_be_bytes(*prefix)) else {
            failed = true;
            return Some(Err(at));
        };
        let end = at.checked_add(4)?.checked_add(len)?;
        let content = bytes.get(at + 4..end)?;
        at = end;
        Some(Ok((content, end)))
    })
}

#[cfg(test)]
mod tests {
    use harness::RunOptions;
    use harness::run::run;

    use super::*;
    use crate::property::testing::plan;
    use crate::system::KEEPER;

    /// Ten seconds of an undisturbed run.
    fn undisturbed() -> Tapped {
        let mut plan = plan();
        plan.faults.clear();
        plan.chaos_ms = 6_000;
        plan.operations.retain(|operation| operation.at_ms < 5_000);
        let options = RunOptions { keep_trace: true, ..RunOptions::default() };
        run(&KEEPER, &plan, &options).tapped.unwrap()
    }

    #[test]
    fn pings_of_an_idle_run_are_not_kept() {
        let mut plan = plan();
        plan.faults.clear();
        plan.chaos_ms = 60_000;
        plan.operations.retain(|operation| operation.at_ms < 3_000);
        let options = RunOptions { keep_trace: true, ..RunOptions::default() };
        let messages = messages(&run(&KEEPER, &plan, &options).tapped.unwrap());
        let pings = |from_s: u64, to_s: u64| {
            let within = |message: &&Message| {
                message.is_ping && (from_s..to_s).contains(&(message.sent.at_ns / 1_000_000_000))
            };
            messages.iter().filter(within).count()
        };
        assert!(pings(0, 4) > 0, "there are pings where something is said");
        assert_eq!(pings(20, 50), 0);
    }

    #[test]
    fn a_run_is_understood_whole() {
        let tapped = undisturbed();
        let messages = messages(&tapped);
        let unreadable = messages.iter().find(|message| message.label.contains("unreadable"));
        assert_eq!(unreadable, None);
        for (protocol, label) in [
            (Protocol::Client, "connect"),
            (Protocol::Client, "reply"),
            (Protocol::Election, "looking"),
            (Protocol::Quorum, "FOLLOWERINFO"),
            (Protocol::Quorum, "LEADERINFO"),
            (Protocol::Quorum, "ACKEPOCH"),
            (Protocol::Quorum, "DIFF"),
            (Protocol::Quorum, "NEWLEADER"),
            (Protocol::Quorum, "UPTODATE"),
            (Protocol::Quorum, "PROPOSAL 0x1"),
            (Protocol::Quorum, "ACK 0x1"),
            (Protocol::Quorum, "COMMIT 0x1"),
        ] {
            // The first connections of an election may be given up with what was said on them.
            let is_it = |m: &Message| m.protocol == protocol && m.label.starts_with(label);
            let told = messages.iter().any(|m| is_it(m) && m.delivered.is_some());
            assert!(told, "no {label}");
        }
        let instant = |m: &&Message| m.delivered.is_some_and(|at| at.at_ns <= m.sent.at_ns);
        assert_eq!(messages.iter().find(instant), None, "a message is under way for a while");
        assert!(messages.iter().any(|message| message.is_ping));
        assert!(messages.is_sorted_by_key(|message| message.sent));
    }

    #[test]
    fn frames_end_at_what_is_not_whole() {
        let bytes = [0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 2, 9];
        let seen: Vec<_> = frames(&bytes, 0).collect();
        assert_eq!(seen, [Ok((&[7][..], 5)), Ok((&[][..], 9))]);
        let negative = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(frames(&negative, 0).collect::<Vec<_>>(), [Ok((&[][..], 4)), Err(4)]);
        assert_eq!(frames(&negative, 99).count(), 0);
    }
}
