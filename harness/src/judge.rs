//! The judgement of a run: every property of what the servers did, then every guarantee of what the
//! clients saw.

use std::collections::BTreeSet;

use evidence::{ExplainLine, Explanation, OutcomeClass, Verdict as GuaranteeVerdict};
use probe::hash_bytes;

use crate::plan::Plan;
use crate::property::PropertyVerdict;
use crate::record::Record;
use crate::system::{Asked, System};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing contradicts any property.
    Pass,
    /// At least one property is violated; the earliest contradiction comes first.
    Fail(Vec<Failure>),
    /// Neither passed nor failed, and why: a limit was reached, or nothing was checked.
    Undecided(String),
}

/// A violated property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the property or guarantee that does not hold.
    pub property: String,
    /// The same for the same kind of failure: 16 hexadecimal digits over scenario, property and the
    /// message without the names of one run.
    pub fingerprint: String,
    /// When the contradiction was complete, in simulated nanoseconds.
    pub at_ns: u64,
    /// What is wrong, in one line.
    pub headline: String,
    /// What contradicts what, with times.
    pub lines: Vec<ExplainLine>,
    /// Which of the lines is the contradiction.
    pub contradiction: Option<usize>,
    /// The positions of the plan's operations that the lines speak of, ascending.
    pub operations: Vec<usize>,
}

/// A guarantee over what clients saw, judged.
#[derive(Clone, Debug)]
pub struct Guarantee {
    /// Its name, by which reports and planted bugs know it; it never changes.
    pub name: &'static str,
    /// What came of it.
    pub verdict: GuaranteeVerdict,
    /// Whether the run has anything that it speaks of.
    pub has_subject: bool,
    /// Whether it decides again, by other means, what others have decided: then it may give up without
    /// leaving the run undecided.
    pub is_second_opinion: bool,
}

impl Guarantee {
    /// A guarantee that speaks of every run and decides alone.
    pub fn new(name: &'static str, verdict: GuaranteeVerdict) -> Guarantee {
        Guarantee { name, verdict, has_subject: true, is_second_opinion: false }
    }
}

/// A verdict and what it rests on.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How the run ended.
    pub verdict: Verdict,
    /// The properties that had something to judge, and judged it.
    pub checked: Vec<&'static str>,
    /// The properties whose search gave up.
    pub gave_up: Vec<&'static str>,
}

impl Failure {
    /// The failure as explanations are printed.
    pub fn explanation(&self) -> Explanation {
        Explanation {
            property: self.property.clone(),
            headline: self.headline.clone(),
            lines: self.lines.clone(),
            contradiction: self.contradiction,
        }
    }

    fn new(plan: &Plan, explanation: Explanation, at_ns: u64, asked: &[Asked]) -> Failure {
        let kind = format!("{}: {}", plan.scenario, explanation.fingerprint());
        let hash = hash_bytes(kind.as_bytes());
        let Explanation { property, headline, lines, contradiction } = explanation;
        let fingerprint = format!("{hash:016x}");
        let moments: BTreeSet<u64> = lines.iter().filter_map(|line| line.from_ns).collect();
        let named = asked.iter().filter(|asked| moments.contains(&asked.invoke_ns));
        let within = |planned: &usize| *planned < plan.operations.len();
        let named: BTreeSet<usize> = named.filter_map(|a| a.planned).filter(within).collect();
        let operations = named.into_iter().collect();
        Failure { property, fingerprint, at_ns, headline, lines, contradiction, operations }
    }
}

/// Judges a run.
pub fn judge<S: System>(system: &S, plan: &Plan, record: &Record<S>, asked: &[Asked]) -> Judged {
    let mut failures = Vec::new();
    let mut undecided = Vec::new();
    let (mut checked, mut gave_up) = (Vec::new(), Vec::new());
    for property in system.properties() {
        if (property.has_subject)(record) {
            checked.push(property.name);
        }
        if let PropertyVerdict::Violated(violation) = (property.check)(plan, record) {
            let explanation = Explanation {
                property: property.name.to_owned(),
                headline: violation.headline.clone(),
                contradiction: violation.lines.len().checked_sub(1),
                lines: violation.lines,
            };
            failures.push(Failure::new(plan, explanation, violation.at_ns, asked));
        }
    }
    for Guarantee { name, verdict, has_subject, is_second_opinion } in
        system.guarantees(plan, record)
    {
        match verdict {
            GuaranteeVerdict::Valid if !has_subject => {}
            GuaranteeVerdict::Valid => checked.push(name),
            GuaranteeVerdict::Invalid(explanation) => {
                checked.push(name);
                let at_ns = contradiction_ns(&explanation).unwrap_or(record.end_ns);
                failures.push(Failure::new(plan, explanation, at_ns, asked));
            }
            // A scenario without watches, say, says nothing about watches.
            ref nothing if *nothing == GuaranteeVerdict::nothing_checked() => {}
            // It is a second opinion on what others have decided, and may give up where many unanswered
            // writes meet.
            GuaranteeVerdict::Unknown { .. } if is_second_opinion => gave_up.push(name),
            GuaranteeVerdict::Unknown { reason, .. } => {
                gave_up.push(name);
                undecided.push(format!("{name}: {reason}"));
            }
        }
    }
    failures.sort_by_key(|failure| failure.at_ns);
    let verdict = if !failures.is_empty() {
        Verdict::Fail(failures)
    } else if let Some(reason) = undecided_because(record, asked, undecided) {
        Verdict::Undecided(reason)
    } else {
        Verdict::Pass
    };
    Judged { verdict, checked, gave_up }
}

