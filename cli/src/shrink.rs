//! `squall shrink`: a smaller plan that fails the same way.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use evidence::words;
use harness::Plan;
use harness::campaign::cores;
use harness::shrink::{Progress as Step, Shrink, Shrunk, Size, shrink as make_smaller};
use harness::tell::message;
use reports::{failure_text, write_atomically};
use serde::Serialize;

use crate::args::Format;
use crate::clock::Stopwatch;
use crate::exit::Exit;
use crate::keep::plan_text;
use crate::output::{Output, complain, say};
use crate::plans::{plan_file, read_plan};
use crate::program;
use crate::progress::Progress;
use crate::seed::parse_duration;
use crate::systems::systems;

/// What `squall help shrink` adds.
pub(crate) const EXAMPLES: &str = "\
Examples:
  squall shrink out/latest-failure             writes out/latest-failure/plan.min.json
  squall shrink plan.json --max-time 5m        with what was found until then
  squall replay out/latest-failure/plan.min.json

Leaves out what comes after the contradiction, faults, operations, clients, servers and waiting, as
long as the earliest contradiction keeps its fingerprint; a fault at a time may become one at a place
in the code. A plan that stays large is made smaller anew, in another order. Every step is stored: a
second call goes on where the first was stopped.";

/// With how many seeds of latencies a candidate is tried at most, when nobody says.
pub(crate) const SEEDS_DEFAULT: u64 = 256;
/// How long a failure is made smaller where it is not asked for by itself.
pub(crate) const SHRINK_TIME_DEFAULT: Duration = Duration::from_secs(60);

/// Arguments of `shrink`.
#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A plan that fails, or a folder with a plan.json.
    #[arg(value_name = "PLAN|DIR")]
    target: PathBuf,
    /// End after this time, as 500ms, 60s, 10m or 1h, with the smallest plan so far.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_time: Option<Duration>,
    /// Runs at a time. One for each core, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// With how many seeds of latencies each candidate is tried at most.
    #[arg(long, value_name = "N", default_value_t = SEEDS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// Begin anew, whatever plan.min.json holds.
    #[arg(long)]
    afresh: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    before: Size,
    after: Size,
    performed: u64,
    complete: bool,
    fingerprint: Option<String>,
    plan: String,
}

/// Does something that asks whether it is over, which it is after a time or when somebody stops it.
pub(crate) fn within<T>(
    time_max: Duration,
    stop: &AtomicBool,
    work: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> T,
) -> T {
    let watch = Stopwatch::start();
    work(&|| stop.load(Ordering::Relaxed) || watch.elapsed() >= time_max)
}

/// Where a search stands.
pub(crate) fn step_text(step: &Step<'_>) -> String {
    format!("{} runs, without {}: {}", step.performed, step.pass, Size::of(systems(), step.plan))
}

/// Makes a failing plan smaller.
pub(crate) fn shrink(args: &ShrinkArgs, stop: &AtomicBool) -> Exit {
    begin(args, stop).unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

fn begin(args: &ShrinkArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let file = plan_file(&args.target);
    let smallest = smallest_beside(&file);
    let whole = read_plan(&file)?;
    let before = Size::of(systems(), &whole);
    let plan = match fs::exists(&smallest) {
        Ok(true) if !args.afresh && smallest != file => go_on_from(&smallest, &whole)?,
        _ => whole,
    };
    let watch = Stopwatch::start();
    let jobs = args.jobs.map_or_else(cores, usize::from);
    say(&format!("{}: {}", file.display(), Size::of(systems(), &plan)));
    let mut progress = Progress::new();
    let mut failed: Option<String> = None;
    let ended = within(args.max_time.unwrap_or(Duration::MAX), stop, |is_over| {
        let options = Shrink { jobs, seeds: args.seeds, fingerprint: None, is_over };
        make_smaller(systems(), &plan, &options, &mut |step: &Step<'_>| {
            progress.show(|| step_text(step));
            if step.is_smaller {
                // What cannot be stored now may be stored in the end; then it is told.
                failed = store(&smallest, step.plan).err();
            }
        })
    });
    progress.end();
    let shrunk = ended.map_err(|error| format!("{}: {error}", file.display()))?;
    if let Some(message) = failed {
        complain(&message);
    }
    store(&smallest, &shrunk.plan)?;
    tell(args, before, &shrunk, &smallest, &words::duration(watch.elapsed_ms()));
    let interrupted = stop.load(Ordering::Relaxed);
    Ok(if interrupted { Exit::Interrupted } else { Exit::Passed })
}

/// `plan.min.json` for `plan.json`.
fn smallest_beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().map_or("plan".into(), |stem| stem.to_string_lossy().into_owned());
    let stem = stem.strip_suffix(".min").unwrap_or(&stem);
    file.with_file_name(format!("{stem}.min.json"))
}

/// The smallest plan of an earlier call, if it is one of the same failure.
fn go_on_from(smallest: &Path, whole: &Plan) -> Result<Plan, String> {
    let found = read_plan(smallest)?;
    if whole.is_changed() {
        let name = smallest.display();
        return Err(format!(
            "{name} is of the plan before it was changed; --afresh begins anew and replaces it"
        ));
    }
    let failure = |plan: &Plan| plan.found.as_ref().and_then(|found| found.fingerprint.clone());
    let is_same = found.scenario == whole.scenario
        && found.plant == whole.plant
        && (failure(whole).is_none() || failure(&found) == failure(whole));
    if !is_same {
        let name = smallest.display();
        return Err(format!("{name} is of another failure; --afresh begins anew and replaces it"));
    }
    say(&format!("going on from {}", smallest.display()));
    Ok(found)
}

/// Replaces the file whole.
fn store(file: &Path, plan: &Plan) -> Result<(), String> {
    write_atomically(file, plan_text(plan).as_bytes()).map_err(|error| error.to_string())
}

fn tell(args: &ShrinkArgs, before: Size, shrunk: &Shrunk, smallest: &Path, time: &str) {
    let output = Output::new(args.format);
    let after = Size::of(systems(), &shrunk.plan);
    output.json(&Report {
        before,
        after,
        performed: shrunk.performed,
        complete: shrunk.is_complete,
        fingerprint: shrunk.plan.found.as_ref().and_then(|found| found.fingerprint.clone()),
        plan: smallest.display().to_string(),
    });
    let outcome = systems().perform(&shrunk.plan, &Default::default());
    if let Some(mut message) = message(&outcome, shrunk.plan.plant.as_ref()) {
        message.commands.replay = Some(program::replay(smallest));
        output.text(&format!("{}\n", failure_text(&message)));
    }
    let how = if shrunk.is_complete { "nothing more can be left out" } else { "stopped" };
    output.text(&format!(
        "{}\n{} runs in {time}, {how}: {}\n",
        before.to(after),
        shrunk.performed,
        smallest.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_plan_stands_beside_the_whole() {
        for (file, smallest) in [
            ("a/plan.json", "a/plan.min.json"),
            ("a/plan.min.json", "a/plan.min.json"),
            ("keeper-register-7.json", "keeper-register-7.min.json"),
        ] {
            assert_eq!(smallest_beside(Path::new(file)), Path::new(smallest));
        }
    }
}
