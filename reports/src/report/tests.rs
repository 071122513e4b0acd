//! Reports over folders that are written here as `fuzz` and `run` write them.

use std::fs;

use evidence::example::{history, picture};
use evidence::{Explanation, FailureMessage, FaultWindow, Summary};

use super::*;
use crate::failure::FailureFiles;
use crate::folder::OutputFolder;
use crate::plot::testing::Marks;

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A campaign of four runs: one passed, two failed alike, one undecided.
fn lines() -> Vec<RunLine> {
    let line = evidence::example::run_line();
    let fail = |seed| RunLine {
        seed,
        verdict: RunVerdict::Fail,
        fingerprints: vec!["12ab".to_owned()],
        violated: vec!["linearizability".to_owned()],
        ..line.clone()
    };
    let undecided = RunLine {
        seed: 5,
        verdict: RunVerdict::Undecided,
        reason: Some("nothing was <checked>".to_owned()),
        checked: Vec::new(),
        ..line.clone()
    };
    vec![RunLine { seed: 1, ..line.clone() }, fail(2), fail(3), undecided]
}

fn message() -> FailureMessage {
    FailureMessage {
        explanation: Explanation {
            property: "linearizability".to_owned(),
            headline: "/k7: no order explains \"<these>\" & those".to_owned(),
            lines: Vec::new(),
            contradiction: None,
        },
        faults: vec![FaultWindow::new("partition", "{n1 | n2 n3}", 1, None)],
        ..evidence::example::message()
    }
}

/// Writes a folder as a campaign does, with a failure's files.
fn campaign(root: &Path, name: &str, lines: &[RunLine]) -> PathBuf {
    let output = OutputFolder::create(root, name).unwrap();
    for line in lines {
        output.append("seeds.jsonl", &line.to_json_line()).unwrap();
    }
    let (history, message) = (history(5), message());
    let picture = picture().with_history(&history);
    let files = FailureFiles {
        plan: "{}",
        message: &message,
        sim_ms: 20_000,
        history: &history,
        picture: &picture,
        trace: None,
    };
    files.write(&output).unwrap();
    let mut summary = summary_of(lines);
    summary.failures[0].headline = message.explanation.headline;
    output.write("summary.json", summary.to_json().as_bytes()).unwrap();
    output.path()
}

fn summary_of(lines: &[RunLine]) -> Summary {
    let utilization =
        Utilization { wall_ms: 9_000, ..Utilization::of(lines, &evidence::example::figures()) };
    Summary { utilization, ..evidence::example::summary() }
}

fn written(report: &Report, folder: &Path) -> (String, String) {
    report.write(folder).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    (read("index.html"), read("report.md"))
}

/// Every link of a page must lead to a file or to a place on the page.
fn check_links(page: &str, folder: &Path) -> usize {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(page, options).unwrap();
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    let links = document.descendants().filter(|node| node.has_tag_name((XHTML, "a")));
    let links = links.map(|node| node.attribute("href").unwrap());
    let check = |href: &str| match href.strip_prefix('#') {
        Some(id) => assert!(ids.contains(&id), "{href} leads nowhere"),
        None => assert!(folder.join(href.replace("%20", " ")).exists(), "{href} leads nowhere"),
    };
    links.map(check).count()
}

