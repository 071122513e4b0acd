//! What a person looks at to understand a run: the messages, the servers' steps, and what each host
//! was at any time - which role it played, whether it ran, and from whom it was cut off.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Arrow, Durable, Host, HostSpan, Point, Step, Tone};
use sim::HostId;
use sim::tap::{Change, Moment, Tapped};

use crate::record::{HostName, Record};
use crate::recording::TAG_OBSERVATION;
use crate::system::System;

/// What was said and done in a run whose network was tapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Every host, in the order in which they were added: the servers, then the clients.
    pub hosts: Vec<Host>,
    /// What they said to each other, in the order of sending.
    pub arrows: Vec<Arrow>,
    /// What the servers did, in order.
    pub steps: Vec<Step>,
    /// What hosts were, by host and time.
    pub spans: Vec<HostSpan>,
    /// How far what servers hold is durable, wherever that changes, in order.
    pub durable: Vec<Durable>,
    /// What the tones of roles are called.
    pub tones: BTreeMap<Tone, String>,
}

/// What the record of a run and the tap show.
pub fn watched<S: System>(system: &S, record: &Record<S>, heard: &Tapped) -> Watched {
    let mut steps: Vec<(Moment, Step)> = observed_steps(system, record, heard);
    steps.extend(heard.changes.iter().filter_map(|change| change_step(heard, change)));
    steps.sort_by_key(|(at, _)| *at);
    let mut spans = roles(system, record, heard);
    spans.extend(interruptions(heard, record.end_ns));
    spans.extend(cuts(heard, &record.hosts, record.end_ns));
    spans.retain(|span| span.from_ns < span.to_ns);
    spans.sort_by(|a, b| (&a.host, a.from_ns, a.tone).cmp(&(&b.host, b.from_ns, b.tone)));
    let groups = system.groups();
    let group = |name: &HostName| {
        let mut groups = groups.iter().filter(|group| group.is_client == name.is_client);
        groups.find(|group| group.number(&name.name).is_some()).map_or("", |group| group.name)
    };
    let hosts = record.hosts.iter().map(|host| Host {
        name: host.name.clone(),
        group: group(host).to_owned(),
        is_client: host.is_client,
    });
    Watched {
        hosts: hosts.collect(),
        arrows: system.arrows(heard),
        steps: steps.into_iter().map(|(_, step)| step).collect(),
        spans,
        durable: durable(system, record),
        tones: system.tones(),
    }
}

fn durable<S: System>(system: &S, record: &Record<S>) -> Vec<Durable> {
    let mut last: BTreeMap<u32, String> = BTreeMap::new();
    let mut changes = Vec::new();
    for observed in &record.observations {
        let Some(text) = system.durable_after(&observed.observation) else { continue };
        if last.insert(observed.server, text.clone()).as_ref() != Some(&text) {
            let host = record.server_name(observed.server).to_owned();
            changes.push(Durable { host, at_ns: observed.at_ns, text });
        }
    }
    changes
}

/// A moment of the tap, as evidence has it.
pub fn point(moment: Moment) -> Point {
    Point { at_ns: moment.at_ns, order: moment.order }
}

fn name(heard: &Tapped, host: HostId) -> String {
    heard.hosts.get(host.0 as usize).cloned().unwrap_or_else(|| format!("host {host}"))
}

fn is_server(hosts: &[HostName], name: &str) -> bool {
    hosts.iter().any(|host| !host.is_client && host.name == name)
}

fn observed_steps<S: System>(
    system: &S,
    record: &Record<S>,
    heard: &Tapped,
) -> Vec<(Moment, Step)> {
    let moments = heard.own.get(&TAG_OBSERVATION).map_or(&[][..], Vec::as_slice);
    let steps = record.observations.iter().zip(moments).map(|(observed, moment)| {
        let (text, is_turn) = system.step(&observed.observation);
        let host = record.server_name(observed.server).to_owned();
        (*moment, Step { host, at: point(*moment), text, is_turn })
    });
    steps.collect()
}

