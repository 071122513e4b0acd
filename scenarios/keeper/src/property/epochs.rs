//! acceptedEpoch is at least currentEpoch, and neither goes back, in one life of a server or from
//! one to the next (DSN 2011, section IV: f.p and f.a are persistent; ZOOKEEPER-2307,
//! ZOOKEEPER-4269).
//!
//! A server that gives up its role tells what it believes, which may not be durable yet: what it
//! tells then does not bind its next life.

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Epoch;
use keeper_core::observation::Observation;

use super::memory::forgot_between;
use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "epochs",
    source: "DSN 2011, section IV (f.p and f.a); ZOOKEEPER-2307, ZOOKEEPER-4269",
    check,
};

/// What one server has told.
#[derive(Default)]
struct Told<'a> {
    /// Whether the last observation was that it looks for a leader.
    is_looking: bool,
    /// The last epochs of this life.
    last: Option<(Epoch, Epoch, &'a Observed)>,
    /// The last epochs that were durable for certain.
    durable: Option<(Epoch, Epoch, &'a Observed)>,
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut servers: BTreeMap<u32, Told<'_>> = BTreeMap::new();
    for observed in &record.observations {
        let told = servers.entry(observed.server).or_default();
        let is_looking = std::mem::take(&mut told.is_looking);
        match observed.observation {
            Observation::Recovered { .. } => told.last = told.durable,
            Observation::Looking => told.is_looking = true,
            Observation::Epochs { accepted, current, .. } => {
                if accepted < current {
                    let text = format!("accepted epoch {accepted}, current epoch {current}");
                    return Story::new("the current epoch was never accepted")
                        .seen(observed, text, "")
                        .violated(observed.at_ns);
                }
                let remembered = told.last.filter(|(_, _, first)| {
                    !forgot_between(record, observed.server, first.at_ns, observed.at_ns)
                });
                if let Some(verdict) = remembered.and_then(|last| went_back(last, observed)) {
                    return verdict;
                }
                told.last = Some((accepted, current, observed));
                if !is_looking {
                    told.durable = told.last;
                }
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

fn went_back(
    (accepted_before, current_before, first): (Epoch, Epoch, &Observed),
    observed: &Observed,
) -> Option<PropertyVerdict> {
    let Observation::Epochs { accepted, current, .. } = observed.observation else { return None };
    if accepted >= accepted_before && current >= current_before {
        return None;
    }
    let restarted = first.incarnation != observed.incarnation;
    let how = if restarted { " over a restart" } else { "" };
    let before = format!("accepted epoch {accepted_before}, current epoch {current_before}");
    let after = format!("accepted epoch {accepted}, current epoch {current}");
    Some(
        Story::new(format!("an epoch went back{how}"))
            .seen(first, before, "")
            .seen(observed, after, "")
            .violated(observed.at_ns),
    )
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::Zxid;
    use sim::fault::Forgot;

    use super::super::testing::Script;
    use super::*;

    fn epochs(accepted: u32, current: u32) -> Observation {
        let (accepted, current) = (Epoch(accepted), Epoch(current));
        Observation::Epochs { accepted, current, last_logged: Zxid::ZERO }
    }

    fn start() -> Script {
        Script::new().recover(1, Zxid::ZERO, Zxid::ZERO).see(1, epochs(0, 0)).see(1, epochs(2, 1))
    }

    #[test]
    fn epochs_that_grow_are_right_and_so_is_a_belief_that_a_crash_took() {
        let again = |script: Script| script.recover(1, Zxid::ZERO, Zxid::ZERO);
        start().see(1, epochs(2, 2)).keeps(PROPERTY);
        again(start()).see(1, epochs(2, 1)).keeps(PROPERTY);
        let believing = start().see(1, Observation::Looking).see(1, epochs(3, 1));
        again(believing).see(1, epochs(2, 1)).keeps(PROPERTY);
    }

    #[test]
    fn epochs_that_go_back_or_contradict_each_other_are_seen() {
        start().see(1, epochs(2, 3)).breaks(PROPERTY, "never accepted");
        start().see(1, epochs(2, 0)).breaks(PROPERTY, "went back");
        start()
            .recover(1, Zxid::ZERO, Zxid::ZERO)
            .see(1, epochs(1, 1))
            .breaks(PROPERTY, "over a restart");
        start().see(2, epochs(1, 1)).keeps(PROPERTY);
    }

    #[test]
    fn whom_a_fault_made_forget_may_go_back_once_and_nobody_else() {
        let again = |script: Script| script.recover(1, Zxid::ZERO, Zxid::ZERO);
        let forgotten = || again(start().forget(1, Forgot::Wiped)).see(1, epochs(0, 0));
        forgotten().keeps(PROPERTY);
        again(forgotten().see(1, epochs(2, 1)))
            .see(1, epochs(0, 0))
            .breaks(PROPERTY, "over a restart");
        let other = again(start().forget(2, Forgot::Wiped)).see(1, epochs(0, 0));
        other.breaks(PROPERTY, "over a restart");
    }
}
