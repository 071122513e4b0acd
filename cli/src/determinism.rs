//! `squall determinism`: is a run a function of its plan?

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use evidence::words;
use harness::Plan;
use harness::campaign::Campaign;
use harness::determinism::{Difference, difference, part, perform, perform_beside};
use reports::{OutputFolder, folder_name};
use serde::Serialize;

use crate::args::Format;
use crate::clock::{Stopwatch, unix_seconds};
use crate::engine::EngineArgs;
use crate::exit::Exit;
use crate::keep::{plan_name, plan_text};
use crate::names;
use crate::output::{Output, complain, say};
use crate::place;
use crate::plans::read_plan;
use crate::seed::{SeedArgument, parse_seed};
use crate::systems::systems;

/// What `squall help determinism` adds.
pub(crate) const EXAMPLES: &str = "\
Examples:
  squall determinism                         20 plans of all scenarios
  squall determinism --scenario ANOTHER --seeds 100
  squall determinism --plant wall-clock      must fail, as must thread

Each plan is performed twice in this process, once in another process, and once beside other runs
on other threads; all must end with the same rolling hash over everything that happened. Where two
differ, the first event that does is shown with what came before it, the plan and both traces are
kept, and the exit code is 3.";

/// Where to look when two runs of a plan differ.
pub(crate) const CAUSES: &str = "  \
  look for an order or a choice that no seed decides: a HashMap that is iterated, tokio::select! without
  biased, several who wait for one tokio::sync::watch, Instant::now, rand, a thread, a global
";

/// Arguments of `determinism`.
#[derive(Debug, Args)]
pub(crate) struct DeterminismArgs {
    /// A scenario; may be given again. All, unless given.
    #[arg(long = "scenario", value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// How many plans.
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Decides every plan: a number, a commit's 40 hexadecimal digits, or `auto` for the commit
    /// checked out here.
    #[arg(long, value_name = "SEED", value_parser = parse_seed, default_value = "1")]
    seed: SeedArgument,
    #[command(flatten)]
    engine: EngineArgs,
    /// Plant this bug into the servers: `hash-order`, `wall-clock` and `thread` must be noticed.
    #[arg(long, value_name = "ID")]
    plant: Option<String>,
    /// Where evidence has its folder, if two runs differ.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Performs one stored plan and prints its hash, or writes its events: what the other process
    /// does.
    #[arg(long, value_name = "PLAN", hide = true)]
    perform: Option<PathBuf>,
    /// Where the other process writes its events.
    #[arg(long, value_name = "FILE", hide = true, requires = "perform")]
    events: Option<PathBuf>,
}

/// In what company a second run was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Company {
    /// In this process, after the first.
    Again,
    /// In another process.
    OtherProcess,
    /// Beside other runs on other threads.
    BesideOthers,
}

