//! Calls as histories of Jepsen: for `squall check` and for Jepsen's tools in the words of its registers, where
//! the model has such ([`Model::jepsen`]), and as a person would say them.
//!
//! A register by key is one of many there (`jepsen.independent`): each value is a tuple of the key and the
//! value, with the tag by which readers know it for one.

use std::collections::BTreeMap;

use checker::history::{Event, EventKind, Process, Value};
use evidence::FaultWindow;

use super::{Call, Calls, Outcome};
use crate::model::{JepsenForm, Model};

/// The tag of values that name their object, as `jepsen.independent` prints them.
const TUPLE: &str = "jepsen.independent/tuple";

/// How calls are written.
#[derive(Clone, Copy)]
pub(super) enum Style {
    /// In the form that Jepsen's registers have, where a model knows one.
    Data,
    /// As a person would say them.
    Words,
}

impl<M: Model> Calls<M> {
    /// As Jepsen has it: an operation whose end is unknown is the last of its process.
    pub(super) fn events(&self, faults: &[FaultWindow], style: Style) -> Vec<Event> {
        let clients = self.calls.iter().map(|call| call.client).max().unwrap_or(0);
        let mut process: BTreeMap<u32, i64> = BTreeMap::new();
        let mut unplaced: Vec<(u64, Event)> = Vec::new();
        let model = M::default();
        for call in &self.calls {
            let number = *process.entry(call.client).or_insert(i64::from(call.client));
            let process_of = Process::Client(number);
            let asked = match style {
                Style::Data => call.in_jepsens_words(&model, None),
                Style::Words => None,
            };
            let (invoke, end) = match asked {
                Some(asked) => call.as_data(&model, &process_of, asked),
                None => call.as_words(&model, &process_of),
            };
            unplaced.push((call.invoke_ns, invoke));
            let Some((at_ns, end)) = call.end.as_ref().map(|(at_ns, _)| *at_ns).zip(end) else {
                continue;
            };
            if end.kind == EventKind::Info {
                process.insert(call.client, number + i64::from(clients));
            }
            unplaced.push((at_ns, end));
        }
        for fault in faults {
            let ends = [Some((fault.from_ns, "start")), fault.to_ns.map(|to_ns| (to_ns, "stop"))];
            for (at_ns, what) in ends.into_iter().flatten() {
                let nemesis = Process::Named("nemesis".to_owned());
                let f = format!("{what}-{}", fault.kind);
                let event = event(nemesis, EventKind::Info, &f, fault.what.clone(), at_ns);
                unplaced.push((at_ns, event));
            }
        }
        unplaced.sort_by_key(|(at_ns, _)| *at_ns);
        let placed = unplaced.into_iter().zip(0..);
        placed.map(|((_, event), index)| Event { index, ..event }).collect()
    }
}

impl<M: Model> Call<M> {
    /// What the call is in a history of Jepsen, under the tag of `jepsen.independent`, which names the object.
    fn in_jepsens_words(
        &self,
        model: &M,
        answer: Option<&M::Answer>,
    ) -> Option<(JepsenForm, Value)> {
        let form = model.jepsen(&self.operation, answer)?;
        let pair = vec![Value::Text(model.key(&self.operation)), form.value.clone()];
        let tuple = Value::Tagged(TUPLE.to_owned(), Box::new(Value::Vector(pair)));
        Some((form, tuple))
    }

    /// Begin and end, as tools read them: what is not known of an end is in the field `error`.
    fn as_data(
        &self,
        model: &M,
        process: &Process,
        (form, asked): (JepsenForm, Value),
    ) -> (Event, Option<Event>) {
        let event = |kind, value, at_ns| Event {
            value,
            ..event(process.clone(), kind, form.f, String::new(), at_ns)
        };
        let end = self.end.as_ref().map(|(at_ns, outcome)| match outcome {
            Outcome::Answered(answer) => match self.in_jepsens_words(model, Some(answer)) {
                Some((JepsenForm { is_failed: true, .. }, value)) => {
                    event(EventKind::Fail, value, *at_ns)
                }
                Some((_, value)) => event(EventKind::Ok, value, *at_ns),
                None => event(EventKind::Ok, asked.clone(), *at_ns),
            },
            Outcome::Refused(why) => because(event(EventKind::Fail, asked.clone(), *at_ns), why),
            Outcome::Unknown(why) => because(event(EventKind::Info, asked.clone(), *at_ns), why),
        });
        (event(EventKind::Invoke, asked.clone(), self.invoke_ns), end)
    }

    /// Begin and end, as a person reads them.
    fn as_words(&self, model: &M, process: &Process) -> (Event, Option<Event>) {
        let event = |kind, value, at_ns| {
            event(process.clone(), kind, model.kind(&self.operation), value, at_ns)
        };
        let asked = format!("{:?}", self.operation);
        let end = self.end.as_ref().map(|(at_ns, outcome)| {
            let (kind, value) = match outcome {
                Outcome::Answered(answer) => (EventKind::Ok, format!("{answer:?}")),
                Outcome::Refused(why) => (EventKind::Fail, why.clone()),
                Outcome::Unknown(why) => (EventKind::Info, why.clone()),
            };
            event(kind, value, *at_ns)
        });
        (event(EventKind::Invoke, asked, self.invoke_ns), end)
    }
}

/// The event with the reason why it ended so.
fn because(mut event: Event, why: &str) -> Event {
    event.extra.insert("error".to_owned(), Value::Text(why.to_owned()));
    event
}

/// An event that has no place yet.
fn event(process: Process, kind: EventKind, f: &str, value: String, at_ns: u64) -> Event {
    Event {
        index: 0,
        line: 0,
        process,
        kind,
        f: f.to_owned(),
        value: Value::Text(value),
        time_ns: Some(at_ns),
        extra: BTreeMap::new(),
    }
}
