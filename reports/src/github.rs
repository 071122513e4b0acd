//! What GitHub Actions shows of a campaign: annotations, which are lines of a step's output
//! ("Workflow commands for GitHub Actions", setting an error message). GitHub shows ten of a kind
//! for each step.

use evidence::Summary;
use evidence::words::count;

use crate::home::Home;

/// Annotations of one campaign.
const ANNOTATIONS_MAX: usize = 10;

/// One line for each reason not to trust the campaign, and for each kind of failure; at most ten.
pub fn annotations(summary: &Summary, home: Home<'_>) -> Vec<String> {
    let doubts = summary.doubts.iter().map(|doubt| error("squall cannot be trusted", doubt));
    let failures = summary.failures.iter().map(|failure| {
        let title = format!("{}: {}", failure.scenario, failure.property);
        let replay = home.replay(failure);
        let message = format!(
            "{}\nin {}, first in seed {}\n{}",
            failure.headline,
            count(failure.count, "run"),
            failure.seed,
            replay.as_deref().unwrap_or("its plan was not kept"),
        );
        error(&title, &message)
    });
    let mut lines: Vec<String> = doubts.chain(failures).collect();
    if lines.len() > ANNOTATIONS_MAX {
        let more = lines.len() - (ANNOTATIONS_MAX - 1);
        lines.truncate(ANNOTATIONS_MAX - 1);
        lines.push(error("squall", &format!("{more} more are in summary.md")));
    }
    lines
}

fn error(title: &str, message: &str) -> String {
    // Properties end at a colon or comma, a message only at the end of the line.
    let title = escaped(title).replace(':', "%3A").replace(',', "%2C");
    format!("::error title={title}::{}\n", escaped(message))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use evidence::example::summary as example;

    use super::*;

    fn told(summary: &Summary) -> Vec<String> {
        annotations(summary, Home { program: "squall", folder: "my runs/a".as_ref() })
    }

    #[test]
    fn a_failure_is_one_line() {
        expect_test::expect![[r#"
            ::error title=store/register%3A linearizability::/k7: no order explains | these%0Ain 2 runs, first in seed 1234%0Asquall replay 'my runs/a/failures/12ab/plan.json'
        "#]]
        .assert_eq(&told(&example()).concat());
    }

    #[test]
    fn what_would_end_a_line_or_a_title_is_escaped() {
        let mut summary = example();
        summary.failures[0].property = "a: b, 100 %\r\n::error::".to_owned();
        summary.failures[0].headline = "100 %0A\r\nnext".to_owned();
        let line = told(&summary).concat();
        let expected = "::error title=store/register%3A a%3A b%2C 100 %25%0D%0A%3A%3Aerror%3A%3A::\
            100 %250A%0D%0Anext%0A";
        assert!(line.starts_with(expected), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn there_are_at_most_ten_and_doubts_come_first() {
        let mut summary = example();
        summary.failures = vec![summary.failures[0].clone(); 10];
        assert_eq!(told(&summary).len(), 10);
        summary.doubts = vec!["not deterministic".to_owned()];
        let lines = told(&summary);
        assert_eq!(lines.len(), 10);
        assert!(lines[0].ends_with("trusted::not deterministic\n"), "{lines:?}");
        assert_eq!(lines[9], "::error title=squall::2 more are in summary.md\n");
    }
}
