//! No server finds its own state beyond repair: the faults of a plan leave a quorum's disks whole,
//! so that every server can always go on. Only one whose disk a fault has damaged since it was last
//! empty may give up, rather than serve what it found there; the operator then empties its disk.

use sim::cluster::plan::Plan;
use sim::cluster::record::{Refusal, RunRecord};
use sim::fault::Forgot;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "no server gives up",
    source: "ZooKeeper Administrator's Guide, data directory: only lost disks are beyond repair",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let unexcused = record.fatal.iter().find(|refusal| !is_excused(refusal, record));
    let Some(Refusal { server, at_ns, reason }) = unexcused else {
        return PropertyVerdict::Holds;
    };
    let first_line = reason.lines().next().unwrap_or_default();
    Story::new(format!("a server refused to go on: {first_line}"))
        .line(format!("n{server}"), *at_ns, reason.clone(), "")
        .violated(*at_ns)
}

fn is_excused(refusal: &Refusal, record: &RunRecord) -> bool {
    let mut own = record
        .amnesias
        .iter()
        .filter(|amnesia| amnesia.server == refusal.server && amnesia.at_ns <= refusal.at_ns);
    own.next_back().is_some_and(|amnesia| amnesia.how == Forgot::Damaged)
}

#[cfg(test)]
mod tests {
    use sim::cluster::record::Amnesia;

    use super::super::testing::{plan, two_epochs};
    use super::*;

    fn after(amnesias: &[(u32, u64, Forgot)]) -> PropertyVerdict {
        let amnesia = |&(server, at_ns, how): &(u32, u64, Forgot)| Amnesia { server, at_ns, how };
        let reason = "the histories have diverged".to_owned();
        let fatal = vec![Refusal { server: 2, at_ns: 100, reason }];
        let amnesias = amnesias.iter().map(amnesia).collect();
        check(&plan(), &RunRecord { fatal, amnesias, ..RunRecord::default() })
    }

    #[test]
    fn a_server_that_gives_up_is_a_failure() {
        two_epochs().keeps(PROPERTY);
        let verdict = after(&[]);
        let violation = verdict.violation().unwrap();
        assert!(violation.headline.contains("have diverged"));
        assert_eq!(violation.lines[0].client, "n2");
    }

    #[test]
    fn exactly_the_server_whose_disk_is_damaged_may_give_up() {
        assert_eq!(after(&[(2, 50, Forgot::Damaged)]), PropertyVerdict::Holds);
        let again = [(2, 50, Forgot::SetBack), (2, 60, Forgot::Damaged)];
        assert_eq!(after(&again), PropertyVerdict::Holds);
        for unexcused in [
            &[(3, 50, Forgot::Damaged)][..],
            &[(2, 101, Forgot::Damaged)],
            &[(2, 50, Forgot::Wiped)],
            &[(2, 50, Forgot::SetBack)],
            &[(2, 50, Forgot::Damaged), (2, 60, Forgot::Wiped)],
            &[(2, 50, Forgot::Damaged), (2, 60, Forgot::SetBack)],
        ] {
            assert!(after(unexcused).violation().is_some(), "{unexcused:?}");
        }
    }
}
