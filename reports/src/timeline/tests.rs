//! The page is read back: boxes are the history's operations, bands the windows of the faults.

use std::collections::BTreeSet;

use roxmltree::Node;

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
