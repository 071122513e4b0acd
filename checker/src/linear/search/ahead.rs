//! Looking ahead: states from which a read that is still to come cannot be reached any more.
//!
//! Where updates only ever add to a state, as appends do, a read tells of every earlier state as much
//! as of its own: what it does not begin with is a dead end, unless an overwrite that it can begin with
//! may come between.
//! Without this, a search tries every order of concurrent appends, and sees at the next read which
//! was the right one. See [`Model::may_lead_to`].
//!
//! A state from which no read that is left can come at all is lost (`tables.rs`). Lost states are one:
//! what order made them does not matter, since only an overwrite leads on from there. Updates that are
//! possible in every state are hidden just before an overwrite, as overwrites are, so that in a lost state
//! nothing is placed before it must be.

use crate::linear::Call;
use crate::model::{Effect, Model};

/// Reads that are looked at in one state: the next to be asked, beside those that are open.
const LATER_MAX: usize = 2;

/// Reads that are passed by to find them, and overwrites that are looked at for one.
const LOOKED_AT_MAX: usize = 64;

/// What the calls of a history tell about what lies ahead.
pub(super) struct Ahead {
    /// Answered reads: end and call, by their end.
    reads: Vec<(u64, usize)>,
    /// Overwrites: beginning and call, in order.
    overwrites: Vec<(u64, usize)>,
}

impl Ahead {
    /// `None` if the model says nothing of what may follow.
    pub(super) fn of<M: Model>(model: &M, calls: &[Call<M::Op>]) -> Option<Ahead> {
        if !model.only_adds() {
            return None;
        }
        let mut ahead = Ahead { reads: Vec::new(), overwrites: Vec::new() };
        for (index, call) in calls.iter().enumerate() {
            match (model.effect(&call.op), call.complete) {
                (Effect::Read, Some(complete)) => ahead.reads.push((complete, index)),
                (Effect::Overwrite, _) => ahead.overwrites.push((call.invoke, index)),
                (Effect::Read, None) | (Effect::Update, _) => {}
            }
        }
        ahead.reads.sort_unstable();
        ahead.overwrites.sort_unstable();
        Some(ahead)
    }

    /// Reads that are answered at a position or later: those that have begun, and the next.
    pub(super) fn reads_from<Op>(&self, calls: &[Call<Op>], position: u64) -> Vec<usize> {
        let first = self.reads.partition_point(|(complete, _)| *complete < position);
        let mut reads = Vec::new();
        let mut later = 0;
        for (_, read) in self.reads[first..].iter().take(LOOKED_AT_MAX) {
            if later == LATER_MAX {
                break;
            }
            later += usize::from(calls[*read].invoke > position);
            reads.push(*read);
        }
        reads
    }

    /// Overwrites that begin after a position and not after another; `None` if they are too many to be
    /// looked at.
    pub(super) fn overwrites_between(&self, after: u64, until: u64) -> Option<&[(u64, usize)]> {
        let from = self.overwrites.partition_point(|(invoke, _)| *invoke <= after);
        let to = self.overwrites.partition_point(|(invoke, _)| *invoke <= until);
        let between = self.overwrites.get(from..to).unwrap_or_default();
        (between.len() <= LOOKED_AT_MAX).then_some(between)
    }
}
