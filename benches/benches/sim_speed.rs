//! `cargo bench -p benches --bench sim_speed`: simulated seconds per CPU second, 5 servers and 5
//! clients, recorder on. Prints a line per load; exits 1 if one is below its bar.

use std::process::ExitCode;

use benches::sim_speed::{measure, process_cpu_s};

/// Requests per second, simulated seconds, and the least ratio.
const LOADS: [(u64, u64, f64); 2] = [(0, 120, 50.0), (200, 60, 15.0)];

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    println!("simulated seconds per CPU second, turmoil, 5 servers + 5 clients, recorder on");
    for (rate, seconds, bar) in LOADS {
        let best = (0..3)
            .map(|_| measure(rate, seconds, &process_cpu_s))
            .max_by(|a, b| a.ratio().total_cmp(&b.ratio()))
            .expect("three runs");
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
