//! Every verb of `squall` for the store: `cargo run --release -- fuzz`, `replay`, `shrink`, `report`, ...

use std::process::ExitCode;

fn main() -> ExitCode {
    squall::main(openraft_kv::SYSTEMS)
}
