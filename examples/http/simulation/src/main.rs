//! Every verb of `squall` for the payment service: `cargo run --release -- fuzz`, `replay`, `shrink`, ...

use std::process::ExitCode;

fn main() -> ExitCode {
    squall::main(payments::SYSTEMS)
}
