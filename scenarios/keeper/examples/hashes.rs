//! How runs end: one line for each stored plan and for the first seeds of each scenario, with the verdict,
//! the hash of the trace and the property that failed first. Two builds that behave the same print the
//! same.
//!
//! `cargo run --release -p squall-scenarios-keeper --example hashes -- SEEDS TURMOIL_SEEDS`

use harness::judge::Verdict;
use harness::{Outcome, Plan, RunOptions, Systems};
use scenarios::KEEPER;
use sim::EngineKind;

const SYSTEMS: Systems = Systems(&[&KEEPER]);

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut count = |default| arguments.next().map_or(Ok(default), |parsed| parsed);
    let (Ok(seeds), Ok(turmoil)) = (count(20), count(0)) else {
        eprintln!("expected two numbers: seeds of each scenario on the engine, and on turmoil");
        return;
    };
    for stored in SYSTEMS.corpus().into_iter().chain(SYSTEMS.finds()) {
        show(stored.name, &stored.plan);
    }
    for of in SYSTEMS.scenarios() {
        for (engine, seeds) in [(EngineKind::Engine, seeds), (EngineKind::Turmoil, turmoil)] {
            for seed in 1..=seeds {
                show(engine.name(), &of.plan(seed, engine));
            }
        }
    }
}

fn show(what: &str, plan: &Plan) {
    let outcome = SYSTEMS.perform(plan, &RunOptions::default());
    let Outcome { scenario, seed, trace_hash, .. } = &outcome;
    let verdict = match outcome.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Undecided(_) => "undecided",
    };
    let property = outcome.failures().first().map_or("", |failure| failure.property.as_str());
    println!("{what} {scenario} {seed} {verdict} {trace_hash:016x} {property}");
}
