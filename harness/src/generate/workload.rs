//! What clients ask for and when.

use sim::seed::Draws;

use crate::model::RegisterOperation;
use crate::opaque::Data;
use crate::plan::PlannedOperation;

/// When the first client makes what the others work on. A slow first election outlives
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

/// What the clients of a scenario ask for.
pub trait Workload {
    /// The system's operations.
    type Operation: Data;

    /// What must be there before anyone works: the first client asks for it, several times, since nobody
    /// may serve yet.
    fn setup(&self, seed: u64) -> Vec<Self::Operation> {
        let _ = seed;
        Vec::new()
    }

    /// The next operation of one client.
    fn draw(&self, asks: &mut Asks) -> Self::Operation;
}

/// Registers of these keys, read, written, and compared and set: the smallest workload that shows a lost or
/// a repeated write. Every value is written once, so that a read tells which write it saw.
#[derive(Clone, Copy, Debug)]
pub struct SomeRegisters(pub &'static [&'static str]);

impl Workload for SomeRegisters {
    type Operation = RegisterOperation;

    fn draw(&self, asks: &mut Asks) -> RegisterOperation {
        let key = (*asks.draws.pick(self.0).expect("there is a key")).to_owned();
        match asks.weighted(&[4, 4, 2]) {
            0 => RegisterOperation::Get { key },
            1 => RegisterOperation::Set { key, value: asks.value() },
            _ => {
                let old = asks.some_value();
                RegisterOperation::Cas { key, old, new: asks.value() }
            }
        }
    }
}

/// One client's part of a plan in the making.
pub struct Asks {
    /// The plan's seed, for what all clients share.
    pub seed: u64,
    /// The client's own stream.
    pub draws: Draws,
    /// The client, from 1.
    pub client: u32,
    /// How many more times it may leave its session; each takes it away for seconds.
    pub departures_left: u32,
    values: u64,
}

impl Asks {
    /// A value that nobody else writes in this run, so that every read names its write.
    pub fn value(&mut self) -> String {
        self.values += 1;
        format!("c{}-{}", self.client, self.values)
    }

    /// One of the last values that [`Asks::value`] gave this client, for comparing; before there is one, the
    /// first that it will give.
    pub fn some_value(&mut self) -> String {
        let latest = self.values.max(1);
        format!("c{}-{}", self.client, latest - self.draws.below(latest.min(3)))
    }

    /// An index into `weights`, each as likely as its weight.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
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
pub fn shared(seed: u64, purpose: &str, low: u64, high: u64) -> u64 {
    Draws::new(seed, purpose, 0).range(low, high)
}

/// The operations of so many clients, in order of time.
pub fn operations<O: Data>(
    seed: u64,
    clients: u32,
    chaos_ms: u64,
    workload: &dyn Workload<Operation = O>,
) -> Vec<PlannedOperation> {
    let setup = |at_ms| {
        let actions = workload.setup(seed).into_iter();
        actions.map(move |action| PlannedOperation::new(at_ms, 1, action))
    };
    let mut operations: Vec<PlannedOperation> = SETUP_MS.into_iter().flat_map(setup).collect();
    for client in 1..=clients {
        let draws = Draws::for_host(seed, "operations", client, 0);
        let mut asks = Asks { seed, draws, client, departures_left: 3, values: 0 };
        let mut times = Draws::for_host(seed, "operation times", client, 0);
        for at_ms in moments(&mut times, chaos_ms) {
            let action = workload.draw(&mut asks);
            operations.push(PlannedOperation::new(at_ms, client, action));
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
