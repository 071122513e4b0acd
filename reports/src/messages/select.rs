//! What `messages.svg` shows: few enough messages to be read, those around the moments that the
//! explanation speaks of. What is left out is counted, so that the drawing can say so.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use evidence::words::{count, moment};
use evidence::{Arrow, Host, Story};

use super::fold::{folded, lost_pings};

/// Messages before the contradiction that are shown.
const LAST_MAX: usize = 44;
/// Messages around each earlier moment of the explanation.
const EARLIER_MAX: usize = 12;
/// Earlier moments that are shown.
const EARLIER_MOMENTS_MAX: usize = 4;
/// No message is shown that is further from its moment.
const FAR_NS: u64 = 3_000_000_000;
/// What follows a moment belongs to it for so long.
const AFTER_NS: u64 = 2_000_000;
/// Clients that are shown, unless the explanation names more.
const CLIENTS_MAX: usize = 3;

/// A part of the drawing.
pub(super) struct Selection<'a> {
    /// The hosts that are shown, in order.
    pub(super) hosts: Vec<&'a str>,
    /// The spans of time that are shown, in order, without overlap.
    pub(super) windows: Vec<(u64, u64)>,
    /// The messages that begin or end in one of them, bursts of them as one.
    pub(super) arrows: Vec<Cow<'a, Arrow>>,
    /// What is left out, in words.
    pub(super) left_out: String,
}

impl Selection<'_> {
    /// Whether a moment is shown.
    pub(super) fn shows(&self, at_ns: u64) -> bool {
        self.windows.iter().any(|(from, to)| (*from..=*to).contains(&at_ns))
    }

    /// Whether a message stands for several.
    pub(super) fn is_fold(&self, arrow: &Arrow) -> bool {
        self.arrows
            .iter()
            .any(|known| matches!(known, Cow::Owned(fold) if std::ptr::eq(fold, arrow)))
    }
}

/// Chooses.
pub(super) fn select<'a>(story: &'a Story) -> Selection<'a> {
    let focus_ns = story.focus_ns();
    let near: Vec<&Arrow> = story
        .arrows
        .iter()
        .filter(|arrow| {
            !arrow.is_ping && is_between(arrow, focus_ns.saturating_sub(FAR_NS), focus_ns)
        })
        .collect();
    let hosts = hosts(story, &near);
    let is_shown = |arrow: &Arrow| {
        !arrow.is_ping && hosts.contains(&arrow.from.as_str()) && hosts.contains(&arrow.to.as_str())
    };
    let drawn: Vec<&Arrow> = story.arrows.iter().filter(|arrow| is_shown(arrow)).collect();
    // What clients ask is read one by one.
    let clients = story.hosts.iter().filter(|host| host.is_client);
    let clients: BTreeSet<&str> = clients.map(|host| host.name.as_str()).collect();
    let is_client = |name: &String| clients.contains(name.as_str());
    let drawn = folded(&drawn, |arrow| !is_client(&arrow.from) && !is_client(&arrow.to));
    let mut windows = vec![window(&drawn, focus_ns, LAST_MAX)];
    let mut earlier: Vec<u64> = moments(story);
    earlier.retain(|at_ns| *at_ns < windows[0].0);
    for at_ns in earlier.into_iter().rev().take(EARLIER_MOMENTS_MAX) {
        if !windows.iter().any(|(from, to)| (*from..=*to).contains(&at_ns)) {
            windows.push(window(&drawn, at_ns, EARLIER_MAX));
        }
    }
    let windows = joined(windows);
    let shows = |at_ns: u64| windows.iter().any(|(from, to)| (*from..=*to).contains(&at_ns));
    let is_server = |name: &String| hosts.contains(&name.as_str()) && !is_client(name);
    let is_told = |arrow: &Arrow| {
        arrow.is_ping && arrow.delivered.is_none() && is_server(&arrow.from) && is_server(&arrow.to)
    };
    let told: Vec<&Arrow> = story.arrows.iter().filter(|arrow| is_told(arrow)).collect();
    let mut arrows: Vec<Cow<'a, Arrow>> = drawn
        .into_iter()
        .filter(|arrow| {
            shows(arrow.sent.at_ns) || arrow.delivered.is_some_and(|at| shows(at.at_ns))
        })
        .collect();
    for (from_ns, to_ns) in &windows {
        let pings = told.iter().copied().filter(|arrow| is_between(arrow, *from_ns, *to_ns));
        arrows.extend(lost_pings(pings).into_iter().map(Cow::Owned));
    }
    arrows.sort_by_key(|arrow| arrow.sent);
    let is_drawn = |arrow: &Arrow| is_told(arrow) && shows(arrow.sent.at_ns);
    let left_out = left_out(story, &hosts, &windows, is_drawn);
    Selection { hosts, windows, arrows, left_out }
}

