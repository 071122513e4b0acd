//! How far down each moment is drawn. Time is not to scale, because texts need room; it never goes back.

use std::collections::{BTreeMap, BTreeSet};

/// What moments need room for.
#[derive(Default)]
pub(super) struct Needs {
    /// Every moment at which something begins, ends or is said.
    times: BTreeSet<u64>,
    /// Texts that begin at a moment: their column, and how high they are together.
    texts: BTreeMap<u64, BTreeMap<usize, f64>>,
}

impl Needs {
    /// Something happens at a moment.
    pub(super) fn at(&mut self, at_ns: u64) {
        self.times.insert(at_ns);
    }

    /// A text of this height stands in a column at a moment. Says how far below the moment it begins:
    /// behind what was said there before.
    pub(super) fn text(&mut self, column: usize, at_ns: u64, height: f64) -> f64 {
        self.times.insert(at_ns);
        let taken = self.texts.entry(at_ns).or_default().entry(column).or_default();
        let offset = *taken;
        *taken += height;
        offset
    }
}

/// The heights of moments.
pub(super) struct Heights {
    at: BTreeMap<u64, f64>,
    top: f64,
    /// The lower end of all.
    pub(super) bottom: f64,
}

impl Heights {
    /// Later is lower, and no text covers another one of its column.
    pub(super) fn new(needs: &Needs, top: f64) -> Heights {
        let mut at: BTreeMap<u64, f64> = BTreeMap::new();
        let mut free: BTreeMap<usize, f64> = BTreeMap::new();
        let mut y = top + 4.0;
        for at_ns in &needs.times {
            if let Some((last, _)) = at.last_key_value() {
                // A longer silence is a little wider, so that it is seen.
                let pause_ms = (at_ns - last) as f64 / 1e6;
                y += ((1.0 + pause_ms).ln() * 3.5).clamp(1.0, 30.0);
            }
            let texts = needs.texts.get(at_ns);
            for column in texts.into_iter().flat_map(BTreeMap::keys) {
                y = y.max(free.get(column).copied().unwrap_or(0.0));
            }
            for (column, height) in texts.into_iter().flatten() {
                free.insert(*column, y + height);
            }
            at.insert(*at_ns, y);
        }
        let bottom = free.values().fold(y, |bottom, end| bottom.max(*end));
        Heights { at, top, bottom }
    }

    /// The height of a moment; of one that nothing needs, that of the next one.
    pub(super) fn y(&self, at_ns: u64) -> f64 {
        match self.at.first_key_value() {
            Some((first, _)) if at_ns < *first => self.top,
            _ => self.at.range(at_ns..).next().map_or(self.bottom, |(_, y)| *y),
        }
    }

    /// Every moment and its height.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, f64)> {
        self.at.iter().map(|(at_ns, y)| (*at_ns, *y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_column_keep_apart_and_time_goes_down() {
        let mut needs = Needs::default();
        assert_eq!(needs.text(0, 5, 30.0), 0.0);
        assert_eq!(needs.text(0, 5, 14.0), 30.0);
        assert_eq!(needs.text(1, 6, 14.0), 0.0);
        assert_eq!(needs.text(0, 7, 14.0), 0.0);
        needs.at(9);
        let heights = Heights::new(&needs, 10.0);
        assert_eq!((heights.y(4), heights.y(5)), (10.0, 14.0));
        assert!(heights.y(6) < heights.y(5) + 30.0, "another column");
        assert!(heights.y(7) >= heights.y(5) + 44.0);
        assert_eq!(heights.y(8), heights.y(9));
        assert!(heights.bottom >= heights.y(7) + 14.0);
        assert!(heights.all().map(|(_, y)| y).is_sorted());
    }
}
