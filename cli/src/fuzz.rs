//! `squall fuzz`: a campaign, its folder, and its one closing line.

mod smaller;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evidence::{
    COVERAGE_FILE, Canary, Coverage, DistinctFailure, Environment, FigureDeclaration, RunLine,
    RunVerdict, SCHEMA_VERSION, Summary, UndecidedRun, Utilization, words,
};
use harness::campaign::{Campaign, Finished, Origin};
use harness::canary;
use harness::determinism::part;
use harness::novelty::mutant_name;
use harness::partition::Partition;
use harness::summary::Summary as Seen;
use harness::{Outcome, Plan, RunOptions, tell};
use reports::{
    FolderError, JUnit, OutputFolder, SAW_NO, closing_line, failure_text, folder_name,
    summary_markdown,
};

use crate::args::FuzzArgs;
use crate::clock::{Stopwatch, seed_of_the_moment, unix_seconds};
use crate::determinism::CAUSES;
use crate::diagrams::{DrawError, draw};
use crate::exit::Exit;
use crate::keep::{keep_failure, plan_name, plan_text};
use crate::names;
use crate::output::{Output, complain, say};
use crate::plans::read_plan;
use crate::program;
use crate::progress::Progress;
use crate::seed::SeedArgument;
use crate::systems::systems;
use crate::watch;
use smaller::Evidence;

/// How long a campaign lasts when nobody says.
const TIME_DEFAULT: Duration = Duration::from_secs(60);
/// Plans whose runs differ that are told as they are found; of the others the last line gives the number.
const DIFFERENCES_TOLD_MAX: usize = 3;

/// Runs a campaign.
pub(crate) fn fuzz(args: &FuzzArgs, stop: &AtomicBool) -> Exit {
    match prepare(args) {
        Ok((campaign, canaries, folder)) => {
            watch::keep_in(folder.path(), Some(campaign.run_time_max));
            Fuzz::new(args, &campaign, folder).run(&campaign, &canaries, stop)
        }
        Err(message) => {
            complain(&message);
            Exit::Usage
        }
    }
}

fn prepare(args: &FuzzArgs) -> Result<(Campaign, Vec<Plan>, OutputFolder), String> {
    let campaign = campaign(args)?;
    let canaries = match &args.canary {
        None => {
            let is_run = |name| campaign.scenarios.iter().any(|of| of.system.name() == name);
            let run = systems().all().filter(|system| is_run(system.name()));
            run.filter_map(|system| canary::plan(systems(), system)).collect()
        }
        Some(path) => vec![read_plan(path)?],
    };
    let partition = campaign.partition;
    let shard = match partition.is_whole() {
        true => String::new(),
        false => format!("-{}of{}", partition.number(), partition.count()),
    };
    args.publish.try_places()?;
    let name = folder_name(unix_seconds(), format!("{}{shard}", campaign.seed));
    let folder = OutputFolder::create(&args.out, &name).map_err(|error| error.to_string())?;
    Ok((campaign, canaries, folder))
}

fn campaign(args: &FuzzArgs) -> Result<Campaign, String> {
    let defaults = Campaign::of(systems());
    let partition = args.partition.map_or(Ok(Partition::WHOLE), |p| p.resolve())?;
    if args.partition.is_some() && args.seed.is_none() {
        return Err("--partition needs --seed: all shards must be of the same campaign".to_owned());
    }
    Ok(Campaign {
        scenarios: names::scenarios(&args.scenarios)?,
        seed: args.seed.map_or_else(|| Ok(seed_of_the_moment()), SeedArgument::resolve)?,
        runs: args.runs,
        partition,
        time_max: args.max_time.or_else(|| args.runs.is_none().then_some(TIME_DEFAULT)),
        jobs: args.jobs.map_or(defaults.jobs, usize::from),
        corpus: !args.no_corpus,
        engine: args.engine.kind(),
        plant: names::plant(args.plant.as_ref())?,
        explore: args.explore,
        run_time_max: args.run_time_max.unwrap_or(defaults.run_time_max),
        run_memory_max: args.run_memory_max,
        failures_max: args.max_failures,
        ..defaults
    })
}

