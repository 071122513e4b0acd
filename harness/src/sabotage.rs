//! Bugs of no system in particular, planted around its programs: what the real clock and real threads do
//! to a run that reads them, a program that panics, one that never yields, and a harness that panics.
//! `squall determinism` must find the first two, which no property sees.

use std::sync::atomic::{AtomicBool, Ordering};

use sim::Host;

use crate::recording::Recording;
use crate::system::System;

/// A server starts later by so much less than this, in milliseconds.
const DELAY_MS: u64 = 50;
/// Which observation of a run the program panics or spins at: late enough that there is something to lose.
pub(crate) const PANICS_AT: usize = 40;

/// A bug that the harness itself can plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// When a server starts depends on the machine's clock.
    WallClock,
    /// When a server starts depends on a race of real threads.
    Thread,
    /// A server panics.
    Panic,
    /// The harness panics when it judges the run.
    HarnessPanic,
    /// A server's task never yields.
    Spin,
}

impl Sabotage {
    /// Every way of sabotage, in the order of lists.
    pub const ALL: [Sabotage; 5] = [
        Sabotage::WallClock,
        Sabotage::Thread,
        Sabotage::Panic,
        Sabotage::HarnessPanic,
        Sabotage::Spin,
    ];

    /// Its name, as plans and the command line spell it.
    pub fn name(self) -> &'static str {
        match self {
            Sabotage::WallClock => "wall-clock",
            Sabotage::Thread => "thread",
            Sabotage::Panic => "panic",
            Sabotage::HarnessPanic => "harness-panic",
            Sabotage::Spin => "spin",
        }
    }

    /// The sabotage of that name.
    pub fn named(name: &str) -> Option<Sabotage> {
        Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name)
    }

    /// Whether it breaks determinism and nothing else, so that no property finds it.
    pub fn breaks_determinism(self) -> bool {
        matches!(self, Sabotage::WallClock | Sabotage::Thread)
    }

    /// Delays a server by what no run should depend on.
    pub(crate) async fn delay<S: System>(
        self,
        platform: &impl Host,
        recording: &Recording<S>,
        server: u32,
    ) {
        let (site, chance) = match self {
            Sabotage::WallClock => ("WallClock at harness/src/sabotage.rs", real_ticks()),
            Sabotage::Thread => ("Thread at harness/src/sabotage.rs", race()),
            Sabotage::Panic | Sabotage::HarnessPanic | Sabotage::Spin => return,
        };
        recording.reach_plant(platform, server, site);
        platform.sleep_ms(chance % DELAY_MS).await;
    }
}

#[allow(clippy::disallowed_methods, reason = "the bug that is planted is to read the real clock")]
fn real_ticks() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // The lowest digits of some clocks are always 0.
    since_1970.map_or(0, |time| time.as_nanos() as u64 / 100)
}

/// How often this thread comes round until another one has run.
fn race() -> u64 {
    let has_run = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| has_run.store(true, Ordering::Release));
        while !has_run.load(Ordering::Acquire) {
            rounds += 1;
            std::hint::spin_loop();
        }
    });
    rounds
}
