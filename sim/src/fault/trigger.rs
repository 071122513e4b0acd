//! Places in the code that faults wait for: "when a host hits this mark for the third time".
//!
//! In a plan such a place is one word: `mark:log-unsynced`, with the count `#3`, whose hits count
//! `@n2` (or `@leader`, or whatever else the system says of a host), and how long after the hit the fault
//! strikes `+250us`. Hits count from the moment of the fault on. As a target it stands for who hits it; as
//! the `when` of a fault it leaves open whom the fault strikes. Without a delay, the outputs of the step
//! that hit the mark never leave a host that the fault kills for it: it is killed right there.

use std::collections::BTreeMap;
use std::fmt;

use probe::MarkId;
use serde::{Deserialize, Serialize};

use super::TimedFault;
use crate::HostId;

const NS_PER_MS: u64 = 1_000_000;

/// A place in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MarkTarget {
    /// The mark's name.
    pub mark: String,
    /// Which hit it is, from 1.
    pub nth: u32,
    /// Whose hits count: those of the host of that name, or of whoever plays the role of that name when
    /// it hits the mark. None: everybody's, each host's on its own.
    pub of: Option<String>,
    /// How long after the hit the fault strikes, in microseconds.
    pub after_us: u64,
}

impl MarkTarget {
    /// The target that a text spells; none if it spells no such target.
    pub fn parse(text: &str) -> Option<MarkTarget> {
        let rest = text.strip_prefix("mark:")?;
        let (rest, after_us) = match rest.rsplit_once('+') {
            None => (rest, 0),
            Some((rest, delay)) => (rest, delay.strip_suffix("us")?.parse().ok()?),
        };
        let (rest, of) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, of)) => (rest, Some(of.to_owned())),
        };
        let (mark, nth) = match rest.split_once('#') {
            None => (rest, 1),
            Some((mark, nth)) => (mark, nth.parse().ok().filter(|nth| *nth > 0)?),
        };
        Some(MarkTarget { mark: mark.to_owned(), nth, of, after_us })
    }
}

impl fmt::Display for MarkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mark:{}", self.mark)?;
        if self.nth != 1 {
            write!(f, "#{}", self.nth)?;
        }
        if let Some(of) = &self.of {
            write!(f, "@{of}")?;
        }
        if self.after_us > 0 {
            write!(f, "+{}us", self.after_us)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for MarkTarget {
    type Error = String;

    fn try_from(text: String) -> Result<MarkTarget, String> {
        MarkTarget::parse(&text).ok_or_else(|| {
            format!("`{text}` is no place in the code; expected mark:log-unsynced#3@leader+250us")
        })
    }
}

impl From<MarkTarget> for String {
    fn from(target: MarkTarget) -> String {
        target.to_string()
    }
}

/// A host hits a mark.
pub struct Hit<'a> {
    /// The mark in the code.
    pub mark: MarkId,
    /// The host whose program hits it.
    pub host: HostId,
    /// That host's name.
    pub name: &'a str,
    /// Whether it plays a role at this moment.
    pub plays: &'a dyn Fn(&str) -> bool,
    /// When, in nanoseconds since the start of the run.
    pub at_ns: u64,
}

/// A fault that waits for a mark.
#[derive(Clone, Debug)]
struct Trigger {
    /// The fault's position in the plan.
    fault: usize,
    target: MarkTarget,
    mark: MarkId,
    from_ns: u64,
    until_ns: u64,
    /// Whether it kills who hits the mark, so that nothing more of that step must show.
    kills: bool,
    /// How often each host has hit it.
    hits: BTreeMap<HostId, u32>,
}

/// Faults that wait for marks, and those whose mark was hit.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    waiting: Vec<Trigger>,
    fired: Vec<Fired>,
    is_held: bool,
}

/// A fault whose mark was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The fault's position in the plan.
    pub fault: usize,
    /// Who hit it.
    pub host: HostId,
    /// When the fault strikes, in nanoseconds since the start of the run.
    pub at_ns: u64,
}

