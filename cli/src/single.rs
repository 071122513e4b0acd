//! `squall run` and `squall replay`: one run, in detail.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use evidence::{AddsUp, Commands, FailureMessage, words};
use harness::EngineKind;
use harness::Outcome;
use harness::Plan;
use harness::judge::Verdict;
use harness::replay::{Comparison, Replayed, replay as run_again};
use harness::tell::{message, picture, run_line};
use reports::{
    FailureFiles, FolderError, OutputFolder, failure_text, folder_name, write_history,
    write_picture,
};
use serde::Serialize;

use crate::args::{Format, ReplayArgs, RunArgs};
use crate::clock::{Stopwatch, seed_of_the_moment, unix_seconds};
use crate::diagrams::{DrawError, draw};
use crate::engine::{self, EngineName};
use crate::exit::Exit;
use crate::keep::{keep_failure, plan_text};
use crate::names;
use crate::output::{Output, complain, say};
use crate::plans::{plan_file, read_bytes};
use crate::program;
use crate::seed::{SeedArgument, parse_seed};
use crate::systems::systems;
use crate::watch;

/// Runs one seed of one scenario.
pub(crate) fn run(args: &RunArgs, stop: &AtomicBool) -> Exit {
    let source = args.seed.map_or_else(|| Ok(seed_of_the_moment()), SeedArgument::resolve);
    let source = source.and_then(|seed| {
        Source::of_seed(&args.scenario, seed, args.engine.kind(), args.plant.as_ref())
    });
    let out = Some(args.out.as_path());
    or_usage(source.and_then(|source| one(&source, out, args.format, stop)))
}

/// Runs a stored plan again.
pub(crate) fn replay(args: &ReplayArgs, stop: &AtomicBool) -> Exit {
    let engine = args.engine.map(EngineName::kind);
    let source = Source::stored(&args.target, args.scenario.as_deref(), engine);
    or_usage(source.and_then(|source| one(&source, args.out.as_deref(), args.format, stop)))
}

fn or_usage(exit: Result<Exit, String>) -> Exit {
    exit.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

/// Where a plan comes from.
struct Source {
    /// The plan.
    bytes: Vec<u8>,
    /// What it is called in messages.
    name: String,
    /// The command that runs it again.
    command: String,
}

impl Source {
    fn of_seed(
        scenario: &str,
        seed: u64,
        engine: EngineKind,
        plant: Option<&String>,
    ) -> Result<Source, String> {
        let mut plan = names::scenario(scenario)?.plan(seed, engine);
        plan.plant = names::plant(plant)?;
        let planted =
            plan.plant.as_ref().map_or(String::new(), |plant| format!(" --plant {plant}"));
        Ok(Source {
            bytes: plan_text(&plan).into_bytes(),
            name: format!("the plan of seed {seed}"),
            command: format!(
                "{} run {scenario} --seed {seed}{}{planted}",
                program::command(),
                engine::flag(engine)
            ),
        })
    }

    /// The plan in a file, in a folder, or of a seed.
    fn stored(
        target: &str,
        scenario: Option<&str>,
        engine: Option<EngineKind>,
    ) -> Result<Source, String> {
        let path = Path::new(target);
        if !path.exists()
            && let Ok(seed) = parse_seed(target)
        {
            let scenario =
                scenario.ok_or_else(|| format!("seed {target}: name its --scenario as well"))?;
            return Source::of_seed(scenario, seed.resolve()?, engine.unwrap_or_default(), None);
        }
        if scenario.is_some() {
            return Err(format!("--scenario is for seeds: the plan {target} names its own"));
        }
        let file = plan_file(path);
        let name = file.display().to_string();
        let bytes = read_bytes(&file)?;
        let Some(engine) = engine else {
            return Ok(Source { bytes, command: program::replay(&file), name });
        };
        let mut plan = systems().load(&bytes, &name).map_err(|error| error.to_string())?;
        let command = format!("{} --engine {engine}", program::replay(&file));
        if plan.engine != engine {
            (plan.engine, plan.found) = (engine, None);
        }
        Ok(Source { bytes: plan_text(&plan).into_bytes(), command, name })
    }
}

/// Runs and judges one plan, and tells what happened.
fn one(
    source: &Source,
    out: Option<&Path>,
    format: Format,
    stop: &AtomicBool,
) -> Result<Exit, String> {
    let plan = systems().load(&source.bytes, &source.name).map_err(|error| error.to_string())?;
    let folder = match out {
        None => None,
        Some(out) => {
            let name = folder_name(unix_seconds(), plan.seed);
            let folder = OutputFolder::create(out, &name).and_then(|folder| {
                // Before the run: whatever becomes of it, its plan is kept.
                folder.write("plan.json", plan_text(&plan).as_bytes())?;
                folder.link_latest()?;
                Ok(folder)
            });
            Some(folder.map_err(|error| error.to_string())?)
        }
    };
    if let Some(folder) = &folder {
        watch::keep_in(folder.path(), None);
    }
    let output = Output::new(format);
    output.text(&format!(
        "{}   seed {}   {}   {} operations   {} faults   build {}\n",
        plan.scenario,
        plan.seed,
        hosts(&plan),
        plan.operations.len(),
        plan.faults.len(),
        systems().build(),
    ));
    for fault in &plan.faults {
        output.text(&fault_line(fault.at_ms, fault.until_ms, &fault.fault));
    }
    let watch = Stopwatch::start();
    let Replayed { mut outcome, comparison } = run_again(systems(), &plan, &Default::default());
    outcome.stats.wall_ms = watch.elapsed_ms();
    let plan = outcome.stored(&plan);
    let mut told = Told { source, output, folder, exit: Exit::Passed };
    if let Err(error) = told.tell(&plan, &outcome) {
        complain(&error.to_string());
        told.exit = told.exit.and(Exit::Internal);
    }
    told.draw(&plan, &outcome);
    told.compare(&comparison);
    let interrupted = if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Passed };
    Ok(told.exit.and(interrupted))
}

