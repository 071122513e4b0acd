//! `squall bench`: measurements, and whether they are worse than those of before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use benches::check::{self, CheckerOptions};
use benches::live::{self, LiveError, LiveOptions, Workload};
use benches::sim::{self, SimOptions};
use benches::{Measured, baseline, machine, regression};
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use serde::Serialize;
use squall::harness::campaign::cores;
use squall::reports::{
    BenchComparison, BenchReport, BenchTarget, FigureVerdict, FolderError, OutputFolder,
    bench_markdown, bench_plots, bench_text, folder_name, percentile_text, write_atomically,
};

use squall::clock::unix_seconds;
use squall::exit::Exit;
use squall::output::{Output, complain, say};
use squall::seed::parse_duration;
use squall::verb::{ExtraVerb, Format};

/// What `squall bench --help` ends with.
const BENCH_EXAMPLES: &str = "\
Examples:
  squall bench sim                          speed of the simulator, failover in simulated time
  squall bench live --quick                 three servers on this machine, in half a minute
  squall bench checker --quick              how long histories take to be judged
  squall bench live --clients 8 --outstanding 16 --workload set --failovers 0
  squall bench live --rate 2000             latency from when each request was due
  squall bench sim --save-baseline main     ... change something ...
  squall bench sim --baseline main --fail-on-regression 10%

A run's folder is OUT/<UTC time>-bench-<target>, with bench-<target>.md, bench-<target>.json, plots,
latency.hlog, and for each distribution of latencies latency-<name>.hgrm as HdrHistogram's plotter reads
it; beside a baseline comparison.json, too. OUT/latest points to it.
Baselines are kept in OUT/baselines. A figure whose spread over the rounds is wider than the limit is
undecided, unless it is worse by more than the spread too.";

/// Where reports that are kept with the sources have their place.
const REFERENCE: &str = "reports/reference";

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    target: Target,
}

/// The verb.
pub(crate) struct Bench;

impl ExtraVerb for Bench {
    fn command(&self) -> Command {
        let about = "Measure the simulator or real servers, and compare with before";
        BenchArgs::augment_args(Command::new("bench").about(about).after_help(BENCH_EXAMPLES))
    }

