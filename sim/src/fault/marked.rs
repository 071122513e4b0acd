//! Places in the server's code that faults wait for: "when a server hits this mark for the third time".
//!
//! In a plan such a place is one word: `mark:log-unsynced`, with the count `#3`, whose hits count
//! `@n2` (or `@leader`, `@leader-of-epoch-3`, `@follower`), and how long after the hit the fault strikes
//! `+250us`. Hits count from the moment of the fault on. As a target it stands for who hits it; as
//! the `when` of a fault it leaves open whom the fault strikes. Without a delay, the outputs of the step
//! that hit the mark never leave a server that the fault kills for it: it is killed right there.

use std::fmt;

use keeper_core::ids::Epoch;
use keeper_core::marks::Mark;
use serde::{Deserialize, Serialize};

use super::TimedFault;

const NS_PER_MS: u64 = 1_000_000;
/// How the leader of an epoch is spelled, before the epoch's number.
const LEADER_OF: &str = "leader-of-epoch-";

/// A place in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MarkTarget {
    /// The mark's name.
    pub mark: String,
    /// Which hit it is, from 1.
    pub nth: u32,
    /// Whose hits count.
    pub of: Whose,
    /// How long after the hit the fault strikes, in microseconds.
    pub after_us: u64,
}

/// Whose hits of a mark count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Every server's, each server's on its own.
    Any,
    /// Those of the leader of the moment.
    Leader,
    /// Those of the leader of an epoch while it leads.
    LeaderOf(Epoch),
    /// Those of servers that do not lead.
    Follower,
    /// Those of the server of that name.
    Host(String),
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
            None => (rest, Whose::Any),
            Some((rest, "leader")) => (rest, Whose::Leader),
            Some((rest, "follower")) => (rest, Whose::Follower),
            Some((rest, other)) => match other.strip_prefix(LEADER_OF) {
                Some(epoch) => (rest, Whose::LeaderOf(Epoch(epoch.parse().ok()?))),
                None => (rest, Whose::Host(other.to_owned())),
            },
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
        match &self.of {
            Whose::Any => {}
            Whose::Leader => f.write_str("@leader")?,
            Whose::LeaderOf(epoch) => write!(f, "@{LEADER_OF}{epoch}")?,
            Whose::Follower => f.write_str("@follower")?,
            Whose::Host(host) => write!(f, "@{host}")?,
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

/// A fault that waits for a mark.
#[derive(Clone, Debug)]
struct Snare {
    /// The fault's position in the plan.
    fault: usize,
    target: MarkTarget,
    mark: Mark,
    from_ns: u64,
    until_ns: u64,
    /// Whether it kills who hits the mark, so that nothing more of that step must show.
    kills: bool,
    /// How often each server has hit it, from server 1 on.
    hits: Vec<u32>,
}

/// Faults that wait for marks, and those whose mark was hit.
#[derive(Clone, Debug, Default)]
pub struct Snares {
    waiting: Vec<Snare>,
    sprung: Vec<Sprung>,
    is_held: bool,
}

/// A fault whose mark was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sprung {
    /// The fault's position in the plan.
    pub fault: usize,
    /// The server that hit it, from 1.
    pub server: u32,
    /// When the fault strikes, in nanoseconds since the start of the run.
    pub at_ns: u64,
}

impl Snares {
    /// Lets the fault at a position of the plan wait for its mark, if it waits for one, until
    /// `until_ns`.
    ///
    /// # Panics
    /// If there is no such mark; plans are checked when they are loaded.
    pub fn lay(&mut self, position: usize, timed: &TimedFault, until_ns: u64) {
        let Some(target) = timed.mark() else { return };
        let own_ns = timed.until_ms.map_or(u64::MAX, |until_ms| until_ms.saturating_mul(NS_PER_MS));
        self.waiting.push(Snare {
            fault: position,
            target: target.clone(),
            mark: Mark::named(&target.mark).expect("plans are checked"),
            from_ns: timed.at_ms.saturating_mul(NS_PER_MS),
            until_ns: own_ns.min(until_ns),
            kills: timed.kills_here(),
            hits: Vec::new(),
        });
    }

    /// While they are held no hit counts: a server that was struck at its mark could not be spared
    /// any more, whatever the schedule says.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// A server has hit a mark, while it leads that epoch or none. True if it is to be killed at once.
    pub fn hit(&mut self, mark: Mark, server: u32, leads: Option<Epoch>, now_ns: u64) -> bool {
        if self.is_held {
            return false;
        }
        let mut is_struck = false;
        let sprung =
            self.waiting.extract_if(.., |snare| snare.springs(mark, server, leads, now_ns));
        for Snare { fault, target, kills, .. } in sprung {
            is_struck |= kills && target.after_us == 0;
            self.sprung.push(Sprung { fault, server, at_ns: now_ns + target.after_us * 1_000 });
        }
        is_struck
    }

    /// Whether a fault's mark was hit since [`Snares::take_sprung`].
    pub fn is_any_sprung(&self) -> bool {
        !self.sprung.is_empty()
    }

    /// The faults whose marks were hit, in the order of the hits.
    pub fn take_sprung(&mut self) -> Vec<Sprung> {
        std::mem::take(&mut self.sprung)
    }
}

