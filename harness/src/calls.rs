//! The common case: clients that make one call after the other, and a [`Model`] that says which answers
//! are right.
//!
//! A system whose history is [`Calls`] gets its clients ([`clients`]), what is counted of them, and the
//! verdict of linearizability from here.

mod told;

use std::collections::BTreeMap;
use std::future::Future;

use checker::format::{write_edn, write_text};
use checker::linear::{Budget, Call as Searched, check_calls};
use evidence::{FaultWindow, History, HistoryFiles, Operation, OutcomeClass, Verdict};
use platform::Mono;
use sim::{Host, World};

use crate::judge::Guarantee;
use crate::model::{Answered, Model, Sequential};
use crate::plan::Plan;
use crate::stage::Stage;
use crate::system::{Asked, System};
use told::Style;

/// This module's events in the trace: the ends of calls.
const TAG_CALL: u32 = 2;
/// Pause between two attempts of the client that tells when the system serves again.
const PROBE_PAUSE_MS: u64 = 100;
/// Configurations that the search of one key may look at, and as many again in proportion to explain what
/// it finds: seconds at most. A run is one of thousands.
const CONFIGURATIONS_MAX: u64 = 2_000_000;
/// The name of the guarantee.
pub const LINEARIZABILITY: &str = "linearizability";

/// What came of a call, as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<A> {
    /// The system answered so; the call is over, and took effect if the answer says so.
    Answered(A),
    /// It was refused, and had no effect: why.
    Refused(String),
    /// It may have had an effect, now or later: what is known, such as a time-out.
    Unknown(String),
}

/// One call of a client.
#[derive(Clone, Debug)]
pub struct Call<M: Model> {
    /// The client, from 1.
    pub client: u32,
    /// Its position among the plan's operations.
    pub planned: usize,
    /// What was asked.
    pub operation: M::Operation,
    /// When it was asked, in world nanoseconds since the start of the run.
    pub invoke_ns: u64,
    /// What came of it and when; none if the run ended first.
    pub end: Option<(u64, Outcome<M::Answer>)>,
}

/// What clients of a model write down: the history of a system in the common case.
#[derive(Clone, Debug)]
pub struct Calls<M: Model> {
    /// The calls, in the order in which they were made.
    pub calls: Vec<Call<M>>,
    /// Clients that have come to the end of their part.
    pub clients_done: u32,
    /// A call made after chaos was answered.
    pub serves_again: bool,
}

impl<M: Model> Default for Calls<M> {
    fn default() -> Calls<M> {
        Calls { calls: Vec::new(), clients_done: 0, serves_again: false }
    }
}

/// A client's connection to the system: it makes calls one at a time.
pub trait Client<M: Model> {
    /// Makes a call. It must end: what is not answered in time is [`Outcome::Unknown`].
    fn call(&mut self, operation: &M::Operation) -> impl Future<Output = Outcome<M::Answer>>;
}

/// Adds the plan's clients to a stage, and one more that after chaos asks `probe` until it is answered.
/// `connect` makes a client's connection, given the host that it runs on and its number.
pub fn clients<W, S, M, C, F>(
    plan: &Plan,
    stage: &mut Stage<'_, W, S>,
    probe: M::Operation,
    connect: F,
) where
    W: World,
    M: Model,
    S: System<Operation = M::Operation, History = Calls<M>>,
    C: Client<M> + 'static,
    F: Fn(W::Host, u32) -> C + Clone + 'static,
{
    let count = plan.count(crate::system::Group::CLIENTS.name);
    for number in 1..=count {
        let mut operations: Vec<(usize, u64, M::Operation)> = plan
            .operations
            .iter()
            .enumerate()
            .filter(|(_, operation)| operation.client == number)
            .map(|(position, operation)| {
                (position, operation.at_ms, operation.action.get::<M::Operation>().clone())
            })
            .collect();
        operations.sort_by_key(|(position, at_ms, _)| (*at_ms, *position));
        let connect = connect.clone();
        stage.client(&format!("c{number}"), move |host: W::Host, recording| {
            let (operations, connect) = (operations.clone(), connect.clone());
            async move {
                let mut client = connect(host.clone(), number);
                let clerk = Clerk { host, recording, number };
                for (planned, at_ms, operation) in operations {
                    clerk.call(&mut client, planned, at_ms, operation).await;
                }
                clerk.recording.notes().history().clients_done += 1;
            }
        });
    }
    let (number, chaos_ms, heal_ms) = (count + 1, plan.chaos_ms, plan.heal_ms);
    let base = plan.operations.len();
    stage.client(&format!("c{number}"), move |host: W::Host, recording| {
        let (probe, connect) = (probe.clone(), connect.clone());
        async move {
            let mut client = connect(host.clone(), number);
            let clerk = Clerk { host, recording, number };
            for turn in 0..heal_ms / PROBE_PAUSE_MS {
                let at_ms = chaos_ms + turn * PROBE_PAUSE_MS;
                let planned = base + turn as usize;
                let outcome = clerk.call(&mut client, planned, at_ms, probe.clone()).await;
                if let Outcome::Answered(_) = outcome {
                    clerk.recording.notes().history().serves_again = true;
                    return;
                }
            }
        }
    });
}

