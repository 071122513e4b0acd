//! Names: what a lookup sees, and what a power loss may leave of it.
//!
//! A directory entry is durable once its directory has been synced; each change since then survives
//! a power loss on its own. A rename is one change: both of its names move, or neither. A change
//! survives only if the earlier pending changes of the same names do, because a journal or not, a
//! file system keeps the changes of one entry in order.

mod one;

use std::collections::BTreeMap;

use super::{EEXIST, EISDIR, ENOENT, ENOTDIR, Errno};
use crate::seed::Draws;

/// Names a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InodeId(pub(super) u64);

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(InodeId),
    Directory,
}

#[derive(Clone, Debug)]
enum Change {
    Link(String, Entry),
    Rename(String, String),
    Unlink(String),
}

impl Change {
    /// The names that it sets or removes.
    fn names(&self) -> [Option<&str>; 2] {
        match self {
            Change::Link(name, _) | Change::Unlink(name) => [Some(name), None],
            Change::Rename(from, to) => [Some(from), Some(to)],
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, Entry>) {
        match self {
            Change::Link(name, entry) => {
                names.insert(name.clone(), *entry);
            }
            Change::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
            Change::Unlink(name) => {
                names.remove(name);
            }
        }
    }
}

/// All names of one disk. The root directory, whose name is empty, always exists.
#[derive(Clone, Debug, Default)]
pub struct Names {
    live: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<Change>,
}

impl Names {
    /// The file that `path` names.
    ///
    /// # Errors
    /// ENOENT, or EISDIR for a directory.
    pub fn file(&self, path: &str) -> Result<InodeId, Errno> {
        match self.live.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Directory) => Err(EISDIR),
            None if path.is_empty() => Err(EISDIR),
            None => Err(ENOENT),
        }
    }

    /// Names a new file.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR if its directory is none.
    pub fn link(&mut self, path: &str, inode: InodeId) -> Result<(), Errno> {
        self.require_directory(parent(path))?;
        self.change(Change::Link(path.to_owned(), Entry::File(inode)));
        Ok(())
    }

    /// Makes a directory and its parents.
    ///
    /// # Errors
    /// EEXIST if one of them is a file.
    pub fn create_directories(&mut self, path: &str) -> Result<(), Errno> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let dir = &path[..end];
            match self.live.get(dir) {
                Some(Entry::Directory) => {}
                Some(Entry::File(_)) => return Err(EEXIST),
                None if dir.is_empty() => {}
                None => self.change(Change::Link(dir.to_owned(), Entry::Directory)),
            }
        }
        Ok(())
    }

    /// Renames a file, replacing another.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR or EISDIR.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        self.file(from)?;
        self.require_directory(parent(to))?;
        if self.is_directory(to) {
            return Err(EISDIR);
        }
        if from != to {
            self.change(Change::Rename(from.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    /// Removes a file's name.
    ///
    /// # Errors
    /// ENOENT or EISDIR.
    pub fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.file(path)?;
        self.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR.
    pub fn list(&self, dir: &str) -> Result<Vec<String>, Errno> {
        self.require_directory(dir)?;
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let names = self.live.range(prefix.clone()..).map(|(path, _)| path);
        Ok(names
            .take_while(|path| path.starts_with(&prefix))
            .filter(|path| parent(path) == dir)
            .map(|path| path[prefix.len()..].to_owned())
            .collect())
    }

    /// Makes the changes of a directory's entries durable. A rename between two directories is one
    /// transaction and becomes durable with either.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR.
    pub fn sync(&mut self, dir: &str) -> Result<(), Errno> {
        self.require_directory(dir)?;
        let is_of_dir = |change: &Change| change.names().iter().flatten().any(|n| parent(n) == dir);
        let mut chosen: Vec<bool> = self.pending.iter().map(is_of_dir).collect();
        // Earlier changes of the same names come along, whatever their directory.
        for (at, later) in self.pending.iter().enumerate().rev() {
            if chosen[at] {
                let earlier = chosen.iter_mut().zip(&self.pending).take(at);
                earlier.for_each(|(chosen, earlier)| *chosen |= overlap(earlier, later));
            }
        }
        let mut chosen = chosen.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let now_durable = chosen.next().expect("one choice per change");
            if now_durable {
                change.apply(durable);
            }
            !now_durable
        });
        Ok(())
    }

    /// What the disk names after the power went away.
    pub fn lose_power(&mut self, draws: &mut Draws) {
        let share = match draws.below(4) {
            0 => 0.0,
            1 => 1.0,
            _ => draws.below(1001) as f64 / 1000.0,
        };
        let mut gone: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            let depends_on_gone = gone.iter().any(|earlier| overlap(earlier, &change));
            if draws.chance(share) && !depends_on_gone {
                change.apply(&mut self.durable);
            } else {
                gone.push(change);
            }
        }
        self.drop_unreachable();
        self.live = self.durable.clone();
    }

    /// The inodes that a name stands for now, or may stand for after a power loss.
    pub fn inodes(&self) -> impl Iterator<Item = InodeId> {
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Link(_, entry) => Some(entry),
            Change::Rename(..) | Change::Unlink(_) => None,
        });
        self.live.values().chain(self.durable.values()).chain(pending).filter_map(|entry| {
            match entry {
                Entry::File(inode) => Some(*inode),
                Entry::Directory => None,
            }
        })
    }

    /// The files that have a name, in order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, InodeId)> {
        self.live.iter().filter_map(|(path, entry)| match entry {
            Entry::File(inode) => Some((path.as_str(), *inode)),
            Entry::Directory => None,
        })
    }

    /// The same names with nothing but what a power loss cannot take away.
    pub(super) fn as_synced(&self) -> Names {
        let mut names = Names { durable: self.durable.clone(), ..Names::default() };
        names.drop_unreachable();
        names.live.clone_from(&names.durable);
        names
    }

    /// Whether a power loss now would change no name.
    pub fn is_durable(&self) -> bool {
        self.pending.is_empty()
    }

    /// What was in a directory that did not survive did not survive either.
    fn drop_unreachable(&mut self) {
        let mut reachable: BTreeMap<String, Entry> = BTreeMap::new();
        // A directory's name sorts before the names in it.
        for (path, entry) in std::mem::take(&mut self.durable) {
            let dir = parent(&path);
            if dir.is_empty() || reachable.get(dir) == Some(&Entry::Directory) {
                reachable.insert(path, entry);
            }
        }
        self.durable = reachable;
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.live.get(path) == Some(&Entry::Directory)
    }

    fn require_directory(&self, path: &str) -> Result<(), Errno> {
        match self.live.get(path) {
            _ if self.is_directory(path) => Ok(()),
            Some(_) => Err(ENOTDIR),
            None => Err(ENOENT),
        }
    }
}

