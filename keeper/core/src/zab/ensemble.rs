//! Who belongs to the ensemble, what counts as a quorum, and the time limits that bind its members.

use std::collections::BTreeSet;

use crate::ids::ServerId;

/// A server's view of the ensemble and of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensemble {
    /// This server.
    pub me: ServerId,
    /// The voting members; this server is one of them.
    pub voters: BTreeSet<ServerId>,
    /// The configuration as `zoo.cfg.dynamic` spells it: carried by notifications and NEWLEADER.
    pub config_text: String,
    /// The configuration's version, 0 for a static one.
    pub config_version: u64,
}

impl Ensemble {
    /// Whether `members` holds a majority of the voters.
    pub fn is_quorum(&self, members: &BTreeSet<ServerId>) -> bool {
        members.intersection(&self.voters).count() * 2 > self.voters.len()
    }

    /// Whether `members` is a quorum that would be none with one voter less.
    pub fn is_bare_quorum(&self, members: &BTreeSet<ServerId>) -> bool {
        members.intersection(&self.voters).count() == self.voters.len() / 2 + 1
    }

    /// Whether the server may vote.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.voters.contains(&server)
    }

    /// The other voters, in order.
    pub fn peers(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.voters.iter().copied().filter(|server| *server != self.me)
    }
}

/// Time limits and sizes, as `zoo.cfg` names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `tickTime`, the unit of the limits below, in milliseconds.
    pub tick_ms: u64,
    /// `initLimit`: ticks for connecting to a leader and synchronising with it.
    pub init_limit: u64,
    /// `syncLimit`: ticks of silence after which a learner or a leader is given up.
    pub sync_limit: u64,
    /// `minSessionTimeout`, in milliseconds.
    pub session_min_ms: u64,
    /// `maxSessionTimeout`, in milliseconds.
    pub session_max_ms: u64,
    /// `snapCount`: transactions between snapshots.
    pub snap_count: u64,
    /// `commitLogCount`: committed transactions kept in memory for DIFF synchronisation.
    pub commit_log_count: usize,
    /// How many transactions of the history that a server begins to serve with are applied in one step. Fewer only
    /// where a harness wants to see what comes in between.
    pub apply_max: usize,
    /// The pause behind each of these steps, in milliseconds: none but in a simulation, where applying takes no time.
    pub apply_pause_ms: u64,
    /// `jute.maxbuffer`, in bytes.
    pub packet_bytes_max: usize,
    /// The last counter of an epoch's zxids, after which another epoch is due. Less than its width
    /// of 32 bits only where a harness wants to see that (Apache's `testingonly.initialZxid`).
    pub epoch_transactions_max: u32,
    /// Whether and when old files are removed.
    pub purge: Option<Purge>,
}

/// For how many ticks who cannot lead now is shunned: long enough for the others to agree.
const ASIDE_TICKS: u64 = 3;

/// `autopurge`: after a snapshot, older ones and their logs are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// `autopurge.snapRetainCount`: how many snapshots stay.
    pub retain_count: u32,
    /// `autopurge.purgeInterval` in milliseconds: the time that passes at least between two purges;
    /// the first snapshot of a server's life is always followed by one.
    pub interval_ms: u64,
}

impl Default for Settings {
    /// Apache ZooKeeper's defaults, with `tickTime` 2000, `initLimit` 10 and `syncLimit` 5.
    fn default() -> Settings {
        Settings {
            tick_ms: 2_000,
            init_limit: 10,
            sync_limit: 5,
            session_min_ms: 4_000,
            session_max_ms: 40_000,
            snap_count: 100_000,
            commit_log_count: 500,
            apply_max: crate::limits::APPLY_MAX,
            apply_pause_ms: 0,
            packet_bytes_max: crate::limits::PACKET_BYTES_MAX,
            epoch_transactions_max: u32::MAX,
            purge: None,
        }
    }
}

impl Settings {
    /// How long connecting and synchronising may take, in milliseconds.
    pub fn init_ms(&self) -> u64 {
        self.tick_ms * self.init_limit
    }

    /// For how long who cannot lead now is shunned in elections, in milliseconds.
    pub(crate) fn aside_ms(&self) -> u64 {
        self.tick_ms * ASIDE_TICKS
    }

    /// How long a synchronised peer may be silent, in milliseconds.
    pub fn sync_ms(&self) -> u64 {
        self.tick_ms * self.sync_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(voters: u64) -> Ensemble {
        Ensemble {
            me: ServerId(1),
            voters: (1..=voters).map(ServerId).collect(),
            config_text: String::new(),
            config_version: 0,
        }
    }

    #[test]
    fn a_bare_quorum_has_no_voter_to_spare() {
        let set = |ids: &[u64]| ids.iter().copied().map(ServerId).collect::<BTreeSet<_>>();
        assert!(ensemble(5).is_bare_quorum(&set(&[1, 2, 3])));
        assert!(ensemble(4).is_bare_quorum(&set(&[1, 2, 3, 9])), "strangers do not count");
        assert!(!ensemble(5).is_bare_quorum(&set(&[1, 2, 3, 4])));
        assert!(!ensemble(5).is_bare_quorum(&set(&[1, 2])));
    }

    #[test]
    fn a_quorum_is_more_than_half_of_the_voters() {
        let set = |ids: &[u64]| ids.iter().copied().map(ServerId).collect::<BTreeSet<_>>();
        assert!(ensemble(3).is_quorum(&set(&[1, 3])));
        assert!(!ensemble(3).is_quorum(&set(&[1])));
        assert!(!ensemble(4).is_quorum(&set(&[1, 2])));
        assert!(ensemble(1).is_quorum(&set(&[1])));
        assert!(!ensemble(3).is_quorum(&set(&[1, 8, 9])), "strangers do not count");
    }
}
