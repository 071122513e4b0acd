//! `squall selftest`: does the harness find the bugs that are planted for it?

mod report;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use evidence::words;
use harness::Plan;
use harness::campaign::cores;
use harness::plant::PlantedBug;
use harness::selftest::{Detection, Doubt, Find, detect, show_again, shrink_find, some_of};
use harness::shrink::{Ended, SMALL_FAULTS_MAX, SMALL_OPERATIONS_MAX, Size};
use reports::{FolderError, OutputFolder, folder_name, write_atomically};

use crate::args::Format;
use crate::clock::{Stopwatch, unix_seconds};
use crate::exit::Exit;
use crate::keep::plan_text;
use crate::names;
use crate::output::{Output, complain, say};
use crate::plans::read_plan;
use crate::progress::Progress;
use crate::seed::{SeedArgument, parse_count, parse_duration, parse_seed};
use crate::shrink::{Bounds, SEEDS_DEFAULT, step_text};
use crate::systems::systems;
use report::{Line, Report, Smaller, heading};

/// What `squall help selftest` adds.
pub(crate) const EXAMPLES: &str = "\
Examples:
  squall selftest                          every planted bug, each within its budget of seeds
  squall selftest --plant PLANT --seed 7   one of them, with other seeds
  squall selftest --shrink                 and each find made small
  squall selftest --stored --fresh 3       the stored finds, and three bugs searched for afresh
  squall selftest --shrink --store scenarios/SYSTEM/finds
                                           the stored finds of this build, made anew
  squall list plants                       what there is

A bug counts as found when a property fails that its entry names, the bug took effect before that,
the plan ends with the same trace a second time, and the same plan passes without the bug; a find
that was made smaller or stored must hold up in the same way. The plans of the finds are kept:
OUT/<UTC time>-selftest/finds/<plant>.json, with --shrink also <plant>.min.json. Exit code 3 if one
is missed, 2 if one stays larger than 12 operations and 4 faults.";

/// Arguments of `selftest`.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// A planted bug; may be given again. All, unless given.
    #[arg(long = "plant", value_name = "ID")]
    plants: Vec<String>,
    /// Decides every plan: a number, a commit's 40 hexadecimal digits, or `auto` for the commit
    /// checked out here.
    #[arg(long, value_name = "SEED", value_parser = parse_seed, default_value = "1")]
    seed: SeedArgument,
    /// Runs at a time. One for each core, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Show the stored finds again: those of this build, or those in a folder.
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    stored: Option<Option<PathBuf>>,
    /// Search afresh for so many bugs only, chosen by the seed. All, unless given; none beside
    /// --stored.
    #[arg(long, value_name = "N")]
    fresh: Option<usize>,
    /// Make every find smaller.
    #[arg(long)]
    shrink: bool,
    /// With how much CPU time of all jobs together at most for each find, as 500ms, 60s, 10m or 1h. 5m
    /// and --shrink-work 60M, unless one of them is given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "shrink")]
    shrink_time: Option<Duration>,
    /// In so many simulated events at most for each find, as 500K, 40M or 2G: the same on every machine.
    #[arg(long, value_name = "EVENTS", value_parser = parse_count, requires = "shrink")]
    shrink_work: Option<u64>,
    /// Put the plans of finds that are proven and made smaller into this folder, in the place of
    /// older ones.
    #[arg(long, value_name = "DIR", requires = "shrink")]
    store: Option<PathBuf>,
    /// Where the results have their folder.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What is to be done.
struct Work {
    /// Bugs whose stored plans are shown again; none for a bug that has none.
    stored: Vec<(&'static PlantedBug, Option<Plan>)>,
    /// Bugs to search for.
    fresh: Vec<&'static PlantedBug>,
    seed: u64,
    jobs: usize,
}

/// Searches for planted bugs or shows stored finds again, and proves the finds.
pub(crate) fn selftest(args: &SelftestArgs, stop: &AtomicBool) -> Exit {
    let prepared = Work::new(args).and_then(|work| {
        let name = folder_name(unix_seconds(), "selftest");
        let folder = OutputFolder::create(&args.out, &name).map_err(|error| error.to_string())?;
        Ok((work, folder))
    });
    match prepared {
        Ok((work, folder)) => {
            let test = Test { args, folder, output: Output::new(args.format), stop };
            test.run(&work).unwrap_or_else(|error| {
                complain(&error.to_string());
                Exit::Internal
            })
        }
        Err(message) => {
            complain(&message);
            Exit::Usage
        }
    }
}

impl Work {
    fn new(args: &SelftestArgs) -> Result<Work, String> {
        let seed = args.seed.resolve()?;
        let bugs = bugs(&args.plants)?;
        let stored = match &args.stored {
            None => Vec::new(),
            Some(folder) => stored(&bugs, folder.as_deref())?,
        };
        let fresh = match (args.fresh, &args.stored) {
            (Some(count), _) => some_of(&bugs, count, seed),
            (None, Some(_)) => Vec::new(),
            (None, None) => bugs,
        };
        if stored.is_empty() && fresh.is_empty() {
            return Err("--fresh 0 without --stored leaves nothing to do".to_owned());
        }
        Ok(Work { stored, fresh, seed, jobs: args.jobs.map_or_else(cores, usize::from) })
    }
}

fn bugs(names: &[String]) -> Result<Vec<&'static PlantedBug>, String> {
    for name in names {
        names::bug(Some(name))?;
    }
    let wanted = |bug: &&PlantedBug| names.is_empty() || names.iter().any(|n| n == bug.name);
    Ok(systems().planted_bugs().into_iter().filter(wanted).collect())
}

