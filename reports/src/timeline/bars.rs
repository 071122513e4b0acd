//! Where the operations of a part stand: a bar from invocation to end, those of one client side by side as far as they
//! overlap, and words behind them. Each client has a column; where there is not enough room for that, as beside
//! many servers, the bars of all stand together and the words behind them all name their client.

use std::collections::BTreeMap;

use evidence::{Operation, Story};

use super::chunk::{HEIGHT, WIDTH};
use super::heights::Needs;
use super::parts::Part;
use super::words::{CHARACTER, LINE, words};
use crate::label::Labels;
use crate::story::lanes;

/// The widest and the narrowest column of a client with words of its own.
const WIDEST: f64 = 250.0;
const NARROWEST: f64 = 130.0;
/// The width of a character of a client's name, which stands above its bars.
const NAME_CHARACTER: f64 = 9.0;
/// The room of words that are not the client's own.
const WORDS_MIN: f64 = 240.0;
/// The width of a bar, of a client with few and with many requests at once.
const BAR: f64 = 8.0;
const NARROW_BAR: f64 = 4.0;
/// More bars than this side by side are narrow.
const BARS_MAX: usize = 4;

/// An operation and its place.
pub(super) struct Bar {
    /// Its position in the history.
    pub(super) index: usize,
    pub(super) left: f64,
    pub(super) width: f64,
    /// Where its words begin, and their room ends.
    pub(super) words_left: f64,
    pub(super) right: f64,
    /// How far below the beginning the words stand.
    pub(super) offset: f64,
    pub(super) words: Vec<(String, &'static str)>,
}

/// The operations of a part.
pub(super) struct Bars<'a> {
    /// In the order of invocation.
    pub(super) all: Vec<Bar>,
    /// Names of clients and the left edges of their bars.
    pub(super) clients: Vec<(&'a str, f64)>,
    /// Where all ends.
    pub(super) right: f64,
}

/// The bars of a client.
struct Group<'a> {
    name: &'a str,
    /// The operations and the lane of each.
    members: Vec<(usize, usize)>,
    bar: f64,
    /// The width of all lanes.
    width: f64,
}

impl<'a> Bars<'a> {
    /// The operations of a part from `left` on; `first` is the number of the first of their columns.
    pub(super) fn new(
        story: &'a Story,
        part: &Part,
        left: f64,
        first: usize,
        needs: &mut Needs,
    ) -> Bars<'a> {
        let groups = groups(story, part);
        let room = (WIDTH - left) / groups.len().max(1) as f64;
        let mut bars = match room < NARROWEST {
            true => Bars::together(groups, left),
            false => Bars::apart(groups, left, room.min(WIDEST)),
        };
        let operations = &story.history.operations;
        bars.all.sort_by_key(|bar| operations[bar.index].invoke_ns);
        let texts = part.shown.iter().map(|index| operations[*index].asked.as_str());
        let labels = Labels::new(texts);
        for bar in &mut bars.all {
            let operation = &operations[bar.index];
            let most = ((bar.right - bar.words_left - 10.0) / CHARACTER).max(3.0) as usize;
            let client = if room < NARROWEST { operation.client_name.as_str() } else { "" };
            bar.words = words(story, operation, client, &labels, most);
            let begin = operation.invoke_ns.max(part.from_ns);
            if begin > operation.invoke_ns && story.line_of(operation).is_none() {
                // The part before has the rest of it.
                bar.words.truncate(1);
            }
            let height = (bar.words.len() as f64 * LINE + 4.0).max(HEIGHT + 1.0);
            let place = bars.clients.iter().position(|(name, _)| *name == operation.client_name);
            let column = if client.is_empty() { place.unwrap_or(0) } else { 0 };
            bar.offset = needs.text(first + column, begin, height);
            let end = operation.complete_ns.filter(|end| part.has(*end));
            end.into_iter().for_each(|end| needs.at(end));
        }
        bars
    }

    /// A column for each client, with its words.
    fn apart(groups: Vec<Group<'a>>, left: f64, width: f64) -> Bars<'a> {
        let mut bars = Bars { all: Vec::new(), clients: Vec::new(), right: left };
        for group in groups {
            let left = bars.right;
            bars.right += width;
            // However many bars there are, words keep some room.
            let bar = group.bar.min(width * 0.4 / group.lanes());
            let words_left = left + bar * group.lanes();
            bars.push(&group, left, bar, (words_left, left + width));
        }
        bars
    }

    /// The bars of all clients side by side, then the words.
    fn together(groups: Vec<Group<'a>>, left: f64) -> Bars<'a> {
        let wanted: f64 = groups.iter().map(|group| group.width).sum();
        let room = (WIDTH - left - WORDS_MIN).max(1.0);
        let scale = (room / wanted).min(1.0);
        let mut bars = Bars { all: Vec::new(), clients: Vec::new(), right: left };
        let words_left = left + wanted * scale;
        for group in groups {
            let left = bars.right;
            bars.right += group.width * scale;
            bars.push(
                &group,
                left,
                group.bar * scale,
                (words_left, WIDTH.max(words_left + WORDS_MIN)),
            );
        }
        bars.right = WIDTH.max(words_left + WORDS_MIN);
        bars
    }

    fn push(&mut self, group: &Group<'a>, left: f64, width: f64, words: (f64, f64)) {
        let (words_left, right) = words;
        for (index, lane) in &group.members {
            let (index, left) = (*index, left + *lane as f64 * width);
            let words = Vec::new();
            self.all.push(Bar { index, left, width, words_left, right, offset: 0.0, words });
        }
        self.clients.push((group.name, left));
    }
}

impl Group<'_> {
    fn lanes(&self) -> f64 {
        self.members.iter().map(|(_, lane)| lane + 1).max().unwrap_or(1) as f64
    }
}

/// The operations of a part by client; clients that have none are not there.
fn groups<'a>(story: &'a Story, part: &Part) -> Vec<Group<'a>> {
    let operations = &story.history.operations;
    let mut by_client: BTreeMap<(u32, &str), Vec<usize>> = BTreeMap::new();
    for index in &part.shown {
        let operation = &operations[*index];
        let client = (operation.client, operation.client_name.as_str());
        by_client.entry(client).or_default().push(*index);
    }
    let groups = by_client.into_iter().map(|((_, name), members)| {
        let times = members.iter().map(|index| {
            let Operation { invoke_ns, complete_ns, .. } = operations[*index];
            (invoke_ns, complete_ns.unwrap_or(u64::MAX).max(invoke_ns + 1))
        });
        let lanes = lanes(times);
        let count = lanes.iter().max().map_or(1, |last| last + 1);
        let bar = if count > BARS_MAX { NARROW_BAR } else { BAR };
        let width =
            (bar * count as f64 + 4.0).max(name.chars().count() as f64 * NAME_CHARACTER + 6.0);
        Group { name, members: members.into_iter().zip(lanes).collect(), bar, width }
    });
    groups.collect()
}
