//! `squall corpus`: the plans that every campaign runs first.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand};
use evidence::words;
use harness::Plan;
use harness::campaign::cores;
use harness::judge::Verdict;
use harness::shrink::{ShrinkError, Size, shrink};
use harness::stored::StoredPlan;
use reports::write_atomically;
use serde::Serialize;

use crate::args::Format;
use crate::clock::Stopwatch;
use crate::exit::Exit;
use crate::keep::plan_text;
use crate::output::{Output, complain, say};
use crate::plans::{plan_file, read_plan};
use crate::progress::Progress;
use crate::seed::{parse_count, parse_duration};
use crate::shrink::{Bounds, SEEDS_DEFAULT, step_text};
use crate::systems::systems;

/// What `squall help corpus` adds.
pub(crate) const EXAMPLES: &str = "\
Examples:
  squall corpus list                                   what this build carries
  squall corpus add out/latest-failure --name SYSTEM/lost-write --note 'lost a write in May'
                                                       into scenarios/SYSTEM/corpus, or corpus, of the checkout here
  squall corpus verify scenarios/SYSTEM/corpus         every plan passes, twice with the same trace
  squall corpus min scenarios/SYSTEM/corpus/SYSTEM/lost-write.json
                                                       a plan that fails, made smaller in its place

A plan belongs there when a bug that it showed is mended, or when it reaches what seeds seldom do;
a build carries the corpus of its sources. verify exits with 1 if a plan fails, and with 3 if one
ends in two ways.";

/// Arguments of `corpus`.
#[derive(Debug, Args)]
pub(crate) struct CorpusArgs {
    #[command(subcommand)]
    verb: CorpusVerb,
}

#[derive(Debug, Subcommand)]
enum CorpusVerb {
    /// Store a plan.
    Add(AddArgs),
    /// Say what there is.
    List(ListArgs),
    /// See that every plan passes, and ends the same twice.
    Verify(VerifyArgs),
    /// Make a plan that fails smaller, in its place.
    Min(MinArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// A plan, or a folder with a plan.min.json or a plan.json.
    #[arg(value_name = "PLAN|DIR")]
    target: PathBuf,
    /// Its name within the corpus, as system/lost-write. Scenario and seed, unless given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Why it is kept.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The corpus. That of its system in the checkout here, scenarios/*/corpus or corpus, unless given.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The corpus. What this build carries, unless given.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// A folder of plans. What this build carries, unless given.
    #[arg(value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Args)]
struct MinArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// End after this CPU time of all jobs together, as 500ms, 60s, 10m or 1h, with the smallest plan so
    /// far. No end, unless given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_time: Option<Duration>,
    /// End after so many simulated events in all runs together, as 500K, 40M or 2G: the same on every
    /// machine. No end, unless given.
    #[arg(long, value_name = "EVENTS", value_parser = parse_count)]
    max_work: Option<u64>,
    /// Runs at a time. One for each core, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A plan of a corpus.
struct Entry {
    name: String,
    plan: Plan,
}

/// Does what is asked of a corpus.
pub(crate) fn corpus(args: &CorpusArgs, stop: &AtomicBool) -> Exit {
    let exit = match &args.verb {
        CorpusVerb::Add(args) => add(args),
        CorpusVerb::List(args) => list(args),
        CorpusVerb::Verify(args) => verify(args, stop),
        CorpusVerb::Min(args) => minimise(args, stop),
    };
    exit.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

fn add(args: &AddArgs) -> Result<Exit, String> {
    let smaller = args.target.join("plan.min.json");
    let file = if smaller.is_file() { smaller } else { plan_file(&args.target) };
    let plan = read_plan(&file)?;
    if let Some(plant) = &plan.plant {
        return Err(format!(
            "{}: plant: {plant}, but the plans of a corpus must pass; squall selftest --store keeps \
             those of planted bugs",
            file.display()
        ));
    }
    // The end of another plan says nothing of this one.
    let found = plan.found.clone().filter(|_| !plan.is_changed());
    let plan = Plan { note: args.note.clone().or_else(|| plan.note.clone()), found, ..plan };
    let folder = match &args.corpus {
        Some(folder) => folder.clone(),
        None => corpus_here(&plan.system)?,
    };
    let name = file_name(args.name.as_deref(), &plan)?;
    if let Some(same) = entries(Some(&folder))?.into_iter().find(|e| is_same(&e.plan, &plan)) {
        return Err(format!("{} is in the corpus already, as {}", file.display(), same.name));
    }
    let place = folder.join(&name);
    create(&place, &plan_text(&plan))?;
    let output = Output::new(args.format);
    output.json(&Line::new(&name, &plan));
    output.text(&format!(
        "{}: {}\ncampaigns perform it once a build carries it: System::corpus of {} has what is carried\n",
        place.display(),
        Size::of(systems(), &plan),
        plan.system
    ));
    Ok(Exit::Passed)
}

/// The corpus of the checkout that the working folder is in: that of the system, or the one there is.
fn corpus_here(system: &str) -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| format!("no working folder: {error}"))?;
    let own =
        |folder: &Path| [folder.join(format!("scenarios/{system}/corpus")), folder.join("corpus")];
    here.ancestors().flat_map(own).find(|corpus| corpus.is_dir()).ok_or_else(|| {
        let here = here.display();
        format!(
            "there is no scenarios/{system}/corpus and no corpus in {here} or above; make one, or name \
             one by --corpus"
        )
    })
}

/// `system/lost-write.json`; names without a folder get the scenario's.
fn file_name(name: Option<&str>, plan: &Plan) -> Result<String, String> {
    let (system, scenario) = plan.scenario.split_once('/').unwrap_or(("", &plan.scenario));
    let name = match name {
        Some(name) => name.strip_suffix(".json").unwrap_or(name).to_owned(),
        None => format!("{scenario}-{}", plan.seed),
    };
    let name = if name.contains('/') { name } else { format!("{system}/{name}") };
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if !name.split('/').all(is_plain) {
        return Err(format!("--name {name}: expected letters, digits, - and _, with / between"));
    }
    Ok(name + ".json")
}

/// Whether two plans ask for the same, whatever is said of them.
fn is_same(one: &Plan, other: &Plan) -> bool {
    let bare = |plan: &Plan| Plan { found: None, note: None, ..plan.clone() };
    bare(one) == bare(other)
}

/// Writes a file that is not there yet.
fn create(place: &Path, text: &str) -> Result<(), String> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} exists already; choose another --name", place.display())
        }
        _ => format!("cannot write {}: {error}", place.display()),
    };
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut file = fs::File::create_new(place).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)
}

