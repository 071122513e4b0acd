//! A wire tap: every byte that one host writes to another, when it was written and when it was read.
//!
//! Bytes are paired by their offsets in the stream, which TCP keeps (RFC 9293, 3.4): every write and
//! every read has a range of offsets, so whatever frames a protocol puts into the stream, each has
//! the moment of the write and of the read that complete it. The tap knows no protocol, changes
//! nothing and is no part of the trace's hash. It also notes what befalls hosts and links, and the
//! positions of the program's own events in the order of everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::host::HostId;

/// Names one end of a connection. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(u64);

impl ConnId {
    /// The number behind the name.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The end of that number.
    pub(crate) fn from_number(number: u64) -> ConnId {
        ConnId(number)
    }
}

/// A moment: its time, and its place in the order of all events of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// World time, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Its place: how many events had been recorded, this one included.
    pub order: u64,
}

/// Something that befell a host or what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its program began.
    Started,
    /// Its program was killed.
    Crashed,
    /// Its machine lost power.
    LostPower,
    /// Its program stands still.
    Paused,
    /// Its program goes on.
    Resumed,
    /// What it sends to this host is held up from now on.
    Blocked(HostId),
    /// It no longer is.
    Unblocked(HostId),
}

/// What was overheard in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// The hosts' names, by their numbers.
    pub hosts: Vec<String>,
    /// Everything that was written to streams, by connection and direction.
    pub streams: Vec<Stream>,
    /// What befell hosts, in order.
    pub changes: Vec<(Moment, HostId, Change)>,
    /// The moments of the program's own events, by their tag, in order.
    pub own: BTreeMap<u32, Vec<Moment>>,
}

/// One direction of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The connection: both directions have the same number, and no other connection has it.
    pub connection: u64,
    /// The host that writes.
    pub from: HostId,
    /// The host that reads.
    pub to: HostId,
    /// The writer's port.
    pub from_port: u16,
    /// The reader's port.
    pub to_port: u16,
    /// What was written.
    pub bytes: Vec<u8>,
    writes: Vec<Mark>,
    reads: Vec<Mark>,
    /// From this offset on the bytes were written into the void: nobody can ever read them.
    void_from: Option<u64>,
}

/// A moment at which a stream had come up to an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    until: u64,
    moment: Moment,
}

impl Stream {
    /// When the bytes up to the offset `end` had been written; none if they have not.
    pub fn written(&self, end: u64) -> Option<Moment> {
        reached(&self.writes, end)
    }

    /// When the reader's program had taken the bytes up to the offset `end`; none if it never did.
    pub fn read(&self, end: u64) -> Option<Moment> {
        let is_lost = self.void_from.is_some_and(|from| end > from);
        if is_lost { None } else { reached(&self.reads, end) }
    }
}

/// The first mark at or behind an offset.
fn reached(marks: &[Mark], end: u64) -> Option<Moment> {
    let index = marks.partition_point(|mark| mark.until < end);
    marks.get(index).map(|mark| mark.moment)
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    local: HostId,
    peer: HostId,
    addresses: (SocketAddr, SocketAddr),
    mate: Option<ConnId>,
    bytes: Vec<u8>,
    writes: Vec<Mark>,
    reads: Vec<Mark>,
    void_from: Option<u64>,
}

/// What has been overheard so far.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    ends: BTreeMap<ConnId, End>,
    by_addresses: BTreeMap<(HostId, SocketAddr, SocketAddr), ConnId>,
    changes: Vec<(Moment, HostId, Change)>,
    own: BTreeMap<u32, Vec<Moment>>,
}

impl Tap {
    /// One end of a connection exists. Its other end may have come and gone before.
    pub(crate) fn open(
        &mut self,
        id: ConnId,
        local: HostId,
        peer: HostId,
        addresses: (SocketAddr, SocketAddr),
    ) {
        let other = self.by_addresses.get(&(peer, addresses.1, addresses.0)).copied();
        let mate = other.filter(|other| self.ends[other].mate.is_none());
        if let Some(end) = mate.and_then(|mate| self.ends.get_mut(&mate)) {
            end.mate = Some(id);
        }
        self.by_addresses.insert((local, addresses.0, addresses.1), id);
        let (bytes, writes, reads) = (Vec::new(), Vec::new(), Vec::new());
        let end = End { local, peer, addresses, mate, bytes, writes, reads, void_from: None };
        self.ends.insert(id, end);
    }

    /// Bytes were written at an end; `is_void` if nobody will ever receive them.
    pub(crate) fn wrote(&mut self, id: ConnId, moment: Moment, bytes: &[u8], is_void: bool) {
        let end = self.ends.get_mut(&id).expect("ends are opened before they are written to");
        if is_void {
            end.void_from.get_or_insert(end.bytes.len() as u64);
        }
        end.bytes.extend_from_slice(bytes);
        end.writes.push(Mark { until: end.bytes.len() as u64, moment });
    }

