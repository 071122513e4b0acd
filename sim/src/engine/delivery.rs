//! What happens to bytes between two kernels: they arrive, or are lost and sent again.
//!
//! What is blocked, or sent to a machine without power, is lost on its arrival and sent again after
//! 200 ms, then after twice as long, and so on (RFC 6298; Linux's `TCP_RTO_MIN` and `TCP_RTO_MAX`),
//! so that healing a link shows with the next attempt; at last the sender gives up with ETIMEDOUT.
//!
//! Acknowledgements are not sent one by one. That something arrived is known to its sender at once if
//! the way back is open then, and otherwise as if the acknowledgement had been lost. That is a
//! latency too early, which shows only in when a retransmission would have begun. News of room for a
//! writer that waits takes its time; if it is lost, the writer's probes find out (RFC 9293, 3.8.6.1).
//! A flaky link loses no acknowledgement for good, because the next one says the same.
//!
//! Where the bytes' way is open and the acknowledgements' is not, what is sent within the first wait arrives. Then
//! the congestion window is one segment (RFC 5681, 3.1): its first unacknowledged one is sent again and again, and
//! nothing behind it, neither more bytes nor their end. So a peer that cannot be heard hears of a close as
//! little as one that cannot be reached.

use super::agenda::Event;
use super::connect::Opening;
use super::current::Waiter;
use super::lane::What;
use super::network::{CONNECTION_RESET, ConnKey, Kernel};
use super::state::State;

/// The first wait for an acknowledgement.
const WAIT_MIN_NS: u64 = 200_000_000;
/// The longest.
const WAIT_MAX_NS: u64 = 120_000_000_000;
/// ETIMEDOUT of Linux.
pub(crate) const TIMED_OUT: i32 = 110;

/// What became of something that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reception {
    Taken,
    /// There is no such connection: the answer is a reset.
    Refused,
    /// There is no room: as if it had not arrived.
    Ignored,
}

impl State {
    /// Sends something along a lane. Bytes must be in its queue already.
    pub(crate) fn send(&mut self, key: ConnKey, side: u8, what: What) {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        if lane.is_dead && what != What::Reset {
            return;
        }
        let len = if let What::Data(len) = what { len } else { 0 };
        let arrival_ns = self.net.links.arrival_ns(lane, now_ns, len);
        lane.push(arrival_ns, what);
        if lane.armed_ns.is_none() && !lane.is_lost {
            self.arm(key, side);
        }
    }

    /// The first thing under way in a lane will arrive in its time.
    pub(crate) fn arm(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        lane.armed_ns = lane.items.front().map(|item| item.arrival_ns);
        if let Some(at_ns) = lane.armed_ns {
            self.agenda.push(at_ns, Event::Arrive { conn: key, side });
        }
    }

    /// The end's kernel knows no such connection any more, and says so.
    pub(crate) fn send_reset(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        conn.ends[usize::from(side)].kernel = Kernel::Unknown;
        let lane = &mut conn.lanes[usize::from(side)];
        lane.timeout = None;
        if lane.is_lost {
            lane.die();
        }
        self.send(key, side, What::Reset);
    }

