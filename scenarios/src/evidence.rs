//! What a person looks at to understand a run: the messages, the servers' steps, and what each host
//! was at any time - which role it played, whether it ran, and from whom it was cut off.

use std::collections::{BTreeMap, BTreeSet};

use keeper_core::ids::Epoch;
use keeper_core::instruments::{Observation, SyncKind};
use sim::HostId;
use sim::cluster::TAG_OBSERVATION;
use sim::cluster::record::{Observed, RunRecord};
use sim::tap::{Change, Moment, Tapped};

use crate::messages::{Message, messages};

/// What was said and done in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Every host: the servers, then the clients.
    pub hosts: Vec<String>,
    /// What they said to each other, in the order of sending.
    pub messages: Vec<Message>,
    /// What the servers did, in order.
    pub steps: Vec<Step>,
    /// What hosts were, by host and time.
    pub spans: Vec<HostSpan>,
}

/// A step of a server's protocol, or something that befell a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub host: String,
    /// When.
    pub at: Moment,
    /// Did what.
    pub text: String,
    /// Whether it changes what the host is; otherwise it is one of many about transactions.
    pub is_turn: bool,
}

/// What a host can be for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Looking for a leader.
    Looking,
    /// Following one.
    Following,
    /// Leading.
    Leading,
    /// Not running.
    Down,
    /// Standing still.
    Paused,
    /// Cut off from others.
    Cut,
}

/// What a host was for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpan {
    /// Who.
    pub host: String,
    /// What.
    pub state: State,
    /// With whom, in which epoch and the like, in words.
    pub text: String,
    /// From when.
    pub from_ns: u64,
    /// Until when; the end of the run for what lasted until then.
    pub to_ns: u64,
}

impl Evidence {
    /// What the record of a run and the tap show.
    pub fn new(record: &RunRecord, heard: &Tapped) -> Evidence {
        let mut steps = observed_steps(record, heard);
        steps.extend(heard.changes.iter().filter_map(|change| change_step(heard, change)));
        steps.sort_by_key(|step| step.at);
        let mut spans = roles(record, heard);
        spans.extend(interruptions(heard, record.end_ns));
        spans.extend(cuts(heard, record.end_ns));
        spans.retain(|span| span.from_ns < span.to_ns);
        spans.sort_by(|a, b| (&a.host, a.from_ns, a.state).cmp(&(&b.host, b.from_ns, b.state)));
        Evidence { hosts: heard.hosts.clone(), messages: messages(heard), steps, spans }
    }
}

fn name(heard: &Tapped, host: HostId) -> String {
    heard.hosts.get(host.0 as usize).cloned().unwrap_or_else(|| format!("host {host}"))
}

fn observed_steps(record: &RunRecord, heard: &Tapped) -> Vec<Step> {
    let moments = heard.own.get(&TAG_OBSERVATION).map_or(&[][..], Vec::as_slice);
    let steps = record.observations.iter().zip(moments).map(|(observed, moment)| {
        let (text, is_turn) = words(&observed.observation);
        Step { host: format!("n{}", observed.server), at: *moment, text, is_turn }
    });
    steps.collect()
}

fn change_step(heard: &Tapped, (at, host, change): &(Moment, HostId, Change)) -> Option<Step> {
    let text = match change {
        // Links change in crowds: the spans tell.
        Change::Blocked(_) | Change::Unblocked(_) => return None,
        Change::Started => "starts",
        Change::Crashed => "is killed",
        Change::LostPower => "loses power",
        Change::Paused => "stands still",
        Change::Resumed => "goes on",
    };
    Some(Step { host: name(heard, *host), at: *at, text: text.to_owned(), is_turn: true })
}

/// An observation in a few words, and whether it changes what the server is.
fn words(observation: &Observation) -> (String, bool) {
    let way = |kind: &SyncKind| format!("{kind:?}").to_uppercase();
    match observation {
        Observation::Looking => ("looks for a leader".to_owned(), true),
        Observation::Following { leader } => (format!("follows n{leader}"), true),
        Observation::Leading => ("is elected".to_owned(), true),
        Observation::EpochEstablished { epoch, history } => {
            (format!("establishes epoch {epoch} on {history}"), true)
        }
        Observation::Serving { epoch } => (format!("leads epoch {epoch}"), true),
        Observation::SyncChosen { learner, kind } => {
            (format!("sends n{learner} a {}", way(kind)), false)
        }
        Observation::SyncBegun { kind } => (format!("receives a {}", way(kind)), true),
        Observation::SyncEnded => ("is synchronised".to_owned(), true),
        Observation::Proposed { zxid, applied, .. } => {
            (format!("proposes {zxid}, applied {applied}"), false)
        }
        Observation::Acknowledged { zxid, durable } => {
            (format!("acknowledges {zxid}, durable to {durable}"), false)
        }
        Observation::Delivered { zxid, .. } => (format!("applies {zxid}"), false),
        Observation::Replaced { zxid, .. } => (format!("takes the tree at {zxid}"), true),
        Observation::Truncated { zxid } => (format!("cuts its log after {zxid}"), true),
        Observation::Logged { zxid, .. } => (format!("logs {zxid}"), false),
        Observation::Recovered { snapshot, last, .. } => {
            (format!("recovers snapshot {snapshot}, log to {last}"), true)
        }
        Observation::Epochs { accepted, current, .. } => {
            (format!("accepted epoch {accepted}, current epoch {current}"), false)
        }
        Observation::SessionClosed { session, .. } => (format!("ends session {session}"), false),
        Observation::Unexpected { what } => (format!("did not expect this: {what}"), true),
        Observation::Orphaned { session, ephemerals } => {
            (format!("holds {ephemerals} ephemerals of {session}, which is no more"), true)
        }
        Observation::ConnectionEnded { watches_left: 0 } => ("lets a client go".to_owned(), false),
        Observation::ConnectionEnded { watches_left } => {
            (format!("lets a client go and keeps {watches_left} of its watches"), true)
        }
    }
}

