//! Which server is tried next, and when.

/// The pause after the first failed attempt, in milliseconds.
const PAUSE_FIRST_MS: u64 = 50;
/// The longest pause, in milliseconds.
const PAUSE_MAX_MS: u64 = 2_000;

/// The servers in a random order, gone round in a circle.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    order: Vec<usize>,
    next: usize,
    /// Attempts since a connection last proved good.
    failed: u32,
    random: SplitMix64,
}

impl Servers {
    pub(super) fn new(count: usize, seed: u64) -> Servers {
        assert!(count > 0, "a client needs a server");
        let mut random = SplitMix64(seed);
        let mut order: Vec<usize> = (0..count).collect();
        // Fisher and Yates.
        for last in (1..count).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        Servers { order, next: 0, failed: 0, random }
    }

    /// The server to try now.
    pub(super) fn take(&mut self) -> usize {
        let server = self.order[self.next];
        self.next = (self.next + 1) % self.order.len();
        server
    }

    /// A connection has proved good: the next loss is followed by an attempt at once.
    pub(super) fn proved_good(&mut self) {
        self.failed = 0;
    }

    /// How long to wait before the next attempt, in milliseconds: not at all after a connection
    /// that was good, then ever longer, at random so that clients do not come all at once.
    pub(super) fn pause_ms(&mut self) -> u64 {
        let failed = self.failed;
        self.failed = failed.saturating_add(1);
        match failed {
            0 => 0,
            failed => {
                let full = PAUSE_MAX_MS.min(PAUSE_FIRST_MS << (failed - 1).min(10));
                full / 2 + self.random.below(full / 2 + 1)
            }
        }
    }
}

/// Steele, Lea and Flood's generator: enough for shuffling, and the same everywhere.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is positive.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_server_has_its_turn_in_an_order_of_the_seed() {
        let round = |seed| -> Vec<usize> {
            let mut servers = Servers::new(5, seed);
            let first: Vec<usize> = (0..5).map(|_| servers.take()).collect();
            let second: Vec<usize> = (0..5).map(|_| servers.take()).collect();
            assert_eq!(first, second);
            first
        };
        assert_eq!(round(1), round(1));
        let orders: BTreeSet<Vec<usize>> = (0..200).map(round).collect();
        assert!(orders.len() > 50, "{} orders", orders.len());
        for mut order in orders {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_end_with_success() {
        let mut servers = Servers::new(3, 7);
        assert_eq!(servers.pause_ms(), 0);
        for full in [50, 100, 200, 400, 800, 1_600, 2_000, 2_000] {
            let pause = servers.pause_ms();
            assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
        }
        for _ in 0..100 {
            assert!(servers.pause_ms() <= PAUSE_MAX_MS);
        }
        servers.proved_good();
        assert_eq!(servers.pause_ms(), 0);
    }
}
