//! Properties of any system: its code does not panic, keeps what it claims of itself, gives up only over
//! damage, and heals.

use sim::fault::Forgot;

use super::{Contradiction, Property, PropertyVerdict, of_every_run};
use crate::plan::Plan;
use crate::record::{Record, Refusal};
use crate::system::System;

/// The code under test does not panic: what the world can do to it has an error, not an assertion.
pub const fn no_panic<S: System>() -> Property<S> {
    Property {
        name: "no panic",
        source: "the project's rule: what the world can do is a Result",
        has_subject: of_every_run,
        check: |_, record| {
            let Some(message) = &record.panic else { return PropertyVerdict::Holds };
            let first_line = message.lines().next().unwrap_or_default();
            // It begins with the name of the host that it was on.
            let is_it =
                |name: &str| message.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
            let host = record.hosts.iter().find(|host| is_it(&host.name));
            let who = host.map_or("", |host| &host.name);
            Contradiction::new(format!("a program panicked: {first_line}"))
                .line(who, record.end_ns, message.clone(), "")
                .violated(record.end_ns)
        },
    }
}

/// What the code says of itself must hold: every `always!` mark. They are local and cheap, and each is
/// known by its own name, so that two broken claims are two kinds of failure.
pub const fn always<S: System>() -> Property<S> {
    Property {
        name: "always",
        source: "the project's own: always! marks in cores and shells",
        has_subject: of_every_run,
        check: |_, record| {
            let Some(broken) = record.marks.broken.first() else { return PropertyVerdict::Holds };
            let (name, what) = (broken.name, broken.about.trim_end_matches('.'));
            let who = record.server_name(broken.server).to_owned();
            Contradiction::new(format!("{name} does not hold: {what}"))
                .line(who, broken.at_ns, broken.message.clone(), name)
                .violated(broken.at_ns)
        },
    }
}

/// No server finds its own state beyond repair: the faults of a plan leave enough disks whole, so that
/// every server can always go on. Only one whose disk a fault has damaged since it was last empty may
/// give up, rather than serve what it found there; the operator then empties its disk.
pub const fn fatal<S: System>(source: &'static str) -> Property<S> {
    Property { name: "no server gives up", source, has_subject: of_every_run, check: check_fatal }
}

fn check_fatal<S: System>(_plan: &Plan, record: &Record<S>) -> PropertyVerdict {
    let unexcused = record.fatal.iter().find(|refusal| !is_excused(refusal, record));
    let Some(Refusal { server, at_ns, reason }) = unexcused else {
        return PropertyVerdict::Holds;
    };
    let first_line = reason.lines().next().unwrap_or_default();
    Contradiction::new(format!("a server refused to go on: {first_line}"))
        .line(record.server_name(*server), *at_ns, reason.clone(), "")
        .violated(*at_ns)
}

fn is_excused<S: System>(refusal: &Refusal, record: &Record<S>) -> bool {
    let mut own = record
        .amnesias
        .iter()
        .filter(|amnesia| amnesia.server == refusal.server && amnesia.at_ns <= refusal.at_ns);
    own.next_back().is_some_and(|amnesia| amnesia.how == Forgot::Damaged)
}

/// After the faults the system is whole again within the plan's bound.
pub const fn healing<S: System>(source: &'static str) -> Property<S> {
    Property {
        name: "healing",
        source,
        has_subject: of_every_run,
        check: |plan, record| check_healing(plan, record, "the system did not recover", []),
    }
}