/// The role that an observation begins.
fn role(observation: &Observation, epoch: Epoch) -> Option<(State, String)> {
    match observation {
        Observation::Looking | Observation::Recovered { .. } => {
            Some((State::Looking, "looking".to_owned()))
        }
        Observation::Following { leader } => {
            Some((State::Following, format!("following n{leader}")))
        }
        Observation::SyncEnded => Some((State::Following, format!("following, epoch {epoch}"))),
        Observation::Leading => Some((State::Leading, "elected".to_owned())),
        Observation::Serving { epoch } => Some((State::Leading, format!("leading, epoch {epoch}"))),
        _ => None,
    }
}

/// When a host begins to play a role, or none.
type Turn = (u64, String, Option<(State, String)>);

/// The servers' roles; whoever goes down plays none.
fn roles(record: &RunRecord, heard: &Tapped) -> Vec<HostSpan> {
    let downs = heard.changes.iter().filter_map(|(at, host, change)| {
        let is_down = matches!(change, Change::Crashed | Change::LostPower);
        is_down.then(|| (at.at_ns, name(heard, *host), None))
    });
    let mut epochs: BTreeMap<u32, Epoch> = BTreeMap::new();
    let mut turns: Vec<Turn> = downs.collect();
    for Observed { at_ns, server, observation, .. } in &record.observations {
        let epoch = epochs.entry(*server).or_default();
        if let Observation::Epochs { current, .. } = observation {
            *epoch = *current;
        }
        if let Some(role) = role(observation, *epoch) {
            turns.push((*at_ns, format!("n{server}"), Some(role)));
        }
    }
    turns.sort_by_key(|turn| turn.0);
    let mut open: BTreeMap<String, (u64, State, String)> = BTreeMap::new();
    let mut spans = Vec::new();
    for (at_ns, host, role) in turns {
        if let (Some((_, state, text)), Some((new, words))) = (open.get(&host), &role)
            && (state, text) == (new, words)
        {
            continue;
        }
        let before = match role {
            Some((state, text)) => open.insert(host.clone(), (at_ns, state, text)),
            None => open.remove(&host),
        };
        if let Some((from_ns, state, text)) = before {
            spans.push(HostSpan { host, state, text, from_ns, to_ns: at_ns });
        }
    }
    spans.extend(open.into_iter().map(|(host, (from_ns, state, text))| {
        let to_ns = record.end_ns;
        HostSpan { host, state, text, from_ns, to_ns }
    }));
    spans
}

/// When hosts were down or paused.
fn interruptions(heard: &Tapped, end_ns: u64) -> Vec<HostSpan> {
    let mut open: BTreeMap<(HostId, State), (u64, &str)> = BTreeMap::new();
    let mut spans = Vec::new();
    for (at, host, change) in &heard.changes {
        let mut close = |open: &mut BTreeMap<_, (u64, &str)>, state: State| {
            if let Some((from_ns, text)) = open.remove(&(*host, state)) {
                let (host, text) = (name(heard, *host), text.to_owned());
                spans.push(HostSpan { host, state, text, from_ns, to_ns: at.at_ns });
            }
        };
        match change {
            Change::Crashed | Change::LostPower => {
                // The dead do not stand still. Power may go after the program.
                close(&mut open, State::Paused);
                close(&mut open, State::Down);
                let text = if *change == Change::Crashed { "killed" } else { "without power" };
                open.insert((*host, State::Down), (at.at_ns, text));
            }
            Change::Started => close(&mut open, State::Down),
            Change::Paused => {
                open.entry((*host, State::Paused)).or_insert((at.at_ns, "paused"));
            }
            Change::Resumed => close(&mut open, State::Paused),
            Change::Blocked(_) | Change::Unblocked(_) => {}
        }
    }
    spans.extend(open.into_iter().map(|((host, state), (from_ns, text))| {
        let (host, text) = (name(heard, host), text.to_owned());
        HostSpan { host, state, text, from_ns, to_ns: end_ns }
    }));
    spans
}

