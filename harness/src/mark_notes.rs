//! What a run has to say of the marks in a system's code: how often each was hit, when and where
//! first, and during which faults; and which claims did not hold.
//!
//! A hit is cheap: an index, a few additions, no allocation. Marks are no part of the trace and its
//! hash, so that a new one changes no stored plan.

use probe::MarkId;
use sim::fault::{FaultFamily, TimedFault};

use crate::record::FaultWindow;

/// A fault is still felt for so long after its end: a server that was killed starts and reads its
/// files only then.
pub const AFTERMATH_NS: u64 = 500_000_000;
/// Broken claims of one run that are kept; the first says it, and the others mostly follow.
const BROKEN_MAX: usize = 16;

/// A set of families, and of "no fault at all".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Families(u8);

impl Families {
    /// No fault was about.
    pub const CALM: Families = Families(1 << FaultFamily::ALL.len());

    /// Of one family.
    pub fn of(family: FaultFamily) -> Families {
        Families(1 << family as u8)
    }

    /// The families of either set.
    pub fn with(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }

    /// Whether the family is one of them.
    pub fn contains(self, family: FaultFamily) -> bool {
        self.0 & Families::of(family).0 != 0
    }

    /// Whether it was seen without any fault.
    pub fn is_calm(self) -> bool {
        self.0 & Families::CALM.0 != 0
    }

    /// The names of its members; `none` for no fault at all.
    pub fn names(self) -> Vec<&'static str> {
        let named = FaultFamily::ALL.iter().filter(|family| self.contains(**family));
        let calm = self.is_calm().then_some("none");
        named.map(|family| family.name()).chain(calm).collect()
    }
}

/// What is known of one mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkSeen {
    /// How often it was hit.
    pub hits: u64,
    /// When first, simulated.
    pub first_ns: u64,
    /// On which server first, from 1.
    pub server: u32,
    /// Where in the code first.
    pub site: &'static str,
    /// The faults that were about at any of the hits.
    pub families: Families,
}

/// A claim of an `Always` mark that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenClaim {
    /// The mark's name.
    pub name: &'static str,
    /// What it claims.
    pub about: &'static str,
    /// On which server, from 1.
    pub server: u32,
    /// When it did not hold, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What was instead.
    pub message: String,
}

/// One hit of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkHit {
    /// The mark, by its place among the system's.
    pub mark: MarkId,
    /// On which server, from 1.
    pub server: u32,
    /// When it was hit, in world nanoseconds since the start of the run.
    pub at_ns: u64,
}

/// All marks of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkNotes {
    /// By the mark's place among the system's; as many as were hit so far.
    seen: Vec<MarkSeen>,
    /// Every hit, in the order in which they came; none unless the run was asked for them.
    pub hits: Option<Vec<MarkHit>>,
    /// The first claims that did not hold, in the order in which they were broken.
    pub broken: Vec<BrokenClaim>,
    open: Families,
    /// When the last fault of each family ended.
    ended_ns: [Option<u64>; FaultFamily::ALL.len()],
}

impl MarkNotes {
    /// What is known of a mark; no hits, if it was never reached.
    pub fn of(&self, mark: MarkId) -> MarkSeen {
        self.seen.get(mark.index()).copied().unwrap_or_default()
    }

    /// The marks that were hit, in their order.
    pub fn reached(&self) -> impl Iterator<Item = (MarkId, &MarkSeen)> {
        (0..).map(MarkId).zip(&self.seen).filter(|(_, seen)| seen.hits > 0)
    }

    /// A mark was hit.
    pub fn hit(&mut self, mark: MarkId, site: &'static str, server: u32, at_ns: u64) {
        let families = self.about(at_ns);
        if self.seen.len() <= mark.index() {
            self.seen.resize(mark.index() + 1, MarkSeen::default());
        }
        let seen = &mut self.seen[mark.index()];
        if seen.hits == 0 {
            *seen = MarkSeen { first_ns: at_ns, server, site, ..MarkSeen::default() };
        }
        seen.hits += 1;
        seen.families = seen.families.with(families);
        if let Some(hits) = &mut self.hits {
            hits.push(MarkHit { mark, server, at_ns });
        }
    }

    /// A claim did not hold.
    pub fn broken(&mut self, claim: BrokenClaim) {
        if self.broken.len() < BROKEN_MAX {
            self.broken.push(claim);
        }
    }

    /// Faults began or ended at `at_ns`: these are all windows so far, of a plan with these faults.
    pub fn faults_changed(&mut self, at_ns: u64, windows: &[FaultWindow], planned: &[TimedFault]) {
        let open = windows.iter().filter(|window| window.to_ns.is_none());
        let open = open.map(|window| planned[window.planned].fault.kind().family());
        let open = open.fold(Families::default(), |all, family| all.with(Families::of(family)));
        for family in FaultFamily::ALL {
            let had_ended = windows.iter().any(|window| {
                window.to_ns == Some(at_ns)
                    && planned[window.planned].fault.kind().family() == family
            });
            if had_ended || self.open.contains(family) && !open.contains(family) {
                self.ended_ns[family as usize] = Some(at_ns);
            }
        }
        self.open = open;
    }

