//! `squall selftest`: does the harness find the bugs that are planted for it?

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use reports::{FolderError, OutputFolder, folder_name, words};
use scenarios::campaign::cores;
use scenarios::plant::{PlantedBug, planted_bugs};
use scenarios::selftest::{Detection, Reached, detect};
use serde::Serialize;

use crate::args::Format;
use crate::clock::{Stopwatch, unix_seconds};
use crate::evidence::plan_text;
use crate::exit::Exit;
use crate::names;
use crate::output::{Output, complain, say};
use crate::seed::{SeedArgument, parse_seed};

/// What `squall help selftest` adds.
pub(crate) const EXAMPLES: &str = "\
Examples:
  squall selftest                          every planted bug, each within its budget of seeds
  squall selftest --plant ZK-4646 --seed 7 one of them, with other seeds
  squall list plants                       what there is

A bug counts as found when a property fails that its entry names, the bug took effect before that,
the plan ends with the same trace a second time, and the same plan passes without the bug. The
plans of the finds are kept: OUT/<UTC time>-selftest/finds/<plant>.json. Exit code 3 if one is
missed.";

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
    /// Where the results have their folder.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// `selftest.json`.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    build: String,
    seed: u64,
    started: String,
    wall_ms: u64,
    planted: usize,
    proven: usize,
    plants: Vec<Line>,
}

/// One planted bug in the report.
#[derive(Debug, Serialize)]
struct Line {
    plant: &'static str,
    source: &'static str,
    what: &'static str,
    scenario: &'static str,
    expected: &'static [&'static str],
    budget_seeds: u64,
    proven: bool,
    /// The first seed that showed it, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<u64>,
    /// Time of one core until then, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<Reached>,
    also_failed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence_seeds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    doubts: Vec<String>,
}