    fn run(&self, matches: &ArgMatches, stop: &Arc<AtomicBool>) -> Exit {
        match BenchArgs::from_arg_matches(matches) {
            Ok(args) => bench(&args, stop),
            Err(error) => {
                // Nothing can be done when the message cannot be written.
                let _ = error.print();
                Exit::Usage
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum Target {
    /// The simulator's speed, and throughput and failover of the simulated cluster.
    #[command(after_help = BENCH_EXAMPLES)]
    Sim(SimArgs),
    /// Three `keeperd` on this machine: throughput, latency, failover, CPU time, memory.
    #[command(after_help = BENCH_EXAMPLES)]
    Live(LiveArgs),
    /// How long the linearizability of recorded histories takes, and what stays undecided.
    #[command(after_help = BENCH_EXAMPLES)]
    Checker(CheckerArgs),
}

#[derive(Debug, Args)]
struct CheckerArgs {
    #[command(flatten)]
    rounds: RoundsArg,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct SimArgs {
    /// Seeds of each way to lose a leader. 60, or 9 with --quick, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,
    #[command(flatten)]
    rounds: RoundsArg,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct LiveArgs {
    /// A workload: create, set, get, mix (nine get, one set), lock-own (a lock for each client),
    /// lock-shared (one lock for all). May be given again. All, unless given.
    #[arg(long = "workload", value_name = "WORKLOAD", value_parser = parse_workload)]
    workloads: Vec<Workload>,
    /// Clients, each with a session of its own.
    #[arg(long, value_name = "N", default_value = "4",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    clients: u32,
    /// Requests of each client that are unanswered at a time.
    #[arg(long, value_name = "N", default_value = "64",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    outstanding: u32,
    /// Requests due per second, of all clients together; then latency counts from when each was
    /// due. As many as are answered, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Bytes of a node's data.
    #[arg(long, value_name = "BYTES", default_value = "100",
          value_parser = clap::value_parser!(u32).range(0..=500_000))]
    payload: u32,
    /// How long each workload is measured in each round, as 500ms or 5s. 5s, or 1s with --quick,
    /// unless given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    time: Option<Duration>,
    /// How often the leader is killed, and how often it is paused. 10, or 2 with --quick, unless
    /// given; 0 for neither.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    failovers: Option<u32>,
    /// tickTime of the servers whose leaders are lost, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "100",
          value_parser = clap::value_parser!(u64).range(20..=10_000))]
    tick: u64,
    #[command(flatten)]
    rounds: RoundsArg,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct RoundsArg {
    /// How often each is measured; medians are compared. 5 (sim) or 3, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Measure less: for a look, not to rely on.
    #[arg(long)]
    quick: bool,
    /// Keep the figures under this name.
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare with the figures kept under this name.
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Exit with 1 if a figure is worse than the baseline's by more than this; 10% if no value is
    /// given.
    #[arg(long, value_name = "PERCENT", requires = "baseline", value_parser = parse_percent,
          num_args = 0..=1, default_missing_value = "10%")]
    fail_on_regression: Option<f64>,
    /// Write the report into reports/reference here, in place of the last one, instead of a new
    /// folder.
    #[arg(long)]
    reference: bool,
    /// Where results have their folders.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Differences of this share are worth showing where no limit was given.
const SHOWN_LIMIT: f64 = 0.1;

fn parse_workload(text: &str) -> Result<Workload, String> {
    let names: Vec<&str> = Workload::ALL.iter().map(|each| each.name()).collect();
    let found = Workload::ALL.into_iter().find(|each| each.name() == text);
    found.ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Reads `10%` or `10` as 0.1.
fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    let share = number.filter(|percent| (0.1..=1_000.0).contains(percent));
    share.map(|percent| percent / 100.0).ok_or_else(|| "expected a percentage like 10%".to_owned())
}

/// Measures.
fn bench(args: &BenchArgs, stop: &AtomicBool) -> Exit {
    let done = match &args.target {
        Target::Sim(args) => bench_sim(args, stop),
        Target::Live(args) => bench_live(args, stop),
        Target::Checker(args) => bench_checker(args, stop),
    };
    done.unwrap_or_else(|message| {
        complain(&message);
        Exit::Usage
    })
}

fn bench_sim(args: &SimArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let mut options =
        if args.common.quick { SimOptions::quick(cores()) } else { SimOptions::full(cores()) };
    options.seeds = args.seeds.unwrap_or(options.seeds);
    options.rounds = args.rounds.rounds.unwrap_or(options.rounds);
    let mut measured = options.measured();
    let run = Run::prepare(&args.common, BenchTarget::Sim, options.settings())?;
    let machine = machine::machine(None);
    let is_whole = sim::measure(&options, &mut measured, &say, &|| stop.load(Ordering::Relaxed));
    let exit = if is_whole { Exit::Passed } else { Exit::Interrupted };
    run.finish(&measured, measured.report(machine), exit)
}

fn bench_checker(args: &CheckerArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let mut options =
        if args.common.quick { CheckerOptions::quick() } else { CheckerOptions::full() };
    options.rounds = args.rounds.rounds.unwrap_or(options.rounds);
    let mut measured = options.measured();
    let run = Run::prepare(&args.common, BenchTarget::Checker, options.settings())?;
    let machine = machine::machine(None);
    let is_whole = check::measure(&options, &mut measured, &say, &|| stop.load(Ordering::Relaxed));
    let exit = if is_whole { Exit::Passed } else { Exit::Interrupted };
    run.finish(&measured, measured.report(machine), exit)
}

fn bench_live(args: &LiveArgs, stop: &AtomicBool) -> Result<Exit, String> {
    let is_quick = args.common.quick;
    let workloads =
        if args.workloads.is_empty() { Workload::ALL.to_vec() } else { args.workloads.clone() };
    let folder = format!("bench-data-{}-{}", unix_seconds(), std::process::id());
    let options = LiveOptions {
        keeperd: keeperd()?,
        folder: args.common.out.join(folder),
        workloads,
        clients: args.clients as usize,
        outstanding: args.outstanding as usize,
        rate: args.rate,
        payload_bytes: args.payload as usize,
        duration: args.time.unwrap_or(Duration::from_secs(if is_quick { 1 } else { 5 })),
        rounds: args.rounds.rounds.unwrap_or(if is_quick { 1 } else { 3 }),
        failovers: args.failovers.unwrap_or(if is_quick { 2 } else { 10 }),
        tick_ms: args.tick,
    };
    let mut measured = options.measured();
    let run = Run::prepare(&args.common, BenchTarget::Live, options.settings())?;
    let out = &args.common.out;
    fs::create_dir_all(out).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
    let machine = machine::machine(Some(out));
    let ended = live::measure(&options, &mut measured, &say, &|| stop.load(Ordering::Relaxed));
    let exit = match ended {
        Ok(()) => Exit::Passed,
        Err(LiveError::Interrupted) => Exit::Interrupted,
        Err(error) => {
            complain(&error.to_string());
            measured.notes.push(format!("ended early: {error}"));
            match error {
                LiveError::NotServed(_) => Exit::Violated,
                LiveError::Limit(_) | LiveError::NotDrained => Exit::Undecided,
                _ => Exit::Internal,
            }
        }
    };
    run.finish(&measured, measured.report(machine), exit)
}

/// The server's program, which cargo puts beside this one.
fn keeperd() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where is squall? {error}"))?;
    let path = own.with_file_name("keeperd");
    if path.is_file() {
        return Ok(path);
    }
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    Err(format!(
        "there is no server beside squall: {} is missing; build it with\n  cargo build {release}-p \
         keeper-server",
        path.display()
    ))
}

/// What is done with what was measured.
struct Run<'a> {
    common: &'a CommonArgs,
    baseline: Option<(&'a str, BenchReport)>,
}

/// The line of JSON that a run prints.
#[derive(Serialize)]
struct Printed<'a> {
    report: &'a BenchReport,
    comparison: Option<&'a BenchComparison>,
    folder: String,
}