/// The stored find of each bug, in this build or in a folder.
fn stored(
    bugs: &[&'static PlantedBug],
    folder: Option<&Path>,
) -> Result<Vec<(&'static PlantedBug, Option<Plan>)>, String> {
    let Some(folder) = folder else {
        let all = systems().finds();
        let of = |bug: &PlantedBug| {
            let mut of_bug = all.iter().filter(|f| f.plan.plant.as_deref() == Some(bug.name));
            of_bug.next().map(|find| find.plan.clone())
        };
        return Ok(bugs.iter().map(|bug| (*bug, of(bug))).collect());
    };
    if !folder.is_dir() {
        return Err(format!("--stored {}: there is no such folder", folder.display()));
    }
    let of = |bug: &&'static PlantedBug| {
        let file = folder.join(format!("{}.json", bug.name));
        if !file.exists() {
            return Ok((*bug, None));
        }
        let plan = read_plan(&file)?;
        if plan.plant.as_deref() != Some(bug.name) {
            let planted = plan.plant.as_deref().unwrap_or("nothing");
            return Err(format!("{}: plant: {planted}, expected {}", file.display(), bug.name));
        }
        Ok((*bug, Some(plan)))
    };
    bugs.iter().map(of).collect()
}

/// A test under way.
struct Test<'a> {
    args: &'a SelftestArgs,
    folder: OutputFolder,
    output: Output,
    stop: &'a AtomicBool,
}

