//! `squall merge`: shards of a campaign become one result.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use evidence::words::{count, shell_word};
use evidence::{RunLine, Summary};
use harness::promise::Shown;
use harness::summary::{Summary as Seen, Totals};
use probe::MarkId;
use reports::{Merged, SAW_NO, ShardFolder, closing_line, find_shards, merge as join, read_shard};

use crate::args::Format;
use crate::exit::Exit;
use crate::output::{Output, complain, say};
use crate::publish::PublishArgs;
use crate::systems::systems;

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Folders of campaigns, or folders that hold such.
    #[arg(value_name = "SHARD", required = true)]
    pub(crate) shards: Vec<PathBuf>,
    /// The result's folder; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Exit with 0 where it would be 1.
    #[arg(long)]
    pub(crate) findings_ok: bool,
    #[command(flatten)]
    pub(crate) publish: PublishArgs,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// What `--help` shows below.
pub(crate) const MERGE_EXAMPLES: &str = "\
Examples:
  squall merge shard-1 shard-2 shard-3 --out merged
  squall merge shards --out merged --junit junit.xml      all campaigns below shards/

All must be of one build and one campaign seed. The order does not matter, and neither does a shard
that was run twice or killed; a run that ended in two ways is not deterministic, and the exit code
is 3. Failures keep the smallest plan of their kind.";

/// Merges.
pub(crate) fn merge(args: &MergeArgs) -> Exit {
    match merged(args) {
        Ok(exit) => exit,
        Err(message) => {
            complain(&message);
            Exit::Usage
        }
    }
}

fn merged(args: &MergeArgs) -> Result<Exit, String> {
    let shards = read_all(&args.shards)?;
    let mut merged = join(&shards).map_err(|error| error.to_string())?;
    let exit = judge(&mut merged, args.findings_ok);
    args.publish.try_places()?;
    merged.write(&args.out).map_err(|error| error.to_string())?;
    tell_shards(&merged.summary);
    let mut junit = args.publish.junit();
    merged.lines.iter().for_each(|line| junit.add(line));
    let output = Output::new(args.format);
    let published = args.publish.publish(&junit, &merged.summary, &args.out);
    output.json(&merged.summary);
    for failure in &merged.summary.failures {
        let explanation = args.out.join(&failure.folder).join("explanation.txt");
        let read = match failure.folder.is_empty() {
            true => "its shard was killed before it kept the plan".to_owned(),
            false => format!("read {}", shell_word(&explanation.display().to_string())),
        };
        output.text(&format!(
            "FAIL {}   seed {}   fingerprint {}\n  {}: {}\n  {}; {read}\n\n",
            failure.scenario,
            failure.seed,
            failure.fingerprint,
            failure.property,
            failure.headline,
            count(failure.count, "run"),
        ));
    }
    output.text(&(closing_line(&merged.summary) + "\n"));
    Ok(exit.and(published))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<ShardFolder>, String> {
    let mut folders = BTreeSet::new();
    for path in paths {
        folders.extend(find_shards(path).map_err(|error| error.to_string())?);
    }
    let shards = folders.iter().map(|folder| read_shard(folder).map_err(|e| e.to_string()));
    shards.collect()
}

/// The last word on doubts and the exit code.
fn judge(merged: &mut Merged, findings_ok: bool) -> Exit {
    let summary = &mut merged.summary;
    let mut doubts: BTreeSet<String> = std::mem::take(&mut summary.doubts).into_iter().collect();
    doubts.extend(merged.conflicts.iter().cloned());
    if let Err(missing) = seen(summary, &merged.lines).enough() {
        doubts.insert(format!("{SAW_NO}{}", missing.join(", no ")));
    }
    let mut exit = Exit::Passed;
    for (applies, reason) in [
        (!doubts.is_empty(), Exit::Untrusted),
        (summary.utilization.runs.failed > 0 || !summary.failures.is_empty(), Exit::Violated),
        (summary.utilization.runs.undecided > 0, Exit::Undecided),
        (summary.utilization.runs.total == 0, Exit::NothingRan),
        (summary.shards.iter().any(|s| s.exit_code == Exit::Internal.code()), Exit::Internal),
    ] {
        if applies {
            exit = exit.and(reason);
        }
    }
    if findings_ok && exit == Exit::Violated {
        exit = Exit::Passed;
    }
    summary.doubts = doubts.into_iter().collect();
    summary.exit_code = exit.code();
    exit
}

/// The sums and marks by which a campaign is asked whether it saw enough.
fn seen(summary: &Summary, lines: &[RunLine]) -> Seen {
    let utilization = &summary.utilization;
    let mut shown = Shown::default();
    for line in lines.iter().filter(|line| line.plant.is_none()) {
        let Some(of) = systems().scenario(&line.scenario) else { continue };
        let place = |name: &String| of.system.marks().iter().position(|mark| mark.name == name);
        let marks = line.marks.keys().filter_map(place);
        shown.add(&line.scenario, marks.map(|place| MarkId(place as u16)));
        shown.aim(&line.scenario, &line.roles);
    }
    let figures = utilization.figures.iter().map(|(id, value)| (id.clone(), *value)).collect();
    let totals = Totals { figures, ..Totals::default() };
    let mut seen = Seen::of(systems());
    (seen.shown, seen.runs, seen.totals) = (shown, utilization.runs.total, totals);
    seen
}

/// Says which shards did not come to their end, and which are not there at all.
fn tell_shards(summary: &Summary) {
    let mut there: BTreeSet<(u64, u64)> = BTreeSet::new();
    for shard in &summary.shards {
        let name = shard.partition.as_deref().unwrap_or("the campaign");
        if shard.interrupted || shard.torn {
            let torn = if shard.torn { "; the last line of its seeds.jsonl is torn" } else { "" };
            say(&format!("{name} of {} did not come to its end{torn}", shard.started));
        }
        let partition = shard.partition.as_ref().and_then(|text| {
            let partition: harness::partition::Partition = text.parse().ok()?;
            Some((partition.count(), partition.number()))
        });
        there.extend(partition);
    }
    let counts: BTreeSet<u64> = there.iter().map(|(count, _)| *count).collect();
    for count in counts {
        let absent = (1..=count).filter(|number| !there.contains(&(count, *number)));
        let absent: Vec<String> = absent.map(|number| number.to_string()).collect();
        if !absent.is_empty() {
            say(&format!("of {count} shards these are not there: {}", absent.join(", ")));
        }
    }
}
