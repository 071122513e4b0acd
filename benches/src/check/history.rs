//! Histories to be judged: clients that ask one thing after the other, without pause, of objects
//! that do each thing at one moment between question and answer.

use checker::history::{Event, EventKind, Process, Value};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Half reads, half writes of one register.
    Register,
    /// A third each of reads, writes and compare-and-sets of one register.
    Cas,
    /// Gets, appends and a few puts of strings under ten keys.
    KeyValue,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Register, Kind::Cas, Kind::KeyValue];

    /// What figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::Cas => "cas",
            Kind::KeyValue => "key-value",
        }
    }

    fn keys(self) -> u64 {
        match self {
            Kind::Register | Kind::Cas => 1,
            Kind::KeyValue => 10,
        }
    }
}

/// A history, by what makes it hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What is asked.
    pub kind: Kind,
    /// Clients, all of which have an operation under way at any time.
    pub clients: u64,
    /// Operations of all clients together.
    pub operations: u64,
    /// Different values that are written; as many as there are writes, if none.
    pub values: Option<u64>,
    /// Of a hundred operations so many are never answered; half of them take effect, some later.
    pub unfinished_percent: u64,
    /// Whether one read, late in the history, finds what was there long before.
    pub is_stale: bool,
}

/// Mean time from question to answer, in nanoseconds.
const LENGTH_NS: u64 = 1_000_000;
/// A stale read finds the state that so many changes replaced.
const CHANGES_SINCE: usize = 40;

/// One operation with its moments.
struct Planned {
    process: i64,
    invoke_ns: u64,
    effect_ns: Option<u64>,
    complete_ns: Option<u64>,
}

/// A moment of an operation: it is asked, takes effect, is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Invoke,
    Effect,
    Complete,
}

/// The events of a history; the same for the same shape and seed.
pub fn events(shape: &Shape, seed: u64) -> Vec<Event> {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let planned = plan(shape, &mut draw);
    let mut moments: Vec<(u64, Moment, usize)> = Vec::with_capacity(planned.len() * 3);
    for (index, operation) in planned.iter().enumerate() {
        moments.push((operation.invoke_ns, Moment::Invoke, index));
        moments.extend(operation.effect_ns.map(|at| (at, Moment::Effect, index)));
        moments.extend(operation.complete_ns.map(|at| (at, Moment::Complete, index)));
    }
    moments.sort_unstable();
    let mut store = Store::new(shape);
    let mut asked: Vec<Option<(u64, Asked)>> = vec![None; planned.len()];
    let mut answers: Vec<Option<Value>> = vec![None; planned.len()];
    let mut events = Vec::new();
    for (at_ns, moment, index) in moments {
        let process = planned[index].process;
        match moment {
            Moment::Invoke => {
                let key = draw.below(shape.kind.keys());
                let what = store.ask(shape, key, &mut draw);
                events.push(event(process, EventKind::Invoke, shape, key, &what, None, at_ns));
                asked[index] = Some((key, what));
            }
            Moment::Effect => {
                let (key, what) = asked[index].as_ref().expect("it is asked first");
                answers[index] = store.perform(*key, what);
            }
            Moment::Complete => {
                let (key, what) = asked[index].as_ref().expect("it is asked first");
                let is_late = index as u64 * 10 > shape.operations * 7;
                let stale = (shape.is_stale && is_late).then(|| store.stale(*key, what)).flatten();
                let (kind, value) = match (stale, &answers[index]) {
                    (Some(stale), _) => (EventKind::Ok, Some(stale)),
                    (None, Some(answer)) => (EventKind::Ok, Some(answer.clone())),
                    (None, None) => (EventKind::Fail, None),
                };
                events.push(event(process, kind, shape, *key, what, value, at_ns));
            }
        }
    }
    let numbered = events.into_iter().zip(0..);
    numbered.map(|(event, index)| Event { index, ..event }).collect()
}

/// When what is asked by whom.
fn plan(shape: &Shape, draw: &mut Draw) -> Vec<Planned> {
    let mut free: Vec<(u64, i64)> =
        (0..shape.clients).map(|client| (draw.below(LENGTH_NS), client as i64)).collect();
    let mut planned = Vec::new();
    for _ in 0..shape.operations {
        let next = (0..free.len()).min_by_key(|client| free[*client]).expect("there are clients");
        let (invoke_ns, process) = free[next];
        let length = draw.length();
        let end = invoke_ns + length;
        let is_unfinished = draw.below(100) < shape.unfinished_percent;
        let effect_ns = match is_unfinished {
            false => Some(invoke_ns + draw.below(length)),
            true if draw.below(2) == 0 => Some(invoke_ns + draw.below(3 * length)),
            true => None,
        };
        let complete_ns = (!is_unfinished).then_some(end);
        planned.push(Planned { process, invoke_ns, effect_ns, complete_ns });
        let process = if is_unfinished { process + shape.clients as i64 } else { process };
        free[next] = (end + 1, process);
    }
    planned
}

/// What is asked of one object.
#[derive(Clone, Debug)]
enum Asked {
    Read,
    Write(Value),
    Append(String),
    Cas(Value, Value),
}

