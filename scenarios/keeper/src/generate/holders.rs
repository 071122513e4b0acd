//! Faults of clients: what makes a client believe that it still holds a lock, when its session is
//! over and another one holds it. It stands still (the collection of garbage of Junqueira's and
//! Kleppmann's texts of 2016 on fencing), is cut off, or its clock does not tell it that time passes.

use harness::plan::Plan;
use sim::clock::Clock;
use sim::fault::{Fault, Target, TimedFault};
use sim::seed::Draws;

use super::{FIRST_FAULT_MS, MARGIN_MS};
use crate::setup::{KeeperSetup, clients, servers};

/// The plan with faults of clients beside those of servers; each has a stream of its own.
pub(crate) fn with_faults_of_holders(mut plan: Plan) -> Plan {
    let count = Draws::new(plan.seed, "faults of holders", 0).range(2, 6);
    let end_ms = plan.chaos_ms - MARGIN_MS;
    for index in 0..count {
        let mut draws = Draws::new(plan.seed, "fault of a holder", index);
        let at_ms = draws.range(FIRST_FAULT_MS, end_ms - 1_000);
        let client = draws.range(1, clients(&plan).into());
        let target = Target::named(format!("c{client}"));
        // Some sessions expire meanwhile, some do not.
        let timeout_ms = KeeperSetup::of(&plan).ensemble.session_timeout_ms;
        let lasts_ms = draws.log_uniform(timeout_ms / 4 + 1, timeout_ms * 4);
        let fault = match draws.below(10) {
            0..5 => Fault::Pause { target },
            5..8 => {
                let servers =
                    (1..=servers(&plan)).map(|n| Target::named(format!("n{n}"))).collect();
                let reset_on_heal = if draws.chance(0.5) { 1.0 } else { 0.0 };
                Fault::Partition { sides: vec![vec![target], servers], reset_on_heal }
            }
            _ => {
                let ppm = -(draws.log_uniform(100_000, 900_000) as i64);
                Fault::ClockDrift { target, ppm, of: Clock::Both }
            }
        };
        let until_ms = Some((at_ms + lasts_ms).min(end_ms));
        plan.faults.push(TimedFault::new(at_ms, until_ms, fault));
    }
    plan.faults.sort_by_key(|fault| fault.at_ms);
    plan
}

#[cfg(test)]
mod tests {
    use crate::property::testing::planned;
    use crate::setup::clients;

    #[test]
    fn every_plan_with_locks_disturbs_their_holders() {
        let of_clients = |name: &str, seed| {
            let plan = planned(name, seed);
            let text = |fault| serde_json::to_string(fault).unwrap();
            let clients: Vec<String> = (1..=clients(&plan)).map(|n| format!("\"c{n}\"")).collect();
            let strikes_client = |text: &str| clients.iter().any(|client| text.contains(client));
            plan.faults.iter().filter(|timed| strikes_client(&text(*timed))).count()
        };
        for seed in 0..20 {
            assert!(of_clients("keeper/lock", seed) >= 2);
            assert!(of_clients("keeper/election", seed) >= 2);
        }
    }
}
