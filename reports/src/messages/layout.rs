//! Where things stand in `messages.svg`: hosts side by side, time downwards.
//!
//! Time is not drawn to scale, because a thousand milliseconds of silence may follow one in which ten
//! things happen: what happens at one host has a row for each event, in order; milliseconds follow
//! each other; and no two texts share a place.

use std::collections::BTreeMap;

use evidence::Point;

/// Height of a row.
pub(super) const ROW: f64 = 18.0;
/// Distance of two hosts.
pub(super) const COLUMN: f64 = 188.0;
/// Left of the first host: the times.
pub(super) const LEFT: f64 = 96.0;
/// Above the first row: the hosts' names and what they are.
pub(super) const HEAD: f64 = 74.0;
/// Where one part of the drawing ends and another begins.
pub(super) const BREAK: f64 = 52.0;

/// Something that needs a place in the column of a host.
pub(super) struct Entry {
    /// The host's column.
    pub(super) column: usize,
    pub(super) at: Point,
    /// What its texts cover to the left and to the right of the host's line.
    pub(super) extent: (f64, f64),
}

/// The places.
pub(super) struct Layout {
    /// The height of each entry.
    pub(super) y: Vec<f64>,
    /// The milliseconds in which something happens: time, upper and lower edge.
    pub(super) times: Vec<(u64, f64, f64)>,
    /// Upper and lower edge of each window.
    pub(super) windows: Vec<(f64, f64)>,
    /// The lower end.
    pub(super) bottom: f64,
}

/// Where a host's line is.
pub(super) fn x(column: usize) -> f64 {
    LEFT + 24.0 + column as f64 * COLUMN
}

/// The width of a text of this size in pixels, a little more than it is.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 6.3 } else { 9.0 }).sum()
}

impl Layout {
    /// Places entries within the windows; entries of no window are at the lower end of the last one
    /// before them.
    pub(super) fn new(entries: &[Entry], windows: &[(u64, u64)], top: f64) -> Layout {
        let mut by_time: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            by_time.entry(entry.at.at_ns).or_default().push(index);
        }
        let mut layout = Layout {
            y: vec![0.0; entries.len()],
            times: Vec::new(),
            windows: Vec::new(),
            bottom: top,
        };
        let mut at = top;
        for (number, (from_ns, to_ns)) in windows.iter().enumerate() {
            if number > 0 {
                at += BREAK;
            }
            let begin = at;
            at += ROW * 0.5;
            let mut last_ns = None;
            for (at_ns, mut together) in by_time.extract_if(*from_ns..=*to_ns, |_, _| true) {
                let pause_ms = last_ns.map_or(0, |last_ns| (at_ns - last_ns) / 1_000_000);
                // A longer silence is a little wider, so that it is seen.
                at += ((pause_ms as f64 + 1.0).ln() * 5.0).min(30.0);
                last_ns = Some(at_ns);
                together.sort_by_key(|index| (entries[*index].at, *index));
                let rows = layout.place(entries, &together, at);
                layout.times.push((at_ns, at, at + rows as f64 * ROW));
                at += rows as f64 * ROW;
            }
            at += ROW * 0.5;
            layout.windows.push((begin, at));
        }
        for index in by_time.into_values().flatten() {
            let before = windows.iter().rposition(|(from, _)| *from <= entries[index].at.at_ns);
            layout.y[index] = layout.windows[before.unwrap_or(0)].1;
        }
        layout.bottom = at;
        layout
    }

    /// Places what happens at one time; says how many rows that takes.
    fn place(&mut self, entries: &[Entry], together: &[usize], top: f64) -> usize {
        let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        for index in together {
            let Entry { column, extent, .. } = entries[*index];
            let covered = (x(column) + extent.0, x(column) + extent.1);
            let mut row = next.get(&column).copied().unwrap_or(0);
            let overlaps = |others: &Vec<(f64, f64)>| {
                others.iter().any(|other| covered.0 < other.1 && other.0 < covered.1)
            };
            while taken.get(row).is_some_and(overlaps) {
                row += 1;
            }
            taken.resize_with(taken.len().max(row + 1), Vec::new);
            taken[row].push(covered);
            next.insert(column, row + 1);
            self.y[*index] = top + (row as f64 + 0.5) * ROW;
        }
        taken.len()
    }

    /// The height of any moment: of its own rows, or between those around it.
    pub(super) fn y_at(&self, at_ns: u64) -> f64 {
        let after = self.times.partition_point(|(time, _, _)| *time < at_ns);
        let next = self.times.get(after);
        let before = after.checked_sub(1).and_then(|index| self.times.get(index));
        match (before, next) {
            (_, Some((time, top, _))) if *time == at_ns => *top,
            (Some((_, _, bottom)), Some((_, top, _))) => (bottom + top) / 2.0,
            (None, Some((_, top, _))) => *top,
            (Some((_, _, bottom)), None) => *bottom,
            (None, None) => self.bottom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(column: usize, at_ms: u64, order: u64, extent: (f64, f64)) -> Entry {
        Entry { column, at: Point { at_ns: at_ms * 1_000_000, order }, extent }
    }

    #[test]
    fn a_host_does_one_thing_after_another_and_texts_keep_apart() {
        let entries = [
            entry(0, 1, 2, (0.0, 60.0)),
            entry(0, 1, 1, (0.0, 60.0)),
            entry(1, 1, 3, (-150.0, 0.0)),
            entry(2, 1, 4, (0.0, 10.0)),
            entry(0, 9, 5, (0.0, 10.0)),
            entry(1, 99, 6, (0.0, 10.0)),
        ];
        let windows = [(0, 10_000_000), (50_000_000, 60_000_000)];
        let layout = Layout::new(&entries, &windows, 0.0);
        let row = |index: usize| ((layout.y[index] - layout.times[0].1) / ROW - 0.5).round();
        // The first two belong to one host; the third one's text would cover both of theirs.
        assert_eq!([row(1), row(0), row(2), row(3)], [0.0, 1.0, 2.0, 0.0]);
        assert!(layout.y[4] > layout.y[2]);
        assert_eq!(layout.y[5], layout.windows[1].1);
        assert_eq!(layout.y_at(1_000_000), layout.times[0].1);
        assert!(layout.y_at(5_000_000) > layout.times[0].2);
        assert!(layout.y_at(5_000_000) < layout.times[1].1);
    }
}