#[test]
fn a_page_is_well_formed_whole_and_all_its_links_lead_somewhere() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a b", &lines());
    fs::create_dir(folder.join("undecided")).unwrap();
    fs::write(folder.join("undecided/store-register-5.json"), "{}").unwrap();
    let report = Report::read(std::slice::from_ref(&folder)).unwrap();
    let (page, text) = written(&report, &folder);
    assert!(check_links(&page, &folder) > 15);
    for wanted in ["src=", "@import", "url(", "<script", "href=\"http"] {
        assert!(!page.contains(wanted), "the page needs nothing from elsewhere: {wanted}");
    }
    for wanted in [
        "4 runs, one kind of failure",
        "no order explains &quot;&lt;these&gt;&quot; &amp; those",
        "nothing was &lt;checked&gt;",
        "0.1.0+4f2c1de",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(text.contains("| linearizability | 3 | 2 | 0 | 12ab |"), "{text}");
    assert!(text.contains("2 of 3 marks in the system's code reached, 5 pairs"), "{text}");
    assert!(text.contains("Not reached: client-moves.\n\n| mark | runs |"), "{text}");
    assert!(page.contains("replica-truncates</td><td class=\"n\">4</td>"), "{page}");
    assert!(text.contains("| no panic | 3 | 0 | 0 |  |"), "{text}");
    assert!(text.contains("failures/12ab/latency-raw.svg"), "{text}");
    // The same report elsewhere has other links, and they lead somewhere too.
    let other = root.path().join("deep/report");
    let (page, _) = written(&report, &other);
    assert!(page.contains("../../a%20b/failures/12ab/plan.json"));
    check_links(&page, &other);
}

#[test]
fn a_failures_plots_are_made_from_its_files() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a", &lines());
    let report = Report::read(std::slice::from_ref(&folder)).unwrap();
    let (page, _) = written(&report, &folder);
    let expected = picture().with_history(&history(5));
    assert_eq!(report.failures[0].picture.as_ref(), Some(&expected));
    let start = page.find("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot latency-raw\"");
    let svg = &page[start.unwrap()..];
    let svg = &svg[..svg.find("</svg>").unwrap() + 6];
    let in_page = Marks::read(svg);
    let file = fs::read_to_string(folder.join("failures/12ab/latency-raw.svg")).unwrap();
    let at = |marks: &Marks| marks.numbers("point", "data-at-ns");
    assert_eq!(at(&in_page), at(&Marks::read(&file)));
    let invoked: Vec<u64> = expected.operations.iter().map(|point| point.invoke_ns).collect();
    assert_eq!(at(&in_page), invoked);
}

#[test]
fn campaign_plots_hold_every_value_of_the_lines() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a", &lines());
    Report::read(std::slice::from_ref(&folder)).unwrap().write(&folder).unwrap();
    // Two failovers, one silence, one healing and three answers in each of four runs.
    for (name, values) in
        [("failovers", 8), ("unavailability", 4), ("healing", 4), ("latencies", 12), ("speed", 4)]
    {
        let svg = fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap();
        let marks = Marks::read(&svg);
        assert_eq!(marks.numbers("column", "data-count").iter().sum::<u64>(), values, "{name}");
        assert_eq!(marks.numbers("line", "data-values"), [values]);
    }
}

#[test]
fn several_folders_add_up_and_a_run_in_both_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let all = lines();
    let more = RunLine { seed: 9, ..all[0].clone() };
    let second: Vec<RunLine> = all[1..].iter().cloned().chain([more]).collect();
    let folders = [campaign(root.path(), "a", &all), campaign(root.path(), "b", &second)];
    let report = Report::read(&folders).unwrap();
    assert_eq!(report.utilization.runs.total, 5);
    assert_eq!((report.failures.len(), report.failures[0].runs), (1, 2));
    assert!(!report.is_contradictory());
    assert!(report.doubts.iter().any(|doubt| doubt.starts_with("3 runs of one folder")));
    let turned = Report::read(&[folders[1].clone(), folders[0].clone()]).unwrap();
    assert_eq!(turned.utilization, report.utilization);
    let same = Report::read(&[folders[0].clone(), folders[0].clone()]).unwrap();
    assert_eq!(same.utilization.runs.total, 4);
}