fn change_step(
    heard: &Tapped,
    (at, host, change): &(Moment, HostId, Change),
) -> Option<(Moment, Step)> {
    let text = match change {
        // Links change in crowds: the spans tell.
        Change::Blocked(_) | Change::Unblocked(_) => return None,
        Change::Started => "starts",
        Change::Crashed => "is killed",
        Change::LostPower => "loses power",
        Change::Paused => "stands still",
        Change::Resumed => "goes on",
    };
    let (host, text) = (name(heard, *host), text.to_owned());
    Some((*at, Step { host, at: point(*at), text, is_turn: true }))
}

/// When a host begins to play a role, or none.
type Turn = (u64, String, Option<(Tone, String)>);

/// The servers' roles; whoever goes down plays none.
fn roles<S: System>(system: &S, record: &Record<S>, heard: &Tapped) -> Vec<HostSpan> {
    let downs = heard.changes.iter().filter_map(|(at, host, change)| {
        let is_down = matches!(change, Change::Crashed | Change::LostPower);
        is_down.then(|| (at.at_ns, name(heard, *host), None))
    });
    let mut turns: Vec<Turn> = downs.collect();
    for (index, observed) in record.observations.iter().enumerate() {
        if let Some(role) = system.role_after(&record.observations, index) {
            let host = record.server_name(observed.server).to_owned();
            turns.push((observed.at_ns, host, Some(role)));
        }
    }
    turns.sort_by_key(|turn| turn.0);
    let mut open: BTreeMap<String, (u64, Tone, String)> = BTreeMap::new();
    let mut spans = Vec::new();
    for (at_ns, host, role) in turns {
        if let (Some((_, tone, text)), Some((new, words))) = (open.get(&host), &role)
            && (tone, text) == (new, words)
        {
            continue;
        }
        let before = match role {
            Some((tone, text)) => open.insert(host.clone(), (at_ns, tone, text)),
            None => open.remove(&host),
        };
        if let Some((from_ns, tone, text)) = before {
            spans.push(HostSpan { host, tone, text, from_ns, to_ns: at_ns });
        }
    }
    spans.extend(open.into_iter().map(|(host, (from_ns, tone, text))| {
        let to_ns = record.end_ns;
        HostSpan { host, tone, text, from_ns, to_ns }
    }));
    spans
}

/// When hosts were down or paused.
fn interruptions(heard: &Tapped, end_ns: u64) -> Vec<HostSpan> {
    let mut open: BTreeMap<(HostId, Tone), (u64, &str)> = BTreeMap::new();
    let mut spans = Vec::new();
    for (at, host, change) in &heard.changes {
        let mut close = |open: &mut BTreeMap<_, (u64, &str)>, tone: Tone| {
            if let Some((from_ns, text)) = open.remove(&(*host, tone)) {
                let (host, text) = (name(heard, *host), text.to_owned());
                spans.push(HostSpan { host, tone, text, from_ns, to_ns: at.at_ns });
            }
        };
        match change {
            Change::Crashed | Change::LostPower => {
                // The dead do not stand still. Power may go after the program.
                close(&mut open, Tone::Paused);
                close(&mut open, Tone::Down);
                let text = if *change == Change::Crashed { "killed" } else { "without power" };
                open.insert((*host, Tone::Down), (at.at_ns, text));
            }
            Change::Started => close(&mut open, Tone::Down),
            Change::Paused => {
                open.entry((*host, Tone::Paused)).or_insert((at.at_ns, "paused"));
            }
            Change::Resumed => close(&mut open, Tone::Paused),
            Change::Blocked(_) | Change::Unblocked(_) => {}
        }
    }
    spans.extend(open.into_iter().map(|((host, tone), (from_ns, text))| {
        let (host, text) = (name(heard, host), text.to_owned());
        HostSpan { host, tone, text, from_ns, to_ns: end_ns }
    }));
    spans
}

/// The links that are blocked: sender and receiver.
type Links = BTreeSet<(HostId, HostId)>;

