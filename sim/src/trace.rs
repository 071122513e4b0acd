//! What happened in a run: a rolling hash over every event, the last events, and on request all.
//!
//! Equal hashes of two runs of one seed are the evidence that the run is deterministic. When they
//! differ, the full lists name the first event that does.

use std::collections::VecDeque;
use std::fmt;

use crate::host::HostId;
use crate::settings::Settings;

/// How many leading bytes of an event's content are kept for reports.
const HEAD_BYTES: usize = 16;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The host's program began.
    Started,
    /// The host's program was killed, or its power lost.
    Died,
    /// A connection attempt succeeded.
    Connected,
    /// A connection attempt failed.
    ConnectFailed,
    /// A connection was accepted.
    Accepted,
    /// Bytes were handed to a stream.
    Sent,
    /// Bytes were taken from a stream.
    Received,
    /// A stream ended or failed for its reader.
    StreamEnded,
    /// An alarm fired.
    TimerFired,
    /// A disk operation was submitted.
    DiskSubmitted,
    /// A disk operation completed.
    DiskCompleted,
    /// A fault began or ended.
    Fault,
    /// A datagram was sent.
    DatagramSent,
    /// A datagram was taken from a socket.
    DatagramReceived,
    /// The program's or the harness's own event, with its tag.
    Own(u32),
}

impl Kind {
    /// What the world tells of, in words.
    pub(crate) const WORDS: [(Kind, &str); 14] = [
        (Kind::Started, "a program began"),
        (Kind::Died, "a program was killed"),
        (Kind::Connected, "a connection was made"),
        (Kind::ConnectFailed, "a connection could not be made"),
        (Kind::Accepted, "a connection was accepted"),
        (Kind::Sent, "bytes were written to a stream"),
        (Kind::Received, "bytes were read from a stream"),
        (Kind::StreamEnded, "a stream ended"),
        (Kind::TimerFired, "an alarm fired"),
        (Kind::DiskSubmitted, "a disk operation was submitted"),
        (Kind::DiskCompleted, "a disk operation completed"),
        (Kind::Fault, "a fault began or ended"),
        (Kind::DatagramSent, "a datagram was sent"),
        (Kind::DatagramReceived, "a datagram was received"),
    ];

    /// The words for a kind's code.
    pub(crate) fn words(code: u64) -> &'static str {
        let known = Kind::WORDS.iter().find(|(kind, _)| kind.code() == code);
        known.map_or("something was written down", |(_, words)| *words)
    }

    /// Part of the hash: frozen.
    pub(crate) fn code(self) -> u64 {
        match self {
            Kind::Started => 1,
            Kind::Died => 2,
            Kind::Connected => 3,
            Kind::ConnectFailed => 4,
            Kind::Accepted => 5,
            Kind::Sent => 6,
            Kind::Received => 7,
            Kind::StreamEnded => 8,
            Kind::TimerFired => 9,
            Kind::DiskSubmitted => 10,
            Kind::DiskCompleted => 11,
            Kind::Fault => 12,
            Kind::DatagramSent => 13,
            Kind::DatagramReceived => 14,
            Kind::Own(tag) => 1 << 32 | u64::from(tag),
        }
    }
}

/// One event of the trace: when, where and what, with a digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// World time, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Where; none for an event of the harness.
    pub host: Option<HostId>,
    /// The other host, of bytes that are sent or received.
    pub peer: Option<HostId>,
    /// What happened: a kind of the world, or a tag of the program's own.
    pub kind: Kind,
    /// The length of its content in bytes.
    pub len: usize,
    /// A hash of its whole content.
    pub digest: u64,
    head: [u8; HEAD_BYTES],
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.3} ms ", self.at_ns as f64 / 1e6)?;
        match self.host {
            Some(host) => write!(f, "host {host:<3}")?,
            None => f.write_str("harness ")?,
        }
        write!(f, " {:?}", self.kind)?;
        if let Some(peer) = self.peer {
            let word = if self.kind == Kind::Sent { "to" } else { "from" };
            write!(f, " {word} host {peer}")?;
        }
        if self.len > 0 {
            let head = &self.head[..self.len.min(HEAD_BYTES)];
            let more = if self.len > HEAD_BYTES { ".." } else { "" };
            write!(
                f,
                ", {} bytes \"{}{more}\" #{:016x}",
                self.len,
                head.escape_ascii(),
                self.digest
            )?;
        }
        Ok(())
    }
}