impl Triggers {
    /// Lets the fault at a position of the plan wait for its mark, if it waits for one, until
    /// `until_ns`. `named` finds a mark by its name.
    ///
    /// # Panics
    /// If there is no such mark; plans are checked when they are loaded.
    pub fn arm(
        &mut self,
        position: usize,
        timed: &TimedFault,
        until_ns: u64,
        named: &dyn Fn(&str) -> Option<MarkId>,
    ) {
        let Some(target) = timed.mark() else { return };
        let own_ns = timed.until_ms.map_or(u64::MAX, |until_ms| until_ms.saturating_mul(NS_PER_MS));
        self.waiting.push(Trigger {
            fault: position,
            target: target.clone(),
            mark: named(&target.mark).expect("plans are checked"),
            from_ns: timed.at_ms.saturating_mul(NS_PER_MS),
            until_ns: own_ns.min(until_ns),
            kills: timed.kills_here(),
            hits: BTreeMap::new(),
        });
    }

    /// While they are held no hit counts: a host that was struck at its mark could not be spared
    /// any more, whatever the schedule says.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Whether any fault still waits for a mark: without one a hit need not be told.
    pub fn is_any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A host has hit a mark. True if it is to be killed at once.
    pub fn hit(&mut self, hit: &Hit<'_>) -> bool {
        if self.is_held {
            return false;
        }
        let mut is_struck = false;
        let fired = self.waiting.extract_if(.., |trigger| trigger.fires(hit));
        for Trigger { fault, target, kills, .. } in fired {
            is_struck |= kills && target.after_us == 0;
            let at_ns = hit.at_ns.saturating_add(target.after_us.saturating_mul(1_000));
            self.fired.push(Fired { fault, host: hit.host, at_ns });
        }
        is_struck
    }

    /// Whether a fault's mark was hit since [`Triggers::take_fired`].
    pub fn is_any_fired(&self) -> bool {
        !self.fired.is_empty()
    }

    /// The faults whose marks were hit, in the order of the hits.
    pub fn take_fired(&mut self) -> Vec<Fired> {
        std::mem::take(&mut self.fired)
    }
}

impl Trigger {
    /// Counts a hit that counts. True if it is the one that the fault waits for.
    fn fires(&mut self, hit: &Hit<'_>) -> bool {
        let is_now = (self.from_ns..self.until_ns).contains(&hit.at_ns);
        if self.mark != hit.mark || !is_now || !self.counts(hit) {
            return false;
        }
        let hits = self.hits.entry(hit.host).or_default();
        *hits += 1;
        *hits >= self.target.nth
    }

    fn counts(&self, hit: &Hit<'_>) -> bool {
        self.target.of.as_ref().is_none_or(|of| of == hit.name || (hit.plays)(of))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Target};
    use super::*;

    const NOW_NS: u64 = 1_500_000;
    const SYNCED: MarkId = MarkId(3);
    const OTHER: MarkId = MarkId(4);

    fn target(text: &str) -> MarkTarget {
        MarkTarget::parse(text).unwrap_or_else(|| panic!("{text} is a target"))
    }

    fn named(name: &str) -> Option<MarkId> {
        (name == "log-synced").then_some(SYNCED)
    }

    #[test]
    fn every_form_is_read_and_written_the_same() {
        for text in [
            "mark:log-synced",
            "mark:log-synced#3",
            "mark:log-synced@leader",
            "mark:log-synced#2@n3",
            "mark:log-synced#2@leader-of-epoch-3",
            "mark:log-synced#2@follower+250us",
            "mark:log-synced+1us",
        ] {
            assert_eq!(target(text).to_string(), text);
        }
        for text in ["log-synced", "mark:a#0", "mark:a#x", "mark:a+5ms", "mark:a+us"] {
            assert_eq!(MarkTarget::parse(text), None, "{text}");
        }
    }

    fn triggers(text: &str) -> Triggers {
        let mut triggers = Triggers::default();
        let fault = Fault::Crash { target: Target::Mark(target(text)) };
        triggers.arm(7, &TimedFault::new(1, Some(2), fault), u64::MAX, &named);
        triggers
    }

