//! Figures that a system names: what it counts or measures in a run, with a unit and how the runs
//! of a campaign add up.
//!
//! A run's values carry the figure's id alone; what the ids mean is declared once and stored with
//! whatever shows them.

use serde::{Deserialize, Serialize};

/// A figure of a system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FigureDeclaration {
    /// Short and stable, as in `leader-changes`: the key of its values, and the name of its plot.
    pub id: String,
    /// What a text calls it behind its value, as in `12 leader changes`.
    pub title: String,
    /// What it says, in one line without a full stop; may be empty.
    pub about: String,
    /// What its values are.
    pub unit: Unit,
    /// How the values of several runs become one.
    pub adds_up: AddsUp,
    /// Whether a campaign of some length that never saw it has tested too little to be clean.
    pub is_required: bool,
}

/// What the values of a figure are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// How often something happened.
    Count,
    /// Milliseconds of simulated time.
    Milliseconds,
    /// Bytes, told as a plain number of them.
    Bytes,
}

/// How the values of several runs become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddsUp {
    /// By their sum.
    Sum,
    /// By the greatest of them.
    Max,
    /// Not at all: a run has any number of values, and a campaign has all of them.
    Samples,
}

impl FigureDeclaration {
    /// A count that adds up, and that nothing depends on.
    pub fn count(id: &str, title: &str) -> FigureDeclaration {
        FigureDeclaration {
            id: id.to_owned(),
            title: title.to_owned(),
            about: String::new(),
            unit: Unit::Count,
            adds_up: AddsUp::Sum,
            is_required: false,
        }
    }

    /// Lengths of time, of which a run has any number.
    pub fn samples_ms(id: &str, title: &str, about: &str) -> FigureDeclaration {
        FigureDeclaration {
            about: about.to_owned(),
            unit: Unit::Milliseconds,
            adds_up: AddsUp::Samples,
            ..FigureDeclaration::count(id, title)
        }
    }

    /// The figure, without which a campaign is not clean.
    pub fn required(self) -> FigureDeclaration {
        FigureDeclaration { is_required: true, ..self }
    }

    /// What stands for a figure that nobody declared: its id says what it is.
    pub fn undeclared(id: &str, adds_up: AddsUp) -> FigureDeclaration {
        let title = id.replace('-', " ");
        FigureDeclaration { adds_up, ..FigureDeclaration::count(id, &title) }
    }

    /// What runs come to, with unit and title; of samples, how many there are.
    pub fn in_words(&self, value: u64) -> String {
        match (self.adds_up, self.unit) {
            (AddsUp::Samples, _) | (_, Unit::Count) => format!("{value} {}", self.title),
            (_, Unit::Milliseconds) => format!("{value} ms {}", self.title),
            (_, Unit::Bytes) => format!("{value} bytes {}", self.title),
        }
    }
}