/// A campaign under way.
struct Fuzz<'a> {
    args: &'a FuzzArgs,
    folder: OutputFolder,
    output: Output,
    progress: Progress,
    watch: Stopwatch,
    environment: Environment,
    utilization: Utilization,
    figures: Vec<FigureDeclaration>,
    coverage: Coverage,
    failures: Vec<DistinctFailure>,
    /// The evidence of each of `failures`, in the same order.
    evidence: Vec<Evidence>,
    /// Where in `failures` each fingerprint is.
    known: BTreeMap<String, usize>,
    undecided: Vec<UndecidedRun>,
    canary: Option<Canary>,
    junit: JUnit,
    doubts: Vec<String>,
    exit: Exit,
}

impl<'a> Fuzz<'a> {
    fn new(args: &'a FuzzArgs, campaign: &Campaign, folder: OutputFolder) -> Fuzz<'a> {
        let environment = Environment {
            build: systems().build().to_owned(),
            command: program::arguments(),
            seed: campaign.seed,
            partition: (!campaign.partition.is_whole()).then(|| campaign.partition.to_string()),
            scenarios: campaign.scenarios.iter().map(|of| of.name().to_owned()).collect(),
            engine: tell::named(campaign.engine),
            plant: campaign.plant.clone(),
            jobs: campaign.jobs,
            started: words::utc(unix_seconds()),
        };
        Fuzz {
            args,
            folder,
            output: Output::new(args.format),
            progress: Progress::new(),
            watch: Stopwatch::start(),
            environment,
            utilization: Utilization::default(),
            figures: tell::declared_figures(systems(), &campaign.scenarios),
            coverage: Coverage::new(tell::declared_marks(systems(), &campaign.scenarios)),
            failures: Vec::new(),
            evidence: Vec::new(),
            known: BTreeMap::new(),
            undecided: Vec::new(),
            canary: None,
            junit: args.publish.junit(),
            doubts: Vec::new(),
            exit: Exit::Passed,
        }
    }

    fn run(mut self, campaign: &Campaign, canaries: &[Plan], stop: &AtomicBool) -> Exit {
        let Environment { build, seed, partition, scenarios, jobs, .. } = &self.environment;
        let shard = partition.as_ref().map_or(String::new(), |shard| format!(", only {shard}"));
        say(&format!(
            "campaign seed {seed}{shard}, {jobs} at a time, build {build}\nscenarios {}\nfolder {}",
            scenarios.join(", "),
            self.folder.path().display(),
        ));
        match self.perform(campaign, canaries, stop) {
            Ok(summary) => self.judge(&summary, stop),
            Err(error) => self.give_up(&error),
        }
    }

    /// The runs, and what becomes of their failures.
    fn perform(
        &mut self,
        campaign: &Campaign,
        canaries: &[Plan],
        stop: &AtomicBool,
    ) -> Result<Seen, FolderError> {
        self.write_so_far()?;
        if let Err(error) = self.folder.link_latest() {
            complain(&error.to_string());
        }
        canaries.iter().for_each(|canary| self.look_for(canary));
        self.write_so_far()?;
        let mut failed = None;
        let summary = campaign.run(stop, &mut |finished| {
            if failed.is_some() {
                return ControlFlow::Break(());
            }
            self.note(finished).unwrap_or_else(|error| {
                campaign.abandon.store(true, Ordering::Relaxed);
                failed = Some(error);
                ControlFlow::Break(())
            })
        });
        failed.map_or(Ok(()), Err)?;
        self.keep_novel(&summary)?;
        if self.args.shrink {
            self.make_smaller(campaign.jobs, stop)?;
        }
        Ok(summary)
    }

    /// Ends without another word: where a disk is full, whatever else there is to write would fail like
    /// this. What was written before is what a report reads of a campaign that was killed.
    fn give_up(self, error: &FolderError) -> Exit {
        self.progress.end();
        complain(&format!("{error}; the campaign ends here"));
        self.exit.and(Exit::Internal)
    }

    fn judge(mut self, summary: &Seen, stop: &AtomicBool) -> Exit {
        self.progress.end();
        let interrupted = stop.load(Ordering::Relaxed);
        if interrupted {
            self.exit = self.exit.and(Exit::Interrupted);
        } else if let Err(missing) = summary.enough() {
            self.doubts.push(format!("{SAW_NO}{}", missing.join(", no ")));
            self.exit = self.exit.and(Exit::Untrusted);
        }
        if self.utilization.runs.total == 0 {
            self.exit = self.exit.and(Exit::NothingRan);
        }
        if self.args.findings_ok && self.exit == Exit::Violated {
            self.exit = Exit::Passed;
        }
        self.end(interrupted)
    }

    /// Plans that showed something new: what to change when somebody explores by hand.
    fn keep_novel(&self, summary: &Seen) -> Result<(), FolderError> {
        summary.novel.values().try_for_each(|plan| {
            let name = plan_name(&plan.scenario, plan.seed);
            let file = format!("novel/{}-{name}", mutant_name(plan));
            self.folder.write(&file, plan_text(plan).as_bytes()).map(drop)
        })
    }

    /// Runs the canary, which must fail.
    fn look_for(&mut self, plan: &Plan) {
        let outcome = systems().perform(plan, &RunOptions::default());
        let first = outcome.failures().first();
        if first.is_none() {
            self.doubts.push(format!(
                "the canary was not found: {} with {} should have failed",
                plan.scenario,
                plan.plant.as_deref().unwrap_or("no planted bug"),
            ));
            self.exit = self.exit.and(Exit::Untrusted);
        }
        // One that was not found is what there is to tell.
        if self.canary.as_ref().is_some_and(|canary| !canary.found) {
            return;
        }
        self.canary = Some(Canary {
            found: first.is_some(),
            scenario: plan.scenario.clone(),
            seed: plan.seed,
            plant: plan.plant.clone(),
            property: first.map(|failure| failure.property.clone()),
        });
    }

    /// Takes note of a run that has ended.
    fn note(&mut self, finished: &Finished) -> Result<ControlFlow<()>, FolderError> {
        let plan = &finished.plan;
        let corpus = match finished.origin {
            Origin::Corpus(name) => Some(name),
            Origin::Seed | Origin::Mutant => None,
        };
        let position = Some(finished.position);
        let mutant = (finished.origin == Origin::Mutant).then(|| mutant_name(plan));
        let line = match &finished.result {
            Ok(outcome) => RunLine {
                position,
                mutant,
                repeated: finished.repeated,
                ..tell::run_line(systems(), outcome, plan, corpus)
            },
            Err(message) => RunLine {
                position,
                mutant,
                reason: Some(format!("internal error: {message}")),
                ..tell::unknown_line(systems(), plan, corpus)
            },
        };
        self.folder.append("seeds.jsonl", &line.to_json_line())?;
        self.output.json(&line);
        self.utilization.add(&line, &self.figures);
        self.coverage.add(&line);
        self.junit.add(&line);
        match &finished.result {
            Ok(outcome) if line.verdict == RunVerdict::Fail => self.failed(finished, outcome)?,
            Ok(_) => {}
            Err(message) => {
                self.progress.aside(|| complain(&format!("internal error: {message}")));
                self.exit = self.exit.and(Exit::Internal);
            }
        }
        if let Some(reason) = &line.reason {
            self.undecided(finished, reason)?;
        }
        if finished.repeated == Some(false) {
            self.not_deterministic(plan, &line)?;
        }
        let wall = words::duration(self.watch.elapsed_ms());
        let runs = self.utilization.runs;
        self.progress.show(|| {
            format!("{wall}: {}, {} failed", words::count(runs.total, "run"), runs.failed)
        });
        let enough = self.args.max_failures.is_some_and(|max| runs.failed >= max);
        let is_over = enough || self.output.is_closed();
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Keeps and tells the first failure of each kind, and counts the others.
    fn failed(&mut self, finished: &Finished, outcome: &Outcome) -> Result<(), FolderError> {
        self.exit = self.exit.and(Exit::Violated);
        let plan = &finished.plan;
        let mut message =
            tell::message(outcome, plan.plant.as_ref()).expect("a failed run has a failure");
        if let Some(index) = self.known.get(&message.fingerprint) {
            self.failures[*index].count += 1;
            return Ok(());
        }
        let folder = keep_failure(&self.folder, &plan_text(plan), outcome, &mut message)?;
        match draw(&self.folder, &folder, plan, outcome, Some(&message)) {
            Ok(()) => {}
            Err(DrawError::Differs(how)) => {
                let why = format!("{folder} has no timeline and no diagrams: {how}");
                self.progress.aside(|| complain(&why));
                self.doubts.push(format!("{folder}/plan.json: {how}"));
                self.exit = self.exit.and(Exit::Untrusted);
            }
            Err(DrawError::Write(error)) => return Err(error),
        }
        self.known.insert(message.fingerprint.clone(), self.failures.len());
        self.failures.push(DistinctFailure {
            fingerprint: message.fingerprint.clone(),
            scenario: plan.scenario.clone(),
            property: message.explanation.property.clone(),
            headline: message.explanation.headline.clone(),
            seed: plan.seed,
            count: 1,
            folder,
            smaller: None,
        });
        self.progress.aside(|| self.output.text(&format!("{}\n", failure_text(&message))));
        let sim_ms = outcome.stats.simulated_ms;
        self.evidence.push(Evidence { plan: plan.clone(), message, sim_ms });
        // A campaign that is killed keeps what it has told.
        self.write_so_far()
    }

    /// Keeps a plan of which two runs differed, and says where they part.
    fn not_deterministic(&mut self, plan: &Plan, line: &RunLine) -> Result<(), FolderError> {
        self.exit = self.exit.and(Exit::Untrusted);
        let name = format!("not-deterministic/{}", line.plan_name());
        self.folder.write(&name, plan_text(plan).as_bytes())?;
        let event = match part(systems(), plan) {
            None => "it was equal when it was performed again".to_owned(),
            Some(difference) => {
                let file = name.replace(".json", ".difference.txt");
                self.folder.write(&file, difference.to_string().as_bytes())?;
                let file = name.replace(".json", ".difference.json");
                self.folder.write(&file, plan_text(&difference).as_bytes())?;
                if self.doubts.len() < DIFFERENCES_TOLD_MAX {
                    let (text, Plan { scenario, seed, .. }) = (&difference, plan);
                    let told = format!("DIFFERS {scenario}   seed {seed}\n{text}\n{CAUSES}");
                    self.progress.aside(|| self.output.text(&told));
                }
                format!("event {} is the first that differs", difference.event)
            }
        };
        self.doubts.push(format!("{name} ends differently each time: {event}"));
        Ok(())
    }

    fn undecided(&mut self, finished: &Finished, reason: &str) -> Result<(), FolderError> {
        self.exit = self.exit.and(Exit::Undecided);
        let plan = &finished.plan;
        let file = format!("undecided/{}-plan.json", finished.position);
        self.folder.write(&file, plan_text(plan).as_bytes())?;
        let (scenario, reason) = (plan.scenario.clone(), reason.to_owned());
        let plan_path = self.folder.path().join(&file);
        self.progress.aside(|| {
            self.output.text(&format!(
                "UNDECIDED {scenario}   seed {}: {reason}\n  plan     {}\n\n",
                plan.seed,
                plan_path.display()
            ));
        });
        self.undecided.push(UndecidedRun { scenario, seed: plan.seed, reason, plan: file });
        Ok(())
    }

    fn end(mut self, interrupted: bool) -> Exit {
        self.failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        let mut summary = self.summary(interrupted, self.exit);
        let written = self.write(&summary).and_then(|()| {
            self.folder.write("summary.md", summary_markdown(&summary).as_bytes()).map(drop)
        });
        if let Err(error) = written {
            complain(&error.to_string());
            self.exit = self.exit.and(Exit::Internal);
            summary.exit_code = self.exit.code();
        }
        let published = self.args.publish.publish(&self.junit, &summary, &self.folder.path());
        self.output.json(&summary);
        self.output.text(&(closing_line(&summary) + "\n"));
        self.exit.and(published)
    }

    /// Writes `summary.json` of what there is so far. Until a campaign ends it says that it did not, so
    /// that one that is killed has said so.
    fn write_so_far(&self) -> Result<(), FolderError> {
        self.write(&Summary { unfinished: true, ..self.summary(true, Exit::Interrupted) })
    }

    fn write(&self, summary: &Summary) -> Result<(), FolderError> {
        self.folder.write(COVERAGE_FILE, self.coverage.to_json().as_bytes())?;
        self.folder.write("summary.json", summary.to_json().as_bytes()).map(drop)
    }

    fn summary(&self, interrupted: bool, exit: Exit) -> Summary {
        let wall_ms = self.watch.elapsed_ms();
        Summary {
            schema_version: SCHEMA_VERSION,
            environment: self.environment.clone(),
            utilization: Utilization { wall_ms, ..self.utilization.clone() },
            figures: self.figures.clone(),
            families: tell::families(systems()),
            failures: self.failures.clone(),
            undecided: self.undecided.clone(),
            canary: self.canary.clone(),
            marks: Some(self.coverage.figures()),
            shards: Vec::new(),
            doubts: self.doubts.clone(),
            interrupted,
            unfinished: false,
            exit_code: exit.code(),
        }
    }
}
