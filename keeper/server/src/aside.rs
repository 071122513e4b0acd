//! Damaged files are set aside, for an operator to look at, and their server goes on without a voice
//! (`keeper_core::replica`, module `voice`, says what that means and why it is safe).
//!
//! The mark is written first: a server that finds it has no voice until a leader has brought it up to its history.
//! While it says that files are still to be moved, a start moves them before it reads anything.

use std::io;

use keeper_core::log::FileName;
use platform::{File, Files};

use crate::disk::{CURRENT_EPOCH, Directories, join, replace};
use crate::witness::WITNESS;

/// The file that says that this server's data were damaged.
const MARK: &str = "damaged";
const MOVING: &str = "moving to damaged-";
const MOVED: &str = "moved to damaged-";

/// The files of a server, as far as they may be set aside.
pub(crate) struct Aside<'a, F: Files> {
    pub(crate) files: &'a F,
    pub(crate) directories: &'a Directories,
}

/// What the mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Files are still to be moved to the directory of that number.
    Moving(u32),
    /// They are there.
    Moved,
    /// It cannot be read.
    Unclear,
}

impl<F: Files> Aside<'_, F> {
    /// Moves everything that a history is read from to a directory of its own, durably. Returns its number.
    pub(crate) async fn set_aside(&self, what: &str) -> io::Result<u32> {
        let number = self.free_number().await?;
        self.write_mark(MOVING, number, what).await?;
        self.move_all(number, what).await?;
        Ok(number)
    }

    /// Copies everything that a history is read from to a directory of its own, durably. Returns its number.
    pub(crate) async fn copy(&self) -> io::Result<u32> {
        let number = self.free_number().await?;
        for directory in self.both() {
            let aside = self.make(directory, number).await?;
            for name in self.names(directory).await? {
                // Of what cannot be read nothing can be kept.
                let Ok(bytes) = self.files.read(&join(directory, &name)).await else { continue };
                let mut copy = self.files.create(&join(&aside, &name)).await?;
                copy.append(bytes);
                copy.sync().await?;
            }
            self.files.sync_dir(&aside).await?;
        }
        Ok(number)
    }

    /// What the mark says, if there is one.
    pub(crate) async fn mark(&self) -> io::Result<Option<Mark>> {
        let bytes = match self.files.read(&join(&self.directories.data, MARK)).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes);
        let first = text.lines().next().unwrap_or_default();
        let number = |words| first.strip_prefix(words).and_then(|number| number.parse().ok());
        Ok(Some(match (number(MOVING), number(MOVED)) {
            (Some(number), _) => Mark::Moving(number),
            (None, Some(_)) => Mark::Moved,
            (None, None) => Mark::Unclear,
        }))
    }

    /// Goes on with what a crash interrupted.
    pub(crate) async fn move_all(&self, number: u32, what: &str) -> io::Result<()> {
        for directory in self.both() {
            let aside = self.make(directory, number).await?;
            for name in self.names(directory).await? {
                self.files.rename(&join(directory, &name), &join(&aside, &name)).await?;
            }
            self.files.sync_dir(&aside).await?;
            self.files.sync_dir(directory).await?;
        }
        self.write_mark(MOVED, number, what).await
    }

    /// Takes the mark away, durably.
    pub(crate) async fn clear_mark(&self) -> io::Result<()> {
        let data = &self.directories.data;
        match self.files.remove(&join(data, MARK)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.files.sync_dir(data).await,
        }
    }

    async fn write_mark(&self, words: &str, number: u32, what: &str) -> io::Result<()> {
        let text = format!("{words}{number}\n{what}\n");
        replace(self.files, &self.directories.data, MARK, text.into_bytes()).await
    }

    async fn make(&self, directory: &str, number: u32) -> io::Result<String> {
        let aside = join(directory, &format!("damaged-{number}"));
        self.files.create_dir_all(&aside).await?;
        self.files.sync_dir(directory).await?;
        Ok(aside)
    }

    /// A number that no directory has yet.
    async fn free_number(&self) -> io::Result<u32> {
        let mut number = 1;
        loop {
            let aside = join(&self.directories.data, &format!("damaged-{number}"));
            match self.files.list(&aside).await {
                Ok(_) => number += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(number),
                Err(error) => return Err(error),
            }
        }
    }

    /// The files that a history is read from. acceptedEpoch stays: it binds a server without a voice, too.
    async fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = self.files.list(directory).await?;
        names.retain(|name| {
            FileName::parse(name).is_some() || [WITNESS, CURRENT_EPOCH].contains(&name.as_str())
        });
        Ok(names)
    }

    fn both(&self) -> impl Iterator<Item = &str> {
        let Directories { data, log } = self.directories;
        std::iter::once(data.as_str()).chain(Some(log.as_str()).filter(|log| *log != data))
    }
}
