//! Looking ahead: states from which a read that is still to come cannot be reached any more.
//!
//! Where updates only ever add to a state, as appends do, a read tells of every earlier state as much
//! as of its own: what it does not begin with is a dead end, unless an overwrite can come between.
//! Without this, a search tries every order of concurrent appends, and sees at the next read which
//! was the right one. See [`Model::may_lead_to`].

use crate::linear::Call;
use crate::model::{Effect, Model};

/// Reads that are looked at in one state: the next to be asked, beside those that are open.
const LATER_MAX: usize = 2;

/// Reads that are passed by to find them.
const LOOKED_AT_MAX: usize = 64;

/// What the calls of a history tell about what lies ahead.
pub(super) struct Ahead {
    /// Answered reads: end and call, by their end.
    reads: Vec<(u64, usize)>,
    /// Where overwrites begin, in order.
    overwrites: Vec<u64>,
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
                (Effect::Overwrite, _) => ahead.overwrites.push(call.invoke),
                (Effect::Read, None) | (Effect::Update, _) => {}
            }
        }
        ahead.reads.sort_unstable();
        ahead.overwrites.sort_unstable();
        Some(ahead)
    }

    /// Reads that are answered after a position, and before which no overwrite comes that is not
    /// open by then.
    pub(super) fn reads_after<Op>(&self, calls: &[Call<Op>], position: u64) -> Vec<usize> {
        let first = self.reads.partition_point(|(complete, _)| *complete < position);
        let next = self.overwrites.partition_point(|invoke| *invoke <= position);
        let overwritten = self.overwrites.get(next).copied().unwrap_or(u64::MAX);
        let mut reads = Vec::new();
        let mut later = 0;
        for (complete, read) in self.reads[first..].iter().take(LOOKED_AT_MAX) {
            if overwritten <= *complete || later == LATER_MAX {
                break;
            }
            later += usize::from(calls[*read].invoke > position);
            reads.push(*read);
        }
        reads
    }
}
