//! `trace.perfetto.json`: the run for ui.perfetto.dev and `chrome://tracing`, in the Trace Event
//! Format. A process is a host, a thread what it does: its role, whether it runs, what it says, a
//! client's operations. Messages are slices at both ends with a flow between them.
//!
//! Slices of one thread must nest: Perfetto drops one that begins within another and ends behind it.
//! So what overlaps lies in lanes, each a thread of its own. A message takes no time; its slice lasts
//! until the host's next one, and several of one moment share that time in their order. `args.at_ns`
//! has the true time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use evidence::{Arrow, HostSpan, Point, Story, Tone};

use crate::story::{lanes, outcome_class};

/// Messages that are told: the last before the contradiction.
const MESSAGES_MAX: usize = 4_000;
/// The longest time that the slices of one moment's messages fill.
const SPREAD_NS: u64 = 900_000;
/// The shortest slice of a message; what it then overlaps goes to another lane.
const SHORTEST_NS: u64 = 10;

const ROLE: u64 = 1;
const MACHINE: u64 = 2;
const NETWORK: u64 = 3;
const STEPS: u64 = 4;
/// Threads from here on are lanes of operations, or of faults.
const LANES: u64 = 10;
/// Threads from here on are lanes of messages.
const MESSAGES: u64 = 1_000;

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

