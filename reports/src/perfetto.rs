//! `trace.perfetto.json`: the run for ui.perfetto.dev and `chrome://tracing`, in the Trace Event
//! Format. A process is a host, a thread what it does: its role, whether it runs, what it says, a
//! client's operations. Messages are slices at both ends with a flow between them.
//!
//! Simulated time passes in whole milliseconds, in which much may happen in an order: messages of one
//! host and millisecond are spread over it, in their order; `args.at_ns` has the true time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use evidence::{Arrow, HostSpan, Point, Story, Tone};

use crate::story::{lanes, outcome_class};

/// Messages that are told: the last before the contradiction.
const MESSAGES_MAX: usize = 4_000;
/// Of the millisecond that a host's messages share, the part that they fill.
const SPREAD_US: f64 = 900.0;

const ROLE: u64 = 1;
const MACHINE: u64 = 2;
const NETWORK: u64 = 3;
const STEPS: u64 = 4;
const MESSAGES: u64 = 5;
/// Threads from here on are lanes of operations, or of faults.
const LANES: u64 = 10;

/// The text of the file.
pub(crate) fn perfetto(story: &Story) -> String {
    let mut trace = Trace { story, events: Vec::new(), threads: BTreeMap::new() };
    trace.faults();
    story.spans.iter().for_each(|span| trace.span(span));
    trace.operations();
    trace.steps();
    let left_out = trace.messages();
    trace.names();
    let lines: Vec<String> = trace.events.iter().map(Value::to_string).collect();
    format!(
        "{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[\n{}\n]}}\n",
        json!({ "run": story.title, "left out": left_out }),
        lines.join(",\n"),
    )
}

fn us(at_ns: u64) -> f64 {
    at_ns as f64 / 1e3
}

struct Trace<'a> {
    story: &'a Story,
    events: Vec<Value>,
    /// The threads in use and their names.
    threads: BTreeMap<(u64, u64), String>,
}

