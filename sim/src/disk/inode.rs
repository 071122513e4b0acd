//! One file's content: what reads see, and what a power loss may leave of it.
//!
//! A sector of 512 bytes is written whole or not at all. Sectors written since the last sync are
//! kept with what they replaced; after a power loss each of them is either new or old, on its own,
//! so that a record may be torn inside and later records may survive earlier ones. Size changes are
//! metadata: they survive in order, up to any point, whatever becomes of the data.
//!
//! A sector whose write went wrong is kept as the disk holds it, too: reads see what was written
//! until the power goes, or until it is written again.

mod place;

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Gone;

use crate::seed::Draws;

/// The unit that a disk writes whole.
pub const SECTOR_BYTES: usize = 512;

/// The content of a sector, filled up with zeros.
type Sector = Box<[u8; SECTOR_BYTES]>;

/// What a sector held before; none if the file did not reach it.
type Replaced = Option<Sector>;

/// A sector that was written elsewhere.
#[derive(Debug)]
pub(super) struct Stray {
    /// Where it belongs.
    pub(super) sector: u64,
    /// A part of the path of the file that it went to.
    pub(super) onto: String,
    /// What it holds.
    pub(super) content: Sector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeChange {
    Grown(u64),
    Cut(u64),
}

/// A file without a name.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    content: Vec<u8>,
    synced_len: u64,
    /// Size changes since the last sync, in order.
    sizes: Vec<SizeChange>,
    /// Sectors written since the last sync, with what is on the disk instead.
    unsynced: BTreeMap<u64, Replaced>,
    /// Sectors that a failed sync left marked clean: they are read as written, and never written.
    lost: BTreeMap<u64, Replaced>,
    /// Unsynced sectors whose writing will go wrong.
    doomed: BTreeMap<u64, Gone>,
    /// Sectors that the disk holds otherwise than reads see them, of which nobody was told.
    wrong: BTreeMap<u64, Replaced>,
    /// Of those that went wrong and then changed again, what the disk would hold if they had not gone
    /// wrong. The change is not on the disk yet (unsynced), or never will be (lost).
    owed: BTreeMap<u64, Replaced>,
}