/// From whom hosts were cut off.
fn cuts(heard: &Tapped, hosts: &[HostName], end_ns: u64) -> Vec<HostSpan> {
    let mut blocked = Links::new();
    let mut open: BTreeMap<HostId, (u64, String)> = BTreeMap::new();
    let mut spans = Vec::new();
    let mut changes = heard.changes.iter().peekable();
    while let Some((at, from, change)) = changes.next() {
        match change {
            Change::Blocked(to) => drop(blocked.insert((*from, *to))),
            Change::Unblocked(to) => drop(blocked.remove(&(*from, *to))),
            _ => {}
        }
        // What changes at one time is told together.
        let at_ns = at.at_ns;
        if changes.peek().is_some_and(|(next, _, _)| next.at_ns == at_ns) {
            continue;
        }
        for number in 0..heard.hosts.len() as u32 {
            let host = HostId(number);
            let text = cut_words(heard, hosts, &blocked, host);
            if open.get(&host).map(|(_, text)| text) == text.as_ref() {
                continue;
            }
            let before = match text {
                Some(text) => open.insert(host, (at_ns, text)),
                None => open.remove(&host),
            };
            if let Some((from_ns, text)) = before {
                let (host, tone) = (name(heard, host), Tone::Cut);
                spans.push(HostSpan { host, tone, text, from_ns, to_ns: at_ns });
            }
        }
    }
    spans.extend(open.into_iter().map(|(host, (from_ns, text))| {
        let (host, tone) = (name(heard, host), Tone::Cut);
        HostSpan { host, tone, text, from_ns, to_ns: end_ns }
    }));
    spans
}

