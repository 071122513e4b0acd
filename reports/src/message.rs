//! The failure message: what people copy into a ticket.
//!
//! It says what contradicts what, in a few lines with times; what was done to the servers at that
//! time; and the exact commands that replay, shrink and read the failure.

use std::fmt;

use checker::Explanation;
use serde::{Deserialize, Serialize};

use crate::history::Span;
use crate::words::{count, duration, moment};

/// One kind of failure, told by the first run in which it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureMessage {
    /// The scenario.
    pub scenario: String,
    /// The planted bug, if there was one.
    pub plant: Option<String>,
    /// The run's seed.
    pub seed: u64,
    /// The build that ran it.
    pub build: String,
    /// Short for the kind of failure.
    pub fingerprint: String,
    /// When the contradiction was complete, in simulated nanoseconds.
    pub at_ns: Option<u64>,
    /// What contradicts what.
    pub explanation: Explanation,
    /// Every fault of the run.
    pub faults: Vec<Span>,
    /// Every change of leader of the run, in order of time.
    pub leaders: Vec<Moment>,
    /// Other properties that the same run violated.
    pub also: Vec<String>,
    /// In how many runs this kind was seen.
    pub runs: u64,
    /// What to do next.
    pub commands: Commands,
}

/// Something that happened at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// What.
    pub what: String,
}

/// The commands that continue from a failure. An absent one is not printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Shows the failure again.
    pub replay: Option<String>,
    /// Makes the plan smaller.
    pub shrink: Option<String>,
    /// Shows the failure with a smaller plan, if there is one, and how much smaller that is.
    pub smaller: Option<(String, String)>,
    /// The file to read.
    pub read: Option<String>,
}

/// Leader changes that are told: the last ones before the contradiction.
const LEADERS_MAX: usize = 4;

/// Faults that are told.
const FAULTS_MAX: usize = 6;

impl fmt::Display for FailureMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAIL {}   seed {}", self.scenario, self.seed)?;
        if let Some(plant) = &self.plant {
            write!(f, "   planted bug {plant}")?;
        }
        if let Some(at_ns) = self.at_ns {
            write!(f, "   at {} simulated", moment(at_ns))?;
        }
        writeln!(f, "   fingerprint {}", self.fingerprint)?;
        for line in self.explanation.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "  during: {}", self.during())?;
        if !self.also.is_empty() {
            writeln!(f, "  also violated: {}", self.also.join(", "))?;
        }
        if self.runs > 1 {
            writeln!(f, "  seen in {}", count(self.runs, "run"))?;
        }
        let Commands { replay, shrink, smaller, read } = &self.commands;
        if let Some(command) = replay {
            writeln!(f, "  replay   {command}        (build {})", self.build)?;
        }
        if let Some((command, change)) = smaller {
            writeln!(f, "  smaller  {command}        ({change})")?;
        }
        for (label, command) in [("shrink", shrink), ("read  ", read)] {
            if let Some(command) = command {
                writeln!(f, "  {label}   {command}")?;
            }
        }
        Ok(())
    }
}

impl FailureMessage {
    /// Faults and leaders around the time that the explanation speaks of.
    fn during(&self) -> String {
        let (from_ns, to_ns) = self.told_time();
        let faults = self.faults.iter().filter(|fault| fault.overlaps(from_ns, to_ns));
        let mut parts = shortened(faults.map(Span::to_string).collect(), FAULTS_MAX);
        if parts.is_empty() {
            parts.push(match self.faults.iter().rfind(|fault| fault.from_ns <= to_ns) {
                Some(fault) => format!("no fault (the last one: {fault})"),
                None => "no fault".to_owned(),
            });
        }
        // The change that came before the told time says who led when it began.
        let led = self.leaders.iter().filter(|change| change.at_ns <= to_ns);
        let (before, within): (Vec<&Moment>, Vec<&Moment>) =
            led.partition(|change| change.at_ns < from_ns);
        let changes: Vec<&Moment> = before.last().copied().into_iter().chain(within).collect();
        let latest = &changes[changes.len().saturating_sub(LEADERS_MAX)..];
        parts.extend(latest.iter().map(|c| format!("{} at {}", c.what, moment(c.at_ns))));
        parts.join("; ")
    }

    /// From the first to the last time of the explanation; without any, the whole run.
    fn told_time(&self) -> (u64, u64) {
        let lines = &self.explanation.lines;
        let from_ns = lines.iter().filter_map(|line| line.from_ns).min().or(self.at_ns);
        let last_of_lines = lines.iter().filter_map(|line| line.to_ns.or(line.from_ns)).max();
        (from_ns.unwrap_or(0), self.at_ns.max(last_of_lines).unwrap_or(u64::MAX))
    }

    /// The text of `explanation.txt`: the message, and every fault and leader of the run.
    pub fn to_explanation(&self, sim_ms: u64) -> String {
        let mut text = format!("{self}\nThe whole run, {} simulated:\n", duration(sim_ms));
        let faults = self.faults.iter().map(|fault| (fault.from_ns, fault.to_string()));
        let leaders = self
            .leaders
            .iter()
            .map(|change| (change.at_ns, format!("{} at {}", change.what, moment(change.at_ns))));
        let mut all: Vec<(u64, String)> = faults.chain(leaders).collect();
        all.sort();
        if all.is_empty() {
            text.push_str("  no fault and no change of leader\n");
        }
        all.iter().for_each(|(_, line)| text.push_str(&format!("  {line}\n")));
        text
    }
}

