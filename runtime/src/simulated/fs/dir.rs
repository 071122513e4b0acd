//! What is in a directory.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use platform::{Files, Platform};

use super::{FileType, Metadata, metadata, remove_dir, remove_file, spelled};
use crate::simulated::here;

/// The entries of a directory: see [`read_dir`].
#[derive(Debug)]
pub struct ReadDir(Entries);

#[derive(Debug)]
enum Entries {
    Simulated { dir: PathBuf, names: vec::IntoIter<String> },
    Real(tokio::fs::ReadDir),
}

/// An entry of a directory.
#[derive(Debug)]
pub struct DirEntry(Entry);

#[derive(Debug)]
enum Entry {
    Simulated { dir: PathBuf, name: String },
    Real(tokio::fs::DirEntry),
}

/// The entries of a directory: sorted on the simulated disk, in any order on a real one.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    Ok(ReadDir(match here() {
        Some(here) => {
            let names = here.files().list(&spelled(path)?).await?.into_iter();
            Entries::Simulated { dir: path.to_owned(), names }
        }
        None => Entries::Real(tokio::fs::read_dir(path).await?),
    }))
}

/// Removes a directory and all that is in it. Each removal is one of its own, as on a real disk.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if here().is_none() {
        return tokio::fs::remove_dir_all(path).await;
    }
    // Directories whose entries are still to be removed, and then those that are to be empty.
    let (mut full, mut emptied) = (vec![path.to_owned()], Vec::new());
    while let Some(dir) = full.pop() {
        let mut entries = read_dir(&dir).await?;
        while let Some(entry) = entries.next_entry().await? {
            match entry.file_type().await?.is_dir() {
                true => full.push(entry.path()),
                false => remove_file(entry.path()).await?,
            }
        }
        emptied.push(dir);
    }
    for dir in emptied.into_iter().rev() {
        remove_dir(dir).await?;
    }
    Ok(())
}

impl ReadDir {
    /// The next entry.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        match &mut self.0 {
            Entries::Simulated { dir, names } => {
                let dir = dir.clone();
                Ok(names.next().map(|name| DirEntry(Entry::Simulated { dir, name })))
            }
            Entries::Real(entries) => {
                Ok(entries.next_entry().await?.map(|entry| DirEntry(Entry::Real(entry))))
            }
        }
    }
}

impl DirEntry {
    /// The directory's path with the entry's name.
    pub fn path(&self) -> PathBuf {
        match &self.0 {
            Entry::Simulated { dir, name } => dir.join(name),
            Entry::Real(entry) => entry.path(),
        }
    }

    /// The entry's name.
    pub fn file_name(&self) -> OsString {
        match &self.0 {
            Entry::Simulated { name, .. } => name.into(),
            Entry::Real(entry) => entry.file_name(),
        }
    }

    /// What the entry stands for.
    ///
    /// # Errors
    /// The operating system's, real or simulated: it may be gone.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            Entry::Simulated { .. } => metadata(self.path()).await,
            Entry::Real(entry) => entry.metadata().await.map(Metadata::real),
        }
    }

    /// Whether the entry is a file or a directory.
    ///
    /// # Errors
    /// The operating system's, real or simulated: it may be gone.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match &self.0 {
            Entry::Simulated { .. } => Ok(self.metadata().await?.file_type()),
            Entry::Real(entry) => entry.file_type().await.map(FileType::real),
        }
    }
}
