//! How this program is called: what it tells people to type must work.

use std::path::Path;

use evidence::words::shell_word;

/// The words that call this program again: `squall`, `cargo run --release -p my-system --` if cargo runs
/// it (or a test of it), or the path by which it was called.
pub(crate) fn command() -> String {
    let called = arguments().into_iter().next().unwrap_or_else(|| "squall".to_owned());
    command_of(&called, std::env::var("CARGO_PKG_NAME").ok().as_deref())
}

/// The command line, for people: what is no text is told as far as it is one.
pub(crate) fn arguments() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The command that performs a stored plan again.
pub(crate) fn replay(plan: &Path) -> String {
    format!("{} replay {}", command(), word(plan))
}

/// A path as a word of a command.
pub(crate) fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

fn command_of(called: &str, cargo_package: Option<&str>) -> String {
    let name = Path::new(called).file_stem().and_then(|name| name.to_str());
    match (name, cargo_package) {
        (Some("squall"), _) => "squall".to_owned(),
        (_, Some(package)) => format!("cargo run --release -p {package} --"),
        (_, None) => shell_word(called),
    }
}

#[cfg(test)]
mod tests {
    use super::command_of;

    #[test]
    fn the_command_is_one_that_works_here() {
        assert_eq!(command_of("target/release/squall", Some("squall-program")), "squall");
        assert_eq!(command_of("squall", None), "squall");
        let own = command_of("target/debug/deps/campaign-12ab", Some("my-system"));
        assert_eq!(own, "cargo run --release -p my-system --");
        assert_eq!(command_of("./my-system", None), "./my-system");
        assert_eq!(command_of("./my system", None), "'./my system'");
    }
}
