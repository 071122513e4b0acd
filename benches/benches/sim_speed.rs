//! `cargo bench -p benches --bench sim_speed`: simulated seconds per CPU second, 5 servers and 5
//! clients, on our engine and on turmoil in turn. Prints a line per load; exits 1 if the engine is
//! below a bar.
//!
//! `--quick` measures once and shorter. Of what else `cargo bench` hands to every benchmark, flags
//! mean nothing here, and a word is a filter as it is for criterion.

use std::process::ExitCode;

use benches::machine::process_cpu_s;
use benches::sim::speed::{Speed, Watch, measure};
use sim::EngineKind;

/// As in `squall`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A load, and the least that the engine must reach.
struct Bar {
    rate: u64,
    watch: Watch,
    /// Simulated seconds on the engine and on turmoil.
    seconds: (u64, u64),
    ratio: f64,
}

const BARS: [Bar; 4] = [
    Bar { rate: 0, watch: Watch::Nothing, seconds: (2_400, 40), ratio: 8_000.0 },
    Bar { rate: 200, watch: Watch::Nothing, seconds: (120, 20), ratio: 200.0 },
    Bar { rate: 2_000, watch: Watch::Nothing, seconds: (16, 8), ratio: 25.0 },
    Bar { rate: 2_000, watch: Watch::Everything, seconds: (16, 8), ratio: 15.0 },
];
/// Flags of criterion that are followed by a value.
const WITH_VALUE: [&str; 14] = [
    "--baseline",
    "--baseline-lenient",
    "--color",
    "--confidence-level",
    "--load-baseline",
    "--measurement-time",
    "--noise-threshold",
    "--nresamples",
    "--output-format",
    "--plotting-backend",
    "--profile-time",
    "--sample-size",
    "--save-baseline",
    "--warm-up-time",
];

/// What is to be done with the arguments given.
fn request(arguments: impl Iterator<Item = String>) -> (bool, bool) {
    let (mut is_quick, mut is_wanted) = (false, true);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => is_quick = true,
            "--list" | "--test" => is_wanted = false,
            flag if WITH_VALUE.contains(&flag) => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            filter => is_wanted &= "sim_speed".contains(filter),
        }
    }
    (is_quick, is_wanted)
}

fn main() -> ExitCode {
    let (is_quick, is_wanted) = request(std::env::args().skip(1));
    if !is_wanted {
        return ExitCode::SUCCESS;
    }
    let mut code = ExitCode::SUCCESS;
    println!("simulated seconds per CPU second, 5 servers + 5 clients");
    let (rounds, share) = if is_quick { (1, 4) } else { (3, 1) };
    for Bar { rate, watch, seconds, ratio } in BARS {
        let mut best: [Option<Speed>; 2] = [None, None];
        for _ in 0..rounds {
            let engines = [(EngineKind::Engine, seconds.0), (EngineKind::Turmoil, seconds.1)];
            for (best, (engine, seconds)) in best.iter_mut().zip(engines) {
                let part = (rate, (seconds / share).max(3));
                let speed = measure(part, engine, watch, &process_cpu_s);
                if best.as_ref().is_none_or(|best| best.ratio() < speed.ratio()) {
                    *best = Some(speed);
                }
            }
        }
        let [engine, turmoil] = best.map(|best| best.expect("at least one round").ratio());
        let verdict = if engine >= ratio { "ok" } else { "below the bar" };
        println!(
            "{rate:>5} requests/s, {:9}: engine {engine:8.1} (bar {ratio}: {verdict}), turmoil \
             {turmoil:6.1}",
            watch.name()
        );
        if engine < ratio {
            code = ExitCode::FAILURE;
        }
    }
    code
}
