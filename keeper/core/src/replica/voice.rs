//! A server whose data were damaged has no voice: with what is left to it, or with nothing, it neither votes, nor
//! promises an epoch, nor acknowledges, until a leader that others chose has brought it up to its history. It has
//! its voice again when that history and the leader's epoch are durable, just before it acknowledges NEWLEADER
//! (Alagappan and others, "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018: what a corruption may
//! have taken counts in no quorum).
//!
//! That loses nothing, however many are damaged: what is committed is on a majority. A leader is chosen, and
//! promised its epoch, by a majority with a voice, which meets the former in a server that has a voice, and so
//! has kept what it had. With fewer than a majority undamaged there is no leader, and nothing moves. A promise
//! that was forgotten with the rest binds nobody who counts; acceptedEpoch is kept where it can be read.
//!
//! - In elections it says that it looks for a leader and votes for nobody, as Apache's observers do, whatever it
//!   really does. It ends no round; it follows whom a majority of others follows.
//! - In FOLLOWERINFO it says that it is damaged, behind what Apache reads. A leader of ours says behind LEADERINFO
//!   that it knows what this means.
//! - Another leader, as Apache's, would count it. To such a one it goes only when a majority has reported the same
//!   leader, epoch and round for three times `initLimit`, which bounds each of the three waits (for accepted
//!   epochs, promises and acknowledgements of NEWLEADER) at whose end a leader serves or gives up.

use bytes::Bytes;

use crate::effect::DiskOp;
use crate::event::DiskToken;
use crate::ids::{Epoch, ServerId};
use crate::jute::{Decode, Reader};
use crate::observation::Observation;
use crate::wire::quorum::LeaderInfo;
use crate::wire::quorum::payload::{DAMAGED, KNOWS_DAMAGED};
use crate::zab::election::Elected;
use crate::{planted, reachable};
use probe::Probe;

use super::{Replica, Role};

/// How many waits of `initLimit` each a leader of Apache's has before it serves.
const WAITS_BEFORE_SERVING: u64 = 3;

/// Whether a server counts, and for whom it waits if not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Voice {
    is_damaged: bool,
    /// Whom a majority of others follows, and since when as far as is known.
    found: Option<(ServerId, Epoch, u64, u64)>,
    /// A leader that would count this server.
    unfair: Option<ServerId>,
}

impl Voice {
    pub(super) fn new(is_damaged: bool) -> Voice {
        Voice { is_damaged, ..Voice::default() }
    }
}

impl<I: Probe<Observation>> Replica<I> {
    /// Whether this server counts for nothing at present.
    pub fn is_voiceless(&self) -> bool {
        // Planted: it speaks as if nothing had happened.
        self.voice.is_damaged && !planted!(self, DamagedVotes)
    }

    /// What FOLLOWERINFO says behind what Apache reads.
    pub(super) fn own_condition(&self) -> Bytes {
        Bytes::from_static(if self.is_voiceless() { DAMAGED } else { b"" })
    }

    /// Whether a leader that others follow is not to be followed yet.
    pub(super) fn must_wait_for(&mut self, elected: Elected) -> bool {
        if !self.is_voiceless() {
            return false;
        }
        let Elected { vote, round } = elected;
        let is_same = |found: &(ServerId, Epoch, u64, u64)| {
            (found.0, found.1, found.2) == (vote.leader, vote.peer_epoch, round)
        };
        if !self.voice.found.as_ref().is_some_and(is_same) {
            self.voice.found = Some((vote.leader, vote.peer_epoch, round, self.now.mono_ms));
        }
        reachable!(self, VoicelessFollows);
        self.voice.unfair == Some(vote.leader) && !self.surely_serves()
    }

    /// Whether the leader found has been reported for so long that it serves.
    fn surely_serves(&self) -> bool {
        let wait_ms = WAITS_BEFORE_SERVING * self.settings.init_ms();
        self.voice.found.is_some_and(|(.., since_ms)| self.now.mono_ms > since_ms + wait_ms)
    }

    /// LEADERINFO has come: whether its leader leaves out who does not count, or has no count to come.
    pub(super) fn expect_a_fair_count(&mut self, data: &[u8]) -> Result<(), String> {
        let info = LeaderInfo::decode(&mut Reader::new(data));
        let is_fair = info.is_ok_and(|info| info.extra == KNOWS_DAMAGED);
        let Role::Following(follower) = &self.role else { return Ok(()) };
        let leader = follower.leader;
        if is_fair || !self.is_voiceless() || self.surely_serves() {
            return Ok(());
        }
        self.voice.unfair = Some(leader);
        Err(format!(
            "server {leader} would count this server, whose data were damaged, before it serves"
        ))
    }

    /// The leader's history and its epoch are on their way to the disk: with them the damage is made up for.
    pub(super) fn clear_damage(&mut self) -> Option<DiskToken> {
        let is_damaged = self.voice.is_damaged;
        is_damaged.then(|| self.disk(DiskOp::ClearDamage))
    }

    /// They are durable.
    pub(super) fn regain_voice(&mut self) {
        if std::mem::take(&mut self.voice).is_damaged {
            reachable!(self, VoiceRegained);
            self.info("the data are whole again: this server has a voice".to_owned());
            self.observe(|| Observation::VoiceRegained);
        }
    }
}