impl Inode {
    /// What a read sees.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Writes at the end.
    pub fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let start = self.content.len();
        self.keep_old_sectors(start, start + bytes.len());
        self.content.extend_from_slice(bytes);
        let len = self.content.len() as u64;
        match self.sizes.last_mut() {
            Some(SizeChange::Grown(grown)) => *grown = len,
            _ => self.sizes.push(SizeChange::Grown(len)),
        }
    }

    /// Cuts the file, or extends it with zeros.
    pub fn truncate(&mut self, len: u64) {
        let new_len = usize::try_from(len).expect("a simulated file fits in memory");
        let old_len = self.content.len();
        if new_len < old_len {
            self.keep_old_sectors(new_len, old_len);
            self.sizes.push(SizeChange::Cut(len));
        } else if new_len > old_len {
            self.sizes.push(SizeChange::Grown(len));
        }
        self.content.resize(new_len, 0);
    }

    /// Makes everything durable, but for what an earlier failed sync lost and for what goes wrong:
    /// of that, the sectors that are written elsewhere are returned.
    pub(super) fn sync(&mut self) -> Vec<Stray> {
        let mut strays = Vec::new();
        for (sector, gone) in std::mem::take(&mut self.doomed) {
            let Some(old) = self.unsynced.remove(&sector) else { continue };
            self.wrong.insert(sector, old);
            let content = sector_of(&self.content, sector as usize * SECTOR_BYTES);
            if let (Gone::Misdirected { onto }, Some(content)) = (gone, content) {
                strays.push(Stray { sector, onto, content });
            }
        }
        self.unsynced.clear();
        let lost = &self.lost;
        self.owed.retain(|sector, _| lost.contains_key(sector));
        self.sizes.clear();
        self.synced_len = self.content.len() as u64;
        strays
    }

    /// The writing of the last `len` bytes, which must not have been synced, will go wrong.
    pub(super) fn doom(&mut self, len: usize, gone: &Gone) {
        let end = self.content.len();
        for sector in (end - len) / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            self.doomed.insert(sector as u64, gone.clone());
        }
    }

    /// Whether the disk holds, or would hold after a sync, otherwise than it said.
    pub(super) fn has_bad_writes(&self) -> bool {
        [&self.wrong, &self.owed].iter().any(|bad| !bad.is_empty()) || !self.doomed.is_empty()
    }

    /// What went wrong without a word did not go wrong.
    pub(super) fn make_good(&mut self) {
        self.doomed.clear();
        self.wrong.clear();
        for (sector, good) in std::mem::take(&mut self.owed) {
            let held = self.unsynced.get_mut(&sector).or_else(|| self.lost.get_mut(&sector));
            *held.expect("what is owed has changed since") = good;
        }
    }

    /// The sectors that the disk holds as reads see them.
    pub(super) fn clean_sectors(&self) -> Vec<u64> {
        let durable = self.synced_len.min(self.content.len() as u64);
        let other: BTreeSet<&u64> = [&self.unsynced, &self.lost, &self.wrong]
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect();
        let all = 0..durable.div_ceil(SECTOR_BYTES as u64);
        all.filter(|sector| !other.contains(sector)).collect()
    }

    /// The sectors that the next sync makes durable.
    pub(super) fn unsynced_sectors(&self) -> BTreeSet<u64> {
        self.unsynced.keys().copied().collect()
    }

    /// Puts something else on the disk in place of a clean sector.
    pub(super) fn overwrite_unseen(&mut self, sector: u64, content: Sector) {
        self.wrong.insert(sector, Some(content));
    }

    /// Flips from one to eight bits of a byte of a clean sector. Returns the byte's offset.
    pub(super) fn flip_bits(&mut self, sector: u64, draws: &mut Draws) -> u64 {
        let start = sector * SECTOR_BYTES as u64;
        let end = (start + SECTOR_BYTES as u64).min(self.content.len() as u64);
        let offset = draws.range(start, end - 1);
        self.content[offset as usize] ^= draws.range(1, 255) as u8;
        offset
    }

    /// The same file with nothing but what a power loss cannot take away.
    pub(super) fn as_synced(&self) -> Inode {
        let mut file = self.clone();
        file.settle(self.synced_len as usize, usize::MAX, || false);
        file
    }

    /// A sync that reports an error: what was to be written is marked clean without having been
    /// written, as Linux does, so that the next sync succeeds and covers none of it.
    pub fn fail_sync(&mut self) {
        self.lost.append(&mut self.unsynced);
        self.doomed.clear();
    }

    /// Whether a power loss now would change nothing.
    pub fn is_durable(&self) -> bool {
        let other = [&self.unsynced, &self.lost, &self.wrong];
        other.into_iter().all(BTreeMap::is_empty) && self.sizes.is_empty()
    }

    /// What the disk holds after the power went away.
    pub fn lose_power(&mut self, draws: &mut Draws) {
        let (len, cut) = self.surviving_size(draws);
        // All, none, and every share between are worth seeing.
        let share = match draws.below(4) {
            0 => 0.0,
            1 => 1.0,
            _ => draws.below(1001) as f64 / 1000.0,
        };
        self.settle(len, cut, || draws.chance(share));
    }

    /// Reads see what the disk holds from now on: `len` bytes, of the unsynced sectors those that
    /// survive, each asked for once and in order, and of the rest what was there before.
    fn settle(&mut self, len: usize, cut: usize, mut survives: impl FnMut() -> bool) {
        let live_len = self.content.len();
        self.content.resize(len.max(live_len), 0);
        let doomed = std::mem::take(&mut self.doomed);
        for (sector, old) in std::mem::take(&mut self.unsynced) {
            let reached = (sector as usize) * SECTOR_BYTES < live_len;
            if !(reached && survives()) || doomed.contains_key(&sector) {
                self.restore(sector, old.as_deref(), cut);
            }
        }
        let lost = std::mem::take(&mut self.lost);
        for (sector, old) in lost.into_iter().chain(std::mem::take(&mut self.wrong)) {
            self.restore(sector, old.as_deref(), cut);
        }
        self.owed.clear();
        self.content.truncate(len);
        self.sync();
    }

    /// Which of the size changes survived: the length, and the lowest cut on the way to it.
    fn surviving_size(&self, draws: &mut Draws) -> (usize, usize) {
        let survivors = draws.range(0, self.sizes.len() as u64) as usize;
        let (mut before, mut len, mut cut) = (self.synced_len, self.synced_len, u64::MAX);
        for change in &self.sizes[..survivors] {
            before = len;
            match *change {
                SizeChange::Grown(grown) => len = grown,
                SizeChange::Cut(shorter) => {
                    len = shorter;
                    cut = cut.min(shorter);
                }
            }
        }
        if len > before && draws.chance(0.5) {
            len = draws.range(before, len);
        }
        (len as usize, usize::try_from(cut).unwrap_or(usize::MAX))
    }

    /// Puts a sector back to what it was; beyond a surviving cut that is zeros.
    fn restore(&mut self, sector: u64, old: Option<&[u8; SECTOR_BYTES]>, cut: usize) {
        let start = sector as usize * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.content.len());
        for at in start..end {
            self.content[at] = match old {
                Some(old) if at < cut => old[at - start],
                _ => 0,
            };
        }
    }

    /// Before bytes `from..to` change: keeps what the disk holds of their sectors.
    fn keep_old_sectors(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES) {
            let key = sector as u64;
            if self.unsynced.contains_key(&key) {
                continue;
            }
            // Writing to such a sector puts the whole of it in line for writing again.
            let seen = sector_of(&self.content, sector * SECTOR_BYTES);
            let old = if let Some(old) = self.lost.remove(&key) {
                old
            } else if let Some(old) = self.wrong.remove(&key) {
                self.owed.insert(key, seen);
                old
            } else {
                seen
            };
            self.unsynced.insert(key, old);
        }
    }
}