/// What was seen of a plan.
#[derive(Debug, Serialize)]
struct Line {
    scenario: String,
    seed: u64,
    trace_hash: String,
    deterministic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<Company>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

/// Performs plans several times and compares.
pub(crate) fn determinism(args: &DeterminismArgs, stop: &AtomicBool) -> Exit {
    let exit = match &args.perform {
        Some(plan) => perform_for_another(plan, args.events.as_deref()),
        None => compare_all(args, stop),
    };
    exit.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

/// The other process.
fn perform_for_another(file: &Path, events: Option<&Path>) -> Result<Exit, String> {
    let plan = read_plan(file)?;
    events.map_or(Ok(()), place::try_place)?;
    let (hash, trace) = perform(systems(), &plan, events.is_some());
    if let Some(file) = events {
        let text: String = trace.iter().map(|event| format!("{}\n", text_of(event))).collect();
        place::write(file, text.as_bytes())?;
    }
    // Whoever started this process sees it end without a hash if it cannot be written.
    let _ = writeln!(std::io::stdout(), "{hash:016x}");
    Ok(Exit::Passed)
}

fn text_of(event: &impl ToString) -> String {
    event.to_string().trim().to_owned()
}

fn compare_all(args: &DeterminismArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let campaign = Campaign {
        scenarios: names::scenarios(&args.scenarios)?,
        seed: args.seed.resolve()?,
        engine: args.engine.kind(),
        plant: names::plant(args.plant.as_ref())?,
        ..Campaign::of(systems())
    };
    let output = Output::new(args.format);
    let watch = Stopwatch::start();
    let scratch = Scratch::new()?;
    let mut folder: Option<OutputFolder> = None;
    let (mut compared, mut differing) = (0u64, 0u64);
    for n in 0..args.seeds {
        if stop.load(Ordering::Relaxed) || output.is_closed() {
            break;
        }
        let plan = campaign.plan(n);
        let others = [campaign.plan(n + 1), campaign.plan(n + 2)];
        let line = compare(&plan, &others, &scratch)?;
        compared += 1;
        output.json(&line);
        if !line.deterministic {
            differing += 1;
            let folder = match &mut folder {
                Some(folder) => folder,
                none => {
                    let name = folder_name(unix_seconds(), "determinism");
                    let created = OutputFolder::create(&args.out, &name);
                    none.insert(created.map_err(|error| error.to_string())?)
                }
            };
            output.text(&shown(&line));
            keep(folder, &plan, &line).map_err(|error| error.to_string())?;
        }
    }
    let wall = words::duration(watch.elapsed_ms());
    output.text(&format!(
        "{}, each performed four times in {wall}: {differing} not deterministic\n",
        words::count(compared, "plan")
    ));
    if let Some(folder) = folder {
        say(&format!("evidence is in {}", folder.path().display()));
    }
    let interrupted = if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Passed };
    let found = if differing > 0 { Exit::Untrusted } else { Exit::Passed };
    Ok(found.and(interrupted))
}

fn keep(folder: &OutputFolder, plan: &Plan, line: &Line) -> Result<(), reports::FolderError> {
    let name = plan_name(&plan.scenario, plan.seed);
    folder.write(&name, plan_text(plan).as_bytes())?;
    let difference = name.replace(".json", ".difference.json");
    folder.write(&difference, plan_text(line).as_bytes()).map(drop)
}

fn compare(plan: &Plan, others: &[Plan], scratch: &Scratch) -> Result<Line, String> {
    let (first, _) = perform(systems(), plan, false);
    let found = [
        (Company::Again, perform(systems(), plan, false).0),
        (Company::OtherProcess, scratch.perform(plan, None)?),
        (Company::BesideOthers, perform_beside(systems(), plan, others)),
    ];
    let other = found.into_iter().find(|(_, hash)| *hash != first);
    let difference = match other {
        None => None,
        Some((company, _)) => part_in(company, plan, scratch)?,
    };
    Ok(Line {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        trace_hash: format!("{first:016x}"),
        deterministic: other.is_none(),
        differs: other.map(|(company, _)| company),
        other_hash: other.map(|(_, hash)| format!("{hash:016x}")),
        difference,
    })
}

/// Performs both runs again, with their events.
fn part_in(company: Company, plan: &Plan, scratch: &Scratch) -> Result<Option<Difference>, String> {
    if company != Company::OtherProcess {
        return Ok(part(systems(), plan));
    }
    let (_, one) = perform(systems(), plan, true);
    let file = scratch.folder.path().join("events.txt");
    scratch.perform(plan, Some(&file))?;
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let one: Vec<String> = one.iter().map(text_of).collect();
    Ok(difference(&one, &text.lines().map(str::to_owned).collect::<Vec<String>>()))
}

fn shown(line: &Line) -> String {
    let Line { scenario, seed, trace_hash, .. } = line;
    let other = line.other_hash.as_deref().unwrap_or_default();
    let company = match line.differs {
        Some(Company::Again) => "when it is performed again",
        Some(Company::OtherProcess) => "in another process",
        Some(Company::BesideOthers) => "beside other runs",
        None => return String::new(),
    };
    let text = format!("DIFFERS {scenario}   seed {seed}: {trace_hash}, and {other} {company}\n");
    let Some(difference) = &line.difference else {
        return text + "  the next two runs were equal: it differs only sometimes\n" + CAUSES;
    };
    text + &difference.to_string() + CAUSES
}

/// A folder for what the other process reads and writes; gone in the end.
struct Scratch {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot start another squall: {error}"))?;
        if !program.is_file() {
            return Err(format!(
                "cannot start another squall: {} is there no more, it was built anew meanwhile",
                program.display()
            ));
        }
        Ok(Scratch { folder, program })
    }

    /// The hash of a plan in another process.
    fn perform(&self, plan: &Plan, events: Option<&Path>) -> Result<u64, String> {
        let file = self.folder.path().join("plan.json");
        fs::write(&file, plan_text(plan))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let mut command = Command::new(&self.program);
        command.args(["determinism", "--perform"]).arg(&file);
        if let Some(events) = events {
            command.arg("--events").arg(events);
        }
        let failed = |why: String| format!("the other process failed: {why}");
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        u64::from_str_radix(text.trim(), 16)
            .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
