//! How a file is opened.

use std::io;
use std::path::Path;

use sim::disk::{Creation, EISDIR, Errno, OpenHow};

use super::file::{File, Opened};
use super::{failed, open_handle, spelled};
use crate::simulated::here;

/// EINVAL of Linux.
const EINVAL: Errno = Errno(22);

/// How a file is opened: nothing is allowed until it is asked for.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
}

impl OpenOptions {
    /// Nothing is allowed.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Whether the file may be read.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.read = read;
        self
    }

    /// Whether the file may be written.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    /// Whether the file is written at its end only.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.append = append;
        self
    }

    /// Whether the file is emptied.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    /// Whether the file is made if it is not there.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    /// Whether the file is made, and must not be there.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.create_new = create_new;
        self
    }

    /// Opens a file. A directory may be opened to be read, which it cannot be, and to be synced, which
    /// makes its names durable.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let Some(here) = here() else {
            return self.real().open(path).await.map(File::real);
        };
        let writes = self.write || self.append;
        let makes = self.create || self.create_new;
        // What open(2) is never asked for by the standard library.
        let opens_nothing = !self.read && !writes;
        let changes_unwritten = !writes && (makes || self.truncate);
        let empties_and_appends = self.append && self.truncate && !self.create_new;
        if opens_nothing || changes_unwritten || empties_and_appends {
            return failed(EINVAL);
        }
        let creation = match (self.create, self.create_new) {
            (_, true) => Creation::New,
            (true, false) => Creation::IfAbsent,
            (false, false) => Creation::Never,
        };
        let path = spelled(path)?;
        let how = OpenHow { creation, truncate: self.truncate };
        let opened = match open_handle(&here, &path, how).await {
            Ok(handle) => Opened::File(handle),
            Err(error) if error.raw_os_error() == Some(EISDIR.0) && !writes => {
                Opened::Directory(path)
            }
            Err(error) => return Err(error),
        };
        Ok(File::simulated(here, opened, self.read, writes.then_some(self.append)))
    }

    fn real(&self) -> tokio::fs::OpenOptions {
        let mut options = tokio::fs::OpenOptions::new();
        options
            .read(self.read)
            .write(self.write)
            .append(self.append)
            .truncate(self.truncate)
            .create(self.create)
            .create_new(self.create_new);
        options
    }
}