fn is_between(arrow: &Arrow, from_ns: u64, to_ns: u64) -> bool {
    (from_ns..=to_ns).contains(&arrow.sent.at_ns)
}

/// The span of time that ends a little behind a moment and holds at most so many messages.
fn window(arrows: &[Cow<'_, Arrow>], at_ns: u64, most: usize) -> (u64, u64) {
    let until_ns = at_ns + AFTER_NS;
    let until = arrows.partition_point(|arrow| arrow.sent.at_ns <= until_ns);
    let mut first = until.saturating_sub(most);
    // Messages of one time are shown together or not at all.
    if first > 0 {
        let before_ns = arrows[first - 1].sent.at_ns;
        first += arrows[first..until].partition_point(|arrow| arrow.sent.at_ns <= before_ns);
    }
    let from_ns = arrows[first..until].first().map_or(at_ns, |arrow| arrow.sent.at_ns);
    (from_ns.clamp(at_ns.saturating_sub(FAR_NS), at_ns), until_ns)
}

/// The times that the explanation speaks of, in order.
fn moments(story: &Story) -> Vec<u64> {
    let Some(contradiction) = &story.contradiction else { return Vec::new() };
    let lines = &contradiction.explanation.lines;
    let is_before = |at_ns: &u64| *at_ns <= contradiction.at_ns;
    let times = lines.iter().map(|line| line.to_ns.filter(is_before).or(line.from_ns));
    let mut moments: Vec<u64> = times.flatten().filter(is_before).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn joined(mut windows: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    windows.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in windows {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// All hosts that are no clients, the clients of the explanation, and the clients that speak last.
fn hosts<'a>(story: &'a Story, near: &[&'a Arrow]) -> Vec<&'a str> {
    let (clients, others): (Vec<&Host>, Vec<&Host>) =
        story.hosts.iter().partition(|host| host.is_client);
    let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
    let named: BTreeSet<&str> = lines.map(|line| line.client.as_str()).collect();
    let is_client = |name: &str| clients.iter().any(|client| client.name == name);
    let mut chosen: BTreeSet<&str> = named.into_iter().filter(|name| is_client(name)).collect();
    for arrow in near.iter().rev() {
        if chosen.len() >= CLIENTS_MAX {
            break;
        }
        let ends = [arrow.from.as_str(), arrow.to.as_str()];
        chosen.extend(ends.into_iter().find(|name| is_client(name)));
    }
    let clients = clients.into_iter().filter(|client| chosen.contains(client.name.as_str()));
    others.into_iter().chain(clients).map(|host| host.name.as_str()).collect()
}

/// What is not drawn; `is_drawn` says which pings are.
fn left_out(
    story: &Story,
    hosts: &[&str],
    windows: &[(u64, u64)],
    is_drawn: impl Fn(&Arrow) -> bool,
) -> String {
    let (from_ns, to_ns) = (windows[0].0, windows[windows.len() - 1].1);
    let (mut pings, mut lost, mut between) = (0, 0, 0);
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    let within = story.arrows.iter().filter(|arrow| is_between(arrow, from_ns, to_ns));
    for arrow in within.filter(|arrow| !is_drawn(arrow)) {
        let absent =
            [&arrow.from, &arrow.to].into_iter().find(|end| !hosts.contains(&end.as_str()));
        let is_in = |at_ns: u64| windows.iter().any(|(from, to)| (*from..=*to).contains(&at_ns));
        if arrow.is_ping {
            pings += 1;
            lost += u64::from(arrow.delivered.is_none());
        } else if let Some(client) = absent {
            *others.entry(client).or_default() += 1;
        } else if !is_in(arrow.sent.at_ns) && !arrow.delivered.is_some_and(|at| is_in(at.at_ns)) {
            between += 1;
        }
    }
    let mut parts = Vec::new();
    if pings > 0 {
        let lost = if lost > 0 { format!(" ({lost} never read)") } else { String::new() };
        parts.push(count(pings, "ping") + &lost);
    }
    parts.extend(others.iter().map(|(client, n)| format!("{} of {client}", count(*n, "message"))));
    if between > 0 {
        parts.push(format!("{} between the parts shown", count(between, "message")));
    }
    parts.push(format!("all before {} and after {}", moment(from_ns), moment(to_ns)));
    parts.join(", ")
}