impl Snare {
    /// Counts a hit that counts. True if it is the one that the fault waits for.
    fn springs(&mut self, mark: Mark, server: u32, leads: Option<Epoch>, now_ns: u64) -> bool {
        let is_now = (self.from_ns..self.until_ns).contains(&now_ns);
        if self.mark != mark || !is_now || !self.counts(server, leads) {
            return false;
        }
        let index = server as usize;
        if self.hits.len() <= index {
            self.hits.resize(index + 1, 0);
        }
        self.hits[index] += 1;
        self.hits[index] >= self.target.nth
    }

    fn counts(&self, server: u32, leads: Option<Epoch>) -> bool {
        match &self.target.of {
            Whose::Any => true,
            Whose::Leader => leads.is_some(),
            Whose::LeaderOf(epoch) => leads == Some(*epoch),
            Whose::Follower => leads.is_none(),
            Whose::Host(host) => host.strip_prefix('n') == Some(&server.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Target};
    use super::*;

    const NOW_NS: u64 = 1_500_000;

    fn target(text: &str) -> MarkTarget {
        MarkTarget::parse(text).unwrap_or_else(|| panic!("{text} is a target"))
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
        for text in [
            "log-synced",
            "mark:a#0",
            "mark:a#x",
            "mark:a+5ms",
            "mark:a+us",
            "mark:a@leader-of-epoch-x",
        ] {
            assert_eq!(MarkTarget::parse(text), None, "{text}");
        }
    }

    fn snares(text: &str) -> Snares {
        let mut snares = Snares::default();
        let fault = Fault::Crash { target: Target::Mark(target(text)) };
        snares.lay(7, &TimedFault::new(1, Some(2), fault), u64::MAX);
        snares
    }

    #[test]
    fn hits_count_for_each_server_from_the_faults_moment_to_its_end() {
        let mut snares = snares("mark:log-synced#2");
        assert!(!snares.hit(Mark::LogSynced, 1, None, 999_999), "before its time");
        assert!(!snares.hit(Mark::LogSynced, 1, None, 1_000_000));
        assert!(!snares.hit(Mark::LogSynced, 2, None, NOW_NS), "another server's first");
        assert!(!snares.hit(Mark::LogUnsynced, 1, None, NOW_NS), "another mark");
        assert!(snares.hit(Mark::LogSynced, 1, None, NOW_NS));
        assert_eq!(snares.take_sprung(), [Sprung { fault: 7, server: 1, at_ns: NOW_NS }]);
        assert!(!snares.hit(Mark::LogSynced, 2, None, NOW_NS), "it strikes once");
        let mut late = self::snares("mark:log-synced");
        assert!(!late.hit(Mark::LogSynced, 1, None, 2_000_000), "its time is over");
        assert!(!late.is_any_sprung());
        let mut held = self::snares("mark:log-synced");
        held.hold(true);
        assert!(!held.hit(Mark::LogSynced, 1, None, NOW_NS) && !held.is_any_sprung());
        held.hold(false);
        assert!(held.hit(Mark::LogSynced, 1, None, NOW_NS));
    }

    #[test]
    fn whose_hits_count_and_a_delay_are_heeded() {
        let mut leaders = snares("mark:log-synced@leader+5us");
        assert!(!leaders.hit(Mark::LogSynced, 1, None, NOW_NS));
        assert!(!leaders.is_any_sprung());
        assert!(!leaders.hit(Mark::LogSynced, 2, Some(Epoch(3)), NOW_NS), "not at once");
        assert_eq!(leaders.take_sprung(), [Sprung { fault: 7, server: 2, at_ns: NOW_NS + 5_000 }]);
        let fault = Fault::Pause { target: Target::Mark(target("mark:log-synced")) };
        let mut paused = Snares::default();
        paused.lay(7, &TimedFault::new(1, None, fault), 2 * NS_PER_MS);
        assert!(!paused.hit(Mark::LogSynced, 1, None, NOW_NS), "it lives");
        assert!(paused.is_any_sprung());
        let mut of_epoch = snares("mark:log-synced@leader-of-epoch-3");
        assert!(!of_epoch.hit(Mark::LogSynced, 1, Some(Epoch(2)), NOW_NS), "of another epoch");
        assert!(!of_epoch.hit(Mark::LogSynced, 1, None, NOW_NS), "of none");
        assert!(of_epoch.hit(Mark::LogSynced, 1, Some(Epoch(3)), NOW_NS));
        let mut named = snares("mark:log-synced@n2");
        assert!(!named.hit(Mark::LogSynced, 1, Some(Epoch(3)), NOW_NS));
        assert!(named.hit(Mark::LogSynced, 2, None, NOW_NS));
        let mut followers = snares("mark:log-synced@follower");
        assert!(!followers.hit(Mark::LogSynced, 1, Some(Epoch(3)), NOW_NS));
        assert!(followers.hit(Mark::LogSynced, 1, None, NOW_NS));
    }

    #[test]
    fn only_who_is_killed_for_its_own_hit_is_killed_right_there() {
        let is_struck = |fault| {
            let when = Some(target("mark:log-synced"));
            let mut snares = Snares::default();
            snares.lay(7, &TimedFault { when, ..TimedFault::new(1, None, fault) }, u64::MAX);
            let is_struck = snares.hit(Mark::LogSynced, 1, None, NOW_NS);
            assert_eq!(snares.take_sprung(), [Sprung { fault: 7, server: 1, at_ns: NOW_NS }]);
            is_struck
        };
        assert!(is_struck(Fault::Crash { target: Target::Here }));
        assert!(!is_struck(Fault::Crash { target: Target::Leader }), "somebody else is");
        assert!(!is_struck(Fault::IsolateLeader { reset_on_heal: 0.0 }));
    }
}
