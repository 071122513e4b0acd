//! The failure message: what people copy into a ticket.
//!
//! It says what contradicts what, in a few lines with times; what was done to the hosts at that
//! time; and the exact commands that replay, shrink and read the failure.

use std::fmt::Write as _;

use evidence::words::{count, duration, moment};
use evidence::{Commands, FailureMessage, FaultWindow, Moment};

/// Changes of roles that are told: the last ones before the contradiction.
const ROLES_MAX: usize = 4;

/// Faults that are told.
const FAULTS_MAX: usize = 6;

/// The failure message, as `explanation.txt` and the terminal have it.
pub fn failure_text(message: &FailureMessage) -> String {
    let mut text = format!("FAIL {}   seed {}", message.scenario, message.seed);
    if let Some(plant) = &message.plant {
        let _ = write!(text, "   planted bug {plant}");
    }
    if let Some(at_ns) = message.at_ns {
        let _ = write!(text, "   at {} simulated", moment(at_ns));
    }
    let _ = writeln!(text, "   fingerprint {}", message.fingerprint);
    for line in message.explanation.to_string().lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "  during: {}", during(message));
    for other in &message.also {
        let _ = writeln!(text, "  also violated: {other}");
    }
    if message.runs > 1 {
        let _ = writeln!(text, "  seen in {}", count(message.runs, "run"));
    }
    let Commands { replay, shrink, smaller, read } = &message.commands;
    if let Some(command) = replay {
        let _ = writeln!(text, "  replay   {command}        (build {})", message.build);
    }
    if let Some((command, change)) = smaller {
        let _ = writeln!(text, "  smaller  {command}        ({change})");
    }
    for (label, command) in [("shrink", shrink), ("read  ", read)] {
        if let Some(command) = command {
            let _ = writeln!(text, "  {label}   {command}");
        }
    }
    text
}

/// The text of `explanation.txt`: the message, and every fault and change of roles of the run.
pub fn explanation_text(message: &FailureMessage, sim_ms: u64) -> String {
    let (text, took) = (failure_text(message), duration(sim_ms));
    let mut text = format!("{text}\nThe whole run, {took} simulated:\n");
    let faults = message.faults.iter().map(|fault| (fault.from_ns, fault.to_string()));
    let roles = message.roles.iter().map(|change| (change.at_ns, role_text(change)));
    let mut all: Vec<(u64, String)> = faults.chain(roles).collect();
    all.sort();
    if all.is_empty() {
        text.push_str("  no fault and no change of roles\n");
    }
    all.iter().for_each(|(_, line)| text.push_str(&format!("  {line}\n")));
    text
}

fn role_text(change: &Moment) -> String {
    format!("{} at {}", change.what, moment(change.at_ns))
}

/// Faults and roles around the time that the explanation speaks of.
fn during(message: &FailureMessage) -> String {
    let (from_ns, to_ns) = told_time(message);
    let faults = message.faults.iter().filter(|fault| fault.overlaps(from_ns, to_ns));
    let mut parts = shortened(faults.map(FaultWindow::to_string).collect(), FAULTS_MAX);
    if parts.is_empty() {
        parts.push(match message.faults.iter().rfind(|fault| fault.from_ns <= to_ns) {
            Some(fault) => format!("no fault (the last one: {fault})"),
            None => "no fault".to_owned(),
        });
    }
    // The change that came before the told time says who had the role when it began.
    let taken = message.roles.iter().filter(|change| change.at_ns <= to_ns);
    let (before, within): (Vec<&Moment>, Vec<&Moment>) =
        taken.partition(|change| change.at_ns < from_ns);
    let changes: Vec<&Moment> = before.last().copied().into_iter().chain(within).collect();
    let latest = &changes[changes.len().saturating_sub(ROLES_MAX)..];
    parts.extend(latest.iter().map(|change| role_text(change)));
    parts.join("; ")
}