    /// Host `n1` or `n2` hits a mark while it plays a role.
    fn hit(triggers: &mut Triggers, mark: MarkId, host: u32, role: &str, at_ns: u64) -> bool {
        let name = format!("n{host}");
        let plays = |asked: &str| asked == role;
        triggers.hit(&Hit { mark, host: HostId(host), name: &name, plays: &plays, at_ns })
    }

    #[test]
    fn hits_count_for_each_host_from_the_faults_moment_to_its_end() {
        let mut triggers = triggers("mark:log-synced#2");
        assert!(!hit(&mut triggers, SYNCED, 1, "", 999_999), "before its time");
        assert!(!hit(&mut triggers, SYNCED, 1, "", 1_000_000));
        assert!(!hit(&mut triggers, SYNCED, 2, "", NOW_NS), "another host's first");
        assert!(!hit(&mut triggers, OTHER, 1, "", NOW_NS), "another mark");
        assert!(hit(&mut triggers, SYNCED, 1, "", NOW_NS));
        let fired = Fired { fault: 7, host: HostId(1), at_ns: NOW_NS };
        assert_eq!(triggers.take_fired(), [fired]);
        assert!(!hit(&mut triggers, SYNCED, 2, "", NOW_NS), "it strikes once");
        let mut late = self::triggers("mark:log-synced");
        assert!(!hit(&mut late, SYNCED, 1, "", 2_000_000), "its time is over");
        assert!(!late.is_any_fired());
        let mut held = self::triggers("mark:log-synced");
        held.hold(true);
        assert!(!hit(&mut held, SYNCED, 1, "", NOW_NS) && !held.is_any_fired());
        held.hold(false);
        assert!(hit(&mut held, SYNCED, 1, "", NOW_NS));
    }

    #[test]
    fn whose_hits_count_and_a_delay_are_heeded() {
        let mut leaders = triggers("mark:log-synced@leader+5us");
        assert!(!hit(&mut leaders, SYNCED, 1, "follower", NOW_NS));
        assert!(!leaders.is_any_fired());
        assert!(!hit(&mut leaders, SYNCED, 2, "leader", NOW_NS), "not at once");
        let fired = Fired { fault: 7, host: HostId(2), at_ns: NOW_NS + 5_000 };
        assert_eq!(leaders.take_fired(), [fired]);
        let fault = Fault::Pause { target: Target::Mark(target("mark:log-synced")) };
        let mut paused = Triggers::default();
        paused.arm(7, &TimedFault::new(1, None, fault), 2 * NS_PER_MS, &named);
        assert!(!hit(&mut paused, SYNCED, 1, "", NOW_NS), "it lives");
        assert!(paused.is_any_fired());
        let mut of_host = triggers("mark:log-synced@n2");
        assert!(!hit(&mut of_host, SYNCED, 1, "leader", NOW_NS));
        assert!(hit(&mut of_host, SYNCED, 2, "", NOW_NS));
    }

    #[test]
    fn only_who_is_killed_for_its_own_hit_is_killed_right_there() {
        let is_struck = |fault| {
            let when = Some(target("mark:log-synced"));
            let mut triggers = Triggers::default();
            let timed = TimedFault { when, ..TimedFault::new(1, None, fault) };
            triggers.arm(7, &timed, u64::MAX, &named);
            let is_struck = hit(&mut triggers, SYNCED, 1, "", NOW_NS);
            let fired = Fired { fault: 7, host: HostId(1), at_ns: NOW_NS };
            assert_eq!(triggers.take_fired(), [fired]);
            is_struck
        };
        assert!(is_struck(Fault::Crash { target: Target::Here }));
        assert!(!is_struck(Fault::Crash { target: Target::named("leader") }), "somebody else is");
        assert!(!is_struck(Fault::Isolate { who: Target::named("leader"), reset_on_heal: 0.0 }));
    }
}