impl Trace<'_> {
    /// The process of a host; process 1 is the faults'.
    fn pid(&self, host: &str) -> u64 {
        let position = self.story.hosts.iter().position(|known| known.name == host);
        position.map_or(1, |position| position as u64 + 2)
    }

    fn slice(
        &mut self,
        place: (u64, u64),
        thread: &str,
        name: &str,
        times: (u64, u64),
        args: Value,
    ) {
        self.threads.entry(place).or_insert_with(|| thread.to_owned());
        let (ts, dur) = (us(times.0), us(times.1.saturating_sub(times.0)));
        self.events.push(json!({
            "ph": "X", "pid": place.0, "tid": place.1, "ts": ts, "dur": dur, "name": name, "args": args,
        }));
    }

    fn instant(&mut self, place: (u64, u64), scope: &str, at_ns: u64, name: &str) {
        self.events.push(json!({
            "ph": "i", "s": scope, "pid": place.0, "tid": place.1, "ts": us(at_ns), "name": name,
        }));
    }

    fn faults(&mut self) {
        let story = self.story;
        let mut faults: Vec<_> = story.faults.iter().collect();
        faults.sort_by_key(|fault| fault.from_ns);
        let end = |to_ns: Option<u64>| to_ns.unwrap_or(story.end_ns);
        let lanes = lanes(faults.iter().map(|fault| (fault.from_ns, end(fault.to_ns))));
        for (fault, lane) in faults.into_iter().zip(lanes) {
            let times = (fault.from_ns, end(fault.to_ns));
            let args = json!({ "struck": fault.what });
            self.slice((1, LANES + lane as u64), "faults", &fault.kind, times, args);
        }
        for role in &story.roles {
            self.threads.entry((1, ROLE)).or_insert_with(|| "roles".to_owned());
            self.instant((1, ROLE), "t", role.at_ns, &role.what);
        }
        if let Some(contradiction) = &story.contradiction {
            let name = format!("contradiction: {}", contradiction.explanation.headline);
            self.threads.entry((1, ROLE)).or_insert_with(|| "roles".to_owned());
            self.instant((1, ROLE), "g", contradiction.at_ns, &name);
        }
    }

    fn span(&mut self, span: &HostSpan) {
        let (tid, thread) = match span.tone {
            Tone::Unsettled | Tone::Secondary | Tone::Primary => (ROLE, "role"),
            Tone::Down | Tone::Paused => (MACHINE, "machine"),
            Tone::Cut => (NETWORK, "network"),
        };
        let place = (self.pid(&span.host), tid);
        self.slice(place, thread, &span.text, (span.from_ns, span.to_ns), json!({}));
    }

    fn operations(&mut self) {
        let story = self.story;
        let mut by_client: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for operation in &story.history.operations {
            by_client.entry(&operation.client_name).or_default().push(operation);
        }
        for (client, mut operations) in by_client {
            operations.sort_by_key(|operation| operation.invoke_ns);
            let end = |complete_ns: Option<u64>| complete_ns.unwrap_or(story.end_ns);
            let times: Vec<(u64, u64)> =
                operations.iter().map(|o| (o.invoke_ns, end(o.complete_ns))).collect();
            let pid = self.pid(client);
            for (index, lane) in lanes(times.iter().copied()).into_iter().enumerate() {
                let operation = operations[index];
                let mut args = json!({
                    "outcome": outcome_class(operation),
                    "session": operation.session,
                    "detail": operation.asked_detail,
                    "position": operation.position,
                });
                if let Some(line) = story.line_of(operation) {
                    args["explanation line"] = json!(line + 1);
                }
                let text = operation.text();
                self.slice((pid, LANES + lane as u64), "operations", &text, times[index], args);
            }
        }
    }

    fn steps(&mut self) {
        let story = self.story;
        for step in story.steps.iter().filter(|step| step.is_turn) {
            let place = (self.pid(&step.host), STEPS);
            self.threads.entry(place).or_insert_with(|| "steps".to_owned());
            self.instant(place, "t", step.at.at_ns, &step.text);
        }
    }

    /// Slices and flows; says what is left out.
    fn messages(&mut self) -> String {
        let story = self.story;
        let focus_ns = story.focus_ns();
        let told: Vec<&Arrow> = story.arrows.iter().filter(|arrow| !arrow.is_ping).collect();
        // A little of what follows the contradiction is told too.
        let until = told.partition_point(|arrow| arrow.sent.at_ns <= focus_ns);
        let from = until.saturating_sub(MESSAGES_MAX * 9 / 10);
        let until = told.len().min(from + MESSAGES_MAX);
        let arrows = &told[from..until];
        let spread = Spread::new(arrows);
        for (id, arrow) in arrows.iter().enumerate() {
            let args = |at: Point| {
                json!({
                    "from": arrow.from, "to": arrow.to, "protocol": arrow.protocol,
                    "detail": arrow.detail, "at_ns": at.at_ns,
                    "read": arrow.delivered.is_some(),
                })
            };
            let sender = (self.pid(&arrow.from), MESSAGES);
            let lost = if arrow.delivered.is_none() { " ✗" } else { "" };
            let name = format!("{} → {}{lost}", arrow.label, arrow.to);
            let times = spread.times[&(id, false)];
            self.message(sender, &name, times, args(arrow.sent));
            if let Some(delivered) = arrow.delivered {
                let receiver = (self.pid(&arrow.to), MESSAGES);
                let name = format!("{} ← {}", arrow.label, arrow.from);
                let arrival = spread.times[&(id, true)];
                self.message(receiver, &name, arrival, args(delivered));
                self.flow("s", sender, times, id);
                self.flow("f", receiver, arrival, id);
            }
        }
        let pings = story.arrows.len() - told.len();
        let (before, after) = (from, told.len() - until);
        format!("{pings} pings, {before} earlier and {after} later messages")
    }

    fn message(&mut self, place: (u64, u64), name: &str, (ts, dur): (f64, f64), args: Value) {
        self.threads.entry(place).or_insert_with(|| "messages".to_owned());
        self.events.push(json!({
            "ph": "X", "cat": "message", "pid": place.0, "tid": place.1, "ts": ts, "dur": dur,
            "name": name, "args": args,
        }));
    }

    fn flow(&mut self, phase: &str, place: (u64, u64), (ts, dur): (f64, f64), id: usize) {
        let mut event = json!({
            "ph": phase, "cat": "message", "name": "message", "id": id,
            "pid": place.0, "tid": place.1, "ts": ts + dur / 2.0,
        });
        if phase == "f" {
            // Ends at the slice around it, not at the next one.
            event["bp"] = json!("e");
        }
        self.events.push(event);
    }

    fn names(&mut self) {
        let faults = (1, "faults".to_owned());
        let hosts = self.story.hosts.iter().map(|host| (self.pid(&host.name), host.name.clone()));
        let processes: Vec<(u64, String)> = std::iter::once(faults).chain(hosts).collect();
        let mut events = Vec::new();
        for (pid, name) in processes {
            let meta = |what: &str, args: Value| json!({"ph": "M", "pid": pid, "name": what, "args": args});
            events.push(meta("process_name", json!({ "name": name })));
            events.push(meta("process_sort_index", json!({ "sort_index": pid })));
        }
        for ((pid, tid), name) in &self.threads {
            let meta = |what: &str, args: Value| json!({"ph": "M", "pid": pid, "tid": tid, "name": what, "args": args});
            events.push(meta("thread_name", json!({ "name": name })));
            events.push(meta("thread_sort_index", json!({ "sort_index": tid })));
        }
        events.append(&mut self.events);
        self.events = events;
    }
}

