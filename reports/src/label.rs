//! Labels that are cut to a length where they are equal to their neighbours, not where they differ: what
//! tells two of them apart stands as often at the end as at the beginning.

use std::collections::{BTreeMap, BTreeSet};

/// Fewer equal characters are not worth a mark that stands for them.
const EQUAL_MIN: usize = 3;
/// Characters with which an identifier says what it is, as `0x`.
pub(crate) const KEPT: usize = 2;

/// The word that says of which kind a text is.
pub(crate) fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// The texts of a drawing, by their first words.
#[derive(Default)]
pub(crate) struct Labels<'a> {
    by_kind: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(texts: impl IntoIterator<Item = &'a str>) -> Labels<'a> {
        let mut labels = Labels::default();
        for text in texts {
            labels.by_kind.entry(first_word(text)).or_default().insert(text);
        }
        labels
    }

    /// A text in at most so many characters: its kind, and what tells it from others of its kind.
    pub(crate) fn fitted(&self, text: &str, most: usize) -> String {
        let kind = first_word(text);
        let others = self.by_kind.get(kind).into_iter().flatten();
        let others: Vec<&str> = others.copied().filter(|other| *other != text).collect();
        // What follows begins as it does: identifiers say by their first characters what they are.
        let kept = kind.chars().count() + 1 + KEPT;
        let cut = apart(text, &others, kept, most);
        // Nothing is equal enough: what stands in the middle goes.
        let length = cut.chars().count();
        if length <= most {
            return cut;
        }
        let head = (most * 3 / 5).max(1);
        let tail = length - most.saturating_sub(head + 1);
        let characters: Vec<char> = cut.chars().collect();
        characters[..head].iter().chain(&['…']).chain(&characters[tail..]).collect()
    }
}

/// A text without its longest parts that all others share with it, until it has at most so many
/// characters; it stays longer if what remains differs. The first `kept` characters always stay.
pub(crate) fn apart(text: &str, others: &[&str], kept: usize, most: usize) -> String {
    let mut characters: Vec<(char, bool)> = text.chars().map(|c| (c, true)).collect();
    for other in others {
        let other: Vec<char> = other.chars().collect();
        let alike = alike(&characters, &other);
        characters.iter_mut().zip(alike).for_each(|(character, alike)| character.1 &= alike);
    }
    characters.iter_mut().take(kept).for_each(|character| character.1 = false);
    while characters.len() > most {
        let (from, length) = longest_equal(&characters);
        if length < EQUAL_MIN {
            break;
        }
        let gone = length.min(characters.len() - most + 1).max(2);
        let begin = from + (length - gone) / 2;
        characters.splice(begin..begin + gone, [('…', false)]);
    }
    characters.into_iter().map(|(character, _)| character).collect()
}

/// Which characters another text has in the same place: counted from the beginning, and where the two have
/// not the same length, in the parts that both begin or end with.
fn alike(text: &[(char, bool)], other: &[char]) -> Vec<bool> {
    if text.len() == other.len() {
        return text.iter().zip(other).map(|((one, _), other)| one == other).collect();
    }
    let heads = text.iter().zip(other);
    let head = heads.take_while(|(one, other)| one.0 == **other).count();
    let tails = text.iter().rev().zip(other.iter().rev());
    let tail = tails.take_while(|(one, other)| one.0 == **other).count();
    (0..text.len()).map(|at| at < head || at >= text.len() - tail).collect()
}

/// The longest run of equal characters: where it begins and how long it is.
fn longest_equal(characters: &[(char, bool)]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), (0, 0));
    for (at, (_, is_equal)) in characters.iter().enumerate() {
        run = match (is_equal, run) {
            (false, _) => (at + 1, 0),
            (true, (from, length)) => (from, length + 1),
        };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lose_what_they_share() {
        let texts = [
            "set /registers/one \"c4-25\" if version 7",
            "set /registers/one \"c4-26\" if version 8",
            "connect 0x38bcfe568079ebf",
        ];
        let labels = Labels::new(texts);
        let fitted = |text| labels.fitted(text, 25);
        assert_eq!(fitted(texts[0]), "set /re…-25\" if version 7");
        assert_eq!(fitted(texts[1]), "set /re…-26\" if version 8");
        assert_eq!(fitted(texts[2]), texts[2]);
        let all = texts.map(|text| labels.fitted(text, 16));
        assert!(all.iter().all(|text| text.chars().count() <= 16), "{all:?}");
        assert_ne!(all[0], all[1]);
    }

    #[test]
    fn what_differs_stays_and_short_texts_stay_whole() {
        assert_eq!(apart("0x90000001b", &["0xa00000036"], 0, 6), "0x9…1b");
        assert_eq!(apart("0x9", &["0xa00000036"], 0, 6), "0x9");
        // Nothing is equal: nothing is cut.
        assert_eq!(apart("abcdefgh", &["ijklmnop"], 0, 4), "abcdefgh");
        assert_eq!(Labels::new(["a bcdefgh"]).fitted("a bcdefgh", 6), "a bc…h");
        assert_eq!(Labels::default().fitted("abcdefghij", 5), "abc…j");
    }
}
