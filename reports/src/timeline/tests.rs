//! The page is read back: boxes are the history's operations, bands the windows of the faults.

use std::collections::BTreeSet;

use roxmltree::Node;

use evidence::{FaultWindow, Moment};

use super::chunk::WIDTH;
use super::*;
use crate::story::tests::{parsed, story};

fn number(node: &Node<'_, '_>, name: &str) -> Option<u64> {
    node.attribute(name).map(|text| text.parse().unwrap())
}

fn classes<'a>(node: &Node<'a, 'a>) -> Vec<&'a str> {
    node.attribute("class").unwrap_or_default().split(' ').collect()
}

/// Kind, whom it struck, from, to.
type Band = (String, String, u64, Option<u64>);

fn bands(root: Node<'_, '_>) -> BTreeSet<Band> {
    let bands = root.descendants().filter(|node| node.attribute("data-kind").is_some());
    let text = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().to_owned();
    bands
        .map(|node| {
            let (from, to) = (number(&node, "data-from-ns").unwrap(), number(&node, "data-to-ns"));
            (text(&node, "data-kind"), text(&node, "data-what"), from, to)
        })
        .collect()
}

/// Whether bars and bands, in the overview and in the parts, are the story's.
fn check(text: &str, story: &Story) -> Result<(), String> {
    let document = parsed(text);
    let faults = story.faults.iter().map(|f| (f.kind.clone(), f.what.clone(), f.from_ns, f.to_ns));
    let expected: BTreeSet<Band> = faults.collect();
    let svgs = document.descendants().filter(|n| n.tag_name().name() == "svg");
    let svgs: Vec<Node<'_, '_>> = svgs.collect();
    let (overview, chunks) = svgs.split_first().unwrap();
    let in_parts: BTreeSet<Band> = chunks.iter().flat_map(|chunk| bands(*chunk)).collect();
    if bands(*overview) != expected || in_parts != expected {
        return Err("other bands".to_owned());
    }
    for is_part in [false, true] {
        let mut seen = BTreeSet::new();
        let nodes = if is_part { chunks } else { std::slice::from_ref(overview) };
        let bars = nodes.iter().flat_map(|svg| svg.descendants());
        for bar in bars.filter(|node| node.attribute("data-op").is_some()) {
            let index = number(&bar, "data-op").unwrap() as usize;
            let operation = &story.history.operations[index];
            let times = (number(&bar, "data-from-ns").unwrap(), number(&bar, "data-to-ns"));
            if times != (operation.invoke_ns, operation.complete_ns) {
                return Err(format!("operation {index} has other times"));
            }
            let classes = classes(&bar);
            if !classes.contains(&outcome_class(operation)) {
                return Err(format!("operation {index} has another outcome"));
            }
            if classes.contains(&"told") != story.line_of(operation).is_some() {
                return Err(format!("operation {index} is told or not"));
            }
            let is_linked = bar.attribute("id") == Some(format!("op{index}").as_str());
            if (!is_part || is_linked) && !seen.insert(index) {
                return Err(format!("operation {index} is there twice"));
            }
        }
        if seen.len() != story.history.operations.len() {
            return Err(format!("{} operations", seen.len()));
        }
    }
    Ok(())
}

#[test]
fn bars_and_bands_are_the_history_and_the_faults() {
    let story = story(300);
    let text = timeline(&story);
    assert_eq!(check(&text, &story), Ok(()));
    let instead = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        check(&text.replacen(from, to, 1), &story)
    };
    assert!(instead("data-from-ns=\"5100000000\"", "data-from-ns=\"5100000001\"").is_err());
    assert!(instead("class=\"op unknown told\"", "class=\"op ok told\"").is_err());
    assert!(instead("class=\"op ok told\"", "class=\"op ok\"").is_err());
    assert!(instead("data-to-ns=\"5140000000\"", "").is_err());
    assert!(instead("data-what=\"n1 n3\"", "data-what=\"n1\"").is_err());
    assert!(instead("id=\"op3\"", "id=\"op4\"").is_err());
}

#[test]
fn the_page_opens_on_the_contradiction_and_leads_to_it() {
    let story = story(2_000);
    let text = timeline(&story);
    assert_eq!(check(&text, &story), Ok(()));
    let document = parsed(&text);
    let told = |index: usize| {
        let id = format!("op{index}");
        document.descendants().find(|n| n.attribute("id") == Some(id.as_str())).unwrap()
    };
    let worst = story.history.operations.iter().position(|o| story.line_of(o) == Some(2)).unwrap();
    let in_details =
        |node: Node<'_, '_>| node.ancestors().any(|a| a.tag_name().name() == "details");
    assert!(!in_details(told(worst)), "it is seen without unfolding");
    assert!(in_details(told(0)));
    let links = document.descendants().filter_map(|node| node.attribute("href"));
    let ids: BTreeSet<&str> = document.descendants().filter_map(|n| n.attribute("id")).collect();
    let inner: Vec<&str> = links.filter_map(|link| link.strip_prefix('#')).collect();
    assert!(inner.len() > 4 && inner.iter().all(|id| ids.contains(id)), "{inner:?}");
    let words = told(worst).descendants().filter_map(|n| n.text()).collect::<String>();
    assert!(words.contains("3: but this is older") && words.contains("← contradiction"), "{words}");
    assert!(
        !text.contains("http://")
            || text.matches("http://").count() == text.matches("http://www.w3.org").count()
    );
    assert!(text.len() < 4_000_000, "{}", text.len());
}

