//! The judgement of a run: every invariant over what the servers did, then every guarantee over
//! what the clients saw.

use checker::znode::{Claims, ZHistory};
use checker::{ExplainLine, Explanation, PropertyName, Verdict as CheckerVerdict, check_all};
use sim::cluster::plan::Plan;
use sim::cluster::record::{ClientOutcome, RunRecord};

use crate::convert;
use crate::property::{PROPERTIES, PropertyVerdict};
use crate::subject::has_subject;

/// The property that is judged without zxids, by search.
const SECOND_OPINION: PropertyName = PropertyName("linearizability");

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing contradicts any property.
    Pass,
    /// At least one property is violated; the earliest contradiction comes first.
    Fail(Vec<Failure>),
    /// Neither: why.
    Undecided(String),
}

/// A violated property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The property.
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
}

/// A verdict and what it rests on.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How the run ended.
    pub verdict: Verdict,
    /// The clients' side of it, as the checker judged it.
    pub history: ZHistory,
    /// The properties that had something to judge, and judged it.
    pub checked: Vec<&'static str>,
    /// The properties whose search gave up.
    pub gave_up: Vec<&'static str>,
}

impl Failure {
    /// The failure as the checker's explanations are printed.
    pub fn explanation(&self) -> Explanation {
        Explanation {
            property: self.property.clone(),
            headline: self.headline.clone(),
            lines: self.lines.clone(),
            contradiction: self.contradiction,
        }
    }

    fn new(scenario: &str, explanation: Explanation, at_ns: u64) -> Failure {
        let kind = format!("{scenario}: {}", explanation.fingerprint());
        let hash = keeper_core::instruments::hash_bytes(kind.as_bytes());
        let Explanation { property, headline, lines, contradiction } = explanation;
        let fingerprint = format!("{hash:016x}");
        Failure { property, fingerprint, at_ns, headline, lines, contradiction }
    }
}

/// Judges a run.
pub fn judge(plan: &Plan, record: &RunRecord) -> Judged {
    let history = convert::history(record);
    let mut failures = Vec::new();
    let mut undecided = Vec::new();
    let (mut checked, mut gave_up) = (Vec::new(), Vec::new());
    for property in &PROPERTIES {
        if has_subject(property.name, &history) {
            checked.push(property.name);
        }
        if let PropertyVerdict::Violated(violation) = (property.check)(plan, record) {
            let explanation = Explanation {
                property: property.name.to_owned(),
                headline: violation.headline.clone(),
                contradiction: violation.lines.len().checked_sub(1),
                lines: violation.lines,
            };
            failures.push(Failure::new(&plan.scenario, explanation, violation.at_ns));
        }
    }
    for (name, verdict) in check_all(&history) {
        match verdict {
            CheckerVerdict::Valid if !has_subject(name.0, &history) => {}
            CheckerVerdict::Valid => checked.push(name.0),
            CheckerVerdict::Invalid(explanation) => {
                checked.push(name.0);
                let at_ns = contradiction_ns(&explanation).unwrap_or(record.end_ns);
                failures.push(Failure::new(&plan.scenario, explanation, at_ns));
            }
            // A scenario without watches says nothing about watches.
            ref nothing if *nothing == CheckerVerdict::nothing_checked() => {}
            // The search knows no zxids and is a second opinion on what the witness has decided; it
            // may give up where many unanswered writes meet on one znode.
            CheckerVerdict::Unknown { .. } if name == SECOND_OPINION => gave_up.push(name.0),
            CheckerVerdict::Unknown { reason, .. } => {
                gave_up.push(name.0);
                undecided.push(format!("{name}: {reason}"));
            }
        }
    }
    failures.sort_by_key(|failure| failure.at_ns);
    let verdict = if !failures.is_empty() {
        Verdict::Fail(failures)
    } else if let Some(reason) = undecided_because(record, undecided) {
        Verdict::Undecided(reason)
    } else {
        Verdict::Pass
    };
    Judged { verdict, history, checked, gave_up }
}