    /// What is due of a lane arrives, or is lost.
    pub(crate) fn arrive(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        if lane.armed_ns.is_some_and(|at_ns| at_ns != self.now_ns) {
            return;
        }
        lane.armed_ns = None;
        let (from, to) = (lane.from, lane.to);
        let passes = self.net.links.is_open(from, to) && self.hosts[to.0 as usize].powered;
        let mut reception = None;
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else { return };
            let lane = &mut conn.lanes[usize::from(side)];
            if lane.is_lost {
                return;
            }
            let Some(item) = lane.items.front().copied() else { break };
            if item.arrival_ns > self.now_ns {
                self.arm(key, side);
                break;
            }
            if self.is_held_back(key, side, item.what) {
                return self.lose(key, side);
            }
            let comes_through =
                passes && self.passes_firewall(key, side) && !self.is_next_lost(from, to);
            let received = match comes_through {
                true => self.receive(key, side, item.what),
                false => Reception::Ignored,
            };
            if received == Reception::Ignored && item.what != What::Reset {
                return self.lose(key, side);
            }
            if let Some(conn) = self.net.conns.get_mut(key) {
                conn.lanes[usize::from(side)].items.pop_front();
            }
            if item.what != What::Reset {
                reception = Some(received);
            }
        }
        match reception {
            Some(Reception::Taken) => self.acknowledge(key, side),
            Some(Reception::Refused) => self.await_acknowledgement(key, side),
            Some(Reception::Ignored) | None => {}
        }
    }

    /// Whether the sender holds this item back, since it has waited in vain for an acknowledgement.
    fn is_held_back(&mut self, key: ConnKey, side: u8, what: What) -> bool {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return false };
        let lane = &mut conn.lanes[usize::from(side)];
        let has_waited =
            lane.timeout.is_some_and(|timeout| now_ns >= timeout.since_ns + WAIT_MIN_NS);
        lane.is_held =
            has_waited && what != What::Reset && !self.net.links.is_open(lane.to, lane.from);
        lane.is_held
    }

    /// The first item under way got lost. Its sender sends it again, if it still knows of it.
    fn lose(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        if conn.ends[usize::from(side)].kernel.is_sending() {
            lane.is_lost = true;
            self.await_acknowledgement(key, side);
        } else {
            lane.die();
        }
    }

    /// A sender begins to wait, unless it waits already.
    pub(crate) fn await_acknowledgement(&mut self, key: ConnKey, side: u8) {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        if lane.timeout.is_some() || !conn.ends[usize::from(side)].kernel.is_sending() {
            return;
        }
        let epoch = lane.start_timeout(now_ns, WAIT_MIN_NS).epoch;
        self.agenda.push(now_ns + WAIT_MIN_NS, Event::Retransmit { conn: key, side, epoch });
    }

    /// What arrived is acknowledged, if the way back is open.
    fn acknowledge(&mut self, key: ConnKey, side: u8) {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let (end, lane) = (&conn.ends[usize::from(side)], &mut conn.lanes[usize::from(side)]);
        if !self.net.links.is_open(lane.to, lane.from) {
            return self.await_acknowledgement(key, side);
        }
        match &mut lane.timeout {
            // A writer waits for room: the probes for it go on.
            Some(timeout) if !matches!(end.writer, Waiter::Nobody) => timeout.since_ns = now_ns,
            timeout => *timeout = None,
        }
        self.finish_if_delivered(key, side);
    }

    /// A sender has waited in vain: it sends again, or gives up.
    pub(crate) fn retransmit(&mut self, key: ConnKey, side: u8, epoch: u32) {
        let now_ns = self.now_ns;
        let give_up_ns = self.settings.give_up_ms.saturating_mul(1_000_000);
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        let Some(timeout) = lane.timeout.as_mut().filter(|timeout| timeout.epoch == epoch) else {
            return;
        };
        let end_ns = timeout.since_ns.saturating_add(give_up_ns);
        if now_ns >= end_ns {
            lane.die();
            return self.fail_end(key, side, TIMED_OUT);
        }
        timeout.wait_ns = (2 * timeout.wait_ns).min(WAIT_MAX_NS);
        let next_ns = (now_ns + timeout.wait_ns).min(end_ns);
        let arrival_ns = self.net.links.arrival_ns(lane, now_ns, 0);
        self.agenda.push(arrival_ns, Event::Retransmitted { conn: key, side, epoch });
        self.agenda.push(next_ns, Event::Retransmit { conn: key, side, epoch });
    }

    /// What was sent again arrives, with everything that waited behind it.
    pub(crate) fn retransmitted(&mut self, key: ConnKey, side: u8, epoch: u32) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        let is_late = lane.timeout.is_none_or(|timeout| timeout.epoch != epoch);
        let (from, to) = (lane.from, lane.to);
        let passes = self.net.links.is_open(from, to) && self.hosts[to.0 as usize].powered;
        if is_late || !passes || !self.passes_firewall(key, side) || self.is_next_lost(from, to) {
            return;
        }
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[usize::from(side)];
        let receiver = conn.ends[usize::from(1 - side)].kernel;
        let is_opening = lane.items.front().is_some_and(|item| item.what == What::Open);
        if lane.is_refused || (receiver == Kernel::Unknown && !is_opening) {
            return self.send_reset(key, 1 - side);
        }
        if !self.net.links.is_open(to, from) {
            return self.receive_first(key, side);
        }
        lane.is_held = false;
        if !lane.is_lost || self.receive_all(key, side) {
            self.acknowledge_probe(key, side);
        }
    }

    /// The first item that was lost arrives, and its acknowledgement does not: the others are held back.
    fn receive_first(&mut self, key: ConnKey, side: u8) {
        let own = usize::from(side);
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[own];
        if !lane.is_lost || std::mem::replace(&mut lane.is_held, true) {
            return;
        }
        let Some(item) = lane.items.front().copied() else { return };
        let reception = self.receive(key, side, item.what);
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let lane = &mut conn.lanes[own];
        if reception == Reception::Taken {
            lane.items.pop_front();
        }
        lane.is_lost = !lane.items.is_empty();
    }

    /// Everything under way in a lane that had lost its first item arrives. False if not all of it
    /// was taken.
    fn receive_all(&mut self, key: ConnKey, side: u8) -> bool {
        let own = usize::from(side);
        if let Some(conn) = self.net.conns.get_mut(key) {
            conn.lanes[own].is_lost = false;
        }
        loop {
            let Some(conn) = self.net.conns.get_mut(key) else { return false };
            let Some(item) = conn.lanes[own].items.front().copied() else { return true };
            let reception = self.receive(key, side, item.what);
            let Some(conn) = self.net.conns.get_mut(key) else { return false };
            match reception {
                Reception::Taken => conn.lanes[own].items.pop_front(),
                Reception::Refused => return false,
                Reception::Ignored => {
                    conn.lanes[own].is_lost = true;
                    return false;
                }
            };
        }
    }

    /// As [`State::acknowledge`]; the sender may have asked for room only.
    fn acknowledge_probe(&mut self, key: ConnKey, side: u8) {
        let now_ns = self.now_ns;
        let window = self.settings.common.window_bytes;
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let (end, lane) = (&mut conn.ends[usize::from(side)], &mut conn.lanes[usize::from(side)]);
        if !self.net.links.is_open(lane.to, lane.from) {
            return;
        }
        if end.kernel == Kernel::Open && lane.written - lane.read >= window {
            // The peer lives, and its program does not read: the probes go on.
            if let Some(timeout) = &mut lane.timeout {
                timeout.since_ns = now_ns;
            }
            return;
        }
        lane.acknowledge();
        self.wakes.push(end.writer.take());
        self.finish_if_delivered(key, side);
    }

    /// A sender learns that its reader has made room.
    pub(crate) fn room(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let (end, lane) = (&mut conn.ends[usize::from(side)], &mut conn.lanes[usize::from(side)]);
        lane.is_room_under_way = false;
        let comes_through = self.net.links.is_open(lane.to, lane.from) && conn.severed.is_none();
        if comes_through && end.kernel.is_sending() {
            lane.known_read = lane.read;
            self.wakes.push(end.writer.take());
        }
    }

    /// Something arrives at a machine that has power.
    fn receive(&mut self, key: ConnKey, side: u8, what: What) -> Reception {
        let Some(conn) = self.net.conns.get_mut(key) else { return Reception::Taken };
        let end = &mut conn.ends[usize::from(1 - side)];
        let lane = &mut conn.lanes[usize::from(side)];
        match (what, end.kernel) {
            (What::Reset, _) => {
                self.fail_end(key, 1 - side, CONNECTION_RESET);
                return Reception::Taken;
            }
            (What::Open, _) => match self.open(key) {
                Opening::Opened => return Reception::Taken,
                Opening::BacklogFull => return Reception::Ignored,
                Opening::NobodyListens => {}
            },
            (What::Data(len), Kernel::Open) => {
                lane.arrived += len;
                self.wakes.push(end.reader.take());
                return Reception::Taken;
            }
            (What::Fin, Kernel::Open) => {
                lane.fin_arrived = true;
                self.wakes.push(end.reader.take());
                return Reception::Taken;
            }
            (What::Fin, Kernel::Orphan | Kernel::Finished) => return Reception::Taken,
            (What::Data(_) | What::Fin, _) => {}
        }
        let Some(conn) = self.net.conns.get_mut(key) else { return Reception::Taken };
        // One answer for all that arrives; each retransmission gets another.
        if !std::mem::replace(&mut conn.lanes[usize::from(side)].is_refused, true) {
            self.send_reset(key, 1 - side);
        }
        Reception::Refused
    }
}