/// The record of one run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    count: u64,
    ring: VecDeque<Event>,
    ring_len: usize,
    /// Later events count, and are not kept.
    until_ns: u64,
    all: Option<Vec<Event>>,
}

impl Trace {
    /// Keeps the last `ring_len` events, and every event if `keep_all`.
    pub fn new(ring_len: usize, keep_all: bool) -> Trace {
        Trace {
            hash: 0x9e37_79b9_7f4a_7c15,
            count: 0,
            ring: VecDeque::new(),
            ring_len,
            until_ns: u64::MAX,
            all: keep_all.then(Vec::new),
        }
    }

    /// As a world's settings say.
    pub(crate) fn of(settings: &Settings) -> Trace {
        let until_ns = settings.trace_until_ns;
        Trace { until_ns, ..Trace::new(settings.trace_ring, settings.keep_trace) }
    }

    /// Appends an event.
    pub fn record(&mut self, at_ns: u64, host: Option<HostId>, kind: Kind, content: &[u8]) {
        self.append(at_ns, host, None, kind, content);
    }

    /// Appends an event between two hosts.
    pub fn record_between(
        &mut self,
        at_ns: u64,
        (host, peer): (HostId, HostId),
        kind: Kind,
        content: &[u8],
    ) {
        self.append(at_ns, Some(host), Some(peer), kind, content);
    }

    fn append(
        &mut self,
        at_ns: u64,
        host: Option<HostId>,
        peer: Option<HostId>,
        kind: Kind,
        content: &[u8],
    ) {
        let digest = digest(content);
        let host_code = match (host, peer) {
            (None, _) => u64::MAX,
            (Some(host), None) => u64::from(host.0),
            (Some(host), Some(peer)) => u64::from(host.0) | (u64::from(peer.0) + 1) << 32,
        };
        for word in [at_ns, host_code, kind.code(), digest] {
            self.hash = mix(self.hash, word);
        }
        self.count += 1;
        if self.ring_len == 0 && self.all.is_none() || at_ns > self.until_ns {
            return;
        }
        let mut head = [0; HEAD_BYTES];
        let kept = content.len().min(HEAD_BYTES);
        head[..kept].copy_from_slice(&content[..kept]);
        let event = Event { at_ns, host, peer, kind, len: content.len(), digest, head };
        if let Some(all) = &mut self.all {
            all.push(event.clone());
        }
        if self.ring.len() == self.ring_len {
            self.ring.pop_front();
        }
        if self.ring_len > 0 {
            self.ring.push_back(event);
        }
    }

    /// The hash over all events so far, in order.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All events if they were kept, else the last ones; oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.all.clone().unwrap_or_else(|| self.ring.iter().cloned().collect())
    }

    /// The last events, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &Event> {
        self.ring.iter()
    }

    /// All events, if they were kept.
    pub fn all(&self) -> Option<&[Event]> {
        self.all.as_deref()
    }
}

/// Where two runs part, by their events or by what was told of them: the number of the first that
/// differs, and what it is in each run (none where a run has ended before). None if they are equal.
pub fn first_difference<'a, T: PartialEq>(
    a: &'a [T],
    b: &'a [T],
) -> Option<(usize, Option<&'a T>, Option<&'a T>)> {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (common < a.len().max(b.len())).then(|| (common, a.get(common), b.get(common)))
}

/// Hashes bytes eight at a time. Fast and well mixed, but not for an adversary.
fn digest(content: &[u8]) -> u64 {
    let mut hash = content.len() as u64;
    let mut chunks = content.chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().expect("chunks have eight bytes")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    mix(hash, u64::from_le_bytes(last))
}

