//! Every verb of `squall` for the register: `cargo run --release -- fuzz`, `replay`, `shrink`, `report`, ...

use std::process::ExitCode;

fn main() -> ExitCode {
    squall::main(register::SYSTEMS)
}