/// Whether two changes set or remove a name in common, or one makes the directory of the other.
fn overlap(earlier: &Change, later: &Change) -> bool {
    let names = later.names();
    earlier.names().iter().flatten().any(|name| names.iter().flatten().any(|other| name == other))
}

/// The directory that holds `path`; the root is empty.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// One spelling per path: no leading, trailing or doubled slash, no `.`.
pub(super) fn normal(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const OLD: InodeId = InodeId(1);
    const NEW: InodeId = InodeId(2);

    fn in_dir() -> Names {
        let mut names = Names::default();
        names.create_directories("d").unwrap();
        names.link("d/f", OLD).unwrap();
        names.sync("").unwrap();
        names.sync("d").unwrap();
        assert!(names.is_durable());
        names
    }

    fn outcomes(names: &Names) -> BTreeSet<Vec<(String, u64)>> {
        (0..300)
            .map(|seed| {
                let mut names = names.clone();
                names.lose_power(&mut Draws::new(seed, "names", 0));
                let list = names.list("d").unwrap_or_default();
                list.into_iter()
                    .map(|n| (n.clone(), names.file(&format!("d/{n}")).unwrap().0))
                    .collect()
            })
            .collect()
    }

    fn outcome(entries: &[(&str, u64)]) -> Vec<(String, u64)> {
        entries.iter().map(|(name, inode)| ((*name).to_owned(), *inode)).collect()
    }

    #[test]
    fn rename_over_a_file_is_atomic_and_pending_until_its_directory_is_synced() {
        let mut names = in_dir();
        names.link("d/tmp", NEW).unwrap();
        names.rename("d/tmp", "d/f").unwrap();
        assert_eq!(names.file("d/f"), Ok(NEW));
        assert_eq!(
            outcomes(&names),
            BTreeSet::from([
                outcome(&[("f", 1)]),
                outcome(&[("f", 1), ("tmp", 2)]),
                outcome(&[("f", 2)]),
            ])
        );
        names.sync("d").unwrap();
        assert_eq!(outcomes(&names), BTreeSet::from([outcome(&[("f", 2)])]));
    }

    #[test]
    fn changes_of_different_names_survive_independently() {
        let mut names = in_dir();
        names.link("d/a", NEW).unwrap();
        names.unlink("d/f").unwrap();
        assert_eq!(
            outcomes(&names),
            BTreeSet::from([
                outcome(&[("f", 1)]),
                outcome(&[("a", 2), ("f", 1)]),
                outcome(&[("a", 2)]),
                outcome(&[]),
            ])
        );
    }

    #[test]
    fn a_file_is_gone_with_its_directory() {
        let mut names = Names::default();
        names.create_directories("d/e").unwrap();
        names.link("d/e/f", NEW).unwrap();
        names.sync("d/e").unwrap();
        let survived = |seed| {
            let mut names = names.clone();
            names.lose_power(&mut Draws::new(seed, "names", 0));
            (names.list("d").is_ok(), names.file("d/e/f").is_ok())
        };
        let seen: BTreeSet<_> = (0..100).map(survived).collect();
        assert_eq!(seen, BTreeSet::from([(false, false), (true, false), (true, true)]));
    }

    #[test]
    fn lookups_answer_with_the_errno_of_linux() {
        let mut names = in_dir();
        assert_eq!(names.file("d/none"), Err(ENOENT));
        assert_eq!(names.file("d"), Err(EISDIR));
        assert_eq!(names.link("none/x", NEW), Err(ENOENT));
        assert_eq!(names.link("d/f/x", NEW), Err(ENOTDIR));
        assert_eq!(names.create_directories("d/f"), Err(EEXIST));
        assert_eq!(names.rename("d/f", "d"), Err(EISDIR));
        assert_eq!(names.unlink("d/none"), Err(ENOENT));
        assert_eq!(names.list("d/f"), Err(ENOTDIR));
        assert_eq!(names.sync("none"), Err(ENOENT));
        assert_eq!(normal("//a/./b//c/"), "a/b/c");
    }
}