/// A run that has ended, and where to tell of it.
struct Told<'a> {
    source: &'a Source,
    output: Output,
    folder: Option<OutputFolder>,
    exit: Exit,
}

impl Told<'_> {
    fn tell(&mut self, of: &Plan, outcome: &Outcome) -> Result<(), FolderError> {
        let (plan, plant, line) =
            (plan_text(of), of.plant.as_ref(), run_line(systems(), outcome, of, None));
        let own = figures(of, outcome);
        self.output.json(&line);
        self.output.text(&own);
        let message = message(outcome, plant);
        if let Some(folder) = &self.folder {
            folder.write("plan.json", plan.as_bytes())?;
            folder.append("seeds.jsonl", &line.to_json_line())?;
            let told = outcome.history();
            write_history(&told, folder, "")?;
            write_picture(&picture(systems(), outcome, &told), folder, "")?;
        }
        let seed = outcome.seed;
        match (&outcome.verdict, message) {
            (Verdict::Fail(_), Some(message)) => self.fail(&plan, outcome, message)?,
            (Verdict::Undecided(reason), _) => {
                self.exit = Exit::Undecided;
                self.output
                    .text(&format!("UNDECIDED {}   seed {seed}: {reason}\n", outcome.scenario));
            }
            (Verdict::Pass | Verdict::Fail(_), _) => {
                let hash = outcome.trace_hash;
                let scenario = &outcome.scenario;
                self.output.text(&format!("PASS {scenario}   seed {seed}   trace {hash:016x}\n"));
            }
        }
        if let Some(folder) = &self.folder {
            say(&format!("plan, history and plots are in {}", folder.path().display()));
        }
        Ok(())
    }

    fn fail(
        &mut self,
        plan: &str,
        outcome: &Outcome,
        mut message: FailureMessage,
    ) -> Result<(), FolderError> {
        self.exit = Exit::Violated;
        message.commands =
            Commands { replay: Some(self.source.command.clone()), ..Commands::default() };
        let kept = match &self.folder {
            Some(folder) => keep_failure(folder, plan, outcome, &mut message).map(drop),
            None => Ok(()),
        };
        self.output.text(&failure_text(&message));
        kept
    }

    /// Draws the run where its other files are.
    fn draw(&mut self, plan: &Plan, outcome: &Outcome) {
        let Some(output) = &self.folder else { return };
        let message = message(outcome, plan.plant.as_ref());
        let fingerprint = message.as_ref().map(|message| message.fingerprint.as_str());
        let folder = fingerprint.map(FailureFiles::folder).unwrap_or_default();
        match draw(output, &folder, plan, outcome, message.as_ref()) {
            Ok(()) => {}
            Err(DrawError::Differs(how)) => {
                complain(&how);
                self.exit = self.exit.and(Exit::Untrusted);
            }
            Err(DrawError::Write(error)) => {
                complain(&error.to_string());
                self.exit = self.exit.and(Exit::Internal);
            }
        }
    }

    /// Says what this run's end means for the stored one.
    fn compare(&mut self, comparison: &Comparison) {
        if let Comparison::Diverged { .. } = comparison {
            self.exit = self.exit.and(Exit::Untrusted);
        }
        let reproduced = matches!(comparison, Comparison::Reproduced);
        let message = comparison.message().or_else(|| {
            reproduced.then(|| "reproduced: the same build ended with the same trace".to_owned())
        });
        if let Some(message) = message {
            self.output.json(&Compared { comparison: &message });
            self.output.text(&(message + "\n"));
        }
    }
}