/// The objects, with what each held before.
struct Store {
    states: Vec<Vec<Value>>,
    written: u64,
    was_stale: bool,
}

impl Store {
    fn new(shape: &Shape) -> Store {
        let first = match shape.kind {
            Kind::Register | Kind::Cas => Value::Nil,
            Kind::KeyValue => Value::Text(String::new()),
        };
        let states = (0..shape.kind.keys()).map(|_| vec![first.clone()]).collect();
        Store { states, written: 0, was_stale: false }
    }

    fn now(&self, key: u64) -> Value {
        self.states[key as usize].last().cloned().unwrap_or_default()
    }

    fn ask(&mut self, shape: &Shape, key: u64, draw: &mut Draw) -> Asked {
        self.written += 1;
        let number = shape.values.map_or(self.written, |values| draw.below(values)) as i64;
        let part = draw.below(100);
        match shape.kind {
            Kind::Register if part < 50 => Asked::Read,
            Kind::Register => Asked::Write(Value::Int(number)),
            Kind::Cas if part < 34 => Asked::Read,
            Kind::Cas if part < 67 => Asked::Write(Value::Int(number)),
            Kind::Cas => Asked::Cas(self.now(key), Value::Int(number)),
            Kind::KeyValue if part < 50 => Asked::Read,
            Kind::KeyValue if part < 52 => Asked::Write(Value::Text(format!("{number} "))),
            Kind::KeyValue => Asked::Append(format!("{number} ")),
        }
    }

    /// The answer; none if a comparison failed.
    fn perform(&mut self, key: u64, asked: &Asked) -> Option<Value> {
        let now = self.now(key);
        let (after, answer) = match asked {
            Asked::Read => return Some(now),
            Asked::Write(value) => (value.clone(), value.clone()),
            Asked::Append(text) => {
                let before = now.name().unwrap_or_default();
                (Value::Text(format!("{before}{text}")), Value::Text(text.clone()))
            }
            Asked::Cas(old, _) if *old != now => return None,
            Asked::Cas(old, new) => (new.clone(), Value::Vector(vec![old.clone(), new.clone()])),
        };
        let states = &mut self.states[key as usize];
        states.push(after);
        if states.len() > CHANGES_SINCE + 1 {
            states.remove(0);
        }
        Some(answer)
    }

    /// For one read: what the object held long ago, if that is not what it holds now.
    fn stale(&mut self, key: u64, asked: &Asked) -> Option<Value> {
        let states = &self.states[key as usize];
        let old = states.len().checked_sub(CHANGES_SINCE)?;
        let may_be = matches!(asked, Asked::Read) && !self.was_stale;
        let is_gone = states[old..].iter().skip(1).all(|later| *later != states[old]);
        if !may_be || !is_gone {
            return None;
        }
        self.was_stale = true;
        Some(states[old].clone())
    }
}

fn event(
    process: i64,
    kind: EventKind,
    shape: &Shape,
    key: u64,
    asked: &Asked,
    answer: Option<Value>,
    at_ns: u64,
) -> Event {
    let is_text = shape.kind == Kind::KeyValue;
    let (f, argument) = match asked {
        Asked::Read => (if is_text { "get" } else { "read" }, Value::Nil),
        Asked::Write(value) => (if is_text { "put" } else { "write" }, value.clone()),
        Asked::Append(text) => ("append", Value::Text(text.clone())),
        Asked::Cas(old, new) => ("cas", Value::Vector(vec![old.clone(), new.clone()])),
    };
    let key = (shape.kind.keys() > 1).then(|| ("key".to_owned(), Value::Int(key as i64)));
    Event {
        index: 0,
        line: 0,
        process: Process::Client(process),
        kind,
        f: f.to_owned(),
        value: answer.unwrap_or(argument),
        time_ns: Some(at_ns),
        extra: key.into_iter().collect(),
    }
}

/// Numbers that are the same in every run (xorshift64*, Vigna 2016).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A length with an exponential distribution.
    fn length(&mut self) -> u64 {
        let share = (self.below(1 << 32) as f64 + 1.0) / (1u64 << 32) as f64;
        (-share.ln() * LENGTH_NS as f64) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use checker::check_text;
    use checker::format::write_edn;
    use checker::linear::Budget;

    use super::*;

    #[test]
    fn histories_are_as_they_are_meant_to_be() {
        for kind in Kind::ALL {
            for is_stale in [false, true] {
                for unfinished_percent in [0, 10] {
                    let shape = Shape {
                        kind,
                        clients: 5,
                        operations: 1_000,
                        values: None,
                        unfinished_percent,
                        is_stale,
                    };
                    let events = events(&shape, 7);
                    let text = write_edn(&events);
                    let verdict = check_text("h", text.as_bytes(), None, Budget::default());
                    let verdict = verdict.unwrap();
                    assert_eq!(verdict.is_valid(), !is_stale, "{shape:?}: {verdict}");
                    assert_eq!(verdict.explanation().is_some(), is_stale, "{shape:?}: {verdict}");
                }
            }
        }
    }
}
