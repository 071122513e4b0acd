//! What ordinary programs ask of a disk beyond appending: files opened as open(2) opens them, read
//! and written at any place, and asked about by name or by handle.

use super::{
    Creation, Disk, EEXIST, ENOENT, Errno, Handle, InodeId, OpenFile, OpenHow, Outcome, Stat,
};

impl Disk {
    pub(super) fn open_with(&mut self, path: &str, how: OpenHow) -> Result<Outcome, Errno> {
        let handle = match self.names.file(path) {
            Ok(_) if how.creation == Creation::New => return Err(EEXIST),
            Ok(inode) => {
                if how.truncate {
                    self.file(inode).truncate(0);
                }
                self.open(inode)
            }
            Err(ENOENT) if how.creation != Creation::Never => self.create(path)?,
            Err(errno) => return Err(errno),
        };
        let Outcome::File(file) = handle else { unreachable!("a file was opened") };
        self.open.get_mut(&file).expect("just opened").is_sticky = false;
        Ok(handle)
    }

    pub(super) fn read_open(&self, file: Handle, offset: u64, len: usize) -> Outcome {
        let content = self.content_of(file);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(len).min(content.len());
        Outcome::Bytes(content[start..end].to_vec())
    }

    pub(super) fn len_open(&self, file: Handle) -> Outcome {
        Outcome::Len(self.content_of(file).len() as u64)
    }

    pub(super) fn stat(&self, path: &str) -> Result<Outcome, Errno> {
        let stat = match self.names.stat(path)? {
            Some(inode) => Stat::File(self.bytes_of(inode).len() as u64),
            None => Stat::Directory,
        };
        Ok(Outcome::Stat(stat))
    }

    fn content_of(&self, file: Handle) -> &[u8] {
        let OpenFile { inode, .. } =
            self.open.get(&file).expect("a handle is read while it is open");
        self.bytes_of(*inode)
    }

    fn bytes_of(&self, inode: InodeId) -> &[u8] {
        self.inodes.get(&inode).expect("a named or open file is kept").content()
    }
}
