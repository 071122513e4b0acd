//! Help that speaks of the systems that there are: examples name one of their scenarios.

use clap::Command;
use harness::Systems;

/// The command with examples of these systems. In examples `SYSTEM`, `SCENARIO`, `ANOTHER` and `PLANT`
/// stand for a system, two of its scenarios and a bug that can be planted; what there is none of stays.
pub(crate) fn told_for(systems: Systems, command: Command) -> Command {
    let mut names: Vec<(&str, &str)> = Vec::new();
    let mut scenarios = systems.scenarios().map(|of| of.scenario.name);
    names.extend(systems.all().next().map(|system| ("SYSTEM", system.name())));
    names.extend(scenarios.next().map(|name| ("SCENARIO", name)));
    names.extend(scenarios.next().map(|name| ("ANOTHER", name)));
    names.extend(systems.planted_bugs().first().map(|bug| ("PLANT", bug.name)));
    with_names(&names, command)
}

fn with_names(names: &[(&str, &str)], command: Command) -> Command {
    let filled = |help: &clap::builder::StyledStr| filled(names, &help.to_string());
    let after = command.get_after_help().map(filled);
    let after_long = command.get_after_long_help().map(filled);
    let command = match after {
        Some(help) => command.after_help(help),
        None => command,
    };
    let command = match after_long {
        Some(help) => command.after_long_help(help),
        None => command,
    };
    command.mut_subcommands(|subcommand| with_names(names, subcommand))
}

/// The text with names in the place of words. What stands in a column behind them stays in it, if there
/// is room.
fn filled(names: &[(&str, &str)], text: &str) -> String {
    let lines = text.lines().map(|line| {
        names.iter().fold(line.to_owned(), |line, (word, name)| match line.rsplit_once(word) {
            Some((before, after)) => {
                let longer = name.len().saturating_sub(word.len()) * line.matches(word).count();
                format!("{}{name}{}", before.replace(word, name), pulled_in(after, longer))
            }
            None => line,
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A text whose first gap is narrower, but still a gap.
fn pulled_in(text: &str, by: usize) -> String {
    let Some(at) = text.find("  ") else { return text.to_owned() };
    let gap = text[at..].len() - text[at..].trim_start_matches(' ').len();
    let gap = gap.saturating_sub(by).max(2);
    format!("{}{}{}", &text[..at], " ".repeat(gap), text[at..].trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 2] = [("SCENARIO", "shop/orders"), ("PLANT", "p")];

    #[test]
    fn words_become_names_and_columns_stay() {
        let text =
            "Examples:\n  squall run SCENARIO      one\n  squall run SCENARIO --plant PLANT  b";
        let expected =
            "Examples:\n  squall run shop/orders   one\n  squall run shop/orders --plant p  b";
        assert_eq!(filled(&NAMES, text), expected);
        assert_eq!(filled(&[], text), text, "of what there is none of nothing is told");
    }

    #[test]
    fn every_help_names_a_scenario_that_there_is() {
        use clap::CommandFactory;
        let command = told_for(crate::systems::systems(), crate::args::Cli::command());
        let mut all = vec![&command];
        let mut told = Vec::new();
        while let Some(command) = all.pop() {
            told.extend(command.get_after_help().map(ToString::to_string));
            told.extend(command.get_after_long_help().map(ToString::to_string));
            all.extend(command.get_subcommands());
        }
        let told = told.concat();
        assert!(told.contains("squall run keeper/register --seed 7  "), "{told}");
        for word in ["SYSTEM", "SCENARIO", "ANOTHER", "PLANT"] {
            assert!(!told.contains(word), "{word} in {told}");
        }
    }
}
