//! `junit.xml`, as CI services read it: one test case for each pair of scenario and property, and a
//! suite for the campaign itself. A property that had nothing to judge in any run is skipped, not
//! passed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use evidence::words::count;
use evidence::{RunLine, RunVerdict, Summary};

use crate::home::Home;
use crate::style::escape;

/// Test cases under construction.
#[derive(Clone, Debug)]
pub struct JUnit {
    properties: Vec<String>,
    scenarios: BTreeMap<String, Tally>,
}

/// The runs of one scenario.
#[derive(Clone, Debug, Default)]
struct Tally {
    wall_ms: u64,
    decided: u64,
    /// In how many decided runs a property judged something.
    checked: BTreeMap<String, u64>,
    /// The seeds of the runs that violated a property.
    violated: BTreeMap<String, BTreeSet<u64>>,
    /// What is wrong in the first of these runs.
    headlines: BTreeMap<String, String>,
}

/// Seeds that are listed for one property.
const SEEDS_MAX: usize = 20;

/// What a test case has besides its name.
enum Case {
    Passed,
    Skipped(String),
    Failed { message: String, kind: String, text: String },
    Error { message: String, text: String },
}

/// A suite in text, and its counts.
#[derive(Default)]
struct Suite {
    cases: String,
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
    time_ms: u64,
}

impl JUnit {
    /// Without runs. `properties` are all that runs are judged by.
    pub fn new(properties: impl IntoIterator<Item = String>) -> JUnit {
        JUnit { properties: properties.into_iter().collect(), scenarios: BTreeMap::new() }
    }

    /// Counts a run in.
    pub fn add(&mut self, run: &RunLine) {
        let tally = self.scenarios.entry(run.scenario.clone()).or_default();
        tally.wall_ms += run.wall_ms;
        if run.verdict == RunVerdict::Undecided {
            return;
        }
        tally.decided += 1;
        for property in &run.checked {
            *tally.checked.entry(property.clone()).or_default() += 1;
        }
        for property in &run.violated {
            tally.violated.entry(property.clone()).or_default().insert(run.seed);
        }
        for (property, headline) in &run.headlines {
            tally.headlines.entry(property.clone()).or_insert_with(|| headline.clone());
        }
    }

    /// The file's text, of a campaign whose results are there.
    pub fn to_xml(&self, summary: &Summary, home: Home<'_>) -> String {
        let mut scenarios = self.scenarios.clone();
        for scenario in &summary.environment.scenarios {
            scenarios.entry(scenario.clone()).or_default();
        }
        let mut total = Suite::default();
        for (scenario, tally) in &scenarios {
            let mut suite = Suite { time_ms: tally.wall_ms, ..Suite::default() };
            let known = self.properties.iter().map(String::as_str);
            let others = tally.violated.keys().map(String::as_str);
            let others = others.filter(|name| !self.properties.iter().any(|known| known == name));
            for property in known.chain(others) {
                suite.add(scenario, property, &tally.case(scenario, property, summary, home));
            }
            total.absorb(scenario, "", suite);
        }
        let mut campaign = Suite::default();
        for (name, case) in of_campaign(summary) {
            campaign.add("campaign", name, &case);
        }
        let environment = &summary.environment;
        let facts = ["build", "seed"].map(str::to_owned).into_iter();
        let facts = facts.zip([environment.build.clone(), environment.seed.to_string()]);
        let figures = summary.utilization.told(&summary.figures).into_iter();
        let figures = figures.map(|(figure, value)| (figure.title, value.to_string()));
        let facts: String = facts
            .chain(figures)
            .map(|(name, value)| {
                let (name, value) = (escaped(&name), escaped(&value));
                format!("      <property name=\"{name}\" value=\"{value}\"/>\n")
            })
            .collect();
        total.absorb(
            "campaign",
            &format!("    <properties>\n{facts}    </properties>\n"),
            campaign,
        );
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"squall\" {}>\n\
             {}</testsuites>\n",
            total.attributes(),
            total.cases
        )
    }
}

impl Tally {
    fn case(&self, scenario: &str, property: &str, summary: &Summary, home: Home<'_>) -> Case {
        if let Some(seeds) = self.violated.get(property) {
            let kinds = summary
                .failures
                .iter()
                .filter(|failure| failure.scenario == scenario && failure.property == property);
            let mut text = format!(
                "violated in {} of {}\nseeds {}\n",
                seeds.len(),
                count(self.decided, "run"),
                listed(seeds)
            );
            let mut message = None;
            for kind in kinds {
                message.get_or_insert_with(|| kind.headline.clone());
                let explanation = home.explanation(kind);
                let explanation = explanation.as_deref().unwrap_or("its files were not kept");
                let _ = writeln!(text, "{}: {explanation}", kind.headline);
                if let Some(replay) = home.replay(kind) {
                    let _ = writeln!(text, "  {replay}");
                }
            }
            let beside = || match self.headlines.get(property) {
                Some(headline) => format!("{headline} (beside another property)"),
                None => "violated beside another property".to_owned(),
            };
            let message = message.unwrap_or_else(beside);
            return Case::Failed { message, kind: property.to_owned(), text };
        }
        match self.decided {
            0 => Case::Skipped("no run was decided".to_owned()),
            runs if !self.checked.contains_key(property) => {
                Case::Skipped(format!("nothing to judge in {}", count(runs, "run")))
            }
            _ => Case::Passed,
        }
    }
}

