//! One direction of a connection: what its sender has written and its reader has not read.
//!
//! TCP never loses or reorders bytes (RFC 9293): a lane keeps them in order from the write to the
//! read. They are in one queue, first those that have arrived, then those under way.

use std::collections::VecDeque;

use crate::host::HostId;
use crate::seed::Draws;

/// What travels along a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The end of the handshake, which makes the server's end.
    Open,
    /// So many bytes.
    Data(usize),
    /// The end of the bytes.
    Fin,
    /// The connection is over. It alone is not sent again if it gets lost.
    Reset,
}

/// Something under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) arrival_ns: u64,
    pub(crate) what: What,
}

/// A sender that waits for an acknowledgement (RFC 6298).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout {
    /// Since when nothing was acknowledged.
    pub(crate) since_ns: u64,
    /// How long the present wait is.
    pub(crate) wait_ns: u64,
    /// Events of another epoch mean nothing.
    pub(crate) epoch: u32,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) from: HostId,
    pub(crate) to: HostId,
    /// Decides how long each item is under way.
    latency: Draws,
    pub(crate) bytes: ByteQueue,
    /// How many of the bytes have arrived.
    pub(crate) arrived: usize,
    pub(crate) items: VecDeque<Item>,
    last_arrival_ns: u64,
    /// For when an arrival is in the agenda, in nanoseconds; arrivals at other times mean nothing.
    pub(crate) armed_ns: Option<u64>,
    /// The first item got lost: nothing arrives before it was sent again.
    pub(crate) is_lost: bool,
    /// Nothing has been acknowledged for so long that its sender repeats the first item only.
    pub(crate) is_held: bool,
    /// What was under way is gone for ever; only resets travel.
    pub(crate) is_dead: bool,
    /// The receiver refused what arrived: it answers with a reset, again and again.
    pub(crate) is_refused: bool,
    pub(crate) timeout: Option<Timeout>,
    epochs: u32,
    /// Bytes written, bytes read, and bytes read as far as the sender knows.
    pub(crate) written: u64,
    pub(crate) read: u64,
    pub(crate) known_read: u64,
    /// News of room is on its way to the sender.
    pub(crate) is_room_under_way: bool,
    pub(crate) fin_sent: bool,
    pub(crate) fin_arrived: bool,
}

impl Lane {
    pub(crate) fn new(from: HostId, to: HostId, latency: Draws) -> Lane {
        Lane {
            from,
            to,
            latency,
            bytes: ByteQueue::default(),
            arrived: 0,
            items: VecDeque::new(),
            last_arrival_ns: 0,
            armed_ns: None,
            is_lost: false,
            is_held: false,
            is_dead: false,
            is_refused: false,
            timeout: None,
            epochs: 0,
            written: 0,
            read: 0,
            known_read: 0,
            is_room_under_way: false,
            fin_sent: false,
            fin_arrived: false,
        }
    }

    /// How long something sent now is under way.
    pub(crate) fn draw_latency_ns(&mut self, range_ns: (u64, u64)) -> u64 {
        match range_ns.0 == range_ns.1 {
            true => range_ns.0,
            false => self.latency.range(range_ns.0, range_ns.1),
        }
    }

    /// Sends an item that would arrive at `arrival_ns`, but not before an earlier one.
    pub(crate) fn push(&mut self, arrival_ns: u64, what: What) {
        let arrival_ns = arrival_ns.max(self.last_arrival_ns);
        self.last_arrival_ns = arrival_ns;
        if let (What::Data(more), Some(Item { arrival_ns: last_ns, what: What::Data(len) })) =
            (what, self.items.back_mut())
            && *last_ns == arrival_ns
        {
            *len += more;
            return;
        }
        self.items.push_back(Item { arrival_ns, what });
    }

    /// What waits on a narrow link, beyond `usual_ns` from now, comes so many times later or sooner.
    pub(crate) fn stretch(&mut self, now_ns: u64, usual_ns: u64, (times, of): (u64, u64)) {
        let from_ns = now_ns + usual_ns;
        let stretched = |arrival_ns: u64| {
            let rest_ns = u128::from(arrival_ns.saturating_sub(from_ns));
            let rest_ns = rest_ns * u128::from(times) / u128::from(of.max(1));
            arrival_ns.min(from_ns).saturating_add(u64::try_from(rest_ns).unwrap_or(u64::MAX))
        };
        for item in &mut self.items {
            item.arrival_ns = stretched(item.arrival_ns);
        }
        self.last_arrival_ns = stretched(self.last_arrival_ns);
    }

    /// What is under way is gone for ever.
    pub(crate) fn die(&mut self) {
        self.items.clear();
        self.bytes.truncate(self.arrived);
        self.is_dead = true;
        self.is_lost = false;
        self.timeout = None;
    }

    /// Begins to wait for an acknowledgement.
    pub(crate) fn start_timeout(&mut self, now_ns: u64, wait_ns: u64) -> Timeout {
        self.epochs = self.epochs.wrapping_add(1);
        let timeout = Timeout { since_ns: now_ns, wait_ns, epoch: self.epochs };
        self.timeout = Some(timeout);
        timeout
    }

    /// The sender learns how much was read.
    pub(crate) fn acknowledge(&mut self) {
        self.timeout = None;
        self.known_read = self.read;
    }
}

/// A queue of bytes that is filled and emptied in slices.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    bytes: Vec<u8>,
    head: usize,
}

impl ByteQueue {
    fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Adds bytes behind the others.
    pub(crate) fn push(&mut self, more: &[u8]) {
        // Moving what is left costs no more than what was taken since the last time.
        if self.head > 0 && self.bytes.len() + more.len() > self.bytes.capacity() {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// The first `len` bytes.
    pub(crate) fn front(&self, len: usize) -> &[u8] {
        &self.bytes[self.head..self.head + len]
    }

    /// Takes the first `len` bytes away.
    pub(crate) fn consume(&mut self, len: usize) {
        self.head += len;
        assert!(self.head <= self.bytes.len(), "only what is there is taken");
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
        }
    }

    /// Keeps the first `len` bytes, and takes away the rest.
    fn truncate(&mut self, len: usize) {
        assert!(len <= self.len(), "what has arrived is in the queue");
        self.bytes.truncate(self.head + len);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_out_in_the_order_in_which_they_went_in(
            steps in proptest::collection::vec((0..2_000usize, 0..2_000usize), 1..50),
        ) {
            let (mut queue, mut model) = (ByteQueue::default(), VecDeque::new());
            let mut next = 0u8;
            for (pushed, consumed) in steps {
                let more: Vec<u8> = (0..pushed).map(|n| next.wrapping_add(n as u8)).collect();
                next = next.wrapping_add(pushed as u8).wrapping_mul(31);
                queue.push(&more);
                model.extend(more);
                let len = consumed.min(model.len());
                let expected: Vec<u8> = model.drain(..len).collect();
                prop_assert_eq!(queue.front(len), &expected[..]);
                queue.consume(len);
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }

    #[test]
    fn items_keep_their_order_and_those_of_one_moment_are_one() {
        let mut lane = Lane::new(HostId(0), HostId(1), Draws::new(1, "test", 0));
        lane.push(50, What::Data(3));
        lane.push(20, What::Data(4));
        lane.push(60, What::Fin);
        let items: Vec<_> = lane.items.iter().map(|item| (item.arrival_ns, item.what)).collect();
        assert_eq!(items, [(50, What::Data(7)), (60, What::Fin)]);
    }
}