/// What a [`System`](crate::System) whose history is [`Calls`] of a model says of it: put it into the `impl`.
/// With the model alone it writes the methods about clients' calls; with names, groups, marks and plants
/// those about them, too. As `common_case!(unjudged: MODEL)` it leaves the guarantees out: the calls are then
/// judged by properties over `record.history.calls`, or by guarantees of the system's own. A system that misses
/// more than its clients' calls writes these methods itself.
#[macro_export]
macro_rules! common_case {
    (
        model: $model:ty,
        name: $name:literal,
        about: $about:literal,
        groups: $groups:expr,
        marks: $marks:ident,
        plants: $plants:ident $(,)?
    ) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn about(&self) -> &'static str {
            $about
        }

        fn groups(&self) -> &'static [$crate::system::Group] {
            const GROUPS: &[$crate::system::Group] = &$groups;
            GROUPS
        }

        fn marks(&self) -> &'static [$crate::probe::MarkDeclaration] {
            $marks::DECLARATIONS
        }

        fn plants(&self) -> &'static [$crate::probe::PlantDeclaration] {
            $plants::DECLARATIONS
        }

        $crate::common_case!($model);
    };
    // Before the form of a type alone, which would begin to read this one.
    (unjudged: $model:ty) => {
        fn missing(
            &self,
            plan: &$crate::Plan,
            history: &Self::History,
            _state: &Self::State,
        ) -> Option<String> {
            history.missing(plan)
        }

        fn asked(
            &self,
            _plan: &$crate::Plan,
            record: &$crate::Record<Self>,
        ) -> Vec<$crate::system::Asked> {
            record.history.asked()
        }

        fn told(
            &self,
            _plan: &$crate::Plan,
            record: &$crate::Record<Self>,
        ) -> $crate::evidence::History {
            record.history.told(&record.faults)
        }

        fn kinds(&self) -> &'static [&'static str] {
            $crate::model::Model::kinds(&<$model>::default())
        }

        fn is_read(&self, operation: &Self::Operation) -> bool {
            $crate::model::Model::is_read(&<$model>::default(), operation)
        }

        fn objects(&self, operation: &Self::Operation) -> Vec<String> {
            vec![$crate::model::Model::key(&<$model>::default(), operation)]
        }
    };
    ($model:ty) => {
        $crate::common_case!(unjudged: $model);

        fn guarantees(
            &self,
            _plan: &$crate::Plan,
            record: &$crate::Record<Self>,
        ) -> Vec<$crate::judge::Guarantee> {
            vec![record.history.linearizability()]
        }

        fn guarantee_names(&self) -> Vec<&'static str> {
            vec![$crate::calls::LINEARIZABILITY]
        }
    };
}

/// Writes down what one client does.
struct Clerk<H, S: System> {
    host: H,
    recording: crate::Recording<S>,
    number: u32,
}

impl<H: Host, S: System> Clerk<H, S> {
    /// Makes a call, not before its time.
    async fn call<M: Model>(
        &self,
        client: &mut impl Client<M>,
        planned: usize,
        at_ms: u64,
        operation: M::Operation,
    ) -> Outcome<M::Answer>
    where
        S: System<History = Calls<M>>,
    {
        let at = Mono(at_ms * 1_000_000);
        if self.host.now() < at {
            self.host.sleep_until(at).await;
        }
        let position = {
            let mut notes = self.recording.notes();
            notes.hold::<Call<M>>(0);
            let invoke_ns = self.host.world_ns();
            let client = self.number;
            let operation = operation.clone();
            let calls = &mut notes.history().calls;
            calls.push(Call { client, planned, operation, invoke_ns, end: None });
            calls.len() - 1
        };
        let outcome = client.call(&operation).await;
        let text = format!("{position} {outcome:?}");
        self.recording.event(&self.host, TAG_CALL, &text);
        let mut notes = self.recording.notes();
        notes.hold::<Outcome<M::Answer>>(text.len());
        notes.history().calls[position].end = Some((self.host.world_ns(), outcome.clone()));
        outcome
    }
}

