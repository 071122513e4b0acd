//! Lists the corpus and the stored finds for embedding, and names the build by its sources.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run is a function of, besides its plan: relative to this crate.
const SOURCES: [&str; 10] = [
    "../../Cargo.lock",
    "../../platform/src",
    "../../probe/src",
    "../../keeper/core/src",
    "../../keeper/client/src",
    "../../keeper/server/src",
    "../../sim/src",
    "../../harness/src",
    "../../checker/src",
    "src",
];

/// Folders of plans that the program carries along.
const EMBEDDED: [&str; 2] = ["corpus", "finds"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    for folder in EMBEDDED {
        println!("cargo::rerun-if-changed={folder}");
    }
    println!("cargo::rerun-if-env-changed=SQUALL_BUILD");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    for folder in EMBEDDED {
        fs::write(out.join(format!("{folder}.rs")), list_of(folder)?)?;
    }
    println!("cargo::rustc-env=SQUALL_BUILD_ID={}", build_id()?);
    Ok(())
}

/// `&[("keeper/name.json", include_str!("…")), …]`, in the order of names.
fn list_of(folder: &str) -> io::Result<String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join(folder);
    let mut list = String::from("&[\n");
    for file in files(&root)? {
        if file.extension().is_some_and(|extension| extension == "json") {
            let name = file.strip_prefix(&root).map_err(io::Error::other)?;
            list += &format!("({:?}, include_str!({:?})),\n", name, file);
        }
    }
    Ok(list + "]")
}

/// The version, the commit if it is known, and a hash of the sources, so that two builds of a
/// changed working copy are told apart. SQUALL_BUILD takes the commit's place.
fn build_id() -> io::Result<String> {
    let commit = std::env::var("SQUALL_BUILD").ok().or_else(git_commit);
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for source in SOURCES {
        for file in files(Path::new(source))? {
            hash = fnv1a(hash, &fs::read(file)?);
        }
    }
    Ok(format!("{}-{commit}-{:08x}", variable("CARGO_PKG_VERSION")?, hash as u32))
}

fn git_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// Every file under a path, in the order of names; none if there is nothing.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        all.extend(files(&entry)?);
    }
    Ok(all)
}

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(io::Error::other)
}
