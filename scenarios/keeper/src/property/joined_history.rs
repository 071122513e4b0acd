//! Who has joined an epoch holds the history that the epoch begins with (DSN 2011, section IV, step
//! 2.1: a follower sets f.a, which is `currentEpoch`, and accepts the leader's history in one
//! atomic step; ZOOKEEPER-4643, ZOOKEEPER-4785).
//!
//! The election believes in `currentEpoch` before it looks at zxids: a server that claims an epoch
//! without its history can win, and cuts committed transactions off all other logs. The way back
//! is open: a leader of a later epoch may cut an earlier epoch's history off a server that has
//! joined it, if that epoch never had a quorum.

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::observation::Observation;

use super::memory::forgot_between;
use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "an epoch is joined with its history",
    source: "DSN 2011, section IV, step 2.1; ZOOKEEPER-4643, ZOOKEEPER-4785",
    check,
};

/// A server, as far as it matters here.
#[derive(Default)]
struct Server {
    /// The epoch that it established last.
    led: Epoch,
    leader: u32,
    /// What it holds of earlier epochs than this was given up on a leader's word.
    replaced_by: Epoch,
    /// When a leader last had it brought up to its history.
    brought_up_ns: u64,
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut established: BTreeMap<Epoch, (Zxid, &Observed)> = BTreeMap::new();
    let mut servers: BTreeMap<u32, Server> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::EpochEstablished { epoch, history } => {
                established.insert(epoch, (history, observed));
                servers.entry(observed.server).or_default().led = epoch;
            }
            Observation::Following { leader } => {
                servers.entry(observed.server).or_default().leader = leader.0 as u32;
            }
            Observation::Truncated { .. } | Observation::Replaced { .. } => {
                let leader = servers.entry(observed.server).or_default().leader;
                let led = servers.get(&leader).map_or(Epoch(0), |leader| leader.led);
                servers.entry(observed.server).or_default().replaced_by = led;
            }
            Observation::SyncEnded => {
                servers.entry(observed.server).or_default().brought_up_ns = observed.at_ns;
            }
            Observation::Epochs { current, last_logged, .. } => {
                let server = servers.entry(observed.server).or_default();
                // What a fault left it to remember of an epoch is not its claim.
                let since_ns = server.brought_up_ns;
                if forgot_between(record, observed.server, since_ns, observed.at_ns) {
                    continue;
                }
                let Some((history, first)) = established.get(&current) else { continue };
                if current >= server.replaced_by && last_logged < *history {
                    let begins = format!("established epoch {current} with all up to {history}");
                    let has = format!("has joined epoch {current} with all up to {last_logged}");
                    return Story::new("a server claims an epoch whose history it does not hold")
                        .seen(first, begins, "")
                        .seen(observed, has, "")
                        .violated(observed.at_ns);
                }
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::ServerId;
    use sim::fault::Forgot;

    use super::super::testing::{Script, two_epochs, zxid};
    use super::*;

    fn joined(epoch: u32, last_logged: Zxid) -> Observation {
        let (accepted, current) = (Epoch(9), Epoch(epoch));
        Observation::Epochs { accepted, current, last_logged }
    }

    #[test]
    fn the_history_of_an_epoch_or_more_is_right() {
        let script = two_epochs().see(3, joined(2, zxid(1, 2))).see(1, joined(2, zxid(2, 1)));
        script.see(3, joined(1, Zxid::ZERO)).keeps(PROPERTY);
    }

    #[test]
    fn a_claim_without_the_history_is_seen() {
        let words = "whose history it does not hold";
        two_epochs().see(3, joined(2, zxid(1, 1))).breaks(PROPERTY, words);
        two_epochs()
            .recover(3, Zxid::ZERO, zxid(1, 1))
            .see(3, joined(2, zxid(1, 1)))
            .breaks(PROPERTY, words);
    }

    /// Server 3 joins epoch 3 of server 1, and server 2 leads epoch 4 without it.
    fn cut_by_a_later_leader() -> Script {
        let (theirs, common) = (zxid(2, 2), zxid(2, 1));
        two_epochs()
            .log(1, theirs)
            .lead(1, 3, theirs)
            .log(3, theirs)
            .see(3, joined(3, theirs))
            .lead(2, 4, common)
            .see(3, Observation::Following { leader: ServerId(2) })
            .see(3, Observation::Truncated { zxid: common })
    }

    #[test]
    fn a_later_leader_may_cut_what_no_quorum_joined() {
        let script = cut_by_a_later_leader().recover(3, Zxid::ZERO, zxid(2, 1));
        script.see(3, joined(3, zxid(2, 1))).keeps(PROPERTY);
        cut_by_a_later_leader()
            .see(3, joined(4, zxid(1, 2)))
            .breaks(PROPERTY, "whose history it does not hold");
    }

    #[test]
    fn whom_a_fault_made_forget_claims_nothing_until_it_is_brought_up_again() {
        let words = "whose history it does not hold";
        let forgotten = || {
            let script = two_epochs().forget(3, Forgot::Damaged).recover(3, Zxid::ZERO, zxid(1, 1));
            script.see(3, joined(2, zxid(1, 1)))
        };
        forgotten().keeps(PROPERTY);
        let brought_up = forgotten().see(3, Observation::SyncEnded);
        brought_up.see(3, joined(2, zxid(1, 1))).breaks(PROPERTY, words);
        let other = two_epochs().forget(1, Forgot::Damaged);
        other.see(3, joined(2, zxid(1, 1))).breaks(PROPERTY, words);
    }
}
