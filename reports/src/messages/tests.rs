//! The drawing is read back: arrows are the story's messages, heights follow time.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::layout::text_width;
use super::*;
use crate::story::tests::{parsed, story};

/// Sender, receiver, label, when sent and when read.
type Said = (String, String, String, u64, Option<u64>);

fn said(arrow: &Arrow) -> Said {
    let (from, to, label) = (arrow.from.clone(), arrow.to.clone(), arrow.label.clone());
    (from, to, label, arrow.sent.at_ns, arrow.delivered.map(|at| at.at_ns))
}

fn has_class(node: &Node<'_, '_>, class: &str) -> bool {
    node.attribute("class").is_some_and(|classes| classes.split(' ').any(|c| c == class))
}

fn drawn<'a>(root: Node<'a, 'a>) -> Vec<(Said, Node<'a, 'a>)> {
    let arrows = root.descendants().filter(|node| node.attribute("data-sent-ns").is_some());
    let text = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().to_owned();
    arrows
        .map(|node| {
            let delivered = node.attribute("data-delivered-ns").map(|ns| ns.parse().unwrap());
            let sent = text(&node, "data-sent-ns").parse().unwrap();
            let (from, to) = (text(&node, "data-from"), text(&node, "data-to"));
            ((from, to, text(&node, "data-label"), sent, delivered), node)
        })
        .collect()
}

fn number(node: &Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Whether the drawing shows what the story tells, in the order of time.
fn check(text: &str, story: &Story) -> Result<usize, String> {
    let document = parsed(text);
    let selection = select(story);
    let drawn = drawn(document.root());
    let mut expected: Vec<Said> = selection.arrows.iter().map(|arrow| said(arrow)).collect();
    let mut found: Vec<Said> = drawn.iter().map(|(said, _)| said.clone()).collect();
    expected.sort();
    found.sort();
    if expected != found {
        return Err("other arrows".to_owned());
    }
    // Of every two ends that are shown, the earlier is higher.
    let mut heights: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for ((_, _, label, sent, delivered), node) in &drawn {
        let line = node
            .children()
            .find(|child| child.has_tag_name(("http://www.w3.org/2000/svg", "line")));
        let line = line.unwrap();
        if has_class(node, "lost") != delivered.is_none() {
            return Err(format!("{label} is lost or not"));
        }
        let mut see = |at_ns: u64, y: f64| {
            let seen = heights.entry(at_ns).or_insert((y, y));
            *seen = (seen.0.min(y), seen.1.max(y));
        };
        if !has_class(node, "far") {
            see(*sent, number(&line, "y1"));
            delivered.iter().for_each(|at_ns| see(*at_ns, number(&line, "y2")));
        }
    }
    let heights: Vec<(f64, f64)> = heights.into_values().collect();
    match heights.windows(2).all(|pair| pair[0].1 < pair[1].0) {
        true => Ok(found.len()),
        false => Err("time goes back".to_owned()),
    }
}

#[test]
fn arrows_are_the_storys_messages_in_the_order_of_time() {
    let story = story(50);
    let text = messages(&story);
    let shown = check(&text, &story).unwrap();
    assert!((40..=90).contains(&shown), "{shown}");
    assert!(
        check(&text.replacen("data-label=\"ACK 0x99\"", "data-label=\"ACK\"", 1), &story).is_err()
    );
    assert!(check(&text.replacen("protocol-1 lost", "protocol-1 read", 1), &story).is_err());
    let document = parsed(&text);
    let lost = drawn(document.root()).into_iter().filter(|(_, node)| has_class(node, "lost"));
    let lost: Vec<Said> = lost.map(|(said, _)| said).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].1.as_str(), lost[0].4), ("n3", None));
    assert!(!text.contains("PING\""), "pings are left out");
    assert!(text.contains("Left out: 1 ping,"), "{text}");
}

#[test]
fn what_brings_a_replica_up_to_date_is_one_arrow() {
    let mut story = story(50);
    let template = story.arrows[0].clone();
    let burst = (0..28u64).map(|n| {
        let kind = if n % 2 == 0 { "PROPOSAL" } else { "COMMIT" };
        let id = if n < 10 { 0x9_0000_001b + n / 2 } else { 0xa_0000_002e + n / 2 - 5 };
        let point = |late: u64| evidence::Point { at_ns: 5_150_000_000 + late, order: 51_500 + n };
        Arrow {
            from: "n1".to_owned(),
            to: "n3".to_owned(),
            sent: point(n),
            delivered: Some(point(900 + n)),
            label: format!("{kind} {id:#x}"),
            ..template.clone()
        }
    });
    let at = story.arrows.iter().position(|arrow| arrow.sent.at_ns > 5_150_000_000).unwrap();
    story.arrows.splice(at..at, burst);
    let text = messages(&story);
    check(&text, &story).unwrap();
    let document = parsed(&text);
    let drawn = drawn(document.root());
    let fold = drawn.iter().filter(|((_, to, label, _, _), _)| to == "n3" && label.contains('×'));
    let fold: Vec<_> = fold.collect();
    assert_eq!(fold.len(), 1);
    let (_, _, label, sent, delivered) = &fold[0].0;
    assert_eq!(label, "28 × PROPOSAL, COMMIT 0x9…1b to 0xa…36");
    assert_eq!((*sent, *delivered), (5_150_000_000, Some(5_150_000_927)));
    assert!(text.contains(">28 × PROPOSAL, COMMIT 0x9…1b to 0xa…36<"), "it is written in full");
}