/// The links that are blocked: sender and receiver.
type Links = BTreeSet<(HostId, HostId)>;

/// From whom hosts were cut off.
fn cuts(heard: &Tapped, end_ns: u64) -> Vec<HostSpan> {
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
            let text = cut_words(heard, &blocked, host);
            if open.get(&host).map(|(_, text)| text) == text.as_ref() {
                continue;
            }
            let before = match text {
                Some(text) => open.insert(host, (at_ns, text)),
                None => open.remove(&host),
            };
            if let Some((from_ns, text)) = before {
                let (host, state) = (name(heard, host), State::Cut);
                spans.push(HostSpan { host, state, text, from_ns, to_ns: at_ns });
            }
        }
    }
    spans.extend(open.into_iter().map(|(host, (from_ns, text))| {
        let (host, state) = (name(heard, host), State::Cut);
        HostSpan { host, state, text, from_ns, to_ns: end_ns }
    }));
    spans
}

fn cut_words(heard: &Tapped, blocked: &Links, host: HostId) -> Option<String> {
    let unheard: BTreeSet<HostId> =
        blocked.iter().filter(|(from, _)| *from == host).map(|(_, to)| *to).collect();
    let unhearing: BTreeSet<HostId> =
        blocked.iter().filter(|(_, to)| *to == host).map(|(from, _)| *from).collect();
    let names = |hosts: &BTreeSet<HostId>| {
        let names: Vec<String> = hosts.iter().map(|host| name(heard, *host)).collect();
        let (servers, others): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| name.starts_with('n'));
        match others.len() {
            0..3 => [servers, others].concat().join(" "),
            count => format!("{} and {count} clients", servers.join(" ")).trim_start().to_owned(),
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
    use keeper_core::ids::ServerId;

    use super::*;
    use crate::property::testing::{Script, plan};
    use crate::run::{look_closer, run_plan};

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
        assert_eq!(told(&cuts(&heard, 9 * MS)), expected);
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
        let record = Script::new()
            .see(2, Observation::Looking)
            .see(2, Observation::Looking)
            .see(2, Observation::Following { leader: ServerId(1) })
            .see(1, Observation::Leading)
            .see(1, Observation::Serving { epoch: Epoch(4) })
            .record();
        let heard = heard(&[(5, 1, Change::LostPower)]);
        let expected = [
            "n2 looking 1..3",
            "n1 elected 4..5",
            "n2 following n1 3..5",
            "n1 leading, epoch 4 5..5",
        ];
        let mut spans = roles(&record, &heard);
        spans.sort_by_key(|span| span.to_ns);
        assert_eq!(told(&spans).len(), expected.len());
        expected.iter().for_each(|line| assert!(told(&spans).iter().any(|t| t == line), "{line}"));
    }

    #[test]
    fn a_closer_look_sees_the_same_run() {
        let mut plan = plan();
        plan.chaos_ms = 4_000;
        plan.operations.retain(|operation| operation.at_ms < 3_000);
        plan.faults = serde_json::from_str(
            r#"[{"at_ms":2000,"until_ms":3000,"kind":"isolate_leader"},
                {"at_ms":3200,"until_ms":3500,"kind":"pause","target":"n2"}]"#,
        )
        .unwrap();
        let first = run_plan(&plan, &Default::default());
        let closer = look_closer(&plan, &first).unwrap();
        assert_eq!(closer.verdict, first.verdict);
        assert_eq!(closer.trace.len() as u64, first.stats.events);
        let evidence = closer.evidence.unwrap();
        let has = |state, from_ms: u64, to_ms: u64| {
            let is_it =
                |s: &&HostSpan| (s.state, s.from_ns, s.to_ns) == (state, from_ms * MS, to_ms * MS);
            evidence.spans.iter().filter(is_it).count()
        };
        assert_eq!(has(State::Paused, 3_200, 3_500), 1);
        // Everybody is cut off from the leader, and it from everybody.
        assert_eq!(has(State::Cut, 2_000, 3_000), evidence.hosts.len());
        assert!(evidence.spans.iter().any(|span| span.state == State::Leading));
        assert!(evidence.steps.is_sorted_by_key(|step| step.at));
        let lost = evidence.messages.iter().filter(|message| message.delivered.is_none());
        let within = |at_ns: u64| (2_000 * MS..3_500 * MS).contains(&at_ns);
        assert!(lost.into_iter().any(|message| within(message.sent.at_ns)));

        let mut other = first;
        other.trace_hash ^= 1;
        assert!(look_closer(&plan, &other).unwrap_err().contains("a second run ended"));
    }
}
