//! Stored plans, read from where the command line says.

use std::fs;
use std::path::{Path, PathBuf};

use harness::Plan;

use crate::systems::systems;

/// The plan that a file, or a folder with a plan.json, stands for.
pub(crate) fn plan_file(target: &Path) -> PathBuf {
    if target.is_dir() { target.join("plan.json") } else { target.to_owned() }
}

/// Reads a plan; the message names the file and what is wrong.
pub(crate) fn read_plan(file: &Path) -> Result<Plan, String> {
    let name = file.display().to_string();
    systems().load(&read_bytes(file)?, &name).map_err(|error| error.to_string())
}

/// Reads a file; the message names it.
pub(crate) fn read_bytes(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