impl<M: Model> Calls<M> {
    /// What is still missing until clients are served as before; the system may miss more.
    pub fn missing(&self, plan: &Plan) -> Option<String> {
        let clients = plan.count(crate::system::Group::CLIENTS.name);
        if !self.serves_again {
            return Some("no call made after the faults was answered".to_owned());
        }
        (self.clients_done < clients)
            .then(|| format!("{} of {clients} clients are done", self.clients_done))
    }

    /// When each call was asked and how it ended, without its texts: for [`System::asked`].
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.calls.iter().map(|call| Asked {
            planned: Some(call.planned),
            invoke_ns: call.invoke_ns,
            complete_ns: call.end.as_ref().map(|(at_ns, _)| *at_ns),
            outcome: call.class(),
            is_change: !M::default().is_read(&call.operation),
        });
        asked.collect()
    }

    /// For [`System::guarantees`]: whether the calls are linearizable, key by key (Herlihy and Wing,
    /// TOPLAS 1990).
    pub fn linearizability(&self) -> Guarantee {
        let model = Sequential(M::default());
        let mut keys: BTreeMap<String, Vec<Searched<Answered<M>>>> = BTreeMap::new();
        for call in &self.calls {
            let (answer, complete) = match &call.end {
                Some((_, Outcome::Refused(_))) => continue,
                Some((at_ns, Outcome::Answered(answer))) => (Some(answer.clone()), Some(*at_ns)),
                Some((_, Outcome::Unknown(_))) | None => (None, None),
            };
            // A read of which nothing is known says nothing.
            if answer.is_none() && model.0.is_read(&call.operation) {
                continue;
            }
            keys.entry(model.0.key(&call.operation)).or_default().push(Searched {
                op: (call.operation.clone(), answer),
                client: format!("c{}", call.client),
                invoke: call.invoke_ns,
                complete,
                from_ns: Some(call.invoke_ns),
                to_ns: complete,
            });
        }
        let budget = Budget { configurations_max: CONFIGURATIONS_MAX, ..Budget::default() };
        let mut verdict = Verdict::nothing_checked();
        for (key, mut calls) in keys {
            calls.sort_by_key(|call| call.invoke);
            match check_blurred(&model, &format!("key {key}"), &calls, budget) {
                Verdict::Valid if verdict == Verdict::nothing_checked() => verdict = Verdict::Valid,
                Verdict::Valid => {}
                invalid @ Verdict::Invalid(_) => {
                    verdict = invalid;
                    break;
                }
                unknown @ Verdict::Unknown { .. } => verdict = unknown,
            }
        }
        Guarantee::new(LINEARIZABILITY, verdict)
    }

    /// The calls as a person reads them, and as files for other tools: for [`System::told`].
    pub fn told(&self, faults: &[FaultWindow]) -> History {
        let operations = self.calls.iter().map(Call::evidence).collect();
        let (data, words) = (self.events(faults, Style::Data), self.events(faults, Style::Words));
        let line = |call: &Call<M>| {
            let operation = call.evidence();
            serde_json::to_string(&operation).expect("evidence is plain data") + "\n"
        };
        let files = HistoryFiles {
            json_lines: self.calls.iter().map(line).collect(),
            edn: write_edn(&data),
            text: write_text(&words),
        };
        History { operations, notes: Vec::new(), files }
    }
}

/// Decides with operations blurred, which is quicker, and explains with those that there were.
fn check_blurred<M: Model>(
    model: &Sequential<M>,
    title: &str,
    calls: &[Searched<Answered<M>>],
    budget: Budget<'_>,
) -> Verdict {
    let mut operations: Vec<Answered<M>> = calls.iter().map(|call| call.op.clone()).collect();
    model.0.blur(&mut operations);
    if calls.iter().map(|call| &call.op).eq(&operations) {
        return check_calls(model, title, calls, budget);
    }
    let blurred = calls.iter().zip(operations).map(|(call, op)| Searched { op, ..call.clone() });
    let blurred: Vec<Searched<Answered<M>>> = blurred.collect();
    match check_calls(model, title, &blurred, budget) {
        Verdict::Invalid(explanation) => match check_calls(model, title, calls, budget) {
            invalid @ Verdict::Invalid(_) => invalid,
            // The quicker search knows, and its texts are all that there are.
            Verdict::Valid | Verdict::Unknown { .. } => Verdict::Invalid(explanation),
        },
        verdict => verdict,
    }
}