/// Searches for every planted bug, and proves the finds.
pub(crate) fn selftest(args: &SelftestArgs, stop: &AtomicBool) -> Exit {
    let prepared = bugs(&args.plants).and_then(|bugs| {
        let seed = args.seed.resolve()?;
        let name = folder_name(unix_seconds(), "selftest");
        let folder = OutputFolder::create(&args.out, &name).map_err(|error| error.to_string())?;
        Ok((bugs, seed, folder))
    });
    match prepared {
        Ok((bugs, seed, folder)) => {
            search(args, &bugs, seed, &folder, stop).unwrap_or_else(|error| {
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

fn bugs(names: &[String]) -> Result<Vec<&'static PlantedBug>, String> {
    for name in names {
        names::plant(Some(name))?;
    }
    let wanted = |bug: &&PlantedBug| names.is_empty() || names.iter().any(|n| n == bug.name);
    Ok(planted_bugs().filter(wanted).collect())
}

fn search(
    args: &SelftestArgs,
    bugs: &[&'static PlantedBug],
    seed: u64,
    folder: &OutputFolder,
    stop: &AtomicBool,
) -> Result<Exit, FolderError> {
    let output = Output::new(args.format);
    let watch = Stopwatch::start();
    let started = words::utc(unix_seconds());
    let jobs = args.jobs.map_or_else(cores, usize::from);
    say(&format!("{} planted bugs, seed {seed}, {jobs} at a time", bugs.len()));
    say(&format!("folder {}", folder.path().display()));
    output.text(&heading());
    let mut lines = Vec::new();
    for bug in bugs {
        let detection = detect(bug, seed, jobs, stop);
        let plan = match &detection.find {
            Some(find) => {
                let file = format!("finds/{}.json", bug.name);
                folder.write(&file, plan_text(&find.plan).as_bytes())?;
                Some(file)
            }
            None => None,
        };
        let line = line(bug, detection, plan);
        output.json(&line);
        output.text(&row(&line));
        lines.push(line);
        if stop.load(Ordering::Relaxed) || output.is_closed() {
            break;
        }
    }
    let proven = lines.iter().filter(|line| line.proven).count();
    let report = Report {
        schema_version: 1,
        build: scenarios::build_id().to_owned(),
        seed,
        started,
        wall_ms: watch.elapsed_ms(),
        planted: bugs.len(),
        proven,
        plants: lines,
    };
    let json = serde_json::to_string_pretty(&report).expect("a report is plain data") + "\n";
    let path = folder.write("selftest.json", json.as_bytes())?;
    let wall = words::duration(report.wall_ms);
    output.text(&format!("\n{proven} of {} planted bugs found and proven in {wall}\n", bugs.len()));
    say(&format!("report {}", path.display()));
    Ok(match (proven == bugs.len(), stop.load(Ordering::Relaxed)) {
        (true, _) => Exit::Passed,
        (false, true) => Exit::Interrupted,
        (false, false) => Exit::Untrusted,
    })
}

fn line(bug: &'static PlantedBug, detection: Detection, plan: Option<String>) -> Line {
    let proven = detection.is_proven();
    let doubts = detection.doubts.iter().map(ToString::to_string).collect();
    let find = detection.find;
    let also = find.iter().flat_map(|f| f.failed.iter().filter(|name| **name != f.property));
    Line {
        plant: bug.name,
        source: bug.source,
        what: bug.what,
        scenario: bug.scenario,
        expected: bug.expected,
        budget_seeds: bug.budget_seeds,
        proven,
        also_failed: also.cloned().collect(),
        seeds: find.as_ref().map(|find| find.at),
        run_ms: find.as_ref().map(|find| find.after_ms),
        consequence: bug.consequence,
        consequence_seeds: detection.consequence_at,
        plan,
        doubts,
        property: find.as_ref().map(|find| find.property.clone()),
        headline: find.as_ref().map(|find| find.headline.clone()),
        reached: find.and_then(|find| find.reached),
    }
}

fn heading() -> String {
    format!("{:<22} {:>5} {:>9}  {:<36} {}\n", "PLANT", "SEEDS", "TIME", "PROPERTY", "TOOK EFFECT")
}

fn row(line: &Line) -> String {
    let mut text = match (&line.property, line.seeds, line.run_ms) {
        (Some(property), Some(seeds), Some(run_ms)) => {
            let reached = line.reached.as_ref();
            let site = reached.map_or("never", |reached| reached.site.as_str());
            let site = site.split_once(" at ").map_or(site, |(_, place)| place);
            let time = format!("{}.{:01} s", run_ms / 1_000, run_ms % 1_000 / 100);
            format!("{:<22} {seeds:>5} {time:>9}  {property:<36} {site}\n", line.plant)
        }
        _ => format!("{:<22} {:>5} {:>9}  {:<36}\n", line.plant, "-", "-", "MISSED"),
    };
    for doubt in &line.doubts {
        let _ = writeln!(text, "    {doubt}");
    }
    text
}

#[cfg(test)]
mod tests {
    use scenarios::selftest::Doubt;

    use super::*;

    fn missed() -> Detection {
        Detection {
            runs: 5,
            run_ms: 900,
            find: None,
            consequence_at: None,
            doubts: vec![Doubt::NotFound { budget: 5, expected: "agreement".to_owned() }],
        }
    }

    #[test]
    fn a_missed_bug_is_shown_with_the_reason() {
        let bug = planted_bugs().next().unwrap();
        let line = line(bug, missed(), None);
        assert!(!line.proven);
        let row = row(&line);
        assert!(row.contains("MISSED") && row.contains("within 5 seeds"), "{row}");
    }

    #[test]
    fn bugs_are_chosen_by_name() {
        let all = planted_bugs().count();
        assert_eq!(bugs(&[]).unwrap().len(), all);
        assert_eq!(bugs(&["ack-before-fsync".to_owned()]).unwrap().len(), 1);
        assert!(bugs(&["none".to_owned()]).unwrap_err().contains("`none`"));
    }
}