fn cut_words(heard: &Tapped, all: &[HostName], blocked: &Links, host: HostId) -> Option<String> {
    let unheard: BTreeSet<HostId> =
        blocked.iter().filter(|(from, _)| *from == host).map(|(_, to)| *to).collect();
    let unhearing: BTreeSet<HostId> =
        blocked.iter().filter(|(_, to)| *to == host).map(|(from, _)| *from).collect();
    let names = |hosts: &BTreeSet<HostId>| {
        let names: Vec<String> = hosts.iter().map(|host| name(heard, *host)).collect();
        let (servers, others): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| is_server(all, name));
        match others.len() {
            0..3 => [servers, others].concat().join(" "),
            count if servers.is_empty() => format!("{count} clients"),
            count => format!("{} and {count} clients", servers.join(" ")),
        }
    };
    if unheard.is_empty() && unhearing.is_empty() {
        return None;
    }
    if unheard == unhearing {
        return Some(format!("cut off from {}", names(&unheard)));
    }
    let mut parts = Vec::new();
    if !unheard.is_empty() {
        parts.push(format!("unheard by {}", names(&unheard)));
    }
    if !unhearing.is_empty() {
        parts.push(format!("does not hear {}", names(&unhearing)));
    }
    Some(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Observed;
    use crate::testing::{STORE, SYSTEMS, Step as StoreStep, Store, hosts, short_plan};
    use crate::{RunOptions, Watch, look_closer};

    const WATCH: Watch = Watch { events_max: 300, until_ns: u64::MAX };

    const MS: u64 = 1_000_000;

    fn heard(changes: &[(u64, u32, Change)]) -> Tapped {
        let moment = |at_ms: u64| Moment { at_ns: at_ms * MS, order: at_ms };
        let change =
            |(at_ms, host, change): &(u64, u32, Change)| (moment(*at_ms), HostId(*host), *change);
        Tapped {
            hosts: ["n1", "n2", "n3", "c1"].map(str::to_owned).into(),
            changes: changes.iter().map(change).collect(),
            ..Tapped::default()
        }
    }

    fn told(spans: &[HostSpan]) -> Vec<String> {
        let span = |span: &HostSpan| {
            let HostSpan { host, text, from_ns, to_ns, .. } = span;
            format!("{host} {text} {}..{}", from_ns / MS, to_ns / MS)
        };
        spans.iter().map(span).collect()
    }

    #[test]
    fn cuts_are_told_by_those_who_suffer_them() {
        let (n1, n2, c1) = (HostId(0), HostId(1), HostId(3));
        let heard = heard(&[
            (1, 0, Change::Blocked(n2)),
            (1, 1, Change::Blocked(n1)),
            (4, 0, Change::Unblocked(n2)),
            (6, 1, Change::Unblocked(n1)),
            (7, 1, Change::Blocked(c1)),
        ]);
        let expected = [
            "n1 cut off from n2 1..4",
            "n2 cut off from n1 1..4",
            "n1 does not hear n2 4..6",
            "n2 unheard by n1 4..6",
            "n2 unheard by c1 7..9",
            "c1 does not hear n2 7..9",
        ];
        assert_eq!(told(&cuts(&heard, &hosts(), 9 * MS)), expected);
    }

    #[test]
    fn many_clients_are_counted() {
        let names = (1..=3).map(|n| format!("n{n}")).chain((1..=3).map(|n| format!("c{n}")));
        let cut = |client| (Moment { at_ns: MS, order: 1 }, client, Change::Blocked(HostId(0)));
        let heard = Tapped {
            hosts: names.collect(),
            changes: (3..6).map(HostId).map(cut).collect(),
            ..Tapped::default()
        };
        let spans = told(&cuts(&heard, &hosts(), 9 * MS));
        assert!(spans.contains(&"n1 does not hear 3 clients 1..9".to_owned()), "{spans:?}");
    }

    #[test]
    fn interruptions_end_with_what_ends_them() {
        let heard = heard(&[
            (1, 0, Change::Started),
            (2, 0, Change::Paused),
            (3, 0, Change::Crashed),
            (4, 0, Change::LostPower),
            (6, 0, Change::Started),
            (7, 1, Change::Paused),
        ]);
        let expected =
            ["n1 paused 2..3", "n1 killed 3..4", "n1 without power 4..6", "n2 paused 7..9"];
        assert_eq!(told(&interruptions(&heard, 9 * MS)), expected);
    }

    #[test]
    fn roles_follow_the_observations_and_end_with_the_program() {
        let seen = |at_ms: u64, server, observation| Observed {
            at_ns: at_ms * MS,
            server,
            incarnation: 1,
            observation,
        };
        let record = Record::<Store> {
            observations: vec![
                seen(1, 1, StoreStep::Recovered { position: 0 }),
                seen(2, 1, StoreStep::Recovered { position: 0 }),
                seen(3, 2, StoreStep::Copied { position: 0 }),
                seen(4, 1, StoreStep::Leads),
                seen(5, 1, StoreStep::Logged { position: 1 }),
            ],
            hosts: hosts(),
            end_ns: 9 * MS,
            ..Record::default()
        };
        let heard = heard(&[(7, 1, Change::LostPower)]);
        let expected = ["n1 recovered 1..4", "n2 follows 3..7", "n1 leads 4..9"];
        let mut spans = roles(&STORE, &record, &heard);
        spans.sort_by_key(|span| span.to_ns);
        assert_eq!(told(&spans), expected);
    }

    #[test]
    fn a_closer_look_sees_the_same_run() {
        let mut plan = short_plan(1);
        plan.faults = serde_json::from_str(
            r#"[{"at_ms":2000,"until_ms":3000,"kind":"isolate","who":"leader"},
                {"at_ms":3200,"until_ms":3500,"kind":"pause","target":"n2"}]"#,
        )
        .unwrap();
        let first = SYSTEMS.perform(&plan, &RunOptions::default());
        assert_eq!(first.watched, None, "campaigns do not pay for it");
        let closer = look_closer(SYSTEMS, &plan, &first, WATCH).unwrap();
        assert_eq!(closer.verdict, first.verdict);
        assert_eq!(closer.trace.len(), WATCH.events_max, "however many there were");
        let watched = closer.watched.unwrap();
        let has = |tone, from_ms: u64, to_ms: u64| {
            let is_it =
                |s: &&HostSpan| (s.tone, s.from_ns, s.to_ns) == (tone, from_ms * MS, to_ms * MS);
            watched.spans.iter().filter(is_it).count()
        };
        assert_eq!(has(Tone::Paused, 3_200, 3_500), 1);
        // Everybody is cut off from the leader, and it from everybody.
        assert_eq!(has(Tone::Cut, 2_000, 3_000), watched.hosts.len());
        assert!(watched.spans.iter().any(|span| span.tone == Tone::Primary));
        assert!(watched.steps.is_sorted_by_key(|step| step.at));
        let groups: BTreeSet<&str> = watched.hosts.iter().map(|host| host.group.as_str()).collect();
        assert!(groups.iter().eq(&["clients", "servers"]), "{groups:?}");

        let mut other = first;
        other.trace_hash ^= 1;
        let parted = look_closer(SYSTEMS, &plan, &other, WATCH).err().unwrap();
        assert!(parted.contains("a second run ended"), "{parted}");
    }
}
