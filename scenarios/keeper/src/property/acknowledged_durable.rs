//! A server vouches only for what it holds durably, and still holds it after a crash
//! (ZooKeeper Internals, "Leader Activation" and "Active Messaging": a follower sends its
//! acknowledgement when the proposal is on disk; ZOOKEEPER-4646).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::memory::forgot_between;
use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "acknowledged is durable",
    source: "ZooKeeper Internals, Active Messaging; ZOOKEEPER-4646",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // The newest position that each server vouched for and has not been told to give up since.
    let mut vouched: BTreeMap<u32, (Zxid, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Acknowledged { zxid, durable } => {
                if zxid > durable {
                    let headline = "a server acknowledged what it does not hold durably";
                    return Story::new(headline)
                        .seen(
                            observed,
                            format!("acknowledged {zxid}"),
                            format!("only {durable} is"),
                        )
                        .violated(observed.at_ns);
                }
                vouched.insert(observed.server, (zxid, observed));
            }
            Observation::Truncated { zxid } | Observation::Replaced { zxid, .. } => {
                if let Some((upto, _)) = vouched.get_mut(&observed.server) {
                    *upto = zxid.min(*upto);
                }
            }
            Observation::Recovered { last, .. } => {
                let Some((upto, first)) = vouched.get(&observed.server) else { continue };
                if forgot_between(record, observed.server, first.at_ns, observed.at_ns) {
                    vouched.remove(&observed.server);
                    continue;
                }
                if last < *upto {
                    return Story::new("a server lost what it had acknowledged")
                        .seen(first, format!("acknowledged {upto}"), "")
                        .seen(observed, format!("started with a log that ends at {last}"), "")
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
    use sim::fault::Forgot;

    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn what_is_durable_or_was_cut_by_the_leader_may_be_acknowledged_or_gone() {
        let cut = Observation::Truncated { zxid: zxid(1, 2) };
        two_epochs().see(3, cut).recover(3, Zxid::ZERO, zxid(1, 2)).keeps(PROPERTY);
        let whole = Observation::Replaced { zxid: zxid(2, 1), digest: 0 };
        two_epochs().see(3, whole).recover(3, Zxid::ZERO, zxid(2, 9)).keeps(PROPERTY);
    }

    #[test]
    fn an_early_acknowledgement_is_seen() {
        let early = Observation::Acknowledged { zxid: zxid(2, 2), durable: zxid(2, 1) };
        two_epochs().see(3, early).breaks(PROPERTY, "does not hold durably");
    }

    #[test]
    fn a_loss_over_a_restart_is_seen() {
        let (snapshot, last, digest) = (Zxid::ZERO, zxid(1, 2), 0);
        two_epochs()
            .see(3, Observation::Recovered { snapshot, last, digest })
            .breaks(PROPERTY, "lost what it had acknowledged");
    }

    #[test]
    fn whom_a_fault_made_forget_may_have_lost_what_it_acknowledged_before() {
        let recovered = |last| Observation::Recovered { snapshot: Zxid::ZERO, last, digest: 0 };
        let forgotten = || two_epochs().forget(3, Forgot::Damaged).see(3, recovered(zxid(1, 1)));
        forgotten().keeps(PROPERTY);
        let words = "lost what it had acknowledged";
        forgotten()
            .see(3, Observation::Acknowledged { zxid: zxid(2, 1), durable: zxid(2, 1) })
            .see(3, recovered(zxid(1, 2)))
            .breaks(PROPERTY, words);
        let other = two_epochs().forget(2, Forgot::Damaged);
        other.see(3, recovered(zxid(1, 2))).breaks(PROPERTY, words);
    }
}
