//! `cargo bench -p benches --bench sim_speed`: simulated seconds per CPU second, 5 servers and 5
//! clients, recorder on. Prints a line per load; exits 1 if one is below its bar.
//!
//! `--quick` measures once and shorter. Of what else `cargo bench` hands to every benchmark, flags
//! mean nothing here, and a word is a filter as it is for criterion.

use std::process::ExitCode;

use benches::machine::process_cpu_s;
use benches::sim::speed::measure;

/// Requests per second, simulated seconds, those of a quick run, and the least ratio.
const LOADS: [(u64, u64, u64, f64); 2] = [(0, 120, 30, 50.0), (200, 60, 12, 15.0)];
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
    println!("simulated seconds per CPU second, turmoil, 5 servers + 5 clients, recorder on");
    for (rate, seconds, quick_seconds, bar) in LOADS {
        let (seconds, rounds) = if is_quick { (quick_seconds, 1) } else { (seconds, 3) };
        let best = (0..rounds)
            .map(|_| measure(rate, seconds, &process_cpu_s))
            .max_by(|a, b| a.ratio().total_cmp(&b.ratio()))
            .expect("at least one run");
        let verdict = if best.ratio() >= bar { "ok" } else { "below the bar" };
        println!(
            "{rate:>5} requests/s: {:6.1} (bar {bar}: {verdict}; {:.0} s simulated in {:.2} s CPU, \
             {} answered, {} events)",
            best.ratio(),
            best.simulated_s,
            best.cpu_s,
            best.answered,
            best.events
        );
        if best.ratio() < bar {
            code = ExitCode::FAILURE;
        }
    }
    code
}