#[test]
fn boxes_of_a_column_do_not_overlap_and_time_goes_down() {
    let story = story(400);
    let text = timeline(&story);
    let document = parsed(&text);
    let svgs = document.descendants().filter(|n| n.attribute("class") == Some("chunk"));
    let float = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    for svg in svgs {
        let mut boxes: Vec<(f64, f64, f64, u64)> = Vec::new();
        for op in svg.descendants().filter(|node| classes(node).contains(&"op")) {
            let rect = op.children().find(|n| n.tag_name().name() == "rect").unwrap();
            let (x, y) = (float(&rect, "x"), float(&rect, "y"));
            boxes.push((x, y, y + float(&rect, "height"), number(&op, "data-from-ns").unwrap()));
        }
        for (index, a) in boxes.iter().enumerate() {
            for b in &boxes[..index] {
                assert!(a.0 != b.0 || a.1 >= b.2 || b.1 >= a.2, "{a:?} {b:?}");
                assert!(a.3 <= b.3 || a.1 >= b.1, "{a:?} {b:?}");
            }
            assert!(a.2 - a.1 >= 14.0);
        }
    }
}

#[test]
fn a_run_without_operations_and_faults_has_a_page_too() {
    let mut story = story(0);
    story.history.operations.clear();
    story.contradiction = None;
    story.faults.clear();
    story.roles.clear();
    let text = timeline(&story);
    assert_eq!(check(&text, &story), Ok(()));
    assert!(text.contains("Nothing contradicts anything."));
}

/// The picture on which the page opens.
fn focus<'a>(document: &'a roxmltree::Document<'a>) -> Node<'a, 'a> {
    document.descendants().find(|node| node.attribute("class") == Some("chunk")).unwrap()
}

