//! Faults between clients and servers, in some seeds: what makes sessions move and end while the
//! ensemble itself may be well.
//!
//! They have streams of their own beside the faults of the servers, so that either can be changed
//! without the other.

use harness::generate::{FIRST_FAULT_MS, Ground, MARGIN_MS};
use sim::fault::{Fault, Target, TimedFault};
use sim::seed::Draws;

use super::CLIENTS;
use crate::setup::EnsemblePlan;

/// How many seeds of a hundred have such faults.
const SEEDS_PERCENT: u64 = 40;
/// The fewest and the most episodes of a seed.
const EPISODES: (u64, u64) = (4, 12);
/// For how long a connection is held up that is then reset, in milliseconds.
const RESET_MS: u64 = 5;

/// The faults of a seed, in any order.
pub(super) fn faults(
    seed: u64,
    ground: &Ground,
    chaos_ms: u64,
    ensemble: &EnsemblePlan,
) -> Vec<TimedFault> {
    let mut draws = Draws::new(seed, "client faults", 0);
    if draws.below(100) >= SEEDS_PERCENT {
        return Vec::new();
    }
    let end_ms = chaos_ms - MARGIN_MS;
    let mut faults = Vec::new();
    for episode in 0..draws.range(EPISODES.0, EPISODES.1) {
        let mut draws = Draws::new(seed, "client episode", episode);
        let at_ms = draws.range(FIRST_FAULT_MS, end_ms - 1_000);
        let mut site = Site { draws, ground, at_ms, ensemble };
        faults.extend(match site.draws.below(3) {
            0 => site.asleep(),
            1 => site.out_of_reach(),
            _ => site.wander(),
        });
    }
    for fault in &mut faults {
        fault.at_ms = fault.at_ms.min(end_ms - 1);
        fault.until_ms = fault.until_ms.map(|until_ms| until_ms.clamp(fault.at_ms + 1, end_ms));
    }
    faults
}

/// Where and when an episode is drawn.
struct Site<'a> {
    draws: Draws,
    ground: &'a Ground,
    at_ms: u64,
    ensemble: &'a EnsemblePlan,
}

impl Site<'_> {
    /// Clients stand still, as in a collection of garbage, for about as long as their sessions may
    /// live without them. When they wake, their requests meet the session's end, which is long under
    /// way where disks are slow (ZOOKEEPER-1496).
    fn asleep(&mut self) -> Vec<TimedFault> {
        let EnsemblePlan { session_timeout_ms: session_ms, tick_ms, .. } = *self.ensemble;
        let mut faults = Vec::new();
        for _ in 0..self.draws.range(1, 3) {
            let lasts_ms = match self.draws.chance(0.7) {
                true => self.draws.range(session_ms - tick_ms / 2, session_ms + 2 * tick_ms),
                false => self.draws.log_uniform(session_ms / 4, 2 * session_ms),
            };
            let target = self.any_client();
            faults.push(during(self.at_ms, lasts_ms, Fault::Pause { target }));
        }
        if self.draws.chance(0.7) {
            let factor = self.draws.log_uniform(30, 300);
            let (at_ms, lasts_ms) = (self.at_ms + session_ms / 2, session_ms);
            let slow = |target| during(at_ms, lasts_ms, Fault::SlowDisk { target, factor });
            faults.extend(self.servers().into_iter().map(slow));
        }
        faults
    }

    /// A client reaches no server for a while, shorter or longer than its session lives.
    fn out_of_reach(&mut self) -> Vec<TimedFault> {
        let lasts_ms = self.draws.log_uniform(20, 2 * self.ensemble.session_timeout_ms);
        let reset_on_heal = if self.draws.chance(0.5) { 1.0 } else { 0.0 };
        let client = self.any_client();
        vec![during(self.at_ms, lasts_ms, self.cut(client, reset_on_heal))]
    }

    /// A follower hears its leader late, though not so late that it gives it up, and meanwhile
    /// clients lose their connections and come to it from servers that are further: it must not take
    /// them back in time.
    fn wander(&mut self) -> Vec<TimedFault> {
        let sync_ms = self.ensemble.tick_ms * self.ensemble.sync_limit;
        let (from, to) = (vec![Target::named("leader")], vec![self.any_follower()]);
        let (lasts_ms, lag) = match self.draws.chance(0.5) {
            true => {
                let extra_ms = self.draws.log_uniform(20, sync_ms / 2) as u32;
                let lasts_ms = self.draws.log_uniform(500, 5_000);
                (lasts_ms, Fault::SlowLink { from, to, extra_ms })
            }
            false => {
                let lasts_ms = self.draws.log_uniform(sync_ms / 4, sync_ms);
                (lasts_ms, Fault::OneWay { from, to, reset_on_heal: 0.0 })
            }
        };
        let mut faults = vec![during(self.at_ms, lasts_ms, lag)];
        for _ in 0..self.draws.range(2, 2 * u64::from(CLIENTS)) {
            let at_ms = self.at_ms + self.draws.below(lasts_ms);
            let client = self.any_client();
            faults.push(during(at_ms, RESET_MS, self.cut(client, 1.0)));
        }
        faults
    }

    fn any_client(&mut self) -> Target {
        Target::named(format!("c{}", self.draws.range(1, CLIENTS.into())))
    }

    fn any_follower(&mut self) -> Target {
        let count = self.ground.servers.len() as u64;
        Target::Nth("follower".to_owned(), self.draws.below(count))
    }

    /// A client and all servers lose each other.
    fn cut(&self, client: Target, reset_on_heal: f64) -> Fault {
        Fault::Partition { sides: vec![vec![client], self.servers()], reset_on_heal }
    }

    fn servers(&self) -> Vec<Target> {
        self.ground.servers.iter().map(|name| Target::named(name.clone())).collect()
    }
}

fn during(at_ms: u64, lasts_ms: u64, fault: Fault) -> TimedFault {
    TimedFault::new(at_ms, Some(at_ms + lasts_ms), fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::SCENARIOS;

    #[test]
    fn some_seeds_trouble_clients_in_every_way() {
        let is_client =
            |target: &Target| matches!(target, Target::Named(name) if name.starts_with('c'));
        let plans: Vec<_> = (0..60).map(|seed| (SCENARIOS[0].plan)(seed)).collect();
        let with = |wanted: &dyn Fn(&Fault) -> bool| {
            plans.iter().filter(|plan| plan.faults.iter().any(|f| wanted(&f.fault))).count()
        };
        let asleep = with(&|f| matches!(f, Fault::Pause { target } if is_client(target)));
        let cut = with(&|f| matches!(f, Fault::Partition { sides, .. } if is_client(&sides[0][0])));
        for count in [asleep, cut] {
            assert!((8..40).contains(&count), "in {count} of 60 plans");
        }
    }
}