/// What must hold of the campaign itself.
fn of_campaign(summary: &Summary) -> [(&'static str, Case); 3] {
    let canary = match &summary.canary {
        None => Case::Skipped("it was not run".to_owned()),
        Some(canary) if canary.found => Case::Passed,
        Some(canary) => Case::Error {
            message: "the run that must fail did not".to_owned(),
            text: format!("{} seed {}", canary.scenario, canary.seed),
        },
    };
    let runs = summary.utilization.runs;
    let decided = match runs.undecided {
        0 => Case::Passed,
        undecided => Case::Error {
            message: format!("{undecided} of {} undecided", count(runs.total, "run")),
            text: summary
                .undecided
                .iter()
                .take(SEEDS_MAX)
                .map(|run| format!("{} seed {}: {}\n", run.scenario, run.seed, run.reason))
                .collect(),
        },
    };
    let trusted = match summary.doubts.first() {
        None => Case::Passed,
        Some(first) => Case::Error { message: first.clone(), text: summary.doubts.join("\n") },
    };
    [
        ("the canary is found", canary),
        ("every run is decided", decided),
        ("it can be trusted", trusted),
    ]
}

impl Suite {
    fn add(&mut self, class: &str, name: &str, case: &Case) {
        self.tests += 1;
        let head =
            format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(class), escaped(name));
        let body = match case {
            Case::Passed => {
                self.cases += &format!("{head}/>\n");
                return;
            }
            Case::Skipped(message) => {
                self.skipped += 1;
                format!("<skipped message=\"{}\"/>", escaped(message))
            }
            Case::Failed { message, kind, text } => {
                self.failures += 1;
                format!(
                    "<failure message=\"{}\" type=\"{}\">{}</failure>",
                    escaped(message),
                    escaped(kind),
                    escape(text)
                )
            }
            Case::Error { message, text } => {
                self.errors += 1;
                format!(
                    "<error message=\"{}\" type=\"campaign\">{}</error>",
                    escaped(message),
                    escape(text)
                )
            }
        };
        self.cases += &format!("{head}>\n      {body}\n    </testcase>\n");
    }

    /// Appends a finished suite.
    fn absorb(&mut self, name: &str, head: &str, suite: Suite) {
        self.cases += &format!(
            "  <testsuite name=\"{}\" {}>\n{head}{}  </testsuite>\n",
            escaped(name),
            suite.attributes(),
            suite.cases
        );
        self.tests += suite.tests;
        self.failures += suite.failures;
        self.errors += suite.errors;
        self.skipped += suite.skipped;
        self.time_ms += suite.time_ms;
    }

    fn attributes(&self) -> String {
        let Suite { tests, failures, errors, skipped, time_ms, .. } = self;
        format!(
            "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
             time=\"{}.{:03}\"",
            time_ms / 1_000,
            time_ms % 1_000
        )
    }
}

fn listed(seeds: &BTreeSet<u64>) -> String {
    let first: Vec<String> = seeds.iter().take(SEEDS_MAX).map(u64::to_string).collect();
    let more = match seeds.len() - first.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    first.join(", ") + &more
}