/// Folds the 128-bit product of two keyed words.
fn mix(hash: u64, word: u64) -> u64 {
    let product =
        u128::from(hash ^ 0xa076_1d64_78bd_642f) * u128::from(word ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64) ^ hash.rotate_left(23)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_of(events: &[(u64, u32, Kind, &[u8])]) -> Trace {
        let mut trace = Trace::new(2, true);
        for &(at_ns, host, kind, content) in events {
            trace.record(at_ns, Some(HostId(host)), kind, content);
        }
        trace
    }

    #[test]
    fn hash_covers_time_host_kind_content_and_order() {
        let base = trace_of(&[(1, 2, Kind::Sent, b"ab"), (3, 4, Kind::Received, b"cd")]);
        let same = trace_of(&[(1, 2, Kind::Sent, b"ab"), (3, 4, Kind::Received, b"cd")]);
        assert_eq!(base.hash(), same.hash());
        for other in [
            trace_of(&[(9, 2, Kind::Sent, b"ab"), (3, 4, Kind::Received, b"cd")]),
            trace_of(&[(1, 9, Kind::Sent, b"ab"), (3, 4, Kind::Received, b"cd")]),
            trace_of(&[(1, 2, Kind::Own(6), b"ab"), (3, 4, Kind::Received, b"cd")]),
            trace_of(&[(1, 2, Kind::Sent, b"ab\0"), (3, 4, Kind::Received, b"cd")]),
            trace_of(&[(3, 4, Kind::Received, b"cd"), (1, 2, Kind::Sent, b"ab")]),
            trace_of(&[(1, 2, Kind::Sent, b"ab")]),
        ] {
            assert_ne!(base.hash(), other.hash());
        }
    }

    #[test]
    fn codes_of_kinds_are_frozen() {
        let kinds = [
            Kind::Started,
            Kind::Died,
            Kind::Connected,
            Kind::ConnectFailed,
            Kind::Accepted,
            Kind::Sent,
            Kind::Received,
            Kind::StreamEnded,
            Kind::TimerFired,
            Kind::DiskSubmitted,
            Kind::DiskCompleted,
            Kind::Fault,
        ];
        assert_eq!(kinds.map(Kind::code), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(Kind::Own(7).code(), 0x1_0000_0007);
    }

    /// Stored hashes must stay what they are.
    #[test]
    fn hash_of_events_is_frozen() {
        let mut trace = Trace::new(0, false);
        trace.record(1, None, Kind::Own(7), b"abcdefghij");
        trace.record(2, Some(HostId(3)), Kind::Fault, b"");
        trace.record_between(4, (HostId(5), HostId(6)), Kind::Sent, b"ab");
        assert_eq!(trace.hash(), EXPECTED_HASH);
    }
    const EXPECTED_HASH: u64 = 0xbc06_2d11_7e4e_832f;

    #[test]
    fn hash_covers_to_whom_bytes_go() {
        let to = |peer| {
            let mut trace = Trace::new(2, true);
            trace.record_between(1, (HostId(2), HostId(peer)), Kind::Sent, b"ab");
            (trace.hash(), trace.all().unwrap()[0].to_string())
        };
        assert_ne!(to(0).0, to(1).0);
        assert_ne!(to(0).0, trace_of(&[(1, 2, Kind::Sent, b"ab")]).hash());
        assert!(to(3).1.contains("host 2   Sent to host 3"), "{}", to(3).1);
    }

    #[test]
    fn ring_is_bounded_and_the_list_is_not() {
        let trace = trace_of(&[
            (1, 0, Kind::Started, b""),
            (2, 0, Kind::Sent, b"a"),
            (3, 0, Kind::Sent, b"b"),
        ]);
        assert_eq!(trace.last().map(|event| event.at_ns).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(trace.all().unwrap().len(), 3);
        assert_eq!(trace.count(), 3);
    }

    #[test]
    fn what_is_kept_ends_and_the_hash_goes_on() {
        let settings = Settings { trace_ring: 2, trace_until_ns: 5, ..Settings::default() };
        let (mut bounded, mut whole) = (Trace::of(&settings), Trace::new(9, true));
        for at_ns in 1..=9 {
            for trace in [&mut bounded, &mut whole] {
                trace.record(at_ns, None, Kind::Fault, b"");
            }
        }
        assert_eq!((bounded.hash(), bounded.count()), (whole.hash(), 9));
        let kept: Vec<u64> = bounded.events().iter().map(|event| event.at_ns).collect();
        assert_eq!(kept, [4, 5]);
    }

    #[test]
    fn first_difference_is_named() {
        let a = trace_of(&[(1, 0, Kind::Sent, b"x"), (2, 0, Kind::Sent, b"y")]);
        let b = trace_of(&[(1, 0, Kind::Sent, b"x"), (2, 0, Kind::Sent, b"a long line of bytes")]);
        let (number, in_a, in_b) = first_difference(a.all().unwrap(), b.all().unwrap()).unwrap();
        assert_eq!(number, 1);
        assert!(in_a.unwrap().to_string().contains("1 bytes \"y\""));
        assert!(in_b.unwrap().to_string().contains("20 bytes \"a long line of b..\""));
        assert_eq!(first_difference(a.all().unwrap(), a.all().unwrap()), None);
        let (number, _, in_b) = first_difference(a.all().unwrap(), &a.all().unwrap()[..1]).unwrap();
        assert_eq!((number, in_b), (1, None));
    }
}