    /// The families whose faults are felt at a moment.
    fn about(&self, at_ns: u64) -> Families {
        let mut about = self.open;
        for (family, ended_ns) in FaultFamily::ALL.into_iter().zip(self.ended_ns) {
            if ended_ns.is_some_and(|ended_ns| at_ns < ended_ns + AFTERMATH_NS) {
                about = about.with(Families::of(family));
            }
        }
        if about == Families::default() { Families::CALM } else { about }
    }
}

#[cfg(test)]
mod tests {
    use sim::fault::{Fault, Target};

    use super::*;

    const TRUNCATES: MarkId = MarkId(5);
    const RECEIVES: MarkId = MarkId(2);

    const SITE: &str = "a place";
    const MS: u64 = 1_000_000;

    fn target() -> Target {
        Target::named("n1")
    }

    fn planned() -> Vec<TimedFault> {
        let timed = |fault| TimedFault::new(10, Some(20), fault);
        vec![
            timed(Fault::Crash { target: target() }),
            timed(Fault::FsyncFail { target: target() }),
            timed(Fault::Isolate { who: target(), reset_on_heal: 0.0 }),
            timed(Fault::ClockOffset { target: target(), offset_ms: 5 }),
        ]
    }

    fn window(planned: usize, from_ns: u64, to_ns: Option<u64>) -> FaultWindow {
        FaultWindow { planned, kind: String::new(), what: "n1".to_owned(), from_ns, to_ns }
    }

    /// The families at a hit at `at_ns`, with these windows since 10 ms.
    fn at(at_ns: u64, changed_ns: u64, windows: &[FaultWindow]) -> Vec<&'static str> {
        let mut notes = MarkNotes::default();
        notes.faults_changed(changed_ns, windows, &planned());
        notes.hit(TRUNCATES, SITE, 2, at_ns);
        notes.of(TRUNCATES).families.names()
    }

    #[test]
    fn hits_are_counted_and_the_first_is_kept() {
        let mut notes = MarkNotes::default();
        notes.hit(TRUNCATES, SITE, 2, 7);
        notes.hit(TRUNCATES, "elsewhere", 3, 9);
        let seen = notes.of(TRUNCATES);
        assert_eq!((seen.hits, seen.first_ns, seen.server, seen.site), (2, 7, 2, SITE));
        assert_eq!(notes.of(RECEIVES).hits, 0);
        let reached: Vec<MarkId> = notes.reached().map(|(mark, _)| mark).collect();
        assert_eq!(reached, [TRUNCATES]);
        assert_eq!(notes.hits, None, "nobody asked for them");
    }

    #[test]
    fn every_hit_is_written_down_if_asked_for() {
        let mut notes = MarkNotes { hits: Some(Vec::new()), ..MarkNotes::default() };
        let hits = [(TRUNCATES, 2, 7), (RECEIVES, 1, 8)].map(|(mark, server, at_ns)| MarkHit {
            mark,
            server,
            at_ns,
        });
        for MarkHit { mark, server, at_ns } in hits {
            notes.hit(mark, SITE, server, at_ns);
        }
        assert_eq!(notes.hits.unwrap(), hits);
    }

    #[test]
    fn a_hit_knows_the_faults_that_are_about() {
        assert_eq!(at(5 * MS, 0, &[]), ["none"]);
        let open = [window(0, 10 * MS, None), window(2, 10 * MS, None)];
        assert_eq!(at(15 * MS, 10 * MS, &open), ["network", "process"]);
        assert_eq!(at(15 * MS, 10 * MS, &[window(1, 10 * MS, None)]), ["disk"]);
        assert_eq!(at(15 * MS, 10 * MS, &[window(3, 10 * MS, None)]), ["clock"]);
    }

    #[test]
    fn a_fault_is_felt_for_a_while_after_its_end() {
        let closed = [window(0, 10 * MS, Some(20 * MS))];
        assert_eq!(at(20 * MS + AFTERMATH_NS - 1, 20 * MS, &closed), ["process"]);
        assert_eq!(at(20 * MS + AFTERMATH_NS, 20 * MS, &closed), ["none"]);
    }

    #[test]
    fn families_gather_over_hits() {
        let mut notes = MarkNotes::default();
        notes.hit(TRUNCATES, SITE, 2, 7);
        notes.faults_changed(8, &[window(0, 8, None)], &planned());
        notes.hit(TRUNCATES, SITE, 2, 9);
        assert_eq!(notes.of(TRUNCATES).families.names(), ["process", "none"]);
    }

    #[test]
    fn the_first_broken_claims_are_kept() {
        let mut notes = MarkNotes::default();
        for at_ns in 0..100 {
            let (name, about, message) = ("in-order", "In order.", String::new());
            notes.broken(BrokenClaim { name, about, server: 1, at_ns, message });
        }
        assert_eq!(notes.broken.len(), BROKEN_MAX);
        assert_eq!(notes.broken[0].at_ns, 0);
    }
}