#[test]
fn pings_that_were_never_read_are_one_arrow_of_a_link() {
    let mut story = story(50);
    let ping = story.arrows.iter().find(|arrow| arrow.is_ping).unwrap().clone();
    let at = story.arrows.iter().position(|arrow| arrow.sent.at_ns > 5_110_000_000).unwrap();
    let pings = (0..12u64).map(|n| Arrow {
        to: if n % 2 == 0 { "n2" } else { "n3" }.to_owned(),
        sent: evidence::Point { at_ns: 5_110_000_000 + n / 2 * 5_000_000, order: 51_100 + n },
        delivered: (n > 9).then_some(evidence::Point { at_ns: 5_139_000_000, order: 51_200 + n }),
        ..ping.clone()
    });
    story.arrows.splice(at..at, pings);
    let text = messages(&story);
    check(&text, &story).unwrap();
    let document = parsed(&text);
    let lost =
        drawn(document.root()).into_iter().filter(|((_, _, label, ..), _)| label == "5 × PING");
    let lost: Vec<String> =
        lost.map(|((_, to, _, _, delivered), _)| format!("{to} {delivered:?}")).collect();
    assert_eq!(lost, ["n2 None", "n3 None"]);
    assert!(text.contains("Left out: 3 pings,"), "those that were read");
}

#[test]
fn a_mutated_time_is_noticed() {
    let story = story(50);
    let text = messages(&story);
    let line = text.lines().find(|line| line.contains("data-label=\"ACK 0x99\"")).unwrap();
    let (before, rest) = line.split_once(" y1=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let moved = text.replace(line, &format!("{before} y1=\"1.0\"{after}"));
    assert_eq!(check(&moved, &story), Err("time goes back".to_owned()));
}

#[test]
fn hosts_are_shown_as_what_they_were() {
    let story = story(0);
    let text = messages(&story);
    let document = parsed(&text);
    let spans = document.descendants().filter(|node| node.attribute("data-to-ns").is_some());
    for span in spans {
        let is_it = |told: &&HostSpan| {
            (Some(told.host.as_str()), told.from_ns as f64, told.to_ns as f64)
                == (
                    span.attribute("data-host"),
                    number(&span, "data-from-ns"),
                    number(&span, "data-to-ns"),
                )
                && has_class(&span, told.tone.name())
        };
        assert!(story.spans.iter().any(|told| is_it(&told)));
        assert!(number(&span, "y1") <= number(&span, "y2"));
    }
    assert!(text.contains(">cut off from n1<") && text.contains(">no longer cut off<"));
    let marks = document.descendants().filter(|node| node.attribute("data-line").is_some());
    let marks: Vec<(&str, bool)> = marks
        .map(|node| (node.attribute("data-line").unwrap(), has_class(&node, "worst")))
        .collect();
    assert_eq!(marks.len(), 4);
    assert!(marks.contains(&("2", true)) && marks.contains(&("1", false)));
}

#[test]
fn texts_do_not_run_into_each_other() {
    let story = story(50);
    let text = messages(&story);
    let document = parsed(&text);
    let mut places: Vec<(f64, f64, f64, String)> = Vec::new();
    for node in document.descendants().filter(|node| has_class(node, "over")) {
        let words = node.text().unwrap_or_default().to_owned();
        let (at, width) = (number(&node, "x"), text_width(&words));
        let left = match node.attribute("text-anchor") {
            Some("end") => at - width,
            Some("middle") => at - width / 2.0,
            _ => at,
        };
        places.push((number(&node, "y"), left, left + width, words));
    }
    assert!(places.len() > 30);
    let last_arrow = text.rfind("data-sent-ns").unwrap();
    let labels =
        text.match_indices("<g class=\"arrow protocol-").filter(|(at, _)| *at > last_arrow);
    assert!(labels.count() > 10, "labels stand above all arrows");
    for (index, a) in places.iter().enumerate() {
        for b in &places[..index] {
            let apart = (a.0 - b.0).abs() >= 11.0 || a.1 >= b.2 || b.1 >= a.2;
            assert!(apart, "{a:?} {b:?}");
        }
    }
}