#[test]
fn the_same_run_with_two_ends_is_a_contradiction() {
    let root = tempfile::tempdir().unwrap();
    let mut other = lines();
    other[0].trace_hash = "beef".to_owned();
    let folders = [campaign(root.path(), "a", &lines()), campaign(root.path(), "b", &other)];
    let report = Report::read(&folders).unwrap();
    assert!(report.is_contradictory());
    let doubt = "store/register seed 1 ended differently in ";
    assert!(report.doubts.iter().any(|each| each.starts_with(doubt)), "{:?}", report.doubts);
    assert!(report.headline().contains("contradict"));
}

#[test]
fn a_summary_that_disagrees_with_its_runs_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a", &lines());
    let path = folder.join("summary.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"operations\": 3200", "\"operations\": 3201")).unwrap();
    let error = Report::read(std::slice::from_ref(&folder)).unwrap_err().to_string();
    assert!(error.ends_with(
        "a/summary.json is not what its seeds.jsonl comes to:\n  utilization.operations: 3201 in \
         summary.json, 3200 by the lines of seeds.jsonl"
    ));
}

#[test]
fn a_killed_campaign_is_read_as_far_as_it_came() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a", &lines());
    fs::remove_file(folder.join("summary.json")).unwrap();
    let seeds = folder.join("seeds.jsonl");
    let text = fs::read_to_string(&seeds).unwrap();
    fs::write(&seeds, &text[..text.len() - 10]).unwrap();
    let report = Report::read(std::slice::from_ref(&folder)).unwrap();
    assert_eq!(report.utilization.runs.total, 3);
    assert_eq!(report.doubts.len(), 2, "{:?}", report.doubts);
    let failure = &report.failures[0];
    assert_eq!(failure.property, "linearizability");
    assert_eq!(failure.headline, message().explanation.headline);
    let (page, _) = written(&report, &folder);
    check_links(&page, &folder);
}

#[test]
fn the_summary_of_a_campaign_that_did_not_end_is_not_held_against_its_runs() {
    let root = tempfile::tempdir().unwrap();
    let folder = campaign(root.path(), "a", &lines());
    let mut so_far = summary_of(&lines()[..1]);
    (so_far.unfinished, so_far.interrupted) = (true, true);
    so_far.failures.clear();
    so_far.undecided.clear();
    fs::write(folder.join("summary.json"), so_far.to_json()).unwrap();
    fs::create_dir(folder.join("undecided")).unwrap();
    fs::write(folder.join(undecided_plan(&lines()[3])), "{}").unwrap();
    let report = Report::read(std::slice::from_ref(&folder)).unwrap();
    assert_eq!(report.utilization.runs.total, 4);
    assert!(report.doubts[0].contains("did not end"), "{:?}", report.doubts);
    assert!(report.doubts[0].ends_with("what its 4 runs came to"), "{:?}", report.doubts);
    assert_eq!(report.failures[0].headline, message().explanation.headline);
    assert!(report.undecided[0].plan.is_some());
    let (page, text) = written(&report, &folder);
    check_links(&page, &folder);
    assert!(text.contains("the campaign did not end"), "{text}");
    fs::remove_file(folder.join("seeds.jsonl")).unwrap();
    assert_eq!(Report::read(std::slice::from_ref(&folder)).unwrap().utilization.runs.total, 0);
    so_far.unfinished = false;
    fs::write(folder.join("summary.json"), so_far.to_json()).unwrap();
    assert!(Report::read(&[folder]).is_err(), "one that ended has its lines");
}

#[test]
fn what_is_no_folder_of_results_is_named() {
    let root = tempfile::tempdir().unwrap();
    let error = |path: &Path| Report::read(&[path.to_owned()]).unwrap_err().to_string();
    assert!(error(root.path()).contains("no seeds.jsonl there; expected a folder that"));
    let folder = campaign(root.path(), "a", &lines());
    fs::write(folder.join("seeds.jsonl"), "{}\n{}\n").unwrap();
    assert!(error(&folder).contains("seeds.jsonl, line 1: expected a run: missing field"));
    let folder = campaign(root.path(), "b", &lines());
    fs::write(folder.join("failures/12ab/picture.json"), "[]").unwrap();
    assert!(error(&folder).contains("picture.json, line 1: expected a run's picture"));
}