impl<'a> Run<'a> {
    /// Finds out what cannot be done before anything is measured.
    fn prepare(
        common: &'a CommonArgs,
        target: BenchTarget,
        settings: std::collections::BTreeMap<String, String>,
    ) -> Result<Run<'a>, String> {
        let name = common.save_baseline.as_deref();
        name.map_or(Ok(()), baseline::check_name).map_err(|error| error.to_string())?;
        if common.reference && !Path::new("reports").is_dir() {
            return Err(format!(
                "--reference writes into {REFERENCE}, and there is no folder reports here"
            ));
        }
        let baseline = match common.baseline.as_deref() {
            None => None,
            Some(name) => {
                let load = || {
                    let report = baseline::load(&common.out, target, name)?;
                    baseline::check_settings(name, &report, &settings)?;
                    Ok(report)
                };
                let load = load().map_err(|error: baseline::BaselineError| error.to_string());
                Some((name, load?))
            }
        };
        Ok(Run { common, baseline })
    }

    fn finish(
        &self,
        measured: &Measured,
        mut report: BenchReport,
        exit: Exit,
    ) -> Result<Exit, String> {
        if measured.is_empty() {
            complain("nothing was measured");
            return Ok(exit.and(Exit::NothingRan));
        }
        if exit != Exit::Passed {
            report.notes.push("not everything was measured".to_owned());
        }
        let limit = self.common.fail_on_regression.unwrap_or(SHOWN_LIMIT);
        let comparison = self.baseline.as_ref().map(|(name, before)| {
            if let Some(difference) = other_machine(before, &report) {
                complain(&format!("baseline {name} is of another machine: {difference}"));
            }
            regression::compare(name, before, &report, limit)
        });
        let written = self.write(measured, &report, comparison.as_ref(), exit);
        let folder = written.map_err(|error| error.to_string())?;
        let output = Output::new(self.common.format);
        output.text(&bench_text(&report, comparison.as_ref()));
        output.json(&Printed {
            report: &report,
            comparison: comparison.as_ref(),
            folder: folder.display().to_string(),
        });
        say(&format!("report, plots and distributions are in {}", folder.display()));
        let mut exit = exit;
        if report.safety.is_violated() {
            exit = exit.and(Exit::Violated);
        }
        if self.common.fail_on_regression.is_some() {
            exit = exit.and(comparison.map_or(Exit::Passed, |comparison| judged(&comparison)));
        }
        Ok(exit)
    }

    fn write(
        &self,
        measured: &Measured,
        report: &BenchReport,
        comparison: Option<&BenchComparison>,
        exit: Exit,
    ) -> Result<PathBuf, FolderError> {
        let name = report.target.name();
        if let Some(baseline) = self.common.save_baseline.as_deref() {
            // Half a measurement is nothing to compare with.
            if exit == Exit::Passed {
                let path = baseline::save(&self.common.out, baseline, report)?;
                say(&format!("baseline {baseline} is {}", path.display()));
            }
        }
        let before = self.baseline.as_ref().map(|(name, before)| (*name, before));
        let plots = bench_plots(report, before);
        let listed: Vec<(String, String)> =
            plots.iter().map(|plot| (plot.title.clone(), plot.file.clone())).collect();
        let page = bench_markdown(report, comparison, &listed);
        let json = serde_json::to_string_pretty(report).expect("reports are plain data") + "\n";
        let mut files =
            vec![(format!("bench-{name}.md"), page), (format!("bench-{name}.json"), json)];
        files.extend(plots.into_iter().map(|plot| (plot.file, plot.svg)));
        if self.common.reference && exit == Exit::Passed {
            let folder = PathBuf::from(REFERENCE);
            for (file, text) in files {
                write_atomically(&folder.join(file), text.as_bytes())?;
            }
            return Ok(folder);
        }
        for latency in &report.latencies {
            let plain = latency.name.replace([' ', '/'], "-");
            files.push((format!("latency-{plain}.hgrm"), percentile_text(latency)));
        }
        files.push(("latency.hlog".to_owned(), measured.histogram_log()));
        if let Some(comparison) = comparison {
            let json = serde_json::to_string_pretty(comparison).expect("plain data");
            files.push(("comparison.json".to_owned(), json + "\n"));
        }
        let folder_name = folder_name(unix_seconds(), format!("bench-{name}"));
        let folder = OutputFolder::create(&self.common.out, &folder_name)?;
        for (file, text) in files.iter().filter(|(_, text)| !text.is_empty()) {
            folder.write(file, text.as_bytes())?;
        }
        folder.link_latest()?;
        Ok(folder.path())
    }
}

