//! What `docs/your-own-system.md` shows is what is here: each of its snippets stands in a file of this
//! example, and the program takes each of its command lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [&str; 4] = ["src/lib.rs", "src/main.rs", "tests/campaign.rs", "tests/further.rs"];

/// How a command of the tutorial begins.
const PROGRAM: &str = "cargo run --release -- ";

/// In a copy of this folder elsewhere there is nothing to compare.
fn tutorial() -> Option<String> {
    let docs = here("../../docs");
    docs.is_dir()
        .then(|| fs::read_to_string(docs.join("your-own-system.md")).expect("the tutorial"))
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Lines without the space before them.
fn flush_left(text: &str) -> String {
    text.lines().map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn every_snippet_stands_in_the_example() {
    let Some(tutorial) = tutorial() else { return };
    let read = |file| flush_left(&fs::read_to_string(here(file)).expect("a file of this example"));
    let sources = SOURCES.map(read);
    let blocks = tutorial.split("```rust\n").skip(1);
    let snippets: Vec<&str> = blocks.filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(snippets.len() > 20, "the tutorial has {} snippets", snippets.len());
    for snippet in snippets {
        let is_there = sources.iter().any(|source| source.contains(&flush_left(snippet)));
        assert!(is_there, "no file of the example says\n{snippet}");
    }
}

#[test]
fn every_dependency_of_the_tutorial_is_one_of_the_example() {
    let Some(tutorial) = tutorial() else { return };
    let toml = tutorial.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```"));
    let manifest = fs::read_to_string(here("Cargo.toml")).expect("the manifest");
    for line in toml.expect("a manifest").0.lines().filter(|line| !line.contains("squall")) {
        assert!(manifest.lines().any(|own| own == line), "Cargo.toml does not say {line}");
    }
    assert!(manifest.contains("package = \"squall-cli\""));
}

#[test]
fn the_program_takes_every_command() {
    let Some(tutorial) = tutorial() else { return };
    let begin = |line: &str| {
        Some(line.trim_start().trim_start_matches("$ ").strip_prefix(PROGRAM)?.to_owned())
    };
    let commands: Vec<String> = tutorial.lines().filter_map(begin).collect();
    assert!(commands.len() > 12, "the tutorial has {} commands", commands.len());
    for command in commands {
        // What stands behind many spaces says what it does.
        let command = command.split("   ").next().unwrap_or_default();
        let words: Vec<&str> = command.split_whitespace().collect();
        let verbs = if words[0] == "corpus" { &words[..2] } else { &words[..1] };
        let help = Command::new(env!("CARGO_BIN_EXE_squall-example-register"))
            .args(verbs.iter().filter(|verb| **verb != "--help"))
            .arg("--help")
            .output()
            .expect("the program starts");
        assert!(help.status.success(), "there is no {verbs:?}, as in {command}");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{verbs:?} has no {option}, as in {command}");
        }
    }
}