/// Judges whether a system healed. `headline` says what did not, and ends with "after the faults had
/// ended" in the message; `ends` are lines about servers: who, and what it was at the end.
pub fn check_healing<S: System>(
    plan: &Plan,
    record: &Record<S>,
    headline: &str,
    ends: impl IntoIterator<Item = (String, String)>,
) -> PropertyVerdict {
    // A run that stopped for another reason had no chance to heal.
    let stopped = record.panic.is_some() || record.cut_off.is_some();
    if record.healed_after_ms.is_some() || stopped {
        return PropertyVerdict::Holds;
    }
    let headline = format!("{headline} after the faults had ended");
    let mut story =
        Contradiction::new(headline).line("", record.chaos_end_ns, "the last fault ended", "");
    for (who, what) in ends {
        story = story.line(who, record.end_ns, what, "");
    }
    let missing = record.healing_missing.clone().unwrap_or_else(|| "nobody can tell".to_owned());
    let text = format!("after {} s: {missing}", plan.heal_ms / 1000);
    story.line("", record.end_ns, text, "").violated(record.end_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Verdict, judge};
    use crate::mark_notes::BrokenClaim;
    use crate::record::Amnesia;
    use crate::testing::{Mark, STORE, Store, honest_record, plan};

    fn verdict(property: Property<Store>, record: &Record<Store>) -> PropertyVerdict {
        (property.check)(&plan(), record)
    }

    fn keeps(property: Property<Store>) {
        assert_eq!(verdict(property, &honest_record()), PropertyVerdict::Holds);
    }

    #[test]
    fn a_panic_is_a_failure() {
        keeps(no_panic());
        let record = Record { panic: Some("n1: index 3\nat x.rs:4".into()), ..Record::default() };
        let verdict = verdict(no_panic(), &record);
        assert_eq!(verdict.violation().unwrap().headline, "a program panicked: n1: index 3");
        let message = "n2 panicked at 3.000 ms: x.rs:4: index 3".to_owned();
        let record = Record { panic: Some(message.clone()), ..honest_record() };
        let verdict = self::verdict(no_panic(), &record);
        let line = &verdict.violation().unwrap().lines[0];
        assert_eq!((line.client.as_str(), &line.text), ("n2", &message));
    }

    fn broken(mark: Mark, message: &str) -> Record<Store> {
        let mut record = honest_record();
        let (message, about) = (message.to_owned(), mark.description());
        let claim = BrokenClaim { name: mark.name(), about, server: 2, at_ns: 5, message };
        record.marks.broken(claim);
        record
    }

    fn fingerprint(record: &Record<Store>) -> String {
        match judge(&STORE, &plan(), record, &[]).verdict {
            Verdict::Fail(failures) => failures[0].fingerprint.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn marks_that_hold_are_right() {
        let mut record = honest_record();
        record.marks.hit(Mark::LogInOrder.id(), "a place", 1, 5);
        assert_eq!(verdict(always(), &record), PropertyVerdict::Holds);
    }

    #[test]
    fn a_broken_claim_is_a_violation_with_its_place_and_time() {
        let verdict = verdict(always(), &broken(Mark::LogInOrder, "3 after 7"));
        let violation = verdict.violation().unwrap();
        assert!(violation.headline.starts_with("log-in-order does not hold: "), "{violation:?}");
        assert_eq!((violation.at_ns, violation.lines[0].client.as_str()), (5, "n2"));
        assert!(violation.lines[0].text.contains("after 7"));
    }

    #[test]
    fn each_claim_is_a_kind_of_its_own() {
        let one = fingerprint(&broken(Mark::LogInOrder, "0x100000003 after 0x100000007"));
        assert_eq!(one, fingerprint(&broken(Mark::LogInOrder, "0x20 after 0x21")));
        assert_ne!(one, fingerprint(&broken(Mark::TailCut, "0x20 after 0x21")));
    }

    fn after(amnesias: &[(u32, u64, Forgot)]) -> PropertyVerdict {
        let amnesia = |&(server, at_ns, how): &(u32, u64, Forgot)| Amnesia { server, at_ns, how };
        let reason = "the histories have diverged".to_owned();
        let fatal = vec![Refusal { server: 2, at_ns: 100, reason }];
        let amnesias = amnesias.iter().map(amnesia).collect();
        verdict(self::fatal("a test"), &Record { fatal, amnesias, ..honest_record() })
    }

    #[test]
    fn a_server_that_gives_up_is_a_failure() {
        keeps(fatal("a test"));
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

    #[test]
    fn a_system_that_does_not_heal_is_a_failure_unless_something_else_stopped_it() {
        keeps(healing("a test"));
        let missing = Some("n2 does not serve".to_owned());
        let late = || Record {
            healed_after_ms: None,
            healing_missing: missing.clone(),
            ..honest_record()
        };
        let verdict = verdict(healing("a test"), &late());
        let violation = verdict.violation().unwrap();
        assert_eq!(violation.headline, "the system did not recover after the faults had ended");
        assert_eq!(violation.at_ns, late().end_ns);
        let told = &violation.lines.last().unwrap().text;
        assert_eq!(told, "after 30 s: n2 does not serve");
        let holds = |record| self::verdict(healing("a test"), &record) == PropertyVerdict::Holds;
        assert!(holds(Record { panic: Some("boom".to_owned()), ..late() }));
        assert!(holds(Record { cut_off: Some("late".to_owned()), ..late() }));
    }
}
