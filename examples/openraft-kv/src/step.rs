//! What a server tells of its steps: properties, roles and figures are made of it.

/// The index of an entry and its term.
pub type Position = (u64, u64);

/// A step of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It starts, and this is what its disk holds.
    Recovered {
        /// Term and candidate of its vote, and whether that candidate was known to lead.
        vote: Option<Voted>,
        /// The last entry that was dropped because a snapshot holds it.
        purged: Option<Position>,
        /// The entries of its log.
        log: Vec<Position>,
    },
    /// A vote is durable.
    VoteSaved(Voted),
    /// Entries are durable.
    Appended(Vec<Position>),
    /// Entries from this index on are about to be cut off.
    Truncates(u64),
    /// Entries up to this one are about to be dropped, because a snapshot holds them.
    Purges(Position),
    /// An entry was applied; the hash is of all entries so far.
    Applied {
        /// The entry.
        position: Position,
        /// A hash over all that was applied.
        hash: u64,
    },
    /// The log has this membership from an entry on: voters, two sets of them while it changes.
    Members {
        /// The entry's index.
        index: u64,
        /// The sets of voters.
        voters: Vec<Vec<u64>>,
        /// Who only learns.
        learners: Vec<u64>,
    },
    /// A snapshot up to this entry was built and is durable.
    SnapshotBuilt(Position),
    /// A snapshot of another server is durable and took the place of what was applied.
    SnapshotInstalled {
        /// The last entry that it holds.
        position: Position,
        /// The hash over all entries up to there.
        hash: u64,
    },
    /// It is this from now on.
    Is(Being, u64),
    /// A client is told that the entry of this position was applied.
    Answers(Position),
    /// openraft ended, because a file failed; the server starts again.
    Ended,
}

/// A vote: a term, a candidate, and whether a quorum has voted so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voted {
    /// The term.
    pub term: u64,
    /// The candidate.
    pub candidate: Option<u64>,
    /// Whether it leads.
    pub leads: bool,
}

/// What a server is in a term, as openraft's metrics have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Being {
    /// Decides.
    Leader,
    /// Votes, and follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Does not vote: it is being brought up to date, or is no member.
    Learner,
}

impl From<&crate::types::Vote> for Voted {
    fn from(vote: &crate::types::Vote) -> Voted {
        let leader = vote.leader_id();
        Voted { term: leader.term, candidate: leader.voted_for, leads: vote.is_committed() }
    }
}

/// The position of a log id.
pub fn position(id: &crate::types::LogId) -> Position {
    (id.index, id.leader_id.term)
}
