//! The closing line of a campaign, and `summary.md`.

use evidence::words::{by_kind, count, duration};
use evidence::{Summary, Utilization};

/// The most bytes of `summary.md`: it goes into pages of CI services, which have limits.
const MARKDOWN_BYTES_MAX: usize = 60_000;
/// Doubts that the closing line names; of more it gives the number.
const DOUBTS_MAX: usize = 3;

/// The campaign in one line.
pub fn closing_line(summary: &Summary) -> String {
    let Utilization { runs, wall_ms, sim_ms, operations, acknowledged, repeated, .. } =
        summary.utilization;
    let distinct = match runs.failed {
        0 => String::new(),
        _ => format!(" ({} distinct)", summary.failures.len()),
    };
    let interrupted = if summary.interrupted { "interrupted: " } else { "" };
    let repeated = match repeated {
        0 => String::new(),
        many => format!("; {} performed twice", count(many, "run")),
    };
    let told = summary.doubts.iter().take(DOUBTS_MAX);
    let mut doubts: String = told.map(|doubt| format!("; NOT TRUSTED: {doubt}")).collect();
    if let Some(more @ 1..) = summary.doubts.len().checked_sub(DOUBTS_MAX) {
        doubts += &format!("; and {} (summary.json)", count(more as u64, "more doubt"));
    }
    format!(
        "{interrupted}{}, {} passed, {} failed{distinct}, {} undecided; {} simulated in {}; \
         {} ({acknowledged} acknowledged); {}{}{repeated}{doubts}",
        count(runs.total, "run"),
        runs.passed,
        runs.failed,
        runs.undecided,
        duration(sim_ms),
        duration(wall_ms),
        count(operations, "operation"),
        seen(summary),
        reached(summary),
    )
}

/// How much of the system's code the campaign reached, as far as it is marked.
fn reached(summary: &Summary) -> String {
    let Some(marks) = &summary.marks else { return String::new() };
    format!("; {} of {} marks reached", marks.reached, marks.declared)
}

/// What the campaign saw happen: faults, and the system's own figures.
fn seen(summary: &Summary) -> String {
    let told = summary.utilization.told(&summary.figures);
    let figures: Vec<String> = told.iter().map(|(figure, n)| figure.in_words(*n)).collect();
    let gap = if figures.is_empty() { "" } else { "; " };
    let utilization = &summary.utilization;
    let never = utilization.never_struck();
    let never = match never.is_empty() {
        true => String::new(),
        false => format!("; planned, and never struck: {}", by_kind(&never)),
    };
    format!("faults: {}{never}{gap}{}", by_kind(&utilization.faults), figures.join(", "))
}

/// The text of `summary.md`.
pub fn summary_markdown(summary: &Summary) -> String {
    let environment = &summary.environment;
    let plant = environment.plant.as_ref();
    let mut text = format!(
        "# squall: {}\n\n{}\n\n| | |\n|---|---|\n| build | {} |\n| command | `{}` |\n\
         | seed | {} |\n| scenarios | {} |\n{}{}| started | {} |\n{}",
        headline(summary),
        closing_line(summary),
        environment.build,
        environment.command.join(" "),
        environment.seed,
        environment.scenarios.join(", "),
        environment
            .engine
            .as_ref()
            .map_or(String::new(), |engine| format!("| engine | {engine} |\n")),
        plant.map_or(String::new(), |plant| format!("| planted bug | {plant} |\n")),
        environment.started,
        canary_row(summary),
    );
    append_marks(summary, &mut text);
    let failures = summary.failures.iter().map(|failure| {
        let smaller = failure.smaller.as_ref();
        let smaller = smaller.map_or(String::new(), |s| format!(", [smaller]({})", s.plan));
        let place = match failure.folder.is_empty() {
            true => format!("{}, not kept", failure.fingerprint),
            false => format!("[{}]({})", failure.fingerprint, failure.folder),
        };
        format!(
            "| {} | {} | {} | {} | {place}{smaller} |\n",
            failure.scenario,
            failure.property,
            cell(&failure.headline),
            failure.count,
        )
    });
    let head = "\n## Failures\n\n| scenario | property | what | runs | folder |\n\
        |---|---|---|---|---|\n";
    append(&mut text, head, failures.collect());
    let undecided = summary.undecided.iter().map(|run| {
        let plan = &run.plan;
        format!("| {} | {} | {} | {plan} |\n", run.scenario, run.seed, cell(&run.reason))
    });
    let head = "\n## Undecided\n\n| scenario | seed | why | plan |\n|---|---|---|---|\n";
    append(&mut text, head, undecided.collect());
    let shards = summary.shards.iter().map(|shard| {
        let end = match (shard.interrupted, shard.torn) {
            (_, true) => "killed while it wrote".to_owned(),
            (true, false) => "interrupted".to_owned(),
            (false, false) => format!("exit code {}", shard.exit_code),
        };
        let partition = shard.partition.as_deref().unwrap_or("all");
        format!("| {partition} | {} | {} | {end} |\n", shard.started, duration(shard.wall_ms))
    });
    let head = "\n## Shards\n\n| runs | started | time | end |\n|---|---|---|---|\n";
    append(&mut text, head, shards.collect());
    text
}