/// Every property that runs are judged by: those over the servers first, then those over histories.
pub fn property_names() -> Vec<&'static str> {
    let claims = Claims { sync_is_barrier: true, ..Claims::default() };
    let of_histories = check_all(&ZHistory { claims, ..ZHistory::default() });
    let of_histories = of_histories.into_iter().map(|(name, _)| name.0);
    PROPERTIES.iter().map(|property| property.name).chain(of_histories).collect()
}

fn undecided_because(record: &RunRecord, undecided: Vec<String>) -> Option<String> {
    if let Some(reason) = &record.cut_off {
        return Some(format!("the run was cut off: {reason}"));
    }
    let is_answered = |outcome: &ClientOutcome| matches!(outcome, ClientOutcome::Ok { .. });
    if !record.operations.iter().any(|operation| is_answered(&operation.outcome)) {
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
    use keeper_core::instruments::Observation;

    use super::*;
    use crate::property::testing::{Script, honest_run, plan, two_epochs, zxid};

    fn failures(record: &RunRecord) -> Vec<Failure> {
        match judge(&plan(), record).verdict {
            Verdict::Fail(failures) => failures,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_honest_run_passes() {
        let (plan, record) = honest_run();
        let judged = judge(&plan, &record);
        assert_eq!(judged.verdict, Verdict::Pass);
        assert!(judged.checked.len() > 20);
        assert!(judged.gave_up.is_empty() && judged.checked.contains(&PROPERTIES[0].name));
        assert!(!judged.checked.contains(&"one-shot watches"), "{:?}", judged.checked);
        assert!(judged.checked.iter().all(|name| property_names().contains(name)));
        assert_eq!(judged.history.operations.len(), record.operations.len());
    }

    #[test]
    fn a_run_that_answered_nobody_is_undecided() {
        let (plan, mut record) = honest_run();
        record.operations.clear();
        let judged = judge(&plan, &record);
        assert_eq!(judged.verdict, Verdict::Undecided("nothing was checked".to_owned()));
    }

    #[test]
    fn a_run_that_was_cut_off_is_undecided_unless_it_failed() {
        let mut record = two_epochs().record();
        record.cut_off = Some("too long".to_owned());
        assert!(matches!(judge(&plan(), &record).verdict, Verdict::Undecided(_)));
        record.panic = Some("boom".to_owned());
        assert_eq!(failures(&record)[0].property, "no panic");
    }

    #[test]
    fn fingerprints_depend_on_the_kind_alone() {
        let early = |counter| {
            let (zxid, durable) = (zxid(2, counter), zxid(2, 1));
            let script = two_epochs().see(3, Observation::Acknowledged { zxid, durable });
            failures(&script.record())[0].clone()
        };
        assert_eq!(early(2).fingerprint, early(7).fingerprint);
        assert_ne!(early(2).lines, early(7).lines);
        let other = failures(&two_epochs().deliver(1, zxid(2, 2)).record());
        assert_ne!(other[0].fingerprint, early(2).fingerprint);
        assert_eq!(other[0].fingerprint.len(), 16);
        let elsewhere = Plan { scenario: "keeper/multi".to_owned(), ..plan() };
        let record = two_epochs().deliver(1, zxid(2, 2)).record();
        let Verdict::Fail(there) = judge(&elsewhere, &record).verdict else { panic!() };
        assert_ne!(there[0].fingerprint, other[0].fingerprint);
    }

    #[test]
    fn the_earliest_contradiction_comes_first() {
        let script = Script::new().deliver(1, zxid(1, 1)).deliver(2, zxid(1, 2));
        let failures = failures(&script.record());
        assert!(failures.len() > 1);
        assert!(failures.is_sorted_by_key(|failure| failure.at_ns));
        assert!(failures[0].explanation().to_string().contains(&failures[0].headline));
    }
}
