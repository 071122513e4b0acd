//! `squall`: the list of systems, and the benchmarks.

mod bench;

use std::process::ExitCode;

use squall::SystemList;

/// A simulated run allocates little and often: a tenth of a campaign's time is saved by this.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static SYSTEMS: &SystemList = &[&scenarios::KEEPER];

fn main() -> ExitCode {
    squall::main_with(SYSTEMS, &[&bench::Bench])
}
