//! Which build this is: the same build must end a plan with the same trace.

use std::sync::OnceLock;

use probe::hash_bytes;

/// The build of the running program, made of the program's own bytes: whatever is part of it, a user's
/// system among it, makes another build. `unknown` where the program cannot read itself.
pub fn of_this_program() -> &'static str {
    // What it holds is the same whenever it is asked: a constant that costs something to find out.
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let bytes = std::env::current_exe().and_then(std::fs::read);
        let version = env!("CARGO_PKG_VERSION");
        match bytes {
            Ok(bytes) => format!("{version}-{:016x}", hash_bytes(&bytes)),
            Err(_) => "unknown".to_owned(),
        }
    })
}