/// An end of a message: its order, the message's position, and whether it is its arrival.
type End = (u64, usize, bool);

/// Where the ends of messages lie within their milliseconds: begin and length in microseconds, by
/// the message's position and whether it is its arrival.
struct Spread {
    times: BTreeMap<(usize, bool), (f64, f64)>,
}

impl Spread {
    fn new(arrows: &[&Arrow]) -> Spread {
        let mut ends: BTreeMap<(&str, u64), Vec<End>> = BTreeMap::new();
        for (id, arrow) in arrows.iter().enumerate() {
            let sent = ends.entry((&arrow.from, arrow.sent.at_ns)).or_default();
            sent.push((arrow.sent.order, id, false));
            if let Some(delivered) = arrow.delivered {
                let arrived = ends.entry((&arrow.to, delivered.at_ns)).or_default();
                arrived.push((delivered.order, id, true));
            }
        }
        let mut times = BTreeMap::new();
        for ((_, at_ns), mut together) in ends {
            together.sort_unstable();
            let share_us = SPREAD_US / together.len() as f64;
            for (place, (_, id, is_arrival)) in together.into_iter().enumerate() {
                let ts = us(at_ns) + place as f64 * share_us;
                times.insert((id, is_arrival), (ts, share_us * 0.9));
            }
        }
        Spread { times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::tests::story;

    fn events(text: &str) -> Vec<Value> {
        let trace: Value = serde_json::from_str(text).unwrap();
        trace["traceEvents"].as_array().unwrap().clone()
    }

    /// Every flow's end matches one begin, later, and both lie in a slice of their thread.
    fn check_flows(events: &[Value]) -> Result<usize, String> {
        let of = |phase: &str| {
            let flows = events.iter().filter(|event| event["ph"] == phase && event["id"].is_u64());
            flows.map(|event| (event["id"].as_u64().unwrap(), event)).collect::<BTreeMap<_, _>>()
        };
        let (begins, ends) = (of("s"), of("f"));
        if !begins.keys().eq(ends.keys()) {
            return Err("begins and ends differ".to_owned());
        }
        let place = |event: &Value| (event["pid"].as_u64(), event["tid"].as_u64());
        let mut slices: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for slice in events.iter().filter(|event| event["ph"] == "X") {
            let (ts, dur) = (slice["ts"].as_f64().unwrap(), slice["dur"].as_f64().unwrap());
            slices.entry(place(slice)).or_default().push((ts, ts + dur));
        }
        for (id, end) in &ends {
            let begin = begins[id];
            if begin["ts"].as_f64() >= end["ts"].as_f64() {
                return Err(format!("flow {id} ends before it begins"));
            }
            for point in [begin, end] {
                let at = point["ts"].as_f64().unwrap();
                let slices = slices.get(&place(point)).map_or(&[][..], Vec::as_slice);
                if slices.iter().filter(|(from, to)| *from <= at && at <= *to).count() != 1 {
                    return Err(format!("flow {id} has not one slice at its end"));
                }
            }
        }
        Ok(ends.len())
    }

    #[test]
    fn flows_join_what_was_sent_to_what_was_read() {
        let story = story(50);
        let mut events = events(&perfetto(&story));
        let read = story.arrows.iter().filter(|a| !a.is_ping && a.delivered.is_some()).count();
        assert_eq!(check_flows(&events), Ok(read));
        let last = events.iter().rposition(|event| event["ph"] == "f").unwrap();
        let mut late = events.clone();
        late[last]["ts"] = json!(1.0);
        assert!(check_flows(&late).is_err());
        events.remove(last);
        assert!(check_flows(&events).is_err());
    }

    #[test]
    fn operations_faults_and_roles_are_slices_with_their_times() {
        let story = story(50);
        let events = events(&perfetto(&story));
        let slices = |name: &str| {
            let named = events.iter().filter(|event| event["ph"] == "X" && event["name"] == name);
            named
                .map(|e| (e["ts"].as_f64().unwrap(), e["dur"].as_f64().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(slices("partition"), [(5_090_000.0, 50_000.0)]);
        assert_eq!(slices("slow_disk"), [(2_000_000.0, 28_000_000.0)]);
        assert_eq!(slices("primary, term 1"), [(80_000.0, 29_920_000.0)]);
        for operation in &story.history.operations {
            let end_ns = operation.complete_ns.unwrap_or(story.end_ns);
            let expected = (us(operation.invoke_ns), us(end_ns) - us(operation.invoke_ns));
            let text = operation.text();
            assert!(slices(&text).contains(&expected), "{text}");
        }
        // Slices of one thread lie side by side.
        let mut threads: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
        for slice in events.iter().filter(|event| event["ph"] == "X") {
            let (ts, dur) = (slice["ts"].as_f64().unwrap(), slice["dur"].as_f64().unwrap());
            let place = (slice["pid"].as_u64().unwrap(), slice["tid"].as_u64().unwrap());
            threads.entry(place).or_default().push((ts, ts + dur));
        }
        for (place, mut slices) in threads {
            slices.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert!(slices.windows(2).all(|pair| pair[0].1 <= pair[1].0 + 1e-6), "{place:?}");
        }
    }

    #[test]
    fn a_long_run_is_told_up_to_its_contradiction() {
        let mut story = story(0);
        let many = (0..9_000u64).map(|n| {
            let point = |at: u64| Point { at_ns: at * 1_000_000, order: at };
            Arrow { sent: point(n), delivered: Some(point(n + 1)), ..story.arrows[0].clone() }
        });
        story.arrows = many.collect();
        let text = perfetto(&story);
        assert_eq!(check_flows(&events(&text)), Ok(MESSAGES_MAX));
        // 3600 up to the contradiction at 5171 ms, 400 behind it.
        assert!(text.contains("0 pings, 1572 earlier and 3428 later messages"), "{}", &text[..300]);
    }
}
