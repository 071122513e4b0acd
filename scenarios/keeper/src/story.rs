//! What servers and clients did, in words for whoever reads a run.

use std::collections::BTreeMap;

use evidence::{Arrow, Moment, Tone};
use harness::story::point;
use keeper_core::ids::Epoch;
use keeper_core::observation::{Observation, SyncKind};
use sim::tap::Tapped;

use crate::messages::{Protocol, messages};
use crate::record::{Observed, RunRecord};

/// An observation in a few words, and whether it changes what the server is.
pub(crate) fn words(observation: &Observation) -> (String, bool) {
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
        Observation::DamageFound { what } => (format!("finds damage: {what}"), true),
        Observation::Voiceless => ("starts without a voice".to_owned(), true),
        Observation::VoiceRegained => ("has its voice again".to_owned(), true),
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
fn role(observation: &Observation, epoch: Epoch) -> Option<(Tone, String)> {
    match observation {
        Observation::Looking | Observation::Recovered { .. } => {
            Some((Tone::Unsettled, "looking".to_owned()))
        }
        Observation::Following { leader } => {
            Some((Tone::Secondary, format!("following n{leader}")))
        }
        Observation::SyncEnded => Some((Tone::Secondary, format!("following, epoch {epoch}"))),
        Observation::Leading => Some((Tone::Primary, "elected".to_owned())),
        Observation::Serving { epoch } => Some((Tone::Primary, format!("leading, epoch {epoch}"))),
        _ => None,
    }
}

/// What a server is from an observation on.
pub(crate) fn role_after(observed: &[Observed], index: usize) -> Option<(Tone, String)> {
    let Observed { server, observation, .. } = &observed[index];
    let epoch = || {
        let before = observed[..=index].iter().rev().filter(|other| other.server == *server);
        let mut epochs = before.filter_map(|other| match other.observation {
            Observation::Epochs { current, .. } => Some(current),
            _ => None,
        });
        epochs.next().unwrap_or_default()
    };
    let epoch = if *observation == Observation::SyncEnded { epoch() } else { Epoch::default() };
    role(observation, epoch)
}

/// The last transaction that a server holds durably, if an observation tells.
pub(crate) fn durable(observation: &Observation) -> Option<String> {
    match observation {
        Observation::Acknowledged { durable, .. } => Some(durable.to_string()),
        Observation::Recovered { last: zxid, .. } | Observation::Truncated { zxid } => {
            Some(zxid.to_string())
        }
        // A leader acknowledges to nobody.
        Observation::Leading => Some(String::new()),
        _ => None,
    }
}

/// What the tones of roles are called.
pub(crate) fn tones() -> BTreeMap<Tone, String> {
    let words =
        [(Tone::Unsettled, "looking"), (Tone::Secondary, "following"), (Tone::Primary, "leading")];
    words.into_iter().map(|(tone, word)| (tone, word.to_owned())).collect()
}

/// When servers began to lead and serve.
pub(crate) fn leaders(record: &RunRecord) -> Vec<Moment> {
    let mut leaders = Vec::new();
    let mut before: Option<u32> = None;
    for observed in &record.observations {
        let Observation::Serving { epoch } = observed.observation else { continue };
        let server = observed.server;
        let what = match before.replace(server) {
            Some(other) => format!("leader n{other} → n{server} (epoch {epoch})"),
            None => format!("leader n{server} (epoch {epoch})"),
        };
        leaders.push(Moment { at_ns: observed.at_ns, what });
    }
    leaders
}

/// What hosts said to each other.
pub(crate) fn arrows(heard: &Tapped) -> Vec<Arrow> {
    let arrow = |message: crate::messages::Message| Arrow {
        from: message.from,
        to: message.to,
        protocol: match message.protocol {
            Protocol::Client => "client",
            Protocol::Quorum => "quorum",
            Protocol::Election => "election",
        }
        .to_owned(),
        sent: point(message.sent),
        delivered: message.delivered.map(point),
        label: message.label,
        detail: message.detail,
        is_ping: message.is_ping,
    };
    messages(heard).into_iter().map(arrow).collect()
}

#[cfg(test)]
mod tests {
    use evidence::HostSpan;
    use harness::sketch::Sketch;
    use harness::story::watched;
    use harness::{RunOptions, Watch, look_closer};

    const WATCH: Watch = Watch { events_max: 300, until_ns: u64::MAX };
    use keeper_core::ids::ServerId;
    use sim::HostId;
    use sim::tap::Change;

    use super::*;
    use crate::property::testing::{SYSTEMS, Script, plan, two_epochs};
    use crate::system::KEEPER;

    const MS: u64 = 1_000_000;

    #[test]
    fn leaders_are_told_with_their_predecessor() {
        let sketch = Sketch::of(&KEEPER, &two_epochs().record());
        let told: Vec<&str> = sketch.turns.iter().map(|turn| turn.what.as_str()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("leader n1 (epoch 1)"), "{told:?}");
        assert!(told[1].starts_with("leader n1 → n") && told[1].ends_with("(epoch 2)"), "{told:?}");
    }

    #[test]
    fn roles_follow_the_observations_and_end_with_the_program() {
        let record = Script::new()
            .see(2, Observation::Looking)
            .see(2, Observation::Looking)
            .see(2, Observation::Following { leader: ServerId(1) })
            .see(1, Observation::Leading)
            .see(1, Observation::Serving { epoch: Epoch(4) })
            .see(3, Observation::Looking)
            .record();
        let died = sim::tap::Moment { at_ns: 5 * MS, order: 5 };
        let heard = Tapped {
            hosts: ["n1", "n2", "n3", "c1"].map(str::to_owned).into(),
            changes: vec![(died, HostId(1), Change::LostPower)],
            ..Tapped::default()
        };
        let spans = watched(&KEEPER, &record, &heard).spans;
        let told = |span: &HostSpan| {
            let HostSpan { host, text, from_ns, to_ns, .. } = span;
            format!("{host} {text} {}..{}", from_ns / MS, to_ns / MS)
        };
        let told: Vec<String> = spans.iter().map(told).collect();
        let expected = [
            "n1 elected 4..5",
            "n1 leading, epoch 4 5..6",
            "n2 looking 1..3",
            "n2 following n1 3..5",
            "n2 without power 5..6",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_closer_look_sees_the_same_run_and_what_was_said() {
        let mut plan = plan();
        plan.chaos_ms = 4_000;
        plan.operations.retain(|operation| operation.at_ms < 3_000);
        plan.faults = serde_json::from_str(
            r#"[{"at_ms":2000,"until_ms":3000,"kind":"isolate","who":"leader"},
                {"at_ms":3200,"until_ms":3500,"kind":"pause","target":"n2"}]"#,
        )
        .unwrap();
        let first = SYSTEMS.perform(&plan, &RunOptions::default());
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
        assert!(watched.spans.iter().any(|span| span.text.starts_with("leading")));
        assert!(watched.steps.is_sorted_by_key(|step| step.at));
        let servers: Vec<&str> =
            watched.hosts.iter().filter(|h| !h.is_client).map(|h| h.name.as_str()).collect();
        assert!(servers.iter().all(|name| watched.durable.iter().any(|d| d.host == *name)));
        assert!(watched.durable.is_sorted_by_key(|durable| durable.at_ns));
        let lost = watched.arrows.iter().filter(|arrow| arrow.delivered.is_none());
        let within = |at_ns: u64| (2_000 * MS..3_500 * MS).contains(&at_ns);
        assert!(lost.into_iter().any(|arrow| within(arrow.sent.at_ns)));

        let mut other = first;
        other.trace_hash ^= 1;
        let parted = look_closer(SYSTEMS, &plan, &other, WATCH).err().unwrap();
        assert!(parted.contains("a second run ended"));
    }
}