/// The line that compares a replay with the stored end.
#[derive(Serialize)]
struct Compared<'a> {
    comparison: &'a str,
}

/// `3 servers   5 clients`.
fn hosts(plan: &Plan) -> String {
    let groups = systems().of(plan).groups().iter();
    groups
        .map(|group| format!("{} {}", plan.count(group.name), group.name))
        .collect::<Vec<_>>()
        .join("   ")
}

/// A fault of the plan and its time: whether it struck, the figures say.
fn fault_line(at_ms: u64, until_ms: Option<u64>, fault: &impl Serialize) -> String {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let until = until_ms.map_or("end".to_owned(), seconds);
    let json = serde_json::to_string(fault).expect("a fault is plain data with text keys");
    format!("  {:>7} … {until:>7} s  {json}\n", seconds(at_ms))
}

/// What a run came to, in figures: the general ones, then the system's own.
fn figures(plan: &Plan, outcome: &Outcome) -> String {
    let stats = &outcome.stats;
    let in_words = |ms: &u64| words::milliseconds(*ms as f64);
    let milliseconds = |times: &[u64]| match times {
        [] => "none".to_owned(),
        times => times.iter().map(in_words).collect::<Vec<_>>().join(", "),
    };
    let (mut counts, mut samples) = (Vec::new(), String::new());
    for figure in systems().of(plan).figure_declarations() {
        let id = figure.id.as_str();
        if figure.adds_up == AddsUp::Samples {
            let values = stats.figures.samples.get(id).map_or(&[][..], Vec::as_slice);
            samples += &format!("{}: {}\n", figure.title, milliseconds(values));
        } else {
            counts.push(figure.in_words(stats.figures.counts.get(id).copied().unwrap_or(0)));
        }
    }
    let counts = if counts.is_empty() { String::new() } else { counts.join(", ") + "\n" };
    let gaps: Vec<u64> = stats.unavailable_ms.iter().map(|(_, length_ms)| *length_ms).collect();
    format!(
        "{} simulated in {}, {} events\n{} operations: {} acknowledged, {} refused, {} unknown\n\
         faults that struck: {}\n{counts}{samples}without an acknowledged write: {}\n\
         healed after chaos: {}\n",
        words::duration(stats.simulated_ms),
        words::duration(stats.wall_ms),
        stats.events,
        stats.operations,
        stats.acknowledged,
        stats.refused,
        stats.unknown,
        words::by_kind(&stats.faults),
        milliseconds(&gaps),
        stats.healed_after_ms.as_ref().map_or("no".to_owned(), in_words),
    )
}
