//! Bursts of messages as one. What brings a host up to date is sent in dozens of messages of two or three
//! kinds, and fills a drawing in which each has a row; as one arrow it says how many, which, and from
//! where to where.

use std::borrow::Cow;
use std::collections::BTreeMap;

use evidence::Arrow;

use crate::label::{KEPT, apart, first_word};

/// The fewest messages that are drawn as one.
const FOLD_MIN: usize = 4;
/// Messages of one burst follow each other within this time.
const GAP_NS: u64 = 2_000_000;
/// Kinds that a fold names.
const KINDS_MAX: usize = 3;
/// Characters of each end of a fold's range, if it can be cut to that.
const END_MAX: usize = 6;

/// The messages in the order of sending, bursts as one message: from the first that was sent to the last
/// that was read. `is_foldable` says of which links.
pub(super) fn folded<'a>(
    arrows: &[&'a Arrow],
    is_foldable: impl Fn(&Arrow) -> bool,
) -> Vec<Cow<'a, Arrow>> {
    let mut member_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut is_member = vec![false; arrows.len()];
    for run in runs(arrows, is_foldable) {
        for burst in bursts(&run, arrows) {
            burst.iter().for_each(|index| is_member[*index] = true);
            member_of.insert(burst[0], burst);
        }
    }
    let mut messages = Vec::new();
    for (index, arrow) in arrows.iter().enumerate() {
        match member_of.get(&index) {
            Some(burst) => messages.push(Cow::Owned(fold(burst.iter().map(|at| arrows[*at])))),
            None if is_member[index] => {}
            None => messages.push(Cow::Borrowed(*arrow)),
        }
    }
    messages
}

/// Pings that were never read, those of a link as one: they say who did not know that somebody was alive.
pub(super) fn lost_pings<'a>(pings: impl Iterator<Item = &'a Arrow>) -> Vec<Arrow> {
    let mut links: BTreeMap<(&str, &str), Vec<&Arrow>> = BTreeMap::new();
    for ping in pings.filter(|arrow| arrow.delivered.is_none()) {
        links.entry((ping.from.as_str(), ping.to.as_str())).or_default().push(ping);
    }
    links.into_values().map(|pings| fold(pings.into_iter())).collect()
}

/// Messages of one link that follow each other closely, without anything said on the way back.
fn runs(arrows: &[&Arrow], is_foldable: impl Fn(&Arrow) -> bool) -> Vec<Vec<usize>> {
    let mut open: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
    let mut runs = Vec::new();
    for (index, arrow) in arrows.iter().enumerate().filter(|(_, arrow)| is_foldable(arrow)) {
        let Arrow { from, to, protocol, .. } = arrow;
        runs.extend(open.remove(&(to.as_str(), from.as_str(), protocol.as_str())));
        let run = open.entry((from.as_str(), to.as_str(), protocol.as_str())).or_default();
        let gap_ns = |last: &usize| arrow.sent.at_ns.saturating_sub(arrows[*last].sent.at_ns);
        if run.last().is_some_and(|last| gap_ns(last) > GAP_NS) {
            runs.push(std::mem::take(run));
        }
        run.push(index);
    }
    runs.extend(open.into_values());
    runs
}

/// The parts of a run that are many of few kinds, all read or all lost. What comes once in it, such as
/// what opens and ends it, stays for itself.
fn bursts(run: &[usize], arrows: &[&Arrow]) -> Vec<Vec<usize>> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    run.iter().for_each(|at| *kinds.entry(first_word(&arrows[*at].label)).or_default() += 1);
    let mut bursts: Vec<Vec<usize>> = vec![Vec::new()];
    for at in run {
        let arrow = arrows[*at];
        let is_read = |at: &usize| arrows[*at].delivered.is_some();
        let is_single = kinds[first_word(&arrow.label)] == 1;
        let last = bursts.last_mut().expect("there is always one");
        if is_single || last.last().is_some_and(|last| is_read(last) != is_read(at)) {
            bursts.push(Vec::new());
        }
        if !is_single {
            bursts.last_mut().expect("there is always one").push(*at);
        }
    }
    bursts.retain(|burst| burst.len() >= FOLD_MIN);
    bursts
}

