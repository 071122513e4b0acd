//! Sessions at the leader: who owns them and when they expire.
//!
//! A session expires at the first tick after its time-out, never before it (Apache's `ExpiryQueue`
//! rounds up to the tick). After a change of leader every session gets its whole time-out again.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Code;
use crate::ids::{ConnectionId, SessionId};

/// Through which server a session's requests reach the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The leader's own client port.
    Local,
    /// A learner's connection.
    Learner(ConnectionId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tracked {
    timeout_ms: i32,
    expires_at_ms: u64,
    /// `None` until a server claims the session after a change of leader.
    owner: Option<Origin>,
    closing: bool,
}

/// The leader's table of live sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTracker {
    tick_ms: u64,
    sessions: BTreeMap<SessionId, Tracked>,
    expiry: BTreeMap<u64, BTreeSet<SessionId>>,
}

impl SessionTracker {
    /// Takes over the sessions that the committed history knows, at `now_ms`.
    pub fn new(tick_ms: u64, now_ms: u64, sessions: &BTreeMap<SessionId, i32>) -> SessionTracker {
        let mut tracker =
            SessionTracker { tick_ms, sessions: BTreeMap::new(), expiry: BTreeMap::new() };
        for (session, timeout_ms) in sessions {
            tracker.track(now_ms, *session, *timeout_ms, None);
        }
        tracker
    }

    /// Begins to track a session, or claims it for another server.
    pub fn track(
        &mut self,
        now_ms: u64,
        session: SessionId,
        timeout_ms: i32,
        owner: Option<Origin>,
    ) {
        let expires_at_ms = self.round_up(now_ms, timeout_ms);
        let tracked = Tracked { timeout_ms, expires_at_ms, owner, closing: false };
        if let Some(old) = self.sessions.insert(session, tracked) {
            self.unschedule(session, old.expires_at_ms);
        }
        self.expiry.entry(expires_at_ms).or_default().insert(session);
    }

    /// The client of `session` was heard from. False if there is no such session or it is closing.
    pub fn touch(&mut self, now_ms: u64, session: SessionId) -> bool {
        let Some(tracked) = self.sessions.get(&session).filter(|tracked| !tracked.closing) else {
            return false;
        };
        let (old, timeout_ms) = (tracked.expires_at_ms, tracked.timeout_ms);
        let new = self.round_up(now_ms, timeout_ms);
        if new > old {
            self.unschedule(session, old);
            self.expiry.entry(new).or_default().insert(session);
            self.sessions.get_mut(&session).expect("looked up above").expires_at_ms = new;
        }
        true
    }

    /// Claims a session for the server where its client reconnected. False if it is not alive.
    pub fn claim(&mut self, now_ms: u64, session: SessionId, owner: Origin) -> bool {
        let alive = self.touch(now_ms, session);
        if alive {
            self.sessions.get_mut(&session).expect("it is alive").owner = Some(owner);
        }
        alive
    }

    /// Whether a write of `session` that came through `origin` may go on: the session must be alive
    /// and must not have moved to another server since (SESSIONMOVED).
    pub fn check(&mut self, session: SessionId, origin: Origin) -> Result<(), Code> {
        match self.sessions.get_mut(&session) {
            Some(tracked) if !tracked.closing => {
                if *tracked.owner.get_or_insert(origin) == origin {
                    Ok(())
                } else {
                    Err(Code::SessionMoved)
                }
            }
            _ => Err(Code::SessionExpired),
        }
    }

    /// Whether the session is alive or closing.
    pub fn is_tracked(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Whether its end is on its way.
    pub fn is_closing(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|tracked| tracked.closing)
    }

    /// Whether it is alive and was last claimed by another server than that of `origin`.
    pub fn is_owned_elsewhere(&self, session: SessionId, origin: Origin) -> bool {
        let tracked = self.sessions.get(&session).filter(|tracked| !tracked.closing);
        tracked.and_then(|tracked| tracked.owner).is_some_and(|owner| owner != origin)
    }

    /// No request of the session is accepted any more; its end is on its way.
    pub fn close(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.closing = true;
            let expires_at_ms = tracked.expires_at_ms;
            self.unschedule(session, expires_at_ms);
        }
    }

    /// The session's end was applied.
    pub fn remove(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.remove(&session) {
            self.unschedule(session, tracked.expires_at_ms);
        }
    }

    /// The sessions whose time has run out; they are closing from now on.
    pub fn expire(&mut self, now_ms: u64) -> Vec<SessionId> {
        let mut expired = Vec::new();
        while let Some(entry) = self.expiry.first_entry().filter(|entry| *entry.key() <= now_ms) {
            expired.extend(entry.remove());
        }
        for session in &expired {
            self.sessions.get_mut(session).expect("scheduled sessions are tracked").closing = true;
        }
        expired
    }

    /// When the next session expires.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.expiry.first_key_value().map(|(at, _)| *at)
    }

    /// Live and closing sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn round_up(&self, now_ms: u64, timeout_ms: i32) -> u64 {
        let due = now_ms + u64::try_from(timeout_ms).unwrap_or(0);
        (due / self.tick_ms + 1) * self.tick_ms
    }

    fn unschedule(&mut self, session: SessionId, at_ms: u64) {
        if let Some(bucket) = self.expiry.get_mut(&at_ms) {
            bucket.remove(&session);
            if bucket.is_empty() {
                self.expiry.remove(&at_ms);
            }
        }
    }
}