/// A campaign in which one bug shows itself in three scenarios, and another in one.
fn several(root: &Path, name: &str, started: &str, kinds: &[(&str, &str, &str)]) -> PathBuf {
    let passed = RunLine { seed: 1, ..evidence::example::run_line() };
    let mut lines = vec![passed.clone()];
    let output = OutputFolder::create(root, name).unwrap();
    let mut failures = Vec::new();
    for (seed, (fingerprint, scenario, headline)) in kinds.iter().enumerate() {
        let (fingerprint, scenario) = ((*fingerprint).to_owned(), (*scenario).to_owned());
        let explanation = Explanation {
            property: "linearizability".to_owned(),
            headline: (*headline).to_owned(),
            lines: Vec::new(),
            contradiction: None,
        };
        let message = FailureMessage {
            fingerprint: fingerprint.clone(),
            scenario: scenario.clone(),
            explanation: explanation.clone(),
            ..evidence::example::message()
        };
        let (history, picture) = (history(5), picture());
        let files = FailureFiles {
            plan: "{}",
            message: &message,
            sim_ms: 20_000,
            history: &history,
            picture: &picture,
            trace: None,
        };
        files.write(&output).unwrap();
        let folder = FailureFiles::folder(&fingerprint);
        let story = evidence::example::story(history.clone(), explanation);
        crate::story::write_story(&story, &output, &folder).unwrap();
        let line = |at_s: u64, level: &str| {
            format!(
                "{{\"host\":\"n1\",\"at_ns\":{at_s}000000000,\"level\":\"{level}\",\"target\":\"store\",\
                 \"message\":\"term <{at_s}>\",\"fields\":[[\"peer\",\"n2\"]]}}\n"
            )
        };
        let log = line(3, "WARN") + &line(4, "DEBUG") + &line(5, "INFO");
        output.write(&format!("{folder}/log.jsonl"), log.as_bytes()).unwrap();
        let seed = seed as u64 + 2;
        failures.push(evidence::DistinctFailure {
            fingerprint: fingerprint.clone(),
            scenario: scenario.clone(),
            property: "linearizability".to_owned(),
            headline: (*headline).to_owned(),
            seed,
            count: 1,
            folder,
            smaller: None,
        });
        lines.push(RunLine {
            seed,
            scenario,
            verdict: RunVerdict::Fail,
            fingerprints: vec![fingerprint],
            violated: vec!["linearizability".to_owned()],
            ..passed.clone()
        });
    }
    for line in &lines {
        output.append("seeds.jsonl", &line.to_json_line()).unwrap();
    }
    let mut summary = Summary { failures, undecided: Vec::new(), ..summary_of(&lines) };
    summary.environment.started = started.to_owned();
    output.write("summary.json", summary.to_json().as_bytes()).unwrap();
    output.path()
}

const ONE_BUG: [(&str, &str, &str); 3] = [
    ("aa01", "store/register", "/k7: no order explains these 3"),
    ("aa02", "store/list", "/k12: no order explains these 41"),
    ("aa03", "store/queue", "/q: no order explains these 2"),
];
const ANOTHER: (&str, &str, &str) = ("bb01", "store/list", "a write was lost");

