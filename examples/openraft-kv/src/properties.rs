//! What must hold of the servers' steps: Raft's own rules, and what our files owe it.

use std::collections::{BTreeMap, BTreeSet};

use squall::harness::record::Observed;
use squall::prelude::*;

use crate::step::{Being, Position, Step, Voted};
use crate::system::Store;

/// All, a cause before what follows of it.
pub const ALL: &[Property<Store>] = &[
    property::no_panic(),
    Property::new(
        "a server finds what it saved",
        "Raft (Ongaro and Ousterhout, ATC 2014), figure 2: persistent state",
        finds_what_it_saved,
    ),
    property::fatal("no loss of power leaves files that cannot be read"),
    Property::new("one leader in a term", "Raft, figure 3: election safety", one_leader_in_a_term),
    Property::new(
        "applied entries agree",
        "Raft, figure 3: state machine safety",
        applied_entries_agree,
    ),
    Property::new(
        "answered is durable on a quorum",
        "Raft, section 5.3: committed entries are durable",
        answered_is_durable,
    ),
    property::healing("a leader, voters that have applied the same, and an answer"),
];

/// What a server has said to be durable.
#[derive(Default)]
struct Saved<'a> {
    vote: Option<(Voted, &'a Observed<Step>)>,
    log: BTreeMap<u64, (u64, &'a Observed<Step>)>,
}

fn finds_what_it_saved(_plan: &Plan, record: &Record<Store>) -> PropertyVerdict {
    let mut servers: BTreeMap<u32, Saved<'_>> = BTreeMap::new();
    let mut amnesias = record.amnesias.iter().peekable();
    for observed in &record.observations {
        // Who was made to forget has saved nothing.
        while let Some(amnesia) = amnesias.next_if(|amnesia| amnesia.at_ns <= observed.at_ns) {
            servers.remove(&amnesia.server);
        }
        let saved = servers.entry(observed.server).or_default();
        match &observed.observation {
            Step::VoteSaved(vote) => saved.vote = Some((*vote, observed)),
            Step::Appended(entries) => {
                saved.log.extend(entries.iter().map(|(index, term)| (*index, (*term, observed))));
            }
            Step::Truncates(since) => drop(saved.log.split_off(since)),
            Step::Purges((upto, _)) => saved.log = saved.log.split_off(&(upto + 1)),
            Step::Recovered { vote, purged: _, log } => {
                let found: BTreeMap<u64, u64> = log.iter().copied().collect();
                if let Some((expected, when)) = saved.vote
                    && vote.is_none_or(|found| found < expected)
                {
                    return Contradiction::new("a vote that was saved is gone")
                        .did(record, when, format!("saved {expected:?}"), "")
                        .did(record, observed, format!("finds {vote:?}"), "an older one")
                        .violated(observed.at_ns);
                }
                let lost =
                    saved.log.iter().find(|(index, (term, _))| found.get(index) != Some(term));
                if let Some((index, (term, when))) = lost {
                    let finds = match found.get(index) {
                        Some(other) => format!("finds entry {index} of term {other}"),
                        None => format!("finds no entry {index}"),
                    };
                    return Contradiction::new("an entry that was saved is gone")
                        .did(record, when, format!("saved entry {index} of term {term}"), "")
                        .did(record, observed, finds, "another log")
                        .violated(observed.at_ns);
                }
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

fn one_leader_in_a_term(_plan: &Plan, record: &Record<Store>) -> PropertyVerdict {
    let mut leaders: BTreeMap<u64, &Observed<Step>> = BTreeMap::new();
    for observed in &record.observations {
        let Step::Is(Being::Leader, term) = observed.observation else { continue };
        let first = *leaders.entry(term).or_insert(observed);
        if first.server != observed.server {
            return Contradiction::new("two servers lead in one term")
                .did(record, first, format!("leads in term {term}"), "")
                .did(record, observed, format!("leads in term {term}"), "another leads")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

fn applied_entries_agree(_plan: &Plan, record: &Record<Store>) -> PropertyVerdict {
    let mut applied: BTreeMap<u64, (Position, u64, &Observed<Step>)> = BTreeMap::new();
    for observed in &record.observations {
        let (Step::Applied { position, hash } | Step::SnapshotInstalled { position, hash }) =
            observed.observation
        else {
            continue;
        };
        let (index, term) = position;
        let (before, expected, first) = *applied.entry(index).or_insert((position, hash, observed));
        if (before, expected) != (position, hash) {
            return Contradiction::new("two servers have applied different entries")
                .did(record, first, format!("entry {index} of term {}", before.1), "")
                .did(record, observed, format!("entry {index} of term {term}"), "not the same")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

/// What a server keeps, as far as it has said so.
#[derive(Default)]
struct Kept {
    log: BTreeMap<u64, u64>,
    /// What a snapshot holds, or dropped entries.
    upto: u64,
    /// Memberships that its log has, from the last one on that it has applied.
    members: BTreeMap<u64, Vec<Vec<u64>>>,
}

impl Kept {
    fn has(&self, (index, term): Position) -> bool {
        index <= self.upto || self.log.get(&index) == Some(&term)
    }
}

fn answered_is_durable(_plan: &Plan, record: &Record<Store>) -> PropertyVerdict {
    let mut servers: BTreeMap<u32, Kept> = BTreeMap::new();
    for observed in &record.observations {
        let kept = servers.entry(observed.server).or_default();
        match &observed.observation {
            Step::Recovered { purged, log, .. } => {
                *kept = Kept {
                    log: log.iter().copied().collect(),
                    upto: purged.map_or(0, |(index, _)| index),
                    members: BTreeMap::new(),
                };
            }
            Step::Appended(entries) => kept.log.extend(entries.iter().copied()),
            Step::Truncates(since) => {
                kept.log.split_off(since);
                kept.members.split_off(since);
            }
            Step::Purges((upto, _)) | Step::SnapshotInstalled { position: (upto, _), .. } => {
                kept.upto = kept.upto.max(*upto);
            }
            Step::Members { index, voters, .. } => {
                kept.members.insert(*index, voters.clone());
            }
            Step::Applied { position: (index, _), .. } => {
                // The last one that is applied counts still, and those behind it may count already.
                let last = kept.members.range(..=index).next_back().map(|(index, _)| *index);
                kept.members = kept.members.split_off(&last.unwrap_or(0));
            }
            Step::Answers(position) => {
                let position = *position;
                let holders: BTreeSet<u64> = servers
                    .iter()
                    .filter(|(_, kept)| kept.has(position))
                    .map(|(server, _)| u64::from(*server))
                    .collect();
                let is_quorum = |voters: &Vec<u64>| {
                    let held = voters.iter().filter(|voter| holders.contains(voter)).count();
                    held * 2 > voters.len()
                };
                let members = &servers[&observed.server].members;
                if members.is_empty() || members.values().any(|sets| sets.iter().all(is_quorum)) {
                    continue;
                }
                let (index, term) = position;
                return Contradiction::new("a write was answered that no quorum keeps")
                    .did(
                        record,
                        observed,
                        format!("answers entry {index} of term {term}"),
                        format!("{holders:?} keep it, of {members:?}"),
                    )
                    .violated(observed.at_ns);
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}
