//! A run as its diagrams tell it: who said and did what, what befell whom, and what contradicts
//! what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::{Families, FaultWindow};
use crate::history::{History, Operation};
use crate::message::Moment;
use crate::verdict::Explanation;

/// Everything that the diagrams of one run need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// What it is called: scenario and seed.
    pub title: String,
    /// Every host, in the order in which to draw them.
    pub hosts: Vec<Host>,
    /// What clients asked and were told.
    pub history: History,
    /// What struck, with its time.
    pub faults: Vec<FaultWindow>,
    /// The families of the kinds of faults.
    pub families: Families,
    /// When hosts took a role that is worth a line through the drawing, in order.
    pub roles: Vec<Moment>,
    /// What is wrong; none if nothing is.
    pub contradiction: Option<Contradiction>,
    /// What hosts said to each other, in the order of sending.
    pub arrows: Vec<Arrow>,
    /// What hosts did, in order.
    pub steps: Vec<Step>,
    /// What hosts were for a while.
    pub spans: Vec<HostSpan>,
    /// How far what hosts hold would survive a loss of power, as far as the system says, in order.
    #[serde(default)]
    pub durable: Vec<Durable>,
    /// What programs logged, in order.
    #[serde(default)]
    pub log: Vec<Logged>,
    /// What each tone stands for, in the system's words, for legends; a tone that has none is told
    /// by its own name.
    pub tones: BTreeMap<Tone, String>,
    /// The end of the run.
    pub end_ns: u64,
}

/// A host of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the world, as `n1`.
    pub name: String,
    /// The group that it belongs to, such as `servers`.
    pub group: String,
    /// Whether it only asks: drawings show all other hosts, and of these as many as there is room
    /// for.
    pub is_client: bool,
}

/// The failure that a story is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// What contradicts what.
    pub explanation: Explanation,
    /// When it was complete.
    pub at_ns: u64,
}

/// A point of a run: its time, and its place in the order of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    /// In simulated nanoseconds.
    pub at_ns: u64,
    /// Decides between equal times.
    pub order: u64,
}

/// A message from one host to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrow {
    /// Who sent it.
    pub from: String,
    /// The host that it was sent to.
    pub to: String,
    /// The protocol, in a word; each has a colour, in the order of their appearance.
    pub protocol: String,
    /// When it was sent.
    pub sent: Point,
    /// When it was read; none if it never was.
    pub delivered: Option<Point>,
    /// What it says, in a few words.
    pub label: String,
    /// What else it says; may be empty.
    pub detail: String,
    /// Whether it only says that somebody is alive.
    pub is_ping: bool,
}

/// Something that a host did, or that befell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The name of the host.
    pub host: String,
    /// When it did so, and in which order.
    pub at: Point,
    /// What it did, or what befell it, in a few words.
    pub text: String,
    /// Whether it changes what the host is; otherwise it is one of many about single operations.
    pub is_turn: bool,
}

/// What a host holds durably from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// The name of the host.
    pub host: String,
    /// From when, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// How far, in the system's words; empty from where that is no longer known.
    pub text: String,
}

/// A line that a program logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The name of the host that the program ran on.
    pub host: String,
    /// When, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// How important the program takes it to be, as `WARN`.
    pub level: String,
    /// The part of the program that says it; may be empty.
    pub target: String,
    /// What it says, its fields among it.
    pub text: String,
}

/// How what a host is for a while is drawn. The words for it are the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Between roles: searching, electing, catching up.
    Unsettled,
    /// In a role of which there are several, such as a replica or a follower.
    Secondary,
    /// In a role of which there should be one, such as a primary or a leader.
    Primary,
    /// Not running: killed, or without power.
    Down,
    /// Standing still, as after a SIGSTOP.
    Paused,
    /// Cut off from others.
    Cut,
}

impl Tone {
    /// All, in the order of legends.
    pub const ALL: [Tone; 6] =
        [Tone::Primary, Tone::Secondary, Tone::Unsettled, Tone::Down, Tone::Paused, Tone::Cut];

    /// Its name, as data and style sheets spell it.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Unsettled => "unsettled",
            Tone::Secondary => "secondary",
            Tone::Primary => "primary",
            Tone::Down => "down",
            Tone::Paused => "paused",
            Tone::Cut => "cut",
        }
    }

    /// Whether it is a role, of which a host plays one at a time.
    pub fn is_role(self) -> bool {
        matches!(self, Tone::Unsettled | Tone::Secondary | Tone::Primary)
    }
}

/// What a host was for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpan {
    /// The name of the host.
    pub host: String,
    /// How it is drawn.
    pub tone: Tone,
    /// What it was, in the system's words.
    pub text: String,
    /// From when it was so, in world nanoseconds since the start of the run.
    pub from_ns: u64,
    /// Until when, in world nanoseconds since the start of the run.
    pub to_ns: u64,
}

impl Story {
    /// The moment that the diagrams lead up to: the contradiction; without one, the last role that
    /// was taken, or the end.
    pub fn focus_ns(&self) -> u64 {
        match &self.contradiction {
            Some(contradiction) => contradiction.at_ns,
            None => self.roles.last().map_or(self.end_ns, |moment| moment.at_ns),
        }
    }

    /// Which line of the explanation speaks of an operation.
    pub fn line_of(&self, operation: &Operation) -> Option<usize> {
        let explanation = &self.contradiction.as_ref()?.explanation;
        explanation.lines.iter().position(|line| {
            line.client == operation.client_name
                && line.from_ns == Some(operation.invoke_ns)
                && line.to_ns == operation.complete_ns
                && line.text.starts_with(&operation.asked)
        })
    }

    /// Whether a line of the explanation is the contradiction.
    pub fn is_contradiction(&self, line: usize) -> bool {
        let explanation = self.contradiction.as_ref().map(|c| &c.explanation);
        explanation.is_some_and(|explanation| explanation.contradiction == Some(line))
    }

    /// The protocols that hosts speak, in the order of their appearance.
    pub fn protocols(&self) -> Vec<&str> {
        let mut protocols: Vec<&str> = Vec::new();
        for arrow in &self.arrows {
            if !protocols.contains(&arrow.protocol.as_str()) {
                protocols.push(&arrow.protocol);
            }
        }
        protocols
    }

    /// Whether a host only asks.
    pub fn is_client(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.is_client && host.name == name)
    }

    /// The hosts that are no clients, in order.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().filter(|host| !host.is_client).map(|host| host.name.as_str())
    }

    /// Whether the explanation speaks of what a host did that is no client.
    pub fn is_of_servers(&self) -> bool {
        let lines = self.contradiction.iter().flat_map(|c| &c.explanation.lines);
        lines.into_iter().any(|line| self.servers().any(|server| server == line.client))
    }

    /// What a tone is called in a legend.
    pub fn tone_words(&self, tone: Tone) -> &str {
        self.tones.get(&tone).map_or(tone.name(), String::as_str)
    }
}
