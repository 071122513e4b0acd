//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::corpus::CorpusArgs;
use crate::determinism::DeterminismArgs;
use crate::engine::{EngineArgs, EngineName};
use crate::exit::EXIT_CODES;
use crate::merge::{MERGE_EXAMPLES, MergeArgs};
use crate::partition::{PartitionArgument, parse_partition};
use crate::publish::PublishArgs;
use crate::report::{REPORT_EXAMPLES, ReportArgs};
use crate::seed::{SeedArgument, parse_count, parse_duration, parse_seed, parse_size};
use crate::selftest::SelftestArgs;
use crate::shrink::ShrinkArgs;

/// Runs whole systems inside a simulation that breaks their world, and judges what they did.
///
/// All that happens in a run follows from its plan, and a plan follows from a seed: what fails once
/// fails again, on any machine, with the same build.
#[derive(Debug, Parser)]
#[command(name = "squall", version, arg_required_else_help = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  squall fuzz                                  all scenarios for a minute, on all cores
  squall run SCENARIO --seed 7                 one run, in detail
  squall replay out/latest-failure/plan.json   the same failure again
  squall check history.edn                     judge a history of any system
  squall list                                  what there is

Results go to stdout, progress to stderr. `squall --help` explains the exit codes.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run many seeds, and the regression corpus first.
    #[command(after_help = FUZZ_EXAMPLES)]
    Fuzz(FuzzArgs),
    /// Run one seed of one scenario, and say what happened.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run a stored plan again, and compare.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Find a smaller plan that fails the same way.
    #[command(after_help = crate::shrink::EXAMPLES)]
    Shrink(ShrinkArgs),
    /// Make one result of the shards of a campaign.
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Judge recorded histories of this or any other system.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Plant known bugs into the systems, and see that each is found.
    #[command(after_help = crate::selftest::EXAMPLES)]
    Selftest(SelftestArgs),
    /// Keep plans that every campaign runs first.
    #[command(after_help = crate::corpus::EXAMPLES)]
    Corpus(CorpusArgs),
    /// Perform plans several times, and see that all ends the same.
    #[command(after_help = crate::determinism::EXAMPLES)]
    Determinism(DeterminismArgs),
    /// Turn results into a page and a text: properties, failures, plots.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Say what there is.
    List(ListArgs),
}

const FUZZ_EXAMPLES: &str = "\
Examples:
  squall fuzz                                       a minute of everything, on all cores
  squall fuzz --max-time 10m --seed $(git rev-parse HEAD)
                                                    another campaign for each commit
  squall fuzz --scenario ANOTHER --runs 500         exactly 500 runs of one scenario
  squall fuzz --plant PLANT --runs 200              does the harness find a planted bug?
  squall fuzz --engine turmoil                      the same on another simulator
  squall fuzz --shrink                              and make the plan of each failure smaller
  squall fuzz --seed 7 --partition slice:2/8        the second of eight parts; see squall merge

