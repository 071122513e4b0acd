//! What clients ask for and when.

use sim::cluster::plan::{Action, PlannedOperation};
use sim::seed::Draws;

use super::CLIENTS;

/// When the first client creates the znodes that the others work on. A slow first election outlives
/// the client's patience: the requests are made again, and refused where all went well.
const SETUP_MS: [u64; 6] = [100, 700, 1_500, 3_000, 5_000, 8_000];
/// When the others begin.
const BEGIN_MS: u64 = 1_200;
/// The fewest and the most operations of one client.
const OPERATIONS: (u64, u64) = (240, 280);
/// How many of its operations a client makes in bursts, in per cent.
const BURST_PERCENT: u64 = 30;
/// How long a burst lasts.
const BURST_MS: u64 = 40;

/// A scenario's operations.
pub(crate) trait Workload {
    /// The znodes that are there before anyone works, by the first client.
    fn setup(&self, seed: u64) -> Vec<Action>;

    /// The next operation of one client.
    fn draw(&self, asks: &mut Asks) -> Action;
}

/// One client's part of a plan in the making.
pub(crate) struct Asks {
    /// The plan's seed, for what all clients share.
    pub(crate) seed: u64,
    /// The client's own stream.
    pub(crate) draws: Draws,
    /// The client, from 1.
    pub(crate) client: u32,
    /// How many more times it may leave its session; each takes it away for seconds.
    pub(crate) departures_left: u32,
    values: u64,
}

impl Asks {
    /// A value that nobody else writes in this run, so that every read names its write.
    pub(crate) fn value(&mut self) -> String {
        self.values += 1;
        format!("c{}-{}", self.client, self.values)
    }

    /// An index into `weights`, each as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.draws.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        unreachable!("the draw is below the sum of the weights")
    }
}

/// A number that is the same for every client of a seed.
pub(crate) fn shared(seed: u64, purpose: &str, low: u64, high: u64) -> u64 {
    Draws::new(seed, purpose, 0).range(low, high)
}

/// The operations of all clients, in order of time.
pub(super) fn operations(
    seed: u64,
    chaos_ms: u64,
    workload: &dyn Workload,
) -> Vec<PlannedOperation> {
    let setup = |at_ms| {
        let actions = workload.setup(seed).into_iter();
        actions.map(move |action| PlannedOperation { at_ms, client: 1, action })
    };
    let mut operations: Vec<PlannedOperation> = SETUP_MS.into_iter().flat_map(setup).collect();
    for client in 1..=CLIENTS {
        let draws = Draws::for_host(seed, "operations", client, 0);
        let mut asks = Asks { seed, draws, client, departures_left: 3, values: 0 };
        let mut times = Draws::for_host(seed, "operation times", client, 0);
        for at_ms in moments(&mut times, chaos_ms) {
            let action = workload.draw(&mut asks);
            operations.push(PlannedOperation { at_ms, client, action });
        }
    }
    operations.sort_by_key(|operation| (operation.at_ms, operation.client));
    operations
}

fn moments(draws: &mut Draws, chaos_ms: u64) -> Vec<u64> {
    let count = draws.range(OPERATIONS.0, OPERATIONS.1);
    let mut moments = Vec::new();
    let mut burst_ms = draws.range(BEGIN_MS, chaos_ms - BURST_MS);
    for n in 0..count {
        if n % 12 == 0 {
            burst_ms = draws.range(BEGIN_MS, chaos_ms - BURST_MS);
        }
        let is_burst = draws.below(100) < BURST_PERCENT;
        moments.push(match is_burst {
            true => burst_ms + draws.below(BURST_MS),
            false => draws.range(BEGIN_MS, chaos_ms - 1),
        });
    }
    moments.sort_unstable();
    moments
}