/// Microseconds, as the format has them. Readers cut what they read to whole nanoseconds, and the float
/// that is nearest to a nanosecond may lie below it: a quarter of one more does not, and is cut off again.
fn us(ns: u64) -> f64 {
    let quarter = if ns.is_multiple_of(1_000) { 0.0 } else { 0.25 };
    (ns as f64 + quarter) / 1e3
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
        let ends = Ends::new(arrows);
        for (id, arrow) in arrows.iter().enumerate() {
            let args = |at: Point| {
                json!({
                    "from": arrow.from, "to": arrow.to, "protocol": arrow.protocol,
                    "detail": arrow.detail, "at_ns": at.at_ns,
                    "read": arrow.delivered.is_some(),
                })
            };
            let sent = ends.slices[&(id, false)];
            let sender = (self.pid(&arrow.from), MESSAGES + sent.lane);
            let lost = if arrow.delivered.is_none() { " ✗" } else { "" };
            let name = format!("{} → {}{lost}", arrow.label, arrow.to);
            self.slice(sender, "messages", &name, sent.times, args(arrow.sent));
            if let Some(delivered) = arrow.delivered {
                let read = ends.slices[&(id, true)];
                let receiver = (self.pid(&arrow.to), MESSAGES + read.lane);
                let name = format!("{} ← {}", arrow.label, arrow.from);
                self.slice(receiver, "messages", &name, read.times, args(delivered));
                self.flow("s", sender, sent, id);
                self.flow("f", receiver, read, id);
            }
        }
        let pings = story.arrows.len() - told.len();
        let (before, after) = (from, told.len() - until);
        format!("{pings} pings, {before} earlier and {after} later messages")
    }

    fn flow(&mut self, phase: &str, place: (u64, u64), slice: Slice, id: usize) {
        let (from_ns, to_ns) = slice.times;
        let mut event = json!({
            "ph": phase, "cat": "message", "name": "message", "id": id,
            "pid": place.0, "tid": place.1, "ts": us(from_ns.midpoint(to_ns)),
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

/// Where an end of a message is drawn.
#[derive(Clone, Copy)]
struct Slice {
    /// Begin and end in nanoseconds.
    times: (u64, u64),
    lane: u64,
}

/// Where the ends of messages are drawn, by the message's position and whether it is its arrival.
struct Ends {
    slices: BTreeMap<(usize, bool), Slice>,
}

impl Ends {
    fn new(arrows: &[&Arrow]) -> Ends {
        let mut hosts: BTreeMap<&str, BTreeMap<u64, Vec<End>>> = BTreeMap::new();
        let mut see = |host, at: Point, id, is_arrival| {
            let moments: &mut BTreeMap<u64, Vec<End>> = hosts.entry(host).or_default();
            moments.entry(at.at_ns).or_default().push((at.order, id, is_arrival));
        };
        for (id, arrow) in arrows.iter().enumerate() {
            see(arrow.from.as_str(), arrow.sent, id, false);
            arrow.delivered.iter().for_each(|at| see(arrow.to.as_str(), *at, id, true));
        }
        let mut slices = BTreeMap::new();
        for moments in hosts.into_values() {
            let placed = times_of_host(arrows, moments);
            let lanes = lanes(placed.iter().map(|(times, _)| *times));
            for ((times, end), lane) in placed.into_iter().zip(lanes) {
                slices.insert(end, Slice { times, lane: lane as u64 });
            }
        }
        Ends { slices }
    }
}

/// The ends of a host's messages with the times that they fill, in the order of their begins.
fn times_of_host(
    arrows: &[&Arrow],
    moments: BTreeMap<u64, Vec<End>>,
) -> Vec<((u64, u64), (usize, bool))> {
    let mut placed = Vec::new();
    let mut moments = moments.into_iter().peekable();
    while let Some((at_ns, mut together)) = moments.next() {
        together.sort_unstable();
        let next_ns = moments.peek().map_or(u64::MAX, |(next_ns, _)| *next_ns);
        // What is sent is drawn before it is read elsewhere, so that no flow goes back.
        let sent = together.iter().filter(|(_, _, is_arrival)| !is_arrival);
        let read_ns = sent.filter_map(|(_, id, _)| arrows[*id].delivered).map(|at| at.at_ns).min();
        let until_ns = next_ns.min(read_ns.unwrap_or(u64::MAX)).min(at_ns + SPREAD_NS);
        let share_ns = until_ns.saturating_sub(at_ns) / together.len() as u64;
        let share_ns = share_ns.max(SHORTEST_NS);
        for (place, (_, id, is_arrival)) in together.into_iter().enumerate() {
            let from_ns = at_ns + place as u64 * share_ns;
            placed.push(((from_ns, from_ns + share_ns), (id, is_arrival)));
        }
    }
    placed.sort_unstable();
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::tests::story;

    fn events(text: &str) -> Vec<Value> {
        let trace: Value = serde_json::from_str(text).unwrap();
        trace["traceEvents"].as_array().unwrap().clone()
    }

    /// As Perfetto reads a time: what is below a nanosecond is cut off.
    fn ns(microseconds: &Value) -> u64 {
        (microseconds.as_f64().unwrap() * 1e3) as u64
    }

    /// The slices of each thread: begin and end.
    fn tracks(events: &[Value]) -> BTreeMap<(u64, u64), Vec<(u64, u64)>> {
        let mut tracks: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        for slice in events.iter().filter(|event| event["ph"] == "X") {
            let place = (slice["pid"].as_u64().unwrap(), slice["tid"].as_u64().unwrap());
            let from = ns(&slice["ts"]);
            tracks.entry(place).or_default().push((from, from + ns(&slice["dur"])));
        }
        tracks
    }

    /// Whether no slice begins within another one of its thread and ends behind it.
    fn check_nesting(events: &[Value]) -> Result<(), String> {
        for (place, mut slices) in tracks(events) {
            slices.sort_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
            let mut around: Vec<u64> = Vec::new();
            for (from, to) in slices {
                around.retain(|end| *end > from);
                if around.last().is_some_and(|end| to > *end) {
                    return Err(format!("{place:?}: the slice {from}..{to} does not nest"));
                }
                around.push(to);
            }
        }
        Ok(())
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
        let place =
            |event: &Value| (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let slices = tracks(events);
        for (id, end) in &ends {
            let begin = begins[id];
            if ns(&begin["ts"]) >= ns(&end["ts"]) {
                return Err(format!("flow {id} ends before it begins"));
            }
            for point in [begin, end] {
                let at = ns(&point["ts"]);
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
        assert_eq!(check_nesting(&events), Ok(()));
    }

    /// Messages of an engine whose time has nanoseconds: a burst at one moment, answers in between, and
    /// ends that no float of microseconds names exactly.
    #[test]
    fn slices_nest_though_messages_come_within_nanoseconds() {
        let mut story = story(50);
        let at = |ns: u64| Point { at_ns: 5_000_000_000 + ns, order: ns };
        let template = story.arrows[0].clone();
        let bursts = (0..400u64).map(|n| {
            let sent = n / 8 * 77_777 + n % 8 / 4;
            let (from, to) = if n % 3 == 0 { ("n2", "n1") } else { ("n1", "n2") };
            Arrow {
                from: from.to_owned(),
                to: to.to_owned(),
                sent: Point { order: n, ..at(sent) },
                delivered: Some(Point { order: 1_000 + n, ..at(sent + 101_003 + n % 5) }),
                ..template.clone()
            }
        });
        story.arrows = bursts.collect();
        story.contradiction = None;
        let mut events = events(&perfetto(&story));
        assert_eq!(check_nesting(&events), Ok(()));
        assert_eq!(check_flows(&events), Ok(400));
        let message =
            events.iter().position(|e| e["tid"].as_u64() >= Some(MESSAGES) && e["ph"] == "X");
        let message = &mut events[message.unwrap()];
        message["dur"] = json!(message["dur"].as_f64().unwrap() * 1.5);
        assert!(check_nesting(&events).is_err());
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
