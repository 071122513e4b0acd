//! Directories one at a time, as mkdir(2), rmdir(2) and stat(2) see them.

use super::{Change, Entry, InodeId, Names, parent};
use crate::disk::{EEXIST, ENOENT, ENOTDIR, ENOTEMPTY, Errno};

impl Names {
    /// What `path` names: a file, or none for a directory.
    ///
    /// # Errors
    /// ENOENT, or ENOTDIR below a file.
    pub fn stat(&self, path: &str) -> Result<Option<InodeId>, Errno> {
        match self.live.get(path) {
            Some(Entry::File(inode)) => Ok(Some(*inode)),
            _ if self.is_directory(path) => Ok(None),
            _ => match self.live.get(parent(path)) {
                Some(Entry::File(_)) => Err(ENOTDIR),
                _ => Err(ENOENT),
            },
        }
    }

    /// Makes one directory.
    ///
    /// # Errors
    /// EEXIST, or ENOENT or ENOTDIR if its own directory is none.
    pub fn create_directory(&mut self, path: &str) -> Result<(), Errno> {
        if self.stat(path).is_ok() {
            return Err(EEXIST);
        }
        self.require_directory(parent(path))?;
        self.change(Change::Link(path.to_owned(), Entry::Directory));
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR or ENOTEMPTY, which is also the answer for the root.
    pub fn remove_directory(&mut self, path: &str) -> Result<(), Errno> {
        if !self.list(path)?.is_empty() || path.is_empty() {
            return Err(ENOTEMPTY);
        }
        self.change(Change::Unlink(path.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_is_made_once_and_removed_empty() {
        let mut names = Names::default();
        assert_eq!(names.create_directory("a/b"), Err(ENOENT));
        names.create_directory("a").unwrap();
        assert_eq!(names.create_directory("a"), Err(EEXIST));
        names.link("a/f", InodeId(7)).unwrap();
        assert_eq!(names.create_directory("a/f/x"), Err(ENOTDIR));
        assert_eq!((names.stat("a"), names.stat("a/f")), (Ok(None), Ok(Some(InodeId(7)))));
        assert_eq!((names.stat("a/g"), names.stat("a/f/x")), (Err(ENOENT), Err(ENOTDIR)));
        assert_eq!(names.remove_directory("a"), Err(ENOTEMPTY));
        assert_eq!(names.remove_directory("a/f"), Err(ENOTDIR));
        names.unlink("a/f").unwrap();
        names.remove_directory("a").unwrap();
        assert_eq!(names.remove_directory("a"), Err(ENOENT));
        assert_eq!(names.remove_directory(""), Err(ENOTEMPTY));
    }
}