impl<M: Model> Call<M> {
    fn class(&self) -> OutcomeClass {
        match &self.end {
            Some((_, Outcome::Answered(_))) => OutcomeClass::Ok,
            Some((_, Outcome::Refused(_))) => OutcomeClass::Refused,
            Some((_, Outcome::Unknown(_))) | None => OutcomeClass::Unknown,
        }
    }

    fn evidence(&self) -> Operation {
        let model = M::default();
        Operation {
            client: self.client,
            client_name: format!("c{}", self.client),
            session: None,
            kind: model.kind(&self.operation).to_owned(),
            asked: format!("{:?}", self.operation),
            asked_detail: format!("key {}", model.key(&self.operation)),
            answered: match &self.end {
                Some((_, Outcome::Answered(answer))) => format!("{answer:?}"),
                Some((_, Outcome::Refused(why))) => why.clone(),
                Some((_, Outcome::Unknown(why))) => format!("unknown: {why}"),
                None => "the run ended first".to_owned(),
            },
            invoke_ns: self.invoke_ns,
            complete_ns: self.end.as_ref().map(|(at_ns, _)| *at_ns),
            outcome: self.class(),
            is_change: !model.is_read(&self.operation),
            position: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RegisterAnswer, RegisterOperation, Registers};
    use crate::testing::{honest_record, plan, written};

    fn calls(all: Vec<Call<Registers>>) -> Calls<Registers> {
        Calls { calls: all, ..Calls::default() }
    }

    fn got(client: u32, invoke_ns: u64, value: Option<&str>) -> Call<Registers> {
        let answer = RegisterAnswer::Value(value.map(str::to_owned));
        let end = Some((invoke_ns + 1_000, Outcome::Answered(answer)));
        let operation = RegisterOperation::Get { key: "k0".to_owned() };
        Call { operation, end, ..written(client, invoke_ns) }
    }

    fn ended(client: u32, invoke_ns: u64, outcome: Outcome<RegisterAnswer>) -> Call<Registers> {
        Call { end: Some((invoke_ns + 1_000, outcome)), ..written(client, invoke_ns) }
    }

    fn verdict(all: Vec<Call<Registers>>) -> Verdict {
        calls(all).linearizability().verdict
    }

    #[test]
    fn its_own_edn_is_judged_by_the_checker() {
        let judged = |all: Vec<Call<Registers>>| {
            let edn = calls(all).told(&[]).files.edn;
            checker::check_text("history.edn", edn.as_bytes(), None, Budget::default()).unwrap()
        };
        let cas = |client, at_ns, old: &str, answer| {
            let (key, old, new) = ("k0".to_owned(), old.to_owned(), "new".to_owned());
            let operation = RegisterOperation::Cas { key, old, new };
            Call { operation, ..ended(client, at_ns, Outcome::Answered(answer)) }
        };
        let other = Call {
            operation: RegisterOperation::Set { key: "k1".to_owned(), value: "x".to_owned() },
            ..ended(3, 10, Outcome::Unknown("timed \"out\"".to_owned()))
        };
        let all = |last| {
            let differs = cas(2, 5_000, "2", RegisterAnswer::Differs);
            let done = cas(2, 7_000, "1", RegisterAnswer::Written);
            vec![
                got(1, 0, None),
                written(1, 2_000),
                other.clone(),
                differs,
                done,
                got(1, 9_000, last),
            ]
        };
        assert_eq!(judged(all(Some("new"))), Verdict::Valid);
        assert!(matches!(judged(all(Some("1"))), Verdict::Invalid(_)));
        let refused = ended(1, 0, Outcome::Refused("no".to_owned()));
        assert_eq!(judged(vec![refused, got(1, 2_000, None)]), Verdict::Valid);
    }

    #[test]
    fn what_is_answered_must_be_linearizable() {
        assert_eq!(verdict(vec![written(1, 0), got(2, 5_000, Some("1"))]), Verdict::Valid);
        let stale = verdict(vec![written(1, 0), got(2, 5_000, None)]);
        let Verdict::Invalid(explanation) = stale else { panic!("{stale:?}") };
        assert_eq!(explanation.property, LINEARIZABILITY);
        assert_eq!(verdict(Vec::new()), Verdict::nothing_checked());
    }

    #[test]
    fn what_is_refused_has_no_effect_and_what_is_unknown_may_have_one() {
        let refused = || ended(1, 0, Outcome::Refused("no".to_owned()));
        let unknown = || ended(1, 0, Outcome::Unknown("late".to_owned()));
        let unanswered = || Call { end: None, ..written(1, 0) };
        let reads = |value| got(2, 5_000, value);
        assert!(matches!(verdict(vec![refused(), reads(Some("1"))]), Verdict::Invalid(_)));
        assert_eq!(verdict(vec![refused(), reads(None)]), Verdict::Valid);
        for maybe in [unknown, unanswered] {
            assert_eq!(verdict(vec![maybe(), reads(Some("1"))]), Verdict::Valid);
            assert_eq!(verdict(vec![maybe(), reads(None)]), Verdict::Valid);
            let both = vec![maybe(), reads(Some("1")), got(3, 9_000, None)];
            assert!(matches!(verdict(both), Verdict::Invalid(_)), "once there, it stays");
        }
    }

    /// Each write is gone when it is compared with: one of sixty that nobody heard of must have hidden it,
    /// and it is all the same which.
    #[test]
    fn many_calls_without_an_answer_do_not_make_the_search_give_up() {
        let set = |value: String| RegisterOperation::Set { key: "k0".to_owned(), value };
        let unheard = |n: u64| {
            let operation = set(format!("unheard {n}"));
            Call { operation, end: None, ..written(n as u32 % 3 + 1, n) }
        };
        let hidden = |n: u64| {
            let (at_ns, old) = (10_000 + n * 5_000, format!("hidden {n}"));
            let write = Call { operation: set(old.clone()), ..written(4, at_ns) };
            let new = format!("new {n}");
            let operation = RegisterOperation::Cas { key: "k0".to_owned(), old, new };
            let end = Some((at_ns + 3_000, Outcome::Answered(RegisterAnswer::Differs)));
            [write, Call { operation, end, ..written(4, at_ns + 2_000) }]
        };
        let all = |last| {
            let calls = (0..60).map(unheard).chain((0..30).flat_map(hidden));
            calls.chain([written(1, 900_000), got(2, 950_000, Some(last))]).collect()
        };
        assert_eq!(verdict(all("1")), Verdict::Valid);
        let impossible = verdict(all("2"));
        assert!(matches!(impossible, Verdict::Invalid(_)), "{impossible:?}");
    }

    #[test]
    fn a_client_is_another_process_after_an_unknown_end() {
        let unknown = Outcome::Unknown("late".to_owned());
        let history = calls(vec![written(1, 0), ended(1, 2_000, unknown), written(1, 4_000)]);
        let fault = FaultWindow {
            planned: 0,
            kind: "crash".to_owned(),
            what: "n1".to_owned(),
            from_ns: 2_500,
            to_ns: Some(3_500),
        };
        let text = history.told(&[fault]).files.text;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8, "{text}");
        let column = |line: usize, column| lines[line].split_whitespace().nth(column).unwrap();
        let said = |line| [2, 3, 4].map(|number| column(line, number));
        assert_eq!([said(0), said(1)], [["1", "invoke", "set"], ["1", "ok", "set"]]);
        assert_eq!([said(2), said(5)], [["1", "invoke", "set"], ["nemesis", "info", "stop-crash"]]);
        assert_eq!([said(3), said(4)], [["nemesis", "info", "start-crash"], ["1", "info", "set"]]);
        assert_eq!([said(6), said(7)], [["2", "invoke", "set"], ["2", "ok", "set"]]);
    }

    #[test]
    fn healing_waits_for_an_answer_and_for_every_client() {
        let missing = |serves_again, clients_done| {
            Calls::<Registers> { serves_again, clients_done, ..Calls::default() }.missing(&plan())
        };
        assert_eq!(missing(false, 3).unwrap(), "no call made after the faults was answered");
        assert_eq!(missing(true, 2).unwrap(), "2 of 3 clients are done");
        assert_eq!(missing(true, 3), None);
    }

    #[test]
    fn calls_are_counted_by_their_ends() {
        let refused = Outcome::Refused("no".to_owned());
        let mut record = honest_record();
        record.history.calls.extend([ended(1, 5_000, refused), got(2, 9_000, None)]);
        let asked = record.history.asked();
        let classes: Vec<(OutcomeClass, bool)> =
            asked.iter().map(|asked| (asked.outcome, asked.is_change)).collect();
        use OutcomeClass::{Ok, Refused};
        assert_eq!(classes, [(Ok, true), (Refused, true), (Ok, false)]);
    }
}