fn undecided_because<S: System>(
    record: &Record<S>,
    asked: &[Asked],
    undecided: Vec<String>,
) -> Option<String> {
    if let Some(reason) = &record.cut_off {
        return Some(format!("the run was cut off: {reason}"));
    }
    if !asked.iter().any(|asked| asked.outcome == OutcomeClass::Ok) {
        return Some("nothing was checked".to_owned());
    }
    undecided.into_iter().next()
}

fn contradiction_ns(explanation: &Explanation) -> Option<u64> {
    let time = |line: &ExplainLine| line.to_ns.or(line.from_ns);
    let line = explanation.contradiction.and_then(|index| explanation.lines.get(index));
    line.and_then(time).or_else(|| explanation.lines.iter().filter_map(time).max())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Refusal;
    use crate::testing::{STORE, SYSTEMS, Store, honest_record, plan, written};

    fn judged_of(plan: &Plan, record: &Record<Store>) -> Judged {
        judge(&STORE, plan, record, &STORE.asked(plan, record))
    }

    fn failures(record: &Record<Store>) -> Vec<Failure> {
        match judged_of(&plan(), record).verdict {
            Verdict::Fail(failures) => failures,
            other => panic!("{other:?}"),
        }
    }

    /// A server gave up.
    fn refused(at_ns: u64, reason: &str) -> Record<Store> {
        let refusal = Refusal { server: 2, at_ns, reason: reason.to_owned() };
        Record { fatal: vec![refusal], ..honest_record() }
    }

    #[test]
    fn an_honest_run_passes() {
        let judged = judged_of(&plan(), &honest_record());
        assert_eq!(judged.verdict, Verdict::Pass);
        assert_eq!(judged.checked, SYSTEMS.property_names());
        assert!(judged.gave_up.is_empty() && judged.checked.contains(&STORE.properties()[0].name));
    }

    #[test]
    fn a_run_that_answered_nobody_is_undecided() {
        let mut record = honest_record();
        record.history.calls.clear();
        let judged = judged_of(&plan(), &record);
        assert_eq!(judged.verdict, Verdict::Undecided("nothing was checked".to_owned()));
        assert!(!judged.checked.contains(&"linearizability"), "{:?}", judged.checked);
    }

    #[test]
    fn a_run_that_was_cut_off_is_undecided_unless_it_failed() {
        let mut record = honest_record();
        record.cut_off = Some("too long".to_owned());
        assert!(matches!(judged_of(&plan(), &record).verdict, Verdict::Undecided(_)));
        record.panic = Some("boom".to_owned());
        assert_eq!(failures(&record)[0].property, "no panic");
    }

    #[test]
    fn fingerprints_depend_on_the_kind_alone() {
        let gone = |number| failures(&refused(3, &format!("record {number} is gone")))[0].clone();
        assert_eq!(gone(2).fingerprint, gone(7).fingerprint);
        assert_ne!(gone(2).lines, gone(7).lines);
        let other = failures(&refused(3, "the disk is full"));
        assert_ne!(other[0].fingerprint, gone(2).fingerprint);
        assert_eq!(other[0].fingerprint.len(), 16);
        let elsewhere = Plan { scenario: "store/reads".to_owned(), ..plan() };
        let there = judged_of(&elsewhere, &refused(3, "the disk is full")).verdict;
        let Verdict::Fail(there) = there else { panic!() };
        assert_ne!(there[0].fingerprint, other[0].fingerprint);
    }

    #[test]
    fn the_earliest_contradiction_comes_first() {
        let mut record = refused(7, "the disk is full");
        record.panic = Some("boom".to_owned());
        let failures = failures(&record);
        assert_eq!(failures.len(), 2);
        assert_eq!(failures[0].property, "no server gives up", "though another is judged first");
        assert!(failures.is_sorted_by_key(|failure| failure.at_ns));
        assert!(failures[0].explanation().to_string().contains(&failures[0].headline));
    }

    #[test]
    fn a_violated_guarantee_is_a_failure_at_its_contradiction() {
        use crate::calls::{Call, Outcome};
        use crate::model::{RegisterAnswer, RegisterOperation};
        let mut record = honest_record();
        let operation = RegisterOperation::Get { key: "k0".to_owned() };
        let end = Some((9_000, Outcome::Answered(RegisterAnswer::Value(None))));
        record.history.calls.push(Call { operation, end, invoke_ns: 8_000, ..written(2, 0) });
        let failures = failures(&record);
        assert_eq!((failures[0].property.as_str(), failures[0].at_ns), ("linearizability", 9_000));
    }
}