impl Test<'_> {
    fn run(&self, work: &Work) -> Result<Exit, FolderError> {
        let watch = Stopwatch::start();
        let started = words::utc(unix_seconds());
        let (stored, fresh) = (work.stored.len(), work.fresh.len());
        let (seed, jobs) = (work.seed, work.jobs);
        say(&format!(
            "{stored} stored finds, {} to search for, seed {seed}, {jobs} at a time",
            words::count(fresh as u64, "planted bug"),
        ));
        say(&format!("folder {}", self.folder.path().display()));
        self.output.text(&heading());
        let mut lines = Vec::new();
        for (bug, plan) in &work.stored {
            if self.is_over() {
                break;
            }
            let detection = match plan {
                Some(plan) => show_again(systems(), bug, plan),
                None => Detection::missed(Doubt::NotStored),
            };
            lines.push(self.tell(Line::new(bug, detection, true)));
        }
        for bug in &work.fresh {
            if self.is_over() {
                break;
            }
            let line = self.search(bug, work)?;
            lines.push(self.tell(line));
        }
        let count = |is: fn(&Line) -> bool| lines.iter().filter(|line| is(line)).count();
        let report = Report {
            schema_version: 1,
            build: systems().build().to_owned(),
            seed,
            started,
            wall_ms: watch.elapsed_ms(),
            planted: stored + fresh,
            proven: count(|line| line.proven),
            small: self.args.shrink.then(|| count(Line::is_small)),
            plants: lines,
        };
        self.end(&report)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.output.is_closed()
    }

    fn tell(&self, line: Line) -> Line {
        self.output.json(&line);
        self.output.text(&line.row());
        line
    }

    /// Searches for one bug, keeps the find, and makes it smaller if it is to be.
    fn search(&self, bug: &'static PlantedBug, work: &Work) -> Result<Line, FolderError> {
        let detection = detect(systems(), bug, work.seed, work.jobs, self.stop);
        let find = detection.find.clone();
        let mut line = Line::new(bug, detection, false);
        let Some(find) = find else { return Ok(line) };
        let file = format!("finds/{}.json", bug.name);
        self.folder.write(&file, plan_text(&find.plan).as_bytes())?;
        line.plan = Some(file);
        if self.args.shrink && line.proven {
            self.make_smaller(bug, &find, work.jobs, &mut line)?;
        }
        Ok(line)
    }

    fn make_smaller(
        &self,
        bug: &'static PlantedBug,
        find: &Find,
        jobs: usize,
        line: &mut Line,
    ) -> Result<(), FolderError> {
        let watch = Stopwatch::start();
        let bounds = Bounds::or_default(self.args.shrink_time, self.args.shrink_work);
        let mut progress = Progress::new();
        let shrunk = bounds.within(jobs, SEEDS_DEFAULT, self.stop, |options| {
            shrink_find(systems(), find, options, &mut |step| {
                progress.show(|| format!("{}: {}", bug.name, step_text(step)));
            })
        });
        progress.end();
        let shrunk = match shrunk {
            Ok(shrunk) => shrunk,
            Err(error) => {
                line.doubt(format!("cannot be made smaller: {error}"));
                return Ok(());
            }
        };
        let file = format!("finds/{}.min.json", bug.name);
        let text = plan_text(&shrunk.plan);
        self.folder.write(&file, text.as_bytes())?;
        line.shrunk = Some(Smaller {
            after: Size::of(systems(), &shrunk.plan),
            performed: shrunk.performed,
            wall_ms: watch.elapsed_ms(),
            work: shrunk.work,
            complete: shrunk.ended == Ended::Complete,
            ended: shrunk.ended,
            plan: file,
        });
        let again = show_again(systems(), bug, &shrunk.plan);
        for doubt in &again.doubts {
            line.doubt(format!("made smaller: {doubt}"));
        }
        match &self.args.store {
            Some(folder) if again.is_proven() => {
                write_atomically(&folder.join(format!("{}.json", bug.name)), text.as_bytes())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn end(&self, report: &Report) -> Result<Exit, FolderError> {
        let json = serde_json::to_string_pretty(report).expect("a report is plain data") + "\n";
        let path = self.folder.write("selftest.json", json.as_bytes())?;
        let wall = words::duration(report.wall_ms);
        let Report { planted, proven, .. } = report;
        let small = report.small.map_or(String::new(), |small| {
            format!(
                "; {small} with at most {SMALL_OPERATIONS_MAX} operations and {SMALL_FAULTS_MAX} \
                 faults"
            )
        });
        self.output.text(&format!(
            "\n{proven} of {planted} planted bugs found and proven in {wall}{small}\n"
        ));
        say(&format!("report {}", path.display()));
        let is_small = report.small.is_none_or(|small| small == *planted);
        Ok(match (proven == planted, self.stop.load(Ordering::Relaxed)) {
            (_, true) if report.plants.len() < *planted => Exit::Interrupted,
            (false, true) => Exit::Interrupted,
            (false, false) => Exit::Untrusted,
            (true, _) if !is_small => Exit::Undecided,
            (true, _) => Exit::Passed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bugs_are_chosen_by_name() {
        let all = systems().planted_bugs().len();
        assert_eq!(bugs(&[]).unwrap().len(), all);
        assert_eq!(bugs(&["ack-before-fsync".to_owned()]).unwrap().len(), 1);
        assert!(bugs(&["none".to_owned()]).unwrap_err().contains("`none`"));
    }

    #[test]
    fn a_folder_of_finds_may_lack_some_and_must_not_mix_them_up() {
        let folder = tempfile::tempdir().unwrap();
        let all = bugs(&[]).unwrap();
        let plans = |folder: &Path| stored(&all, Some(folder));
        assert!(plans(folder.path()).unwrap().iter().all(|(_, plan)| plan.is_none()));
        let mut plan = harness::canary::plan(systems(), systems().0[0]).unwrap();
        let file = folder.path().join("ack-before-fsync.json");
        std::fs::write(&file, plan_text(&plan)).unwrap();
        let found = plans(folder.path()).unwrap();
        assert_eq!(found.iter().filter(|(_, plan)| plan.is_some()).count(), 1);
        plan.plant = Some("ZK-4646".to_owned());
        std::fs::write(&file, plan_text(&plan)).unwrap();
        let mixed = plans(folder.path()).unwrap_err();
        assert!(mixed.ends_with("plant: ZK-4646, expected ack-before-fsync"), "{mixed}");
        let nowhere = plans(&folder.path().join("nowhere")).unwrap_err();
        assert!(nowhere.contains("there is no such folder"), "{nowhere}");
    }
}
