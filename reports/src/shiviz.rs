//! `shiviz.log`: messages and steps around the contradiction with vector clocks, for ShiViz
//! (bestchai.bitbucket.io/shiviz). Its default parser reads it: an event's text on one line, host and
//! clock on the next, `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`.
//!
//! Clocks count the events of this log (Fidge 1988, Mattern 1989): what came before it is nobody's
//! past. So a message that was sent before the log begins arrives as an event of its receiver alone.

use std::collections::BTreeMap;

use evidence::words::moment;
use evidence::{Arrow, Point, Story};

/// Events that are told: more make ShiViz slow.
const EVENTS_MAX: usize = 1_500;

/// A vector clock: how many events of each host lie in the past.
type Clock = BTreeMap<String, u64>;

/// One event before it has its clock.
struct Happened {
    at: Point,
    host: String,
    text: String,
    what: What,
}

enum What {
    Sent(usize),
    Received(usize),
    Other,
}

/// The text of the file.
pub(crate) fn shiviz(story: &Story) -> String {
    let mut clocks: BTreeMap<String, Clock> = BTreeMap::new();
    let mut sent: BTreeMap<usize, Clock> = BTreeMap::new();
    let mut log = String::new();
    for Happened { at, host, text, what } in told(story) {
        let clock = clocks.entry(host.clone()).or_default();
        if let What::Received(message) = what
            && let Some(sender) = sent.get(&message)
        {
            for (other, count) in sender {
                let known = clock.entry(other.clone()).or_default();
                *known = (*known).max(*count);
            }
        }
        *clock.entry(host.clone()).or_default() += 1;
        if let What::Sent(message) = what {
            sent.insert(message, clock.clone());
        }
        let json = serde_json::to_string(clock).expect("names and numbers are JSON");
        let text = text.replace(['\n', '\r'], " ");
        log.push_str(&format!("{} {text}\n{host} {json}\n", moment(at.at_ns)));
    }
    log
}

/// The last events up to a little behind the contradiction, in order.
fn told(story: &Story) -> Vec<Happened> {
    let mut events = Vec::new();
    for (number, arrow) in story.arrows.iter().enumerate().filter(|(_, arrow)| !arrow.is_ping) {
        push_message(number, arrow, &mut events);
    }
    events.extend(story.steps.iter().map(|step| {
        let (host, text) = (step.host.clone(), step.text.clone());
        Happened { at: step.at, host, text, what: What::Other }
    }));
    for operation in &story.history.operations {
        let host = operation.client_name.clone();
        let mut push = |at, text| {
            events.push(Happened { at, host: host.clone(), text, what: What::Other });
        };
        // A client asks before it sends and learns after it has read.
        let asks = Point { at_ns: operation.invoke_ns, order: 0 };
        push(asks, format!("asks: {}", operation.asked));
        if let Some(at_ns) = operation.complete_ns {
            push(Point { at_ns, order: u64::MAX }, format!("learns: {}", operation.text()));
        }
    }
    events.sort_by_key(|event| event.at);
    let focus_ns = story.focus_ns();
    let until = events.partition_point(|event| event.at.at_ns <= focus_ns);
    let from = until.saturating_sub(EVENTS_MAX * 9 / 10);
    let until = events.len().min(from + EVENTS_MAX);
    events.truncate(until);
    events.split_off(from)
}

fn push_message(number: usize, arrow: &Arrow, events: &mut Vec<Happened>) {
    let lost = if arrow.delivered.is_none() { ", which never reads it" } else { "" };
    let text = format!("sends {} to {}{lost}", arrow.label, arrow.to);
    let (at, host) = (arrow.sent, arrow.from.clone());
    events.push(Happened { at, host, text, what: What::Sent(number) });
    if let Some(at) = arrow.delivered {
        let (host, text) = (arrow.to.clone(), format!("reads {} from {}", arrow.label, arrow.from));
        events.push(Happened { at, host, text, what: What::Received(number) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::tests::story;

    /// Reads a log as ShiViz's default parser does.
    fn parsed(log: &str) -> Vec<(String, String, Clock)> {
        let lines: Vec<&str> = log.lines().collect();
        let events = lines.chunks(2).map(|pair| {
            let (host, clock) = pair[1].split_once(' ').unwrap();
            (pair[0].to_owned(), host.to_owned(), serde_json::from_str(clock).unwrap())
        });
        events.collect()
    }

    /// A host's own entry counts its events; no entry ever falls; whoever read a message knows what
    /// its sender knew.
    fn check_clocks(events: &[(String, String, Clock)]) -> Result<usize, String> {
        let mut last: BTreeMap<&str, &Clock> = BTreeMap::new();
        let mut sent: BTreeMap<String, Vec<&Clock>> = BTreeMap::new();
        let mut joined = 0;
        for (text, host, clock) in events {
            let before = last.insert(host, clock);
            let own = before.and_then(|before| before.get(host)).unwrap_or(&0);
            if clock.get(host) != Some(&(own + 1)) {
                return Err(format!("{host} miscounts at {text}"));
            }
            let falls = |(other, count): (&String, &u64)| clock.get(other) < Some(count);
            if before.is_some_and(|before| before.iter().any(falls)) {
                return Err(format!("{host} forgets at {text}"));
            }
            let (_, words) = text.split_once(" s ").unwrap();
            if let Some(words) = words.strip_prefix("sends ") {
                let (label, to) = words.split_once(" to ").unwrap();
                let key = format!("{label} {host} {}", to.split(',').next().unwrap());
                sent.entry(key).or_default().push(clock);
            } else if let Some(words) = words.strip_prefix("reads ") {
                let (label, from) = words.split_once(" from ").unwrap();
                let Some(senders) = sent.get(&format!("{label} {from} {host}")) else { continue };
                let knows = |sender: &&Clock| sender.iter().all(|(o, n)| clock.get(o) >= Some(n));
                if !senders.iter().any(knows) {
                    return Err(format!("{host} does not know its past at {text}"));
                }
                joined += 1;
            }
        }
        Ok(joined)
    }

    #[test]
    fn clocks_follow_the_messages() {
        let story = story(50);
        let events = parsed(&shiviz(&story));
        let read = story.arrows.iter().filter(|a| !a.is_ping && a.delivered.is_some()).count();
        assert_eq!(check_clocks(&events), Ok(read));
        let answered = story.history.operations.iter().filter(|o| o.complete_ns.is_some()).count();
        let sent = story.arrows.iter().filter(|arrow| !arrow.is_ping).count();
        let asked = story.history.operations.len();
        assert_eq!(events.len(), sent + read + asked + answered + story.steps.len());
        assert!(events.iter().any(|(text, _, _)| text.ends_with("n3, which never reads it")));

        let mut forgetful = events.clone();
        let received = forgetful.iter().rposition(|(text, _, _)| text.contains("reads")).unwrap();
        let host = forgetful[received].1.clone();
        forgetful[received].2.retain(|other, _| *other == host);
        assert!(check_clocks(&forgetful).is_err());
        let mut shuffled = events;
        shuffled.swap(10, 11);
        shuffled.swap(40, 60);
        assert!(check_clocks(&shuffled).is_err());
    }

    #[test]
    fn a_long_log_is_cut_and_stays_consistent() {
        let story = story(900);
        let events = parsed(&shiviz(&story));
        assert!(events.len() <= EVENTS_MAX);
        assert!(check_clocks(&events).is_ok());
        assert!(events.iter().any(|(text, _, _)| text.starts_with("5.171 s learns: get /k")));
    }
}
