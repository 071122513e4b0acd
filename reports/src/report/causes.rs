//! Failures by what they say. One bug shows itself in every scenario that meets it, and each has a fingerprint of
//! its own; a person wants to read of it once.

use std::collections::{BTreeMap, BTreeSet};

use evidence::kind_of_failure;

use super::{FailureEntry, Report};

/// Failures that violate one property and whose contradictions say the same.
pub(super) struct Cause<'a> {
    /// The one to begin with, then the others, the most frequent first.
    pub(super) failures: Vec<&'a FailureEntry>,
    /// Runs that failed so.
    pub(super) runs: u64,
    /// How many of them each scenario has.
    pub(super) scenarios: BTreeMap<&'a str, u64>,
}

impl Cause<'_> {
    /// The one to begin with.
    pub(super) fn example(&self) -> &FailureEntry {
        self.failures[0]
    }

    /// The place on the page.
    pub(super) fn id(&self) -> String {
        format!("c-{}", self.example().fingerprint)
    }

    /// In which scenarios it was seen, and how often.
    pub(super) fn scenarios_in_words(&self) -> String {
        let of: Vec<String> =
            self.scenarios.iter().map(|(name, runs)| format!("{name} {runs}")).collect();
        of.join(", ")
    }

    /// The planted bugs of its runs.
    pub(super) fn plants(&self) -> String {
        let plants: BTreeSet<&str> =
            self.failures.iter().filter_map(|failure| failure.plant.as_deref()).collect();
        plants.into_iter().collect::<Vec<_>>().join(", ")
    }
}

impl FailureEntry {
    /// The same for failures of one cause. A failure of which nobody knows what it says is its own.
    pub(super) fn cause(&self) -> String {
        match self.headline.is_empty() {
            true => self.fingerprint.clone(),
            false => kind_of_failure(&self.property, &self.headline),
        }
    }

    /// How much one must read to understand it: a plan that was made smaller is better than none.
    fn size(&self) -> (bool, usize) {
        self.smaller.map_or((true, 0), |size| (false, size))
    }
}

impl Report {
    /// The causes, the most frequent first.
    pub(super) fn causes(&self) -> Vec<Cause<'_>> {
        let mut causes: Vec<Cause<'_>> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for failure in &self.failures {
            let place = *places.entry(failure.cause()).or_insert(causes.len());
            if place == causes.len() {
                let (failures, scenarios) = (Vec::new(), BTreeMap::new());
                causes.push(Cause { failures, runs: 0, scenarios });
            }
            let cause = &mut causes[place];
            cause.failures.push(failure);
            cause.runs += failure.runs;
            *cause.scenarios.entry(&failure.scenario).or_default() += failure.runs;
        }
        for cause in &mut causes {
            // Those of one size stay in the order of how often they were seen.
            cause.failures.sort_by_key(|failure| failure.size());
        }
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.runs));
        causes
    }
}