/// From the first to the last time of the explanation; without any, the whole run.
fn told_time(message: &FailureMessage) -> (u64, u64) {
    let lines = &message.explanation.lines;
    let from_ns = lines.iter().filter_map(|line| line.from_ns).min().or(message.at_ns);
    let last_of_lines = lines.iter().filter_map(|line| line.to_ns.or(line.from_ns)).max();
    (from_ns.unwrap_or(0), message.at_ns.max(last_of_lines).unwrap_or(u64::MAX))
}

/// The last `most` texts, and how many there were before.
fn shortened(texts: Vec<String>, most: usize) -> Vec<String> {
    let skipped = texts.len().saturating_sub(most);
    let note = (skipped > 0).then(|| format!("{skipped} earlier faults"));
    note.into_iter().chain(texts.into_iter().skip(skipped)).collect()
}

#[cfg(test)]
mod tests {
    use evidence::example::message as example;

    use super::*;

    #[test]
    fn a_message_says_what_when_and_what_to_do() {
        let expected = "\
FAIL store/register   seed 1234   at 5.811 s simulated   fingerprint 12ab
  linearizability: /k7: no order explains these operations
    c3  get /k7 → \"b\"  5.700 … 5.709 s  so the set took effect
    c2  get /k7 → \"a\"  5.802 … 5.811 s  but this read is later   ← contradiction
  during: partition {n1 | n2 n3} since 4.000 s; primary n3 → n1 (term 2) at 3.000 s; primary n1 → \
n2 (term 3) at 5.705 s
  also violated: agreement
  seen in 3 runs
  replay   squall replay out/latest-failure/plan.json        (build 0.1.0+4f2c1de)
  shrink   squall shrink out/latest-failure/plan.json
  read     out/latest-failure/explanation.txt
";
        assert_eq!(failure_text(&example()), expected);
    }

    #[test]
    fn a_smaller_plan_is_named_with_what_it_lacks() {
        let mut message = example();
        assert!(!failure_text(&message).contains("smaller"));
        let command = "squall replay out/latest-failure/plan.min.json".to_owned();
        message.commands.smaller = Some((command, "ops 412 -> 7, faults 9 -> 2".to_owned()));
        let text = failure_text(&message);
        let line = "\n  smaller  squall replay out/latest-failure/plan.min.json        \
                    (ops 412 -> 7, faults 9 -> 2)\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn without_an_active_fault_the_last_one_is_named() {
        let mut message = example();
        message.faults.remove(1);
        let text = failure_text(&message);
        assert!(
            text.contains("during: no fault (the last one: crash n3 1.000 … 2.000 s);"),
            "{text}"
        );
        message.faults.clear();
        message.roles.clear();
        assert!(failure_text(&message).contains("during: no fault\n"));
    }

    #[test]
    fn a_storm_of_faults_is_shortened() {
        let mut message = example();
        message.faults = vec![FaultWindow::new("pause", "n1", 0, None); 9];
        let text = failure_text(&message);
        assert!(text.contains("during: 3 earlier faults; pause n1 since 0.000 s;"), "{text}");
    }

    #[test]
    fn an_absent_command_and_plant_are_not_printed() {
        let mut message = example();
        assert!(!failure_text(&message).contains("planted"));
        message.plant = Some("ack-before-fsync".to_owned());
        let panic = "no panic: a program panicked: n1 panicked at 3.000 ms: x.rs:4: index 3";
        message.also = vec![panic.to_owned(), "agreement".to_owned()];
        message.commands = Commands::default();
        message.runs = 1;
        let text = failure_text(&message);
        assert!(text.contains("seed 1234   planted bug ack-before-fsync   at"), "{text}");
        let also = format!("  also violated: {panic}\n  also violated: agreement\n");
        assert!(text.ends_with(&also), "{text}");
    }

    #[test]
    fn the_explanation_tells_the_whole_run_in_order() {
        let text = explanation_text(&example(), 31_000);
        let (_, run) = text.split_once("The whole run, 31.0 s simulated:\n").unwrap();
        assert_eq!(run.lines().count(), 7);
        assert!(run.lines().next().unwrap().contains("crash n3 1.000 … 2.000 s"));
        assert!(run.lines().next_back().unwrap().contains("pause n2 20.000 … 21.000 s"));
    }
}