fn append_marks(summary: &Summary, text: &mut String) {
    let Some(marks) = &summary.marks else { return };
    let not = match marks.not_reached.is_empty() {
        true => String::new(),
        false => format!("; not reached: {}", marks.not_reached.join(", ")),
    };
    text.push_str(&format!(
        "\n## Marks\n\n{} of {} reached ([coverage.json](coverage.json)){not}\n",
        marks.reached, marks.declared
    ));
}

fn canary_row(summary: &Summary) -> String {
    let Some(canary) = &summary.canary else { return String::new() };
    let found = if canary.found { "found" } else { "NOT FOUND" };
    let plant = canary.plant.as_deref().unwrap_or("no planted bug");
    format!("| canary | {found}: {plant} in {} seed {} |\n", canary.scenario, canary.seed)
}

fn headline(summary: &Summary) -> &'static str {
    match summary.exit_code {
        0 if summary.failures.is_empty() => "all passed",
        0 | 1 => "failures",
        2 => "undecided",
        3 => "not to be trusted",
        4 => "nothing ran",
        130 => "interrupted",
        _ => "internal error",
    }
}
/// Appends a table as far as it fits; says how many of its rows did not.
fn append(text: &mut String, head: &str, rows: Vec<String>) {
    if rows.is_empty() {
        return;
    }
    text.push_str(head);
    let all = rows.len();
    for (written, row) in rows.into_iter().enumerate() {
        if text.len() + row.len() > MARKDOWN_BYTES_MAX {
            text.push_str(&format!("\n{} more are in summary.json\n", all - written));
            return;
        }
        text.push_str(&row);
    }
}

/// A text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use evidence::example::summary as example;

    use super::*;

    #[test]
    fn the_closing_line_is_one_line() {
        let summary = example();
        assert_eq!(
            closing_line(&summary),
            "4 runs, 1 passed, 2 failed (1 distinct), 1 undecided; 2 m 04 s simulated in \
             4 m 05 s; 3200 operations (2800 acknowledged); faults: 8 crash, 4 partition; \
             12 role changes, 8 full copies, 8 failovers; 2 of 3 marks reached"
        );
        let doubtful = Summary {
            interrupted: true,
            doubts: vec!["no copy was seen".to_owned()],
            failures: Vec::new(),
            utilization: Utilization::default(),
            marks: None,
            ..summary
        };
        assert_eq!(
            closing_line(&doubtful),
            "interrupted: 0 runs, 0 passed, 0 failed, 0 undecided; 0.0 s simulated in 0.0 s; \
             0 operations (0 acknowledged); faults: none; 0 role changes, 0 full copies, \
             0 failovers; NOT TRUSTED: no copy was seen"
        );
    }

    #[test]
    fn markdown_has_a_row_for_each_failure_and_undecided_run() {
        let text = summary_markdown(&example());
        assert!(text.starts_with("# squall: failures\n"), "{text}");
        let row = "| store/register | linearizability | /k7: no order explains \\| these | 2 | \
            [12ab](failures/12ab), [smaller](failures/12ab/plan.min.json) |\n";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("| store/register | 5 | nothing was checked |"), "{text}");
        let marks = "2 of 3 reached ([coverage.json](coverage.json)); not reached: client-moves\n";
        assert!(text.contains(marks), "{text}");
    }

    #[test]
    fn markdown_stays_small() {
        let mut summary = example();
        summary.undecided = vec![summary.undecided[0].clone(); 5_000];
        let text = summary_markdown(&summary);
        assert!(text.len() < MARKDOWN_BYTES_MAX + 100, "{}", text.len());
        assert!(text.ends_with("more are in summary.json\n"));
    }
}
