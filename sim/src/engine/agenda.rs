//! What is to happen: one heap of events, in order of time and then of being entered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::network::ConnKey;
use crate::disk::OpId;
use crate::host::HostId;

/// Something that happens by itself. Who entered it may be gone by then: every event names its
/// subject by a key that is never used again, so that a late one is recognised and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An alarm may be due.
    Timer { slot: u32, generation: u32 },
    /// The first of what is under way in a direction of a connection arrives.
    Arrive { conn: ConnKey, side: u8 },
    /// A sender has waited long enough for an acknowledgement.
    Retransmit { conn: ConnKey, side: u8, epoch: u32 },
    /// What it sent again arrives.
    Retransmitted { conn: ConnKey, side: u8, epoch: u32 },
    /// The reset of a firewall that does not know the connection arrives at the sender.
    Rejected { conn: ConnKey, side: u8 },
    /// A sender learns that its reader has made room.
    Room { conn: ConnKey, side: u8 },
    /// A connecting host sends its next SYN, or gives up.
    Syn { conn: ConnKey, attempt: u8 },
    /// A SYN arrives.
    SynArrive { conn: ConnKey },
    /// The answer to a SYN arrives: an acknowledgement, or a reset if nobody listens.
    SynAnswer { conn: ConnKey, refused: bool },
    /// A datagram arrives.
    Datagram { number: u64 },
    /// A disk operation may be done.
    Disk { host: HostId, operation: OpId },
}

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at_ns, self.number) == (other.at_ns, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    entered: u64,
}

impl Agenda {
    /// Enters an event.
    pub(crate) fn push(&mut self, at_ns: u64, event: Event) {
        let number = self.entered;
        self.entered += 1;
        self.heap.push(Reverse(Entry { at_ns, number, event }));
    }

    /// When the next event happens.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at_ns)
    }

    /// Takes the next event if it happens by `now_ns`.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Event> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.event)
    }

    /// Forgets the events that are not to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Event) -> bool) {
        self.heap.retain(|Reverse(entry)| keep(&entry.event));
    }

    /// How many events are entered, stale ones too.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(slot: u32) -> Event {
        Event::Timer { slot, generation: 0 }
    }

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_entry() {
        let mut agenda = Agenda::default();
        for (at_ns, slot) in [(5, 0), (3, 1), (5, 2), (3, 3), (4, 4)] {
            agenda.push(at_ns, timer(slot));
        }
        agenda.retain(|event| *event != timer(4));
        assert_eq!(agenda.pop_due(2), None);
        let order: Vec<_> = std::iter::from_fn(|| agenda.pop_due(9)).collect();
        assert_eq!(order, [1, 3, 0, 2].map(timer));
        assert_eq!((agenda.next_ns(), agenda.len()), (None, 0));
    }
}
