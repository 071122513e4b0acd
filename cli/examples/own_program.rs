//! A program of one's own with every verb: `squall::main(SYSTEMS)` is all of it. This one asks within
//! the process, and so can look at the exit code.
//!
//!     cargo run -p squall-cli --example own_program

use squall::SystemList;

static SYSTEMS: &SystemList = &[&scenarios::KEEPER];

fn main() {
    let ask = |line: &str| {
        println!("$ {line}");
        let exit = squall::run(SYSTEMS, &[], line.split(' ').map(str::to_owned).collect());
        println!("exit code {}\n", exit.code());
    };
    ask("squall list scenarios");
    ask("squall list roles");
    ask("squall fuzz --scenario no/such");
}