/// The last `most` texts, and how many there were before.
fn shortened(texts: Vec<String>, most: usize) -> Vec<String> {
    let skipped = texts.len().saturating_sub(most);
    let note = (skipped > 0).then(|| format!("{skipped} earlier faults"));
    note.into_iter().chain(texts.into_iter().skip(skipped)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use checker::ExplainLine;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn line(client: &str, text: &str, from_ms: u64, to_ms: u64, note: &str) -> ExplainLine {
        ExplainLine {
            client: client.to_owned(),
            text: text.to_owned(),
            from_ns: Some(from_ms * 1_000_000),
            to_ns: Some(to_ms * 1_000_000),
            note: note.to_owned(),
        }
    }

    pub(crate) fn example() -> FailureMessage {
        let leader = |at_ns, what: &str| Moment { at_ns, what: what.to_owned() };
        FailureMessage {
            scenario: "keeper/register".to_owned(),
            plant: None,
            seed: 1234,
            build: "0.1.0+4f2c1de".to_owned(),
            fingerprint: "12ab".to_owned(),
            at_ns: Some(5_811_000_000),
            explanation: Explanation {
                property: "linearizability".to_owned(),
                headline: "/k7: no order explains these operations".to_owned(),
                lines: vec![
                    line("c3", "get /k7 → \"b\"", 5_700, 5_709, "so the set took effect"),
                    line("c2", "get /k7 → \"a\"", 5_802, 5_811, "but this read is later"),
                ],
                contradiction: Some(1),
            },
            faults: vec![
                Span::new("crash", "n3", SECOND, Some(2 * SECOND)),
                Span::new("partition", "{n1 | n2 n3}", 4 * SECOND, None),
                Span::new("pause", "n2", 20 * SECOND, Some(21 * SECOND)),
            ],
            leaders: vec![
                leader(SECOND, "leader n3 (epoch 1)"),
                leader(3 * SECOND, "leader n3 → n1 (epoch 2)"),
                leader(5_705_000_000, "leader n1 → n2 (epoch 3)"),
                leader(9 * SECOND, "leader n2 → n1 (epoch 4)"),
            ],
            also: vec!["agreement".to_owned()],
            runs: 3,
            commands: Commands {
                replay: Some("squall replay out/latest-failure/plan.json".to_owned()),
                shrink: Some("squall shrink out/latest-failure/plan.json".to_owned()),
                smaller: None,
                read: Some("out/latest-failure/explanation.txt".to_owned()),
            },
        }
    }

    #[test]
    fn a_message_says_what_when_and_what_to_do() {
        let expected = "\
FAIL keeper/register   seed 1234   at 5.811 s simulated   fingerprint 12ab
  linearizability: /k7: no order explains these operations
    c3  get /k7 → \"b\"  5.700 … 5.709 s  so the set took effect
    c2  get /k7 → \"a\"  5.802 … 5.811 s  but this read is later   ← contradiction
  during: partition {n1 | n2 n3} since 4.000 s; leader n3 → n1 (epoch 2) at 3.000 s; leader n1 → \
n2 (epoch 3) at 5.705 s
  also violated: agreement
  seen in 3 runs
  replay   squall replay out/latest-failure/plan.json        (build 0.1.0+4f2c1de)
  shrink   squall shrink out/latest-failure/plan.json
  read     out/latest-failure/explanation.txt
";
        assert_eq!(example().to_string(), expected);
    }

    #[test]
    fn a_smaller_plan_is_named_with_what_it_lacks() {
        let mut message = example();
        assert!(!message.to_string().contains("smaller"));
        let command = "squall replay out/latest-failure/plan.min.json".to_owned();
        message.commands.smaller = Some((command, "ops 412 -> 7, faults 9 -> 2".to_owned()));
        let text = message.to_string();
        let line = "\n  smaller  squall replay out/latest-failure/plan.min.json        \
                    (ops 412 -> 7, faults 9 -> 2)\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn without_an_active_fault_the_last_one_is_named() {
        let mut message = example();
        message.faults.remove(1);
        let text = message.to_string();
        assert!(
            text.contains("during: no fault (the last one: crash n3 1.000 … 2.000 s);"),
            "{text}"
        );
        message.faults.clear();
        message.leaders.clear();
        assert!(message.to_string().contains("during: no fault\n"));
    }

    #[test]
    fn a_storm_of_faults_is_shortened() {
        let mut message = example();
        message.faults = vec![Span::new("pause", "n1", 0, None); 9];
        let text = message.to_string();
        assert!(text.contains("during: 3 earlier faults; pause n1 since 0.000 s;"), "{text}");
    }

    #[test]
    fn an_absent_command_and_plant_are_not_printed() {
        let mut message = example();
        assert!(!message.to_string().contains("planted"));
        message.plant = Some("ack-before-fsync".to_owned());
        message.commands = Commands::default();
        message.runs = 1;
        let text = message.to_string();
        assert!(text.contains("seed 1234   planted bug ack-before-fsync   at"), "{text}");
        assert!(text.ends_with("also violated: agreement\n"), "{text}");
    }

    #[test]
    fn the_explanation_tells_the_whole_run_in_order() {
        let text = example().to_explanation(31_000);
        let (_, run) = text.split_once("The whole run, 31.0 s simulated:\n").unwrap();
        assert_eq!(run.lines().count(), 7);
        assert!(run.lines().next().unwrap().contains("crash n3 1.000 … 2.000 s"));
        assert!(run.lines().next_back().unwrap().contains("pause n2 20.000 … 21.000 s"));
    }
}
