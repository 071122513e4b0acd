//! What exploring gains over fresh seeds: both perform the same number of runs of the same campaigns,
//! and are asked how many distinct pairs of mark and fault family, buckets of counts, and abstract
//! states they have reached.
//!
//! ```text
//! cargo run --release -p squall-benches --example novelty -- 300 1 2 3 [SCENARIO ...]
//! ```
//! is 300 runs of every scenario by fresh seeds and as many exploring, for each of the campaign seeds
//! 1, 2 and 3. The figures are a function of the arguments and the build.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use harness::campaign::Campaign;
use harness::judge::Failure;
use harness::novelty::{Pool, Reached, features};
use harness::{ScenarioOf, Systems};
use scenarios::KEEPER;

const SYSTEMS: Systems = Systems(&[&KEEPER]);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments.iter().map_while(|text| text.parse().ok()).collect();
    let [runs, seeds @ ..] = numbers.as_slice() else {
        eprintln!("usage: novelty RUNS SEED ... [SCENARIO ...]");
        std::process::exit(64);
    };
    let named = arguments[numbers.len()..].iter();
    let chosen: Option<Vec<ScenarioOf>> = named.map(|name| SYSTEMS.scenario(name)).collect();
    let chosen = chosen.unwrap_or_else(|| {
        eprintln!("novelty: there is no such scenario; squall list scenarios");
        std::process::exit(64);
    });
    let chosen = if chosen.is_empty() { SYSTEMS.scenarios().collect() } else { chosen };
    println!("| seed | plans | runs | failed | mark x family | mark x count | states |");
    println!("|--:|---|--:|--:|--:|--:|--:|");
    for seed in seeds {
        for explore in [false, true] {
            let (failed, reached) = perform(&chosen, *seed, *runs, explore);
            let plans = if explore { "explored" } else { "fresh" };
            let Reached { pairs, buckets, states } = reached;
            println!("| {seed} | {plans} | {runs} | {failed} | {pairs} | {buckets} | {states} |");
        }
    }
}

fn perform(scenarios: &[ScenarioOf], seed: u64, runs: u64, explore: bool) -> (u64, Reached) {
    let campaign = Campaign {
        scenarios: scenarios.to_vec(),
        seed,
        runs: Some(runs),
        time_max: None,
        jobs: 1,
        corpus: false,
        twice_every: 0,
        explore,
        ..Campaign::of(SYSTEMS)
    };
    let mut pool = Pool::new(SYSTEMS);
    let summary = campaign.run(&AtomicBool::new(false), &mut |finished| {
        if let Ok(outcome) = &finished.result {
            pool.learn(&finished.plan, features(&outcome.marks, &outcome.states));
            for failure in outcome.failures().iter().take(1) {
                let (scenario, seed) = (&outcome.scenario, outcome.seed);
                let Failure { property, headline, .. } = failure;
                eprintln!("{scenario} seed {seed}, {:?}: {property}: {headline}", finished.origin);
            }
        }
        ControlFlow::Continue(())
    });
    (summary.failed, pool.reached())
}