/// The sector that begins at `start`, filled up with zeros.
fn sector_of(content: &[u8], start: usize) -> Replaced {
    let present = content.get(start..)?;
    if present.is_empty() {
        return None;
    }
    let mut sector = Box::new([0; SECTOR_BYTES]);
    let len = present.len().min(SECTOR_BYTES);
    sector[..len].copy_from_slice(&present[..len]);
    Some(sector)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn after_power_loss(file: &Inode, seed: u64) -> Vec<u8> {
        let mut file = file.clone();
        file.lose_power(&mut Draws::new(seed, "power loss", 0));
        assert!(file.is_durable());
        file.content
    }

    /// Which of ten sectors, one letter each, survive: `a` new, `.` old or never written.
    fn shape(content: &[u8]) -> String {
        content.chunks(SECTOR_BYTES).map(|s| if s[0] == 0 { '.' } else { s[0] as char }).collect()
    }

    #[test]
    fn unsynced_sectors_survive_in_any_subset() {
        let mut file = Inode::default();
        file.append(&[b'a'; 4 * SECTOR_BYTES]);
        let seen: BTreeSet<String> =
            (0..2_000).map(|seed| shape(&after_power_loss(&file, seed))).collect();
        // All sixteen subsets of a file of full length, and shorter files.
        let full = seen.iter().filter(|shape| shape.len() == 4).count();
        assert_eq!(full, 16, "{seen:?}");
        assert!(seen.contains("") && seen.contains("a") && seen.contains(".a"));
    }

    #[test]
    fn a_record_is_torn_inside_and_a_later_one_survives_it() {
        let mut file = Inode::default();
        file.append(&[b'a'; 700]);
        file.append(&[b'b'; 700]);
        let survivors: Vec<_> = (0..500).map(|seed| after_power_loss(&file, seed)).collect();
        assert!(survivors.iter().any(|c| c.len() >= 700 && c[0] == b'a' && c[699] == 0));
        assert!(survivors.iter().any(|c| c.len() == 1400 && c[0] == 0 && c[1399] == b'b'));
    }

    #[test]
    fn cut_is_pending_until_sync() {
        let mut file = Inode::default();
        file.append(&[b'a'; 2000]);
        file.sync();
        file.truncate(100);
        let seen: BTreeSet<usize> = (0..50).map(|s| after_power_loss(&file, s).len()).collect();
        assert_eq!(seen, BTreeSet::from([100, 2000]));
        for seed in 0..50 {
            assert!(after_power_loss(&file, seed).starts_with(&[b'a'; 100]));
        }
        file.sync();
        assert_eq!(after_power_loss(&file, 1), [b'a'; 100]);
    }

    #[test]
    fn bytes_cut_off_do_not_come_back_inside_a_file_grown_again() {
        let mut file = Inode::default();
        file.append(&[b'a'; 2000]);
        file.sync();
        file.truncate(0);
        file.append(&[b'b'; 2000]);
        for seed in 0..500 {
            let content = after_power_loss(&file, seed);
            // Where a length between survived, the cut did too.
            if content.len() < 2000 {
                assert!(!content.contains(&b'a'), "seed {seed}");
            }
        }
    }

    #[test]
    fn failed_sync_loses_its_sectors_even_if_the_next_one_succeeds() {
        let mut file = Inode::default();
        file.append(&[b'a'; SECTOR_BYTES]);
        file.sync();
        file.append(&[b'b'; SECTOR_BYTES]);
        file.fail_sync();
        file.append(&[b'c'; SECTOR_BYTES]);
        file.sync();
        assert_eq!(shape(file.content()), "abc", "the page cache still has it");
        for seed in 0..100 {
            assert_eq!(shape(&after_power_loss(&file, seed)), "a.c");
        }
    }

    #[test]
    fn lost_sector_is_written_again_when_it_changes_again() {
        let mut file = Inode::default();
        file.append(b"lost");
        file.fail_sync();
        file.append(b" and found");
        file.sync();
        assert_eq!(after_power_loss(&file, 3), b"lost and found");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append(u8, usize),
        Truncate(usize),
        Sync,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1..=255u8, 1..2_000usize).prop_map(|(byte, len)| Step::Append(byte, len)),
            1 => (0..4_000usize).prop_map(Step::Truncate),
            2 => Just(Step::Sync),
        ];
        proptest::collection::vec(step, 0..30)
    }

    proptest! {
        /// Each surviving byte was once in its place, and nothing but it: either what was synced,
        /// or something written since (or zeros of a sector that was never written).
        #[test]
        fn what_was_synced_survives_and_the_rest_in_any_subset(steps in steps(), seed in 0..8u64) {
            let mut file = Inode::default();
            let mut model = Vec::new();
            let mut synced = Vec::new();
            // Versions of the content since the last sync, and the lowest cut since.
            let mut versions = vec![Vec::new()];
            let mut lowest = 0;
            for step in steps {
                match step {
                    Step::Append(byte, len) => {
                        file.append(&vec![byte; len]);
                        model.extend(vec![byte; len]);
                    }
                    Step::Truncate(len) => {
                        file.truncate(len as u64);
                        model.resize(len, 0);
                        lowest = lowest.min(len);
                    }
                    Step::Sync => {
                        file.sync();
                        synced = model.clone();
                        versions.clear();
                        lowest = model.len();
                    }
                }
                versions.push(model.clone());
                prop_assert_eq!(file.content(), &model[..]);
            }
            let survived = after_power_loss(&file, seed);
            // What was synced and not cut since is untouched.
            prop_assert!(survived.len() >= lowest);
            prop_assert_eq!(&survived[..lowest], &synced[..lowest]);
            let longest = versions.iter().map(Vec::len).max().unwrap_or(0);
            prop_assert!(survived.len() <= longest.max(synced.len()));
            for (at, &byte) in survived.iter().enumerate() {
                let was_there = versions.iter().any(|v| v.get(at) == Some(&byte));
                prop_assert!(byte == 0 || was_there || synced.get(at) == Some(&byte));
            }
            // Each sector is old as a whole or new as a whole, as far as the file reaches.
            for (n, sector) in survived.chunks(SECTOR_BYTES).enumerate() {
                let start = n * SECTOR_BYTES;
                let matches = |version: &Vec<u8>| {
                    (0..sector.len()).all(|i| sector[i] == *version.get(start + i).unwrap_or(&0))
                };
                let below_cut = |limit: usize| {
                    (0..sector.len()).all(|i| {
                        let old = synced.get(start + i).filter(|_| start + i < limit);
                        sector[i] == *old.unwrap_or(&0)
                    })
                };
                prop_assert!(
                    versions.last().is_some_and(matches)
                        || matches(&synced)
                        || (0..=survived.len()).any(below_cut)
                );
            }
        }
    }
}
