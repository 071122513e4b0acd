//! Faults and when they struck, and the families that they belong to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words::moment;

/// The family of a kind of which nobody said one.
pub const OTHER_FAMILY: &str = "other";

/// A fault and its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// Its position in the plan.
    #[serde(default)]
    pub planned: usize,
    /// The kind of fault, as plans name it.
    pub kind: String,
    /// Whom it struck, in words; may be empty.
    pub what: String,
    /// When it began.
    pub from_ns: u64,
    /// When it ended; none if it lasted until the end of the run.
    pub to_ns: Option<u64>,
}

impl FaultWindow {
    /// A fault and its time, the first of its plan.
    pub fn new(kind: &str, what: &str, from_ns: u64, to_ns: Option<u64>) -> FaultWindow {
        let (kind, what) = (kind.to_owned(), what.to_owned());
        FaultWindow { planned: 0, kind, what, from_ns, to_ns }
    }

    /// Whether it was active at some time between the two.
    pub fn overlaps(&self, from_ns: u64, to_ns: u64) -> bool {
        self.from_ns <= to_ns && self.to_ns.is_none_or(|end| end >= from_ns)
    }
}

impl fmt::Display for FaultWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultWindow { kind, what, from_ns, to_ns, .. } = self;
        let gap = if what.is_empty() { "" } else { " " };
        let from = moment(*from_ns);
        write!(f, "{kind}{gap}{what} ")?;
        match to_ns {
            None => write!(f, "since {from}"),
            Some(to_ns) if to_ns == from_ns => write!(f, "at {from}"),
            Some(to_ns) => write!(f, "{} … {}", from.trim_end_matches(" s"), moment(*to_ns)),
        }
    }
}

/// How often faults were aimed at somebody, and how often they struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aimed {
    /// By plans.
    pub planned: u64,
    /// Of these, those that struck: somebody was there at the time.
    pub struck: u64,
}

impl Aimed {
    /// Both added up.
    pub fn add(&mut self, other: Aimed) {
        self.planned += other.planned;
        self.struck += other.struck;
    }
}

/// The family of each kind of fault, as whoever has the kinds declares them. Pages group faults by
/// family and give each a colour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Families {
    by_kind: BTreeMap<String, String>,
}

impl Families {
    /// The family of a kind; [`OTHER_FAMILY`] if none was declared.
    pub fn of(&self, kind: &str) -> &str {
        self.by_kind.get(kind).map_or(OTHER_FAMILY, String::as_str)
    }

    /// Whether nothing was declared.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// Takes over what others declare; where both say something, the smaller text stays, so that
    /// the order does not matter.
    pub fn join(&mut self, other: &Families) {
        for (kind, family) in &other.by_kind {
            match self.by_kind.get(kind) {
                Some(known) if known <= family => {}
                _ => drop(self.by_kind.insert(kind.clone(), family.clone())),
            }
        }
    }
}

impl<K: Into<String>, F: Into<String>> FromIterator<(K, F)> for Families {
    /// Of pairs of kind and family.
    fn from_iter<I: IntoIterator<Item = (K, F)>>(pairs: I) -> Families {
        let by_kind = pairs.into_iter().map(|(kind, family)| (kind.into(), family.into()));
        Families { by_kind: by_kind.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_say_their_time() {
        let window = |from_ns, to_ns| FaultWindow::new("pause", "n1", from_ns, to_ns);
        assert_eq!(window(1_000_000_000, None).to_string(), "pause n1 since 1.000 s");
        assert_eq!(window(5, Some(5)).to_string(), "pause n1 at 0.000 s");
        let nobody = FaultWindow::new("restart", "", 0, None);
        assert_eq!(nobody.to_string(), "restart since 0.000 s");
        assert!(window(5, Some(9)).overlaps(9, 10));
        assert!(window(5, None).overlaps(9, 10));
        assert!(!window(5, Some(8)).overlaps(9, 10));
        assert!(!window(11, None).overlaps(9, 10));
    }

    #[test]
    fn joining_families_is_commutative() {
        let one: Families = [("crash", "process"), ("rot", "disk")].into_iter().collect();
        let other: Families = [("rot", "data"), ("lag", "network")].into_iter().collect();
        let (mut a, mut b) = (one.clone(), other.clone());
        a.join(&other);
        b.join(&one);
        assert_eq!(a, b);
        assert_eq!([a.of("crash"), a.of("rot"), a.of("meteor")], ["process", "data", "other"]);
    }
}
