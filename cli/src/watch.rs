//! A run that does not go on ends the program: what it does cannot be stopped, but its plan is kept, as a
//! finding with a folder of its own, and the exit code says that nothing more can be trusted here.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evidence::words::shell_word;
use evidence::{RunLine, RunVerdict};
use harness::tell;
use harness::watchdog::{Stuck, patience, watch};
use probe::hash_bytes;
use reports::{FolderError, append_line, write_atomically};

use crate::exit::Exit;
use crate::keep::{plan_name, plan_text};
use crate::output::{complain, say};
use crate::program;
use crate::systems::systems;

/// How long time may stand still within a run, unless a campaign bounds its runs.
const STILL_MAX: Duration = Duration::from_secs(120);
/// What no bound goes below: a machine may be busy.
const STILL_MIN: Duration = Duration::from_secs(5);
/// What is violated.
const PROPERTY: &str = "every task yields";

/// The folder of the campaign or run that is under way; none if results have no folder.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Watches every run of this program.
pub(crate) fn begin() {
    *folder() = None;
    watch(STILL_MAX, |stuck| {
        let exit = match keep(&stuck, folder().as_deref()) {
            Ok(()) => Exit::Untrusted,
            Err(message) => {
                complain(&message);
                Exit::Untrusted.and(Exit::Internal)
            }
        };
        std::process::exit(i32::from(exit.code()));
    });
}

/// What is found is kept there from now on; a run that takes longer than `run_time_max` is no surprise.
pub(crate) fn keep_in(path: PathBuf, run_time_max: Option<Duration>) {
    *folder() = Some(path);
    patience(run_time_max.unwrap_or(STILL_MAX).max(STILL_MIN));
}

fn folder() -> std::sync::MutexGuard<'static, Option<PathBuf>> {
    FOLDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the plan and says who holds the run up. Beside a campaign's other results it is a failure like
/// others, with a line of its own: the campaign ends unfinished, as one that is killed.
fn keep(stuck: &Stuck, folder: Option<&Path>) -> Result<(), String> {
    let plan = &stuck.plan;
    let kind = format!("{}: {PROPERTY}: {}", plan.scenario, stuck.last);
    let fingerprint = format!("{:016x}", hash_bytes(kind.as_bytes()));
    let path = match folder {
        Some(folder) => folder.join("failures").join(&fingerprint).join("plan.json"),
        None => PathBuf::from(format!("stuck-{}", plan_name(&plan.scenario, plan.seed))),
    };
    let planted = plan.plant.as_ref().map_or(String::new(), |bug| format!("   planted bug {bug}"));
    let text = format!(
        "FAIL {}   seed {}{planted}   fingerprint {fingerprint}\n  {PROPERTY}: {}\n  replay   {}        \
         (build {})\n",
        plan.scenario,
        plan.seed,
        stuck.headline(),
        program::replay(&path),
        systems().of(plan).build(),
    );
    say(&format!(
        "{text}\nno simulated time has passed for {:?}: the program ends here",
        stuck.stood
    ));
    let cannot = |error: FolderError| error.to_string();
    write_atomically(&path, plan_text(plan).as_bytes()).map_err(cannot)?;
    say(&format!("the plan is {}", shell_word(&path.display().to_string())));
    let Some(folder) = folder else { return Ok(()) };
    write_atomically(&path.with_file_name("explanation.txt"), text.as_bytes()).map_err(cannot)?;
    let line = RunLine {
        verdict: RunVerdict::Fail,
        fingerprints: vec![fingerprint],
        violated: vec![PROPERTY.to_owned()],
        ..tell::unknown_line(systems(), plan, None)
    };
    append_line(&folder.join("seeds.jsonl"), &line.to_json_line()).map_err(cannot)
}