/// A text inside quotes: line ends and tabs would be read as spaces there.
fn escaped(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use evidence::Canary;
    use evidence::example::summary as example;

    use super::*;

    fn home() -> Home<'static> {
        Home { program: "squall", folder: "my runs/a".as_ref() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn line(seed: u64, verdict: RunVerdict, violated: &[&str]) -> RunLine {
        let run = evidence::example::run_line();
        RunLine {
            seed,
            verdict,
            violated: names(violated),
            checked: names(&["linearizability", "agreement"]),
            ..run
        }
    }

    fn junit(lines: &[RunLine]) -> JUnit {
        let properties = ["linearizability", "one-shot watches", "agreement"];
        let mut junit = JUnit::new(properties.map(str::to_owned));
        lines.iter().for_each(|line| junit.add(line));
        junit
    }

    /// Parses, and returns (class, name, the name of the tag within) of each case.
    fn cases(xml: &str) -> Vec<(String, String, String)> {
        let document = roxmltree::Document::parse(xml).unwrap_or_else(|e| panic!("{e}: {xml}"));
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        cases
            .map(|case| {
                let inner = case.children().find(roxmltree::Node::is_element);
                let attribute = |name| case.attribute(name).unwrap().to_owned();
                let inner = inner.map_or("passed", |node| node.tag_name().name()).to_owned();
                (attribute("classname"), attribute("name"), inner)
            })
            .collect()
    }

    #[test]
    fn the_whole_file_is_as_expected() {
        let lines = [
            line(1234, RunVerdict::Fail, &["linearizability"]),
            line(5, RunVerdict::Undecided, &[]),
            line(7, RunVerdict::Pass, &[]),
        ];
        expect_test::expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="squall" tests="6" failures="1" errors="1" skipped="1" time="0.123">
              <testsuite name="store/register" tests="3" failures="1" errors="0" skipped="1" time="0.123">
                <testcase classname="store/register" name="linearizability">
                  <failure message="/k7: no order explains | these" type="linearizability">violated in 1 of 2 runs
            seeds 1234
            /k7: no order explains | these: my runs/a/failures/12ab/explanation.txt
              squall replay &#39;my runs/a/failures/12ab/plan.json&#39;
            </failure>
                </testcase>
                <testcase classname="store/register" name="one-shot watches">
                  <skipped message="nothing to judge in 2 runs"/>
                </testcase>
                <testcase classname="store/register" name="agreement"/>
              </testsuite>
              <testsuite name="campaign" tests="3" failures="0" errors="1" skipped="0" time="0.000">
                <properties>
                  <property name="build" value="0.1.0+4f2c1de"/>
                  <property name="seed" value="7"/>
                  <property name="role changes" value="12"/>
                  <property name="full copies" value="8"/>
                  <property name="failovers" value="8"/>
                </properties>
                <testcase classname="campaign" name="the canary is found"/>
                <testcase classname="campaign" name="every run is decided">
                  <error message="1 of 4 runs undecided" type="campaign">store/register seed 5: nothing was checked
            </error>
                </testcase>
                <testcase classname="campaign" name="it can be trusted"/>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&junit(&lines).to_xml(&example(), home()));
    }

    #[test]
    fn whatever_a_message_holds_the_file_is_well_formed_and_reads_the_same() {
        let nasty = "<a href=\"x\">&amp; ]]> ' \u{1}\u{b}\u{ffff}\ttab\nline é 🦀";
        let mut summary = example();
        summary.failures[0].headline = nasty.to_owned();
        summary.undecided[0].reason = nasty.to_owned();
        summary.doubts = vec![nasty.to_owned()];
        summary.environment.build = nasty.to_owned();
        let xml = junit(&[line(1, RunVerdict::Fail, &["linearizability", nasty])])
            .to_xml(&summary, home());
        let document = roxmltree::Document::parse(&xml).unwrap();
        let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
        let expected = nasty.replace(['\u{1}', '\u{b}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(failure.attribute("message"), Some(expected.as_str()));
        assert!(failure.text().unwrap().contains(&expected));
        // A property that this build does not know is a case as well.
        assert!(cases(&xml).contains(&("store/register".into(), expected, "failure".into())));
    }

    #[test]
    fn what_was_not_run_or_judged_is_skipped_and_doubts_are_errors() {
        let mut summary = example();
        summary.environment.scenarios.push("store/watch".to_owned());
        summary.canary = Some(Canary { found: false, ..summary.canary.unwrap() });
        summary.doubts = vec!["the canary was not found".to_owned()];
        let cases = cases(&junit(&[]).to_xml(&summary, home()));
        let of =
            |class: &str| cases.iter().filter(|c| c.0 == class).map(|c| c.2.as_str()).collect();
        let watch: Vec<&str> = of("store/watch");
        assert_eq!(watch, ["skipped"; 3]);
        let campaign: Vec<&str> = of("campaign");
        assert_eq!(campaign, ["error"; 3]);
    }

    #[test]
    fn what_is_violated_beside_another_property_is_told_too() {
        let panic = "a program panicked: n1 panicked at 3.000 ms: x.rs:4: index 3";
        let headlines = [("no panic".to_owned(), panic.to_owned())].into();
        let violated = line(3, RunVerdict::Fail, &["linearizability", "no panic"]);
        let xml = junit(&[RunLine { headlines, ..violated }]).to_xml(&example(), home());
        let message = format!("<failure message=\"{panic} (beside another property)\"");
        assert!(xml.contains(&message), "{xml}");
    }

    #[test]
    fn many_seeds_are_cut() {
        let lines: Vec<RunLine> =
            (0..50).map(|seed| line(seed, RunVerdict::Fail, &["agreement"])).collect();
        let xml = junit(&lines).to_xml(&example(), home());
        assert!(xml.contains("violated in 50 of 50 runs"), "{xml}");
        assert!(xml.contains("18, 19 and 30 more\n"), "{xml}");
    }
}