/// Several messages of a link as one.
fn fold<'a>(members: impl Iterator<Item = &'a Arrow>) -> Arrow {
    let members: Vec<&Arrow> = members.collect();
    let mut kinds: Vec<&str> = Vec::new();
    for arrow in &members {
        let kind = first_word(&arrow.label);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let more = if kinds.len() > KINDS_MAX { ", …" } else { "" };
    kinds.truncate(KINDS_MAX);
    let subject = |arrow: &'a Arrow| arrow.label[first_word(&arrow.label).len()..].trim_start();
    let (first, last) = (members[0], members[members.len() - 1]);
    let range = match (subject(first), subject(last)) {
        ("", "") => String::new(),
        (one, other) if one == other => format!(" {one}"),
        (one, other) => {
            let (from, to) =
                (apart(one, &[other], KEPT, END_MAX), apart(other, &[one], KEPT, END_MAX));
            format!(" {from} to {to}")
        }
    };
    let labels: Vec<&str> = members.iter().map(|arrow| arrow.label.as_str()).collect();
    Arrow {
        label: format!("{} × {}{more}{range}", members.len(), kinds.join(", ")),
        detail: labels.join(", "),
        delivered: members.iter().filter_map(|arrow| arrow.delivered).max(),
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use evidence::Point;

    use super::*;

    fn arrow(from: &str, to: &str, at_us: u64, label: &str) -> Arrow {
        let point = |us: u64| Point { at_ns: us * 1_000, order: us };
        Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            protocol: "replication".to_owned(),
            sent: point(at_us),
            delivered: Some(point(at_us + 500)),
            label: label.to_owned(),
            detail: String::new(),
            is_ping: false,
        }
    }

    fn labels(arrows: &[Arrow]) -> Vec<String> {
        let arrows: Vec<&Arrow> = arrows.iter().collect();
        folded(&arrows, |_| true).iter().map(|arrow| arrow.label.clone()).collect()
    }

    /// What a leader sends to a follower that lacks 14 transactions, over the end of an epoch.
    fn synchronisation() -> Vec<Arrow> {
        let mut arrows = vec![arrow("n1", "n2", 0, "DIFF 0xa00000036")];
        for n in 0..14u64 {
            let id = if n < 5 { 0x9_0000_001b + n } else { 0xa_0000_002e + n - 5 };
            arrows.push(arrow("n1", "n2", n, &format!("PROPOSAL {id:#x}")));
            arrows.push(arrow("n1", "n2", n, &format!("COMMIT {id:#x}")));
        }
        arrows.push(arrow("n1", "n2", 20, "NEWLEADER 0xb00000000"));
        arrows
    }

    #[test]
    fn a_synchronisation_is_one_arrow_between_what_opens_and_ends_it() {
        let arrows = synchronisation();
        let fold = "28 × PROPOSAL, COMMIT 0x9…1b to 0xa…36";
        assert_eq!(labels(&arrows), ["DIFF 0xa00000036", fold, "NEWLEADER 0xb00000000"]);
        let all: Vec<&Arrow> = arrows.iter().collect();
        let folded = folded(&all, |_| true);
        assert_eq!(folded[1].sent, arrows[1].sent);
        assert_eq!(folded[1].delivered, arrows[28].delivered);
        assert!(
            folded[1].detail.starts_with("PROPOSAL 0x90000001b, COMMIT"),
            "{}",
            folded[1].detail
        );
    }

    #[test]
    fn ends_say_what_they_are_and_what_tells_them_apart() {
        let proposal = |n: u64| arrow("n1", "n2", n, &format!("PROPOSAL {:#x}", 0x1_0000_0001 + n));
        let arrows: Vec<Arrow> = (0..20).map(proposal).collect();
        assert_eq!(labels(&arrows), ["20 × PROPOSAL 0x…001 to 0x…014"]);
    }

    #[test]
    fn what_is_answered_or_lost_or_slow_stays_apart() {
        let proposal = |at_us, n: u64| arrow("n1", "n2", at_us, &format!("PROPOSAL {n}"));
        let close: Vec<Arrow> = (0..6).map(|n| proposal(n, n)).collect();
        assert_eq!(labels(&close), ["6 × PROPOSAL 0 to 5"]);
        let slow: Vec<Arrow> = (0..6).map(|n| proposal(n * 2_100, n)).collect();
        assert_eq!(labels(&slow).len(), 6);
        let mut answered = close.clone();
        answered.insert(3, arrow("n2", "n1", 2, "ACK 2"));
        assert_eq!(labels(&answered).len(), 7);
        let mut lost = close.clone();
        lost[5].delivered = None;
        assert_eq!(labels(&lost), ["5 × PROPOSAL 0 to 4", "PROPOSAL 5"]);
        let all: Vec<&Arrow> = close.iter().collect();
        assert_eq!(folded(&all, |arrow| arrow.to != "n2").len(), 6);
    }
}
