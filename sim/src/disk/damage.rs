//! Damage that makes a disk forget what it had acknowledged, or hold what nobody wrote.
//!
//! ZAB, as every protocol of its kind, takes for granted that a server keeps what it has
//! acknowledged. Whoever damages a disk answers for it that enough other copies are left.

use std::collections::BTreeMap;

use super::Disk;
use super::directory::{InodeId, Names};
use super::inode::{Inode, Stray};
use crate::seed::Draws;
use crate::streams;

/// What a disk held durably at a moment: a backup of it.
#[derive(Clone, Debug)]
pub struct DiskImage {
    names: Names,
    inodes: BTreeMap<InodeId, Inode>,
}

/// Where bits of a file have flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotten {
    /// The path of the file, as its host names it.
    pub path: String,
    /// The bytes, in the order in which they rotted.
    pub offsets: Vec<u64>,
}

impl Disk {
    /// Bits flip in so many durable sectors (fewer if there are not so many) of one file, drawn from
    /// those whose path contains `part`. Reads see it at once, and it stays. None if there is no
    /// such file with anything durable in it.
    pub fn rot(&mut self, part: &str, sectors: u64, draws: &mut Draws) -> Option<Rotten> {
        let files = self.files_with_clean_sectors(part);
        self.rot_one_of(files, sectors, draws)
    }

    /// As [`Disk::rot`], but nothing rots that the last sync of a file made durable. All else was followed by a
    /// sync, which may have told of it: a program can know that it is missing.
    pub fn rot_what_was_told(
        &mut self,
        part: &str,
        sectors: u64,
        draws: &mut Draws,
    ) -> Option<Rotten> {
        let mut files = self.files_with_clean_sectors(part);
        if let Some((newest, untold)) = &self.newest {
            for (_, _, clean) in files.iter_mut().filter(|(_, inode, _)| inode == newest) {
                clean.retain(|sector| !untold.contains(sector));
            }
        }
        files.retain(|(_, _, clean)| !clean.is_empty());
        self.rot_one_of(files, sectors, draws)
    }

    fn rot_one_of(
        &mut self,
        files: Vec<(String, InodeId, Vec<u64>)>,
        sectors: u64,
        draws: &mut Draws,
    ) -> Option<Rotten> {
        let (path, inode, mut clean) = draws.pick(&files)?.clone();
        let mut offsets = Vec::new();
        for _ in 0..sectors.min(clean.len() as u64) {
            let sector = clean.swap_remove(draws.below(clean.len() as u64) as usize);
            offsets.push(self.file(inode).flip_bits(sector, draws));
        }
        Some(Rotten { path, offsets })
    }

    /// Makes the disk empty, as if it were new. Its program must be down.
    pub fn wipe(&mut self) {
        self.put(DiskImage { names: Names::default(), inodes: BTreeMap::new() });
    }

    /// What would be left of the disk if the power went away now and nothing survived that need not.
    pub fn backup(&self) -> DiskImage {
        let inodes = self.inodes.iter().map(|(id, inode)| (*id, inode.as_synced())).collect();
        DiskImage { names: self.names.as_synced(), inodes }
    }

    /// Sets the disk back to what a backup of it holds. Its program must be down.
    pub fn restore(&mut self, image: &DiskImage) {
        self.put(image.clone());
    }

    fn put(&mut self, image: DiskImage) {
        self.queue.clear();
        self.results.clear();
        self.open.clear();
        self.names = image.names;
        self.inodes = image.inodes;
        self.collect();
    }

    /// Whether a write went wrong of which only a loss of power would tell.
    pub fn has_bad_writes(&self) -> bool {
        self.inodes.values().any(Inode::has_bad_writes)
    }

    /// Undoes all writes that went wrong and have not shown: the disk holds what reads see.
    pub fn make_good(&mut self) {
        self.inodes.values_mut().for_each(Inode::make_good);
    }

    /// Writes that went elsewhere arrive there.
    pub(super) fn misdirect(&mut self, from: InodeId, strays: Vec<Stray>) {
        for stray in strays {
            let index = self.strays;
            self.strays += 1;
            let mut draws =
                Draws::for_host(self.seed, streams::MISDIRECTED_WRITE, self.host, index);
            let mut files = self.files_with_clean_sectors(&stray.onto);
            for (_, inode, clean) in &mut files {
                clean.retain(|sector| (*inode, *sector) != (from, stray.sector));
            }
            files.retain(|(_, _, clean)| !clean.is_empty());
            let Some((_, inode, clean)) = draws.pick(&files) else { continue };
            if let Some(&sector) = draws.pick(clean) {
                self.file(*inode).overwrite_unseen(sector, stray.content);
            }
        }
    }

    /// Files with `part` in their path, and which of their sectors the disk holds as reads see them.
    fn files_with_clean_sectors(&self, part: &str) -> Vec<(String, InodeId, Vec<u64>)> {
        let named = self.names.files().filter(|(path, _)| path.contains(part));
        let files = named.filter_map(|(path, inode)| {
            let clean = self.inodes.get(&inode)?.clean_sectors();
            (!clean.is_empty()).then(|| (path.to_owned(), inode, clean))
        });
        files.collect()
    }
}

#[cfg(test)]
mod tests;
