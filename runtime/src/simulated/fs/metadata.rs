//! What is known of a file without reading it.

use std::io;
use std::path::Path;

use sim::disk::{Operation, Outcome, Stat};
use sim::files::DiskAccess;

use super::spelled;
use crate::simulated::here;

/// What a path stands for. The simulated disk keeps neither times nor permissions, so that neither
/// can be asked for.
#[derive(Clone, Debug)]
pub struct Metadata(Known);

#[derive(Clone, Debug)]
enum Known {
    Simulated(Stat),
    Real(std::fs::Metadata),
}

/// Whether something is a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType {
    is_dir: bool,
    is_file: bool,
    is_symlink: bool,
}

/// What a path stands for.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    match here() {
        Some(here) => match here.perform(Operation::Stat(spelled(path)?)).await? {
            Outcome::Stat(stat) => Ok(Metadata::simulated(stat)),
            other => unreachable!("asking for a name ended with {other:?}"),
        },
        None => tokio::fs::metadata(path).await.map(Metadata::real),
    }
}

impl Metadata {
    pub(super) fn simulated(stat: Stat) -> Metadata {
        Metadata(Known::Simulated(stat))
    }

    pub(super) fn real(metadata: std::fs::Metadata) -> Metadata {
        Metadata(Known::Real(metadata))
    }

    /// Its size in bytes; of a simulated directory zero.
    #[expect(clippy::len_without_is_empty, reason = "the standard library's has none either")]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Known::Simulated(Stat::File(len)) => *len,
            Known::Simulated(Stat::Directory) => 0,
            Known::Real(metadata) => metadata.len(),
        }
    }

    /// Whether it is a file or a directory.
    pub fn file_type(&self) -> FileType {
        match &self.0 {
            Known::Simulated(stat) => {
                let is_dir = *stat == Stat::Directory;
                FileType { is_dir, is_file: !is_dir, is_symlink: false }
            }
            Known::Real(metadata) => FileType::real(metadata.file_type()),
        }
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file
    }

    /// Whether it is a symbolic link. The simulated disk has none.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink
    }
}

impl FileType {
    pub(super) fn real(kind: std::fs::FileType) -> FileType {
        FileType { is_dir: kind.is_dir(), is_file: kind.is_file(), is_symlink: kind.is_symlink() }
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.is_dir
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// Whether it is a symbolic link. The simulated disk has none.
    pub fn is_symlink(&self) -> bool {
        self.is_symlink
    }
}