/// The plans of a folder and of those within it, or of this build, in the order of names.
fn entries(folder: Option<&Path>) -> Result<Vec<Entry>, String> {
    each_file(folder)?.into_iter().collect()
}

/// The same, with what is wrong with each file that is no plan.
fn each_file(folder: Option<&Path>) -> Result<Vec<Result<Entry, String>>, String> {
    let Some(folder) = folder else {
        let entry = |entry: StoredPlan| Ok(Entry { name: entry.name.to_owned(), plan: entry.plan });
        return Ok(systems().corpus().into_iter().map(entry).collect());
    };
    let mut files = Vec::new();
    json_files(folder, &mut files)?;
    files.sort();
    let entry = |file: PathBuf| {
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        Ok(Entry { name, plan: read_plan(&file)? })
    };
    Ok(files.into_iter().map(entry).collect())
}

fn json_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            json_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// What is said of a plan.
#[derive(Serialize)]
struct Line {
    name: String,
    scenario: String,
    #[serde(flatten)]
    size: Size,
    engine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Line {
    fn new(name: &str, plan: &Plan) -> Line {
        let found = plan.found.as_ref().filter(|_| !plan.is_changed());
        Line {
            name: name.to_owned(),
            scenario: plan.scenario.clone(),
            size: Size::of(systems(), plan),
            engine: plan.engine.name(),
            build: found.map(|found| found.build.clone()),
            fingerprint: found.and_then(|found| found.fingerprint.clone()),
            note: plan.note.clone(),
        }
    }

    /// Where it comes from, in words.
    fn origin(&self) -> String {
        let found = match (&self.build, &self.fingerprint) {
            (Some(build), Some(fingerprint)) => format!("failed at {build} with {fingerprint}"),
            (Some(build), None) => format!("passed at {build}"),
            (None, _) => "how it ends is not stored".to_owned(),
        };
        match &self.note {
            Some(note) => format!("{note} ({found})"),
            None => found,
        }
    }
}

fn list(args: &ListArgs) -> Result<Exit, String> {
    let output = Output::new(args.format);
    let entries = entries(args.corpus.as_deref())?;
    let lines: Vec<Line> =
        entries.iter().map(|entry| Line::new(&entry.name, &entry.plan)).collect();
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    for line in &lines {
        let Line { name, scenario, size, engine, .. } = line;
        output.json(line);
        output.text(&format!(
            "{name:<width$}  {scenario:<16}  {size}, {engine}\n{:<width$}  {}\n",
            "",
            line.origin()
        ));
    }
    output.text(&format!("{}\n", words::count(lines.len() as u64, "plan")));
    Ok(Exit::Passed)
}

/// How a plan of a corpus ended.
#[derive(Serialize)]
struct Verified {
    name: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    trace_hash: String,
    /// Of a second run.
    again: String,
    wall_ms: u64,
}

fn verify(args: &VerifyArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let entries = each_file(args.corpus.as_deref())?;
    let output = Output::new(args.format);
    let (mut exit, mut failed, mut verified) = (Exit::Passed, 0, 0);
    for entry in &entries {
        if stop.load(Ordering::Relaxed) || output.is_closed() {
            exit = exit.and(Exit::Interrupted);
            break;
        }
        let Entry { name, plan } = match entry {
            Ok(entry) => entry,
            Err(message) => {
                // The others are verified all the same.
                complain(message);
                exit = exit.and(Exit::Usage);
                continue;
            }
        };
        let (line, ended) = verify_one(name, plan);
        exit = exit.and(ended);
        verified += 1;
        failed += u64::from(ended != Exit::Passed);
        output.json(&line);
        let Verified { verdict, trace_hash, again, .. } = &line;
        let why = line.why.as_ref().map_or(String::new(), |why| format!("\n  {why}"));
        let seconds = words::duration(line.wall_ms);
        output.text(&match trace_hash == again {
            true => format!("{verdict} {name}   trace {trace_hash}   {seconds}{why}\n"),
            false => format!("DIFFERS {name}   trace {trace_hash}, and {again} again{why}\n"),
        });
    }
    if entries.is_empty() {
        exit = exit.and(Exit::NothingRan);
    }
    let plans = words::count(verified, "plan");
    output.text(&format!("{plans}, each performed twice: {failed} not as expected\n"));
    Ok(exit)
}

fn verify_one(name: &str, plan: &Plan) -> (Verified, Exit) {
    let watch = Stopwatch::start();
    let outcome = systems().perform(plan, &Default::default());
    let again = systems().perform(plan, &Default::default()).trace_hash;
    let (verdict, why, exit) = match &outcome.verdict {
        Verdict::Pass => ("PASS", None, Exit::Passed),
        Verdict::Undecided(reason) => ("UNDECIDED", Some(reason.clone()), Exit::Undecided),
        Verdict::Fail(failures) => {
            let first = failures.first().map(|f| format!("{}: {}", f.property, f.headline));
            ("FAIL", first, Exit::Violated)
        }
    };
    let is_same = again == outcome.trace_hash;
    let line = Verified {
        name: name.to_owned(),
        verdict,
        why,
        trace_hash: format!("{:016x}", outcome.trace_hash),
        again: format!("{again:016x}"),
        wall_ms: watch.elapsed_ms(),
    };
    (line, if is_same { exit } else { exit.and(Exit::Untrusted) })
}

fn minimise(args: &MinArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let name = args.plan.display();
    let stored = read_plan(&args.plan)?;
    // How it ended when it was stored is of no interest here: it must fail now, in any way.
    let plan = Plan { found: None, ..stored };
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let mut progress = Progress::new();
    let bounds = Bounds::asked(args.max_time, args.max_work);
    let shrunk = bounds.within(jobs, SEEDS_DEFAULT, stop, |options| {
        shrink(systems(), &plan, options, &mut |step| progress.show(|| step_text(step)))
    });
    progress.end();
    let shrunk = shrunk.map_err(|error| match error {
        ShrinkError::DoesNotFail => format!(
            "{name}: the plan passes, and only what fails can be made smaller: without a failure \
             nothing says what must stay"
        ),
        other => format!("{name}: {other}"),
    })?;
    write_atomically(&args.plan, plan_text(&shrunk.plan).as_bytes())
        .map_err(|error| error.to_string())?;
    let output = Output::new(args.format);
    let (before, after) = (Size::of(systems(), &plan), Size::of(systems(), &shrunk.plan));
    output.json(&Line::new(&name.to_string(), &shrunk.plan));
    output.text(&format!("{}\n", before.to(after)));
    let how = bounds.ended(shrunk.ended, stop);
    say(&format!("{} runs, {how}: {name}", shrunk.performed));
    Ok(if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Passed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_within_the_corpus() {
        let plan = harness::canary::plan(systems(), systems().0[0]).unwrap();
        let named = |name: &str| file_name(Some(name), &plan);
        assert_eq!(named("kill-leader"), Ok("keeper/kill-leader.json".to_owned()));
        assert_eq!(named("keeper/kill-leader.json"), Ok("keeper/kill-leader.json".to_owned()));
        let by_seed = format!("keeper/register-{}.json", plan.seed);
        assert_eq!(file_name(None, &plan), Ok(by_seed));
        for bad in ["../x", "/x", "a//b", "a b", "keeper/", ""] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plans_are_the_same_whatever_is_said_of_them() {
        let plan = harness::canary::plan(systems(), systems().0[0]).unwrap();
        let told = Plan { note: Some("why".to_owned()), found: None, ..plan.clone() };
        assert!(is_same(&plan, &told));
        assert!(!is_same(&plan, &Plan { seed: plan.seed + 1, ..plan.clone() }));
    }
}
