//! `squall shrink`: a smaller plan that fails the same way.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use evidence::words;
use harness::Plan;
use harness::campaign::cores;
use harness::shrink::{Ended, Progress as Step, Shrink, Shrunk, Size, shrink as make_smaller};
use harness::tell::message;
use reports::{failure_text, write_atomically};
use serde::Serialize;

use crate::args::Format;
use crate::clock::{CpuStopwatch, Stopwatch};
use crate::exit::Exit;
use crate::keep::plan_text;
use crate::output::{Output, complain, say};
use crate::plans::{plan_file, read_plan};
use crate::program;
use crate::progress::Progress;
use crate::seed::{parse_count, parse_duration};
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
second call goes on where the first was stopped.

Work is counted in simulated events, about a million in a second: with the same --max-work the result
is the same on every machine. CPU time is that of all cores together; what else the machine is at does
not count, but how fast it is does.";

/// With how many seeds of latencies a candidate is tried at most, when nobody says.
pub(crate) const SEEDS_DEFAULT: u64 = 256;
/// How much work is done to make a failure smaller where it is not asked for by itself: about a minute.
const WORK_DEFAULT: u64 = 60_000_000;
/// And how much CPU time at most, for work that costs far more than it counts.
const CPU_DEFAULT: Duration = Duration::from_secs(300);

/// Arguments of `shrink`.
#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A plan that fails, or a folder with a plan.json.
    #[arg(value_name = "PLAN|DIR")]
    target: PathBuf,
    /// End after this CPU time of all jobs together, as 500ms, 60s, 10m or 1h, with the smallest plan so
    /// far. No end, unless given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_time: Option<Duration>,
    /// End after so many simulated events in all runs together, as 500K, 40M or 2G, with the smallest
    /// plan so far: the same on every machine. No end, unless given.
    #[arg(long, value_name = "EVENTS", value_parser = parse_count)]
    max_work: Option<u64>,
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
    work: u64,
    complete: bool,
    ended: Ended,
    fingerprint: Option<String>,
    plan: String,
}

/// How far a search goes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    cpu_max: Duration,
    work_max: u64,
}

impl Bounds {
    /// As it was asked for; as far as it goes if nobody says anything.
    pub(crate) fn asked(cpu_max: Option<Duration>, work_max: Option<u64>) -> Bounds {
        Bounds { cpu_max: cpu_max.unwrap_or(Duration::MAX), work_max: work_max.unwrap_or(u64::MAX) }
    }

    /// The same, and not too far if nobody says anything.
    pub(crate) fn or_default(cpu_max: Option<Duration>, work_max: Option<u64>) -> Bounds {
        match (cpu_max, work_max) {
            (None, None) => Bounds { cpu_max: CPU_DEFAULT, work_max: WORK_DEFAULT },
            asked => Bounds::asked(asked.0, asked.1),
        }
    }

    /// Makes something smaller with these options within the bounds, unless somebody stops it.
    pub(crate) fn within<T>(
        self,
        jobs: usize,
        seeds: u64,
        stop: &AtomicBool,
        work: impl FnOnce(&Shrink<'_>) -> T,
    ) -> T {
        let watch = CpuStopwatch::start();
        let is_over = || stop.load(Ordering::Relaxed) || watch.elapsed() >= self.cpu_max;
        let work_max = self.work_max;
        work(&Shrink { jobs, seeds, fingerprint: None, work_max, is_over: &is_over })
    }

    /// What ended a search, in words.
    pub(crate) fn ended(self, ended: Ended, stop: &AtomicBool) -> String {
        match ended {
            Ended::Complete => "nothing more can be left out".to_owned(),
            Ended::Work => format!("its {} events of work are done", count_text(self.work_max)),
            Ended::Told if stop.load(Ordering::Relaxed) => "stopped".to_owned(),
            Ended::Told => {
                let cpu_ms = u64::try_from(self.cpu_max.as_millis()).unwrap_or(u64::MAX);
                format!("its CPU time of {} is up", words::duration(cpu_ms))
            }
        }
    }
}

/// A number as `--max-work` takes it.
fn count_text(count: u64) -> String {
    match count {
        count if count % 1_000_000 == 0 => format!("{}M", count / 1_000_000),
        count if count % 1_000 == 0 => format!("{}K", count / 1_000),
        count => count.to_string(),
    }
}

/// Where a search stands.
pub(crate) fn step_text(step: &Step<'_>) -> String {
    let of = |plan| Size::of(systems(), plan);
    let Step { performed, pass, .. } = step;
    let (at, smallest) = (of(step.at), of(step.plan));
    match at == smallest {
        true => format!("{performed} runs, without {pass}: {at}"),
        false => format!("{performed} runs, without {pass}: {at}; smallest so far: {smallest}"),
    }
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
    let bounds = Bounds::asked(args.max_time, args.max_work);
    let ended = bounds.within(jobs, args.seeds, stop, |options| {
        make_smaller(systems(), &plan, options, &mut |step: &Step<'_>| {
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
    let how = bounds.ended(shrunk.ended, stop);
    tell(
        args,
        before,
        &shrunk,
        &smallest,
        &format!("{}, {how}", words::duration(watch.elapsed_ms())),
    );
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

fn tell(args: &ShrinkArgs, before: Size, shrunk: &Shrunk, smallest: &Path, how: &str) {
    let output = Output::new(args.format);
    let after = Size::of(systems(), &shrunk.plan);
    output.json(&Report {
        before,
        after,
        performed: shrunk.performed,
        work: shrunk.work,
        complete: shrunk.ended == Ended::Complete,
        ended: shrunk.ended,
        fingerprint: shrunk.plan.found.as_ref().and_then(|found| found.fingerprint.clone()),
        plan: smallest.display().to_string(),
    });
    let outcome = systems().perform(&shrunk.plan, &Default::default());
    if let Some(mut message) = message(&outcome, shrunk.plan.plant.as_ref()) {
        message.commands.replay = Some(program::replay(smallest));
        output.text(&format!("{}\n", failure_text(&message)));
    }
    output.text(&format!(
        "{}\n{} runs in {how}: {}\n",
        before.to(after),
        shrunk.performed,
        smallest.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_says_what_ended_it() {
        let (running, stopped) = (AtomicBool::new(false), AtomicBool::new(true));
        let minute = Bounds::asked(Some(Duration::from_secs(60)), Some(2_500_000));
        assert_eq!(minute.ended(Ended::Told, &running), "its CPU time of 1 m 00 s is up");
        assert_eq!(minute.ended(Ended::Told, &stopped), "stopped");
        assert_eq!(minute.ended(Ended::Work, &running), "its 2500K events of work are done");
        assert_eq!(minute.ended(Ended::Complete, &running), "nothing more can be left out");
    }

    #[test]
    fn cpu_time_is_what_this_program_takes() {
        let bounds = Bounds::asked(Some(Duration::from_millis(20)), None);
        let turns = bounds.within(1, 1, &AtomicBool::new(false), |options| {
            (0_u64..).find(|_| (options.is_over)()).expect("it takes CPU time to ask")
        });
        assert!(turns > 0);
        assert_eq!(Bounds::or_default(None, None).work_max, WORK_DEFAULT);
        assert_eq!(Bounds::or_default(Some(CPU_DEFAULT), None).work_max, u64::MAX);
    }

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
