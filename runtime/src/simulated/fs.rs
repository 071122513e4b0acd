//! Files. In a world they are on the host's simulated disk, which begins empty but for its root.
//!
//! Durability is what POSIX promises: a file's content after [`File::sync_all`], its name after
//! `sync_all` of the directory (`File::open(dir)`, then `sync_all`). A kill of the program keeps what
//! was written; a loss of power keeps any part of what was not synced. Errors are Linux's.

mod dir;
mod file;
mod metadata;
mod open;

use std::io;
use std::path::{Component, Path, PathBuf};

use platform::{Files, Platform};
use sim::disk::{Change, Creation, Handle, OpenHow, Operation, Outcome};
use sim::engine::platform::EnginePlatform;
use sim::files::DiskAccess;

pub use dir::{DirEntry, ReadDir, read_dir, remove_dir_all};
pub use file::File;
pub use metadata::{FileType, Metadata, metadata};
pub use open::OpenOptions;

use super::here;

/// A path as the simulated disk spells it: from the root, without `.` and `..`. The program's working
/// folder is the root.
fn spelled(path: &Path) -> io::Result<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| {
                let what = format!("{} is not UTF-8, which simulated paths are", path.display());
                io::Error::new(io::ErrorKind::InvalidInput, what)
            })?),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(parts.join("/"))
}

/// What a failed operation says.
fn failed<T>(errno: sim::disk::Errno) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno.0))
}

async fn open_handle(here: &EnginePlatform, path: &str, how: OpenHow) -> io::Result<Handle> {
    match here.perform(Operation::OpenWith(path.to_owned(), how)).await? {
        Outcome::File(handle) => Ok(handle),
        other => unreachable!("opening a file ended with {other:?}"),
    }
}

/// The whole content of a file.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    match here() {
        Some(here) => here.files().read(&spelled(path)?).await,
        None => tokio::fs::read(path).await,
    }
}

/// The whole content of a file that holds UTF-8.
///
/// # Errors
/// As [`read`], or [`io::ErrorKind::InvalidData`].
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read(path).await?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes a file hold `contents` and nothing else. It is not durable: neither its content nor its name.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref();
    let Some(here) = here() else {
        return tokio::fs::write(path, contents).await;
    };
    let how = OpenHow { creation: Creation::IfAbsent, truncate: true };
    let file = open_handle(&here, &spelled(path)?, how).await?;
    let changes = vec![Change::WriteAt(0, contents.as_ref().to_vec())];
    let written = here.perform(Operation::Commit { file, changes, sync: false }).await;
    here.leave(Operation::Close(file));
    written.map(drop)
}

/// Copies a file's content to another, and says how many bytes there were.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    if here().is_none() {
        return tokio::fs::copy(from, to).await;
    }
    let content = read(from).await?;
    write(to, &content).await?;
    Ok(content.len() as u64)
}

/// Renames a file, replacing another.
///
/// # Errors
/// The operating system's, real or simulated; the simulated disk renames no directories (EISDIR).
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    match here() {
        Some(here) => here.files().rename(&spelled(from)?, &spelled(to)?).await,
        None => tokio::fs::rename(from, to).await,
    }
}

/// Removes a file.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match here() {
        Some(here) => here.files().remove(&spelled(path)?).await,
        None => tokio::fs::remove_file(path).await,
    }
}

/// Removes an empty directory.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match here() {
        Some(here) => here.perform(Operation::RemoveDir(spelled(path)?)).await.map(drop),
        None => tokio::fs::remove_dir(path).await,
    }
}

/// Makes a directory.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match here() {
        Some(here) => here.perform(Operation::CreateDir(spelled(path)?)).await.map(drop),
        None => tokio::fs::create_dir(path).await,
    }
}

/// Makes a directory and its parents, as far as they are not there.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match here() {
        Some(here) => here.files().create_dir_all(&spelled(path)?).await,
        None => tokio::fs::create_dir_all(path).await,
    }
}

/// Whether a path names something.
///
/// # Errors
/// It cannot be told.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The path from the root, of something that is there.
///
/// # Errors
/// The operating system's, real or simulated.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    if here().is_none() {
        return tokio::fs::canonicalize(path).await;
    }
    metadata(path).await?;
    Ok(Path::new("/").join(spelled(path)?))
}