/// Which sessions a learner's clients kept alive since the leader last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched(BTreeMap<SessionId, i32>);

impl Touched {
    /// A client was heard from.
    pub fn touch(&mut self, session: SessionId, timeout_ms: i32) {
        self.0.insert(session, timeout_ms);
    }

    /// Takes what has gathered.
    pub fn take(&mut self) -> BTreeMap<SessionId, i32> {
        std::mem::take(&mut self.0)
    }
}

/// The password of a session: Apache derives it from the session's identifier, and every server of
/// an ensemble must derive the same (`ZooKeeperServer.generatePasswd`). It proves nothing: whoever
/// knows the identifier can compute it.
pub fn password(session: SessionId) -> [u8; 16] {
    /// `ZooKeeperServer.superSecret`.
    const SECRET: i64 = 0xB3_41_5C_00;
    let mut random = JavaRandom::new(session.0 ^ SECRET);
    let mut bytes = [0; 16];
    for chunk in bytes.chunks_mut(4) {
        chunk.copy_from_slice(&random.next_i32().to_le_bytes());
    }
    bytes
}

/// The first session identifier of a server that starts at `wall_ms`: the server in the high byte,
/// the time below it, the rest counts up (`SessionTrackerImpl.initializeNextSessionId`, with the
/// unsigned shift of ZOOKEEPER-1622).
pub fn first_session_id(server: u64, wall_ms: i64) -> i64 {
    let time = ((wall_ms as u64) << 24) >> 8;
    (time | server << 56) as i64
}

/// `java.util.Random`, as its documentation defines it.
struct JavaRandom(u64);

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> JavaRandom {
        JavaRandom((seed as u64 ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn next_i32(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        (self.0 >> 16) as u32 as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId(7);

    fn tracker() -> SessionTracker {
        SessionTracker::new(100, 1_000, &BTreeMap::from([(S, 250)]))
    }

    #[test]
    fn a_session_expires_at_the_tick_after_its_time_out() {
        let mut tracker = tracker();
        assert_eq!(tracker.deadline_ms(), Some(1_300));
        assert!(tracker.expire(1_299).is_empty());
        assert_eq!(tracker.expire(1_300), vec![S]);
        assert!(!tracker.touch(1_300, S), "it is closing");
        assert_eq!(tracker.check(S, Origin::Local), Err(Code::SessionExpired));
    }

    #[test]
    fn a_touch_gives_the_whole_time_out_again() {
        let mut tracker = tracker();
        assert!(tracker.touch(1_250, S));
        assert!(tracker.expire(1_500).is_empty());
        assert_eq!(tracker.expire(1_600), vec![S]);
    }

    #[test]
    fn a_session_that_moved_is_refused_at_its_old_server() {
        let mut tracker = tracker();
        let learner = Origin::Learner(ConnectionId(4));
        assert!(!tracker.is_owned_elsewhere(S, learner), "nobody has claimed it");
        assert_eq!(tracker.check(S, Origin::Local), Ok(()), "unclaimed: the first one claims it");
        assert!(tracker.is_owned_elsewhere(S, learner));
        assert!(tracker.claim(1_100, S, learner));
        assert_eq!(tracker.check(S, Origin::Local), Err(Code::SessionMoved));
        assert_eq!(tracker.check(S, learner), Ok(()));
    }

    #[test]
    fn a_closed_session_neither_expires_nor_serves() {
        let mut tracker = tracker();
        assert!(!tracker.is_closing(S));
        tracker.close(S);
        assert!(tracker.is_closing(S));
        assert!(tracker.expire(9_000).is_empty());
        assert_eq!(tracker.check(S, Origin::Local), Err(Code::SessionExpired));
        tracker.remove(S);
        assert!(tracker.is_empty());
    }

    #[test]
    fn java_random_is_javas() {
        // new java.util.Random(42).nextInt(), twice.
        let mut random = JavaRandom::new(42);
        assert_eq!((random.next_i32(), random.next_i32()), (-1_170_105_035, 234_785_527));
    }

    #[test]
    fn session_identifiers_start_with_the_server_and_stay_distinct() {
        assert_eq!(first_session_id(3, 0x1234_5678) as u64 >> 56, 3);
        assert!(first_session_id(200, i64::MAX) as u64 >> 56 == 200);
        assert_ne!(first_session_id(1, 1_000_000), first_session_id(1, 1_000_001));
    }
}