#[test]
fn the_page_begins_with_the_failures_and_tells_each_cause_once() {
    let root = tempfile::tempdir().unwrap();
    let folder =
        several(root.path(), "a", "2026-11-20T16:42:07Z", &[&ONE_BUG[..], &[ANOTHER]].concat());
    let report = Report::read(std::slice::from_ref(&folder)).unwrap();
    assert_eq!(report.headline(), "5 runs, 2 kinds of failures in 3 scenarios");
    let (page, text) = written(&report, &folder);
    check_links(&page, &folder);
    assert!(!page.contains("src="), "the pictures are part of the page");
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let headings = document.descendants().filter(|node| node.has_tag_name((XHTML, "h2")));
    let headings: Vec<&str> = headings.filter_map(|node| node.text()).collect();
    assert_eq!(headings[..2], ["Failures", "What was tested"]);
    let causes = document.descendants().filter(|node| node.attribute("class") == Some("failure"));
    let causes: Vec<_> = causes.collect();
    assert_eq!(causes.len(), 2);
    let words = |node: &roxmltree::Node<'_, '_>| -> String {
        node.descendants()
            .filter_map(|node| node.is_text().then(|| node.text()).flatten())
            .collect()
    };
    let first = words(&causes[0]);
    for wanted in [
        "Seen in 3 runs: store/list 1, store/queue 1, store/register 1",
        "linearizability: /k7: no order explains these 3",
        "Who said what to whom before",
        "replay   squall replay out/latest-failure/plan.json",
        "The same in 2 other scenarios",
        "   3.000 s  n1   WARN  term <3> peer=n2\n   5.000 s  n1   INFO  term <5> peer=n2\n",
    ] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    assert!(words(&causes[1]).contains("a write was lost"));
    let pictures = document.descendants().filter(|n| n.attribute("class") == Some("messages"));
    assert_eq!(pictures.filter(|node| node.tag_name().name() == "svg").count(), 2);
    let commands = document.descendants().filter(|n| n.attribute("class") == Some("commands"));
    let commands: Vec<String> = commands.map(|node| words(&node)).collect();
    assert_eq!(commands.len(), 4);
    assert!(commands.iter().all(|text| text.starts_with("replay   squall replay")), "{commands:?}");
    assert!(text.find("## Failures") < text.find("## What was tested"), "{text}");
    assert_eq!(text.matches("\nThe same in ").count(), 2, "{text}");
}

#[test]
fn several_nights_are_a_trend_with_what_is_new_in_each() {
    let root = tempfile::tempdir().unwrap();
    // The names are not in the order of time.
    several(root.path(), "b", "2026-11-20T02:00:00Z", &ONE_BUG[..1]);
    several(root.path(), "a", "2026-11-21T02:00:00Z", &[ONE_BUG[1], ANOTHER]);
    several(root.path(), "c", "2026-11-22T02:00:00Z", &[ANOTHER]);
    std::os::unix::fs::symlink("c", root.path().join("latest")).unwrap();
    // A folder of campaigns stands for all of them, each once.
    let report = Report::read(&[root.path().to_owned()]).unwrap();
    let (page, text) = written(&report, root.path());
    check_links(&page, root.path());
    assert!(page.contains("<a href=\"#trend\">Trend</a>"));
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let bars = document.descendants().filter(|n| n.attribute("class") == Some("plot bars"));
    let values = bars.map(|bars| -> Vec<u64> {
        let bars = bars.descendants().filter_map(|node| node.attribute("data-value"));
        bars.map(|value| value.parse::<f64>().unwrap() as u64).collect()
    });
    let values: Vec<Vec<u64>> = values.collect();
    // Runs, new causes and marks of each night, in the order of time, and how fast it was.
    assert_eq!(values[..3], [vec![2, 3, 2], vec![1, 1, 0], vec![2, 2, 2]]);
    assert_eq!(values.len(), 4);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| [2026-11-2")).collect();
    assert!(
        rows[0].contains("| 2 | 1 | linearizability: /k12: no order explains these 41 | 0 |"),
        "{rows:?}"
    );
    assert!(rows[1].contains("| 3 | 2 | linearizability: a write was lost | 1 |"), "{rows:?}");
    assert!(rows[2].contains("| 2 | 1 |  | 1 |"), "{rows:?}");
    let one = Report::read(&[root.path().join("a")]).unwrap();
    assert!(!written(&one, &root.path().join("a")).0.contains("id=\"trend\""));
}