/// What a comparison means where it may fail: a regression fails; if nothing could be decided at
/// all, that is said.
fn judged(comparison: &BenchComparison) -> Exit {
    let count = |verdict| comparison.count(verdict);
    if count(FigureVerdict::Regressed) > 0 {
        Exit::Violated
    } else if count(FigureVerdict::Same) + count(FigureVerdict::Better) == 0 {
        Exit::Undecided
    } else {
        Exit::Passed
    }
}

/// What makes the figures of two machines or builds no measure of one another.
fn other_machine(before: &BenchReport, now: &BenchReport) -> Option<String> {
    let (before, now) = (&before.machine, &now.machine);
    let pairs = [
        ("processor", before.processor.clone(), now.processor.clone()),
        ("cores", before.cores.to_string(), now.cores.to_string()),
        ("file system", before.file_system.clone(), now.file_system.clone()),
        ("profile", before.profile.clone(), now.profile.clone()),
    ];
    let differs = pairs.into_iter().find(|(_, before, now)| before != now);
    differs.map(|(what, before, now)| format!("{what} {before}, here {now}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use squall::reports::Better;

    use super::*;

    fn report(value: f64) -> BenchReport {
        let mut measured = Measured::new(BenchTarget::Sim, BTreeMap::new());
        for round in [value, value * 1.001, value * 0.999] {
            measured.round("speed", "1/s", Better::Higher, round);
        }
        measured.report(machine::machine(None))
    }

    #[test]
    fn percentages_and_workloads_are_read() {
        assert_eq!(parse_percent("10%"), Ok(0.1));
        assert_eq!(parse_percent("2.5"), Ok(0.025));
        for bad in ["", "%", "-3%", "0", "x%", "1e9%"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_workload("mix"), Ok(Workload::Mix));
        assert!(parse_workload("mux").unwrap_err().contains("lock-shared"));
    }

    #[test]
    fn a_regression_fails_and_noise_alone_is_undecided() {
        let exit = |before: f64, now: f64| {
            judged(&regression::compare("main", &report(before), &report(now), 0.1))
        };
        assert_eq!(exit(100.0, 80.0), Exit::Violated);
        assert_eq!(exit(100.0, 98.0), Exit::Passed);
        assert_eq!(exit(100.0, 130.0), Exit::Passed);
        let nothing = BenchComparison { baseline: "main".into(), limit: 0.1, lines: Vec::new() };
        assert_eq!(judged(&nothing), Exit::Undecided);
    }

    #[test]
    fn another_machine_is_named() {
        let before = report(1.0);
        let mut now = before.clone();
        assert_eq!(other_machine(&before, &now), None);
        now.machine.cores += 1;
        assert!(other_machine(&before, &now).unwrap().starts_with("cores "));
    }
}