fn float(node: &Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

#[test]
fn every_line_of_the_explanation_is_in_the_picture_on_which_the_page_opens() {
    // Between the first of the lines and the contradiction lie more operations than one can look at.
    let mut story = story(2_000);
    let lines = &mut story.contradiction.as_mut().unwrap().explanation.lines;
    let early = story.history.operations[7].clone();
    lines[0].text = early.text();
    lines[0].client.clone_from(&early.client_name);
    (lines[0].from_ns, lines[0].to_ns) = (Some(early.invoke_ns), early.complete_ns);
    let text = timeline(&story);
    assert_eq!(check(&text, &story), Ok(()));
    let document = parsed(&text);
    let focus = focus(&document);
    let told = focus.descendants().filter_map(|node| number(&node, "data-line"));
    assert_eq!(told.collect::<BTreeSet<u64>>(), (0..4).collect());
    let shown = focus.descendants().filter(|node| node.attribute("data-op").is_some()).count();
    assert!((40..120).contains(&shown), "{shown}");
    let words: String = focus.descendants().filter_map(|node| node.text()).collect();
    assert!(words.contains("are not shown"), "{words}");
}

#[test]
fn the_servers_stand_beside_the_clients_where_the_contradiction_is_theirs() {
    let mut story = story(300);
    let text = timeline(&story);
    let document = parsed(&text);
    let servers = focus(&document).descendants().filter(|n| n.attribute("class") == Some("server"));
    let servers: Vec<Node<'_, '_>> = servers.collect();
    let names: Vec<&str> = servers.iter().filter_map(|node| node.attribute("data-host")).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    let words = |at: usize| servers[at].descendants().filter_map(|n| n.text()).collect::<String>();
    for (at, wanted) in [
        (0, "primary, term 1"),
        (0, "durable 0x0"),
        (1, "durable 0x99"),
        (1, "4: acknowledged 0x1"),
        (2, "looking"),
        (2, "cut off from"),
    ] {
        assert!(words(at).contains(wanted), "{wanted}: {}", words(at));
    }
    let roles = servers[2].descendants().filter(|node| node.attribute("data-tone").is_some());
    let roles: Vec<(&str, u64)> = roles
        .map(|node| (node.attribute("data-tone").unwrap(), number(&node, "data-from-ns").unwrap()))
        .collect();
    assert!(roles.contains(&("unsettled", 5_120_000_000)), "{roles:?}");
    // A panic ends the run.
    story.contradiction.as_mut().unwrap().at_ns = story.end_ns;
    let last = &mut story.contradiction.as_mut().unwrap().explanation.lines[3];
    (last.from_ns, last.to_ns) = (Some(story.end_ns), Some(story.end_ns));
    let text = timeline(&story);
    let document = parsed(&text);
    let told =
        focus(&document).descendants().filter(|node| node.attribute("data-line") == Some("3"));
    assert_eq!(told.count(), 1);
    story.contradiction.as_mut().unwrap().explanation.lines.pop();
    assert!(!timeline(&story).contains("class=\"server\""), "only clients are told of");
}

#[test]
fn columns_fit_and_their_texts_keep_apart() {
    let mut story = story(600);
    // Clients ask on without an answer, and five servers are told of.
    for index in 240..290 {
        story.history.operations[index].complete_ns = None;
        story.history.operations[index].outcome = OutcomeClass::Unknown;
    }
    for name in ["n4", "n5"] {
        story.hosts.insert(3, evidence::Host { name: name.to_owned(), ..story.hosts[0].clone() });
    }
    let text = timeline(&story);
    assert_eq!(check(&text, &story), Ok(()));
    let document = parsed(&text);
    for svg in document.descendants().filter(|node| node.attribute("class") == Some("chunk")) {
        assert!(float(&svg, "width") <= WIDTH + 0.1 && WIDTH <= 1_240.0, "{svg:?}");
        let mut places: Vec<(f64, f64, f64, String)> = Vec::new();
        for node in svg.descendants().filter(|node| node.tag_name().name() == "text") {
            if classes(&node).contains(&"soft") && node.attribute("text-anchor").is_some() {
                continue;
            }
            let words = node.text().unwrap_or_default().to_owned();
            let (x, y) = (float(&node, "x"), float(&node, "y"));
            let width = if classes(&node).contains(&"name") {
                9.0 * words.chars().count() as f64
            } else {
                6.7 * words.chars().count() as f64
            };
            assert!(x + width <= float(&svg, "width") + 4.0, "{words}");
            places.push((y, x, x + width, words));
        }
        for (index, a) in places.iter().enumerate() {
            for b in &places[..index] {
                let apart = (a.0 - b.0).abs() >= 11.0 || a.1 >= b.2 || b.1 >= a.2;
                assert!(apart, "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn names_of_faults_and_roles_do_not_cover_each_other() {
    let mut story = story(20);
    story.faults = (0..40u64)
        .map(|n| FaultWindow::new("power_loss", "n1 n2 n3", n * 740_000_000, Some(n * 750_000_000)))
        .collect();
    let role = |n: u64| Moment { at_ns: n * 990_000_000, what: format!("primary n{n} (term {n})") };
    story.roles = (0..30).map(role).collect();
    let text = timeline(&story);
    let document = parsed(&text);
    let overview = document.descendants().find(|node| node.tag_name().name() == "svg").unwrap();
    let texts = overview.descendants().filter(|node| {
        classes(node).contains(&"fault")
            || classes(node).contains(&"role")
                && node.has_tag_name(("http://www.w3.org/2000/svg", "text"))
    });
    let places: Vec<(f64, f64, f64)> = texts
        .map(|node| {
            let width = 6.7 * node.text().unwrap().chars().count() as f64;
            let x = float(&node, "x");
            let left = if node.attribute("text-anchor") == Some("end") { x - width } else { x };
            (float(&node, "y"), left, left + width)
        })
        .collect();
    assert_eq!(places.len(), 70);
    for (index, a) in places.iter().enumerate() {
        for b in &places[..index] {
            assert!((a.0 - b.0).abs() >= 11.0 || a.1 >= b.2 || b.1 >= a.2, "{a:?} {b:?}");
        }
        assert!(a.1 >= 0.0 && a.2 <= 1_140.0, "{a:?}");
    }
}

#[test]
fn what_servers_logged_up_to_then_is_on_the_page() {
    let story = story(300);
    let text = timeline(&story);
    let document = parsed(&text);
    let table = document.descendants().find(|node| node.attribute("class") == Some("log")).unwrap();
    let rows = table.children().filter(|node| node.is_element());
    let rows: Vec<(u64, String)> = rows
        .map(|row| {
            let cells = row.children().filter_map(|cell| cell.text());
            (number(&row, "data-at-ns").unwrap(), cells.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let expected = [
        (80_000_000, "0.080 s n1 INFO leads term 1"),
        (5_101_000_000, "5.101 s c2 DEBUG connecting to n3"),
        (5_120_000_000, "5.120 s n3 WARN the primary <n1> is silent: term=1"),
        (5_600_000_000, "5.600 s n1 INFO after it all"),
    ];
    assert_eq!(rows, expected.map(|(at, text)| (at, text.to_owned())));
    let after = table.descendants().filter(|node| node.attribute("data-after").is_some());
    assert_eq!(after.count(), 1, "what came behind the contradiction is told apart");
    assert!(text.contains("href=\"log.jsonl\""));
}

#[test]
fn the_filter_shows_an_example_of_this_run() {
    let story = story(0);
    let text = timeline(&story);
    let document = parsed(&text);
    let filter = document.descendants().find(|node| node.attribute("id") == Some("filter"));
    let first = &story.history.operations[0];
    let expected = format!("filter: {}, {}, unknown", first.kind, first.client_name);
    assert_eq!(filter.unwrap().attribute("placeholder"), Some(&*expected));
}