A campaign's folder is new each time: OUT/<UTC time>-<seed>, with OUT/latest and OUT/latest-failure
pointing to the newest. It has summary.json, summary.md, seeds.jsonl, coverage.json (which marks in
the servers' code were reached, and during which faults), and for each kind of failure
failures/<fingerprint>/ with plan.json, explanation.txt and the history.

A scenario promises marks. If 50 of its runs never hit one, the campaign hardly saw what it is for:
exit code 3.";

const RUN_EXAMPLES: &str = "\
Examples:
  squall run SCENARIO                      with a seed of the moment, which is printed
  squall run SCENARIO --seed 1234          the run of this seed
  squall run SCENARIO --plant PLANT --seed 7";

const REPLAY_EXAMPLES: &str = "\
Examples:
  squall replay out/latest-failure/plan.json       a plan
  squall replay out/latest-failure                 the plan in a folder
  squall replay 1234 --scenario SCENARIO           the plan of a seed, by this build's generator

The build that stored a plan must end with the same trace, or the exit code is 3. Another build says
whether the plan still fails. A plan that was changed since it was stored, as by taking a fault out to
see what happens, is judged afresh.";

const CHECK_EXAMPLES: &str = "\
Examples:
  squall check history.edn                       Jepsen's EDN; the model is told from the operations
  squall check etcd_000.log --model cas-register
  squall check history.edn --keys tuples         values are [key value], as of jepsen.independent
  squall check out/latest-failure                a folder of ours: every guarantee of its system
  squall check histories --expect histories/INDEX.tsv
                                                 compare with known verdicts

Prints FILE, a tab, and true, false or unknown for each file; below it what was taken for what, where
that was a guess, and a short explanation. With --out explanations go whole to files, with --full to
the terminal. Formats: EDN, JSON lines, JSON arrays, jepsen.log and history.txt of Jepsen.";

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// Arguments of `fuzz`.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// A scenario to run; may be given again. All, unless given.
    #[arg(long = "scenario", value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// Exactly so many runs of seeds, after the corpus.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: Option<u64>,
    /// The campaign's seed: a number, a commit's 40 hexadecimal digits, or `auto` for the commit
    /// checked out here. A seed of the moment, unless given; it is printed.
    #[arg(long, value_name = "SEED", value_parser = parse_seed)]
    pub(crate) seed: Option<SeedArgument>,
    /// Begin no new run after this time, as 500ms, 60s, 10m or 1h. 60s, unless --runs is given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_time: Option<Duration>,
    /// Runs at a time. One for each core, unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Where campaigns have their folders.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    /// Begin no new run after so many have failed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_failures: Option<u64>,
    /// Cut a run off that takes longer, as 500ms, 60s, 10m or 1h: it ends undecided. 120s, unless
    /// given. A run that a task holds up, so that it cannot be cut off, ends the campaign: exit code 3.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) run_time_max: Option<Duration>,
    /// Cut a run off whose record takes more memory, as 500K, 100M or 2G: it ends undecided.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) run_memory_max: Option<u64>,
    /// Leave the regression corpus out.
    #[arg(long)]
    pub(crate) no_corpus: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Let a third of the runs be of plans that showed something new, changed a little. The last of
    /// such plans are kept in novel/. Shards cannot: each sees a part of the runs.
    #[arg(long)]
    pub(crate) explore: bool,
    /// Plant this bug into the servers.
    #[arg(long, value_name = "ID")]
    pub(crate) plant: Option<String>,
    /// In the end make the plan of each distinct failure smaller.
    #[arg(long)]
    pub(crate) shrink: bool,
    /// With how much CPU time of all jobs together at most for each, as 500ms, 60s, 10m or 1h. 5m and
    /// --shrink-work 60M, unless one of them is given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "shrink")]
    pub(crate) shrink_time: Option<Duration>,
    /// In so many simulated events at most for each, as 500K, 40M or 2G: the same on every machine.
    #[arg(long, value_name = "EVENTS", value_parser = parse_count, requires = "shrink")]
    pub(crate) shrink_work: Option<u64>,
    /// Perform only a part of the runs: slice:K/N, the K-th of N shards from 1, or env for what the
    /// batch engine says (Slurm, Kubernetes, AWS Batch, GitLab, Buildkite). Needs --seed.
    #[arg(long, value_name = "SLICE", value_parser = parse_partition, conflicts_with = "explore")]
    pub(crate) partition: Option<PartitionArgument>,
    #[command(flatten)]
    pub(crate) publish: PublishArgs,
    /// A plan that must fail, in the place of the built-in one.
    #[arg(long, value_name = "PLAN", hide = true)]
    pub(crate) canary: Option<PathBuf>,
    /// Exit with 0 where it would be 1: for batch engines that retry what fails.
    #[arg(long)]
    pub(crate) findings_ok: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario; `squall list scenarios` has them.
    pub(crate) scenario: String,
    /// The seed: a number, a commit's 40 hexadecimal digits, or `auto` for the commit checked out
    /// here. A seed of the moment, unless given; it is printed.
    #[arg(long, value_name = "SEED", value_parser = parse_seed)]
    pub(crate) seed: Option<SeedArgument>,
    /// Where runs have their folders.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Plant this bug into the servers.
    #[arg(long, value_name = "ID")]
    pub(crate) plant: Option<String>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A plan, a folder with a plan.json, or a seed.
    #[arg(value_name = "PLAN|DIR|SEED")]
    pub(crate) target: String,
    /// The scenario of a seed.
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// Perform it in this simulated world and not in the one that the plan names, as a second opinion;
    /// then there is no stored result to compare with.
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub(crate) engine: Option<EngineName>,
    /// Write the run's files into a new folder here.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Histories, or folders of them; `-` is stdin.
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The model; told from the operations, unless given.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Whether values are the [key value] tuples of jepsen.independent.
    #[arg(long, value_enum, default_value = "told")]
    pub(crate) keys: Keys,
    /// Print explanations whole: every operation and every value.
    #[arg(long)]
    pub(crate) full: bool,
    /// Memory of the process; a search that would need more gives up, and the verdict is unknown.
    #[arg(long, value_name = "MB", default_value_t = 300)]
    pub(crate) memory_max: u64,
    /// A table of known verdicts: path within the folder, tab, valid or invalid, tab, model.
    #[arg(long, value_name = "INDEX.tsv")]
    pub(crate) expect: Option<PathBuf>,
    /// Write explanations into a new folder here.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Whether values of histories name their object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keys {
    /// Where they are tagged, or where the form of the history gives them away.
    Told,
    /// Every value is a pair of a key and a value.
    Tuples,
    /// No value is.
    None,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of what; of everything, unless given.
    #[arg(value_enum)]
    pub(crate) what: Option<Listed>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listed {
    /// What is tested.
    Systems,
    /// What can be run.
    Scenarios,
    /// What befalls the simulated world.
    Faults,
    /// Parts that servers play, at which faults can be aimed.
    Roles,
    /// What recorded histories are compared with.
    Models,
    /// What every run is judged by.
    Checks,
    /// Bugs that can be planted, to see that they are found.
    Plants,
    /// Places in the systems' code that runs are seen to reach, and where faults can strike.
    Marks,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_what_the_help_says() {
        let cli = Cli::try_parse_from(["squall", "fuzz"]).unwrap();
        let Verb::Fuzz(args) = cli.verb else { panic!("not fuzz") };
        assert_eq!(args.out, PathBuf::from("out"));
        assert_eq!((args.runs, args.max_time, args.format), (None, None, Format::Text));
        for bad in [
            ["fuzz", "--runs", "0"],
            ["fuzz", "--jobs", "0"],
            ["fuzz", "--seed", "x"],
            ["fuzz", "--max-time", "60x"],
            ["run", "a", "--nonsense"],
            ["list", "nonsense", "x"],
        ] {
            assert!(Cli::try_parse_from(["squall"].into_iter().chain(bad)).is_err(), "{bad:?}");
        }
    }
}