    /// So many bytes were read at an end.
    pub(crate) fn read(&mut self, id: ConnId, moment: Moment, count: usize) {
        let end = self.ends.get_mut(&id).expect("ends are opened before they are read from");
        let before = end.reads.last().map_or(0, |mark| mark.until);
        end.reads.push(Mark { until: before + count as u64, moment });
    }

    /// Something befell a host.
    pub(crate) fn change(&mut self, moment: Moment, host: HostId, change: Change) {
        self.changes.push((moment, host, change));
    }

    /// The program or the harness recorded an event of its own.
    pub(crate) fn own(&mut self, moment: Moment, tag: u32) {
        self.own.entry(tag).or_default().push(moment);
    }

    /// Everything.
    pub(crate) fn finish(self, hosts: Vec<String>) -> Tapped {
        let mut ends = self.ends;
        let reads = ends.iter_mut().map(|(id, end)| (*id, std::mem::take(&mut end.reads)));
        let mut reads: BTreeMap<ConnId, Vec<Mark>> = reads.collect();
        let streams = ends.into_iter().map(|(id, end)| Stream {
            connection: id.min(end.mate.unwrap_or(id)).number(),
            from: end.local,
            to: end.peer,
            from_port: end.addresses.0.port(),
            to_port: end.addresses.1.port(),
            bytes: end.bytes,
            writes: end.writes,
            reads: end.mate.and_then(|mate| reads.remove(&mate)).unwrap_or_default(),
            void_from: end.void_from,
        });
        Tapped { hosts, streams: streams.collect(), changes: self.changes, own: self.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(order: u64) -> Moment {
        Moment { at_ns: order * 1_000, order }
    }

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    /// Host 0 dials host 1 at port 2181.
    fn pair() -> (Tap, ConnId, ConnId) {
        let mut tap = Tap::default();
        let (a, b) = (ConnId::from_number(4), ConnId::from_number(9));
        let (dialler, listener) = (address(0, 10_000), address(1, 2_181));
        tap.open(a, HostId(0), HostId(1), (dialler, listener));
        tap.open(b, HostId(1), HostId(0), (listener, dialler));
        (tap, a, b)
    }

    #[test]
    fn writes_and_reads_are_paired_by_their_offsets() {
        let (mut tap, a, b) = pair();
        tap.wrote(a, moment(1), b"abc", false);
        tap.wrote(a, moment(2), b"de", false);
        tap.read(b, moment(3), 4);
        tap.wrote(b, moment(4), b"x", false);
        let tapped = tap.finish(vec!["c".to_owned(), "s".to_owned()]);
        let [there, back] = tapped.streams.as_slice() else { panic!("{tapped:?}") };
        assert_eq!((there.connection, back.connection), (4, 4));
        assert_eq!((there.from_port, there.to_port), (10_000, 2_181));
        assert_eq!(there.bytes, b"abcde");
        let written: Vec<Option<Moment>> = [1, 3, 4, 5, 6].map(|end| there.written(end)).into();
        let (one, two) = (Some(moment(1)), Some(moment(2)));
        assert_eq!(written, [one, one, two, two, None]);
        let read: Vec<Option<Moment>> = [3, 4, 5].map(|end| there.read(end)).into();
        assert_eq!(read, [Some(moment(3)), Some(moment(3)), None]);
        assert_eq!(back.read(1), None, "it was never read");
    }

    #[test]
    fn what_goes_into_the_void_is_never_read() {
        let (mut tap, a, b) = pair();
        tap.wrote(a, moment(1), b"abc", false);
        tap.wrote(a, moment(2), b"de", true);
        tap.read(b, moment(3), 3);
        let stream = &tap.finish(Vec::new()).streams[0];
        assert_eq!((stream.read(3), stream.read(4)), (Some(moment(3)), None));
        assert_eq!(stream.written(5), Some(moment(2)));
    }

    #[test]
    fn an_end_that_came_again_is_another_connection() {
        let (mut tap, a, b) = pair();
        let again = ConnId::from_number(12);
        tap.open(again, HostId(0), HostId(1), (address(0, 10_000), address(1, 2_181)));
        tap.wrote(again, moment(5), b"new", false);
        tap.wrote(a, moment(6), b"old", false);
        tap.read(b, moment(7), 3);
        let tapped = tap.finish(Vec::new());
        let read = |number: u64| {
            let stream = tapped.streams.iter().find(|s| s.connection == number && s.from.0 == 0);
            stream.unwrap().read(3)
        };
        assert_eq!((read(4), read(12)), (Some(moment(7)), None));
    }
}
