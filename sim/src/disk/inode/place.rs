//! Writing in the middle of a file, as pwrite(2) does.

use super::{Inode, SECTOR_BYTES};
use crate::disk::fault::Gone;

impl Inode {
    /// Writes at `offset`. What lies between the end of the file and there is zeros.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if offset > self.content.len() as u64 {
            self.truncate(offset);
        }
        let start = usize::try_from(offset).expect("a simulated file fits in memory");
        let inside = bytes.len().min(self.content.len() - start);
        if inside > 0 {
            self.keep_old_sectors(start, start + inside);
            self.content[start..start + inside].copy_from_slice(&bytes[..inside]);
        }
        self.append(&bytes[inside..]);
    }

    /// The writing of `len` bytes at `offset`, which must not have been synced, will go wrong.
    pub(in crate::disk) fn doom_at(&mut self, offset: u64, len: usize, gone: &Gone) {
        let start = offset as usize;
        for sector in start / SECTOR_BYTES..(start + len).div_ceil(SECTOR_BYTES) {
            self.doomed.insert(sector as u64, gone.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::SizeChange;
    use super::*;
    use crate::seed::Draws;

    #[test]
    fn bytes_replace_what_is_there_and_grow_the_file_behind_it() {
        let mut file = Inode::default();
        file.append(b"abcdef");
        file.write_at(2, b"XY");
        assert_eq!(file.content(), b"abXYef");
        file.write_at(5, b"12");
        assert_eq!(file.content(), b"abXYe12");
        file.write_at(9, b"z");
        assert_eq!(file.content(), b"abXYe12\0\0z");
        assert_eq!(file.sizes, [SizeChange::Grown(7), SizeChange::Grown(10)]);
    }

    #[test]
    fn overwritten_sectors_survive_a_power_loss_in_any_subset() {
        let mut file = Inode::default();
        file.append(&[b'o'; 2 * SECTOR_BYTES]);
        file.sync();
        file.write_at(0, &[b'n'; 2 * SECTOR_BYTES]);
        let after = |seed| {
            let mut file = file.clone();
            file.lose_power(&mut Draws::new(seed, "power loss", 0));
            [file.content()[0] as char, file.content()[SECTOR_BYTES] as char]
        };
        let seen: BTreeSet<_> = (0..200).map(after).collect();
        assert_eq!(seen.len(), 4, "{seen:?}");
        file.sync();
        assert!(file.is_durable());
    }
}
