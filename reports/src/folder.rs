//! The folder of a campaign's results. Every campaign gets a fresh one; files appear in it whole
//! or not at all; `latest` and `latest-failure` beside it point to the newest.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evidence::words::utc;
use thiserror::Error;

use crate::place::write_atomically;

/// A folder that belongs to one campaign alone.
#[derive(Debug)]
pub struct OutputFolder {
    root: PathBuf,
    name: String,
}

/// A file or folder that could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {error}", path.display())]
pub struct FolderError {
    /// The file or folder that could not be had.
    pub path: PathBuf,
    /// What the operating system says.
    #[source]
    pub error: io::Error,
}

/// Folders of one name that are tried before giving up.
const NAMES_MAX: u32 = 10_000;

/// `<UTC time>-<what>`, with the time in seconds since 1970, and a seed or a word. It has no colons,
/// which some file systems and archives do not take.
pub fn folder_name(unix_seconds: u64, what: impl Display) -> String {
    format!("{}-{what}", utc(unix_seconds).replace([':', '-'], ""))
}

impl OutputFolder {
    /// Creates the folder `name` in `root`, or `name.2` and so on if there is one already.
    ///
    /// # Errors
    /// When no folder can be created there.
    pub fn create(root: &Path, name: &str) -> Result<OutputFolder, FolderError> {
        fs::create_dir_all(root).map_err(at(root))?;
        let mut attempt = 1;
        loop {
            let name = match attempt {
                1 => name.to_owned(),
                number => format!("{name}.{number}"),
            };
            let path = root.join(&name);
            // Creating is the test for existence: of two campaigns only one succeeds.
            match fs::create_dir(&path) {
                Ok(()) => return Ok(OutputFolder { root: root.to_owned(), name }),
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && attempt < NAMES_MAX =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(FolderError { path, error }),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Writes a file, given by its path within the folder, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, contents: &[u8]) -> Result<PathBuf, FolderError> {
        let path = self.path().join(file);
        write_atomically(&path, contents)?;
        Ok(path)
    }

    /// Appends a line to a file that grows, such as `seeds.jsonl`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, file: &str, line: &str) -> Result<(), FolderError> {
        let path = self.path().join(file);
        append_whole(&path, line).map_err(at(&path))
    }

    /// Points `latest` to this folder.
    ///
    /// # Errors
    /// When the link cannot be written.
    pub fn link_latest(&self) -> Result<(), FolderError> {
        self.link("latest", Path::new(&self.name))
    }

    /// Points `latest-failure` to the folder of a failure within this one.
    ///
    /// # Errors
    /// When the link cannot be written.
    pub fn link_latest_failure(&self, failure: &str) -> Result<(), FolderError> {
        self.link("latest-failure", &Path::new(&self.name).join(failure))
    }

    /// Replaces a link; anything else of that name is left alone.
    fn link(&self, link: &str, target: &Path) -> Result<(), FolderError> {
        let path = self.root.join(link);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.file_type().is_symlink() => return Ok(()),
            Ok(_) | Err(_) => {}
        }
        let temporary = self.root.join(format!(".{link}.{}.tmp", self.name));
        symlink(target, &temporary).map_err(at(&temporary))?;
        fs::rename(&temporary, &path).map_err(at(&path))
    }
}

/// Appends a line to a file, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn append_line(path: &Path, line: &str) -> Result<(), FolderError> {
    append_whole(path, line).map_err(at(path))
}

/// Appends to a file the whole of a text, or nothing of it.
fn append_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    let before = file.metadata()?.len();
    let written = file.write_all(text.as_bytes());
    if written.is_err() {
        // Of a line that did not fit nothing is left: a reader would take half of it for damage.
        let _ = file.set_len(before);
    }
    written
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError + '_ {
    |error| FolderError { path: path.to_owned(), error }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "links are made on Unix only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_time_and_seed() {
        assert_eq!(folder_name(1_795_192_927, 42), "20261120T164207Z-42");
    }

    #[test]
    fn an_existing_folder_is_never_used_again() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("deep/out");
        let first = OutputFolder::create(&root, "a").unwrap();
        first.write("summary.json", b"first").unwrap();
        let second = OutputFolder::create(&root, "a").unwrap();
        assert_eq!(second.path(), root.join("a.2"));
        second.write("summary.json", b"second").unwrap();
        assert_eq!(fs::read(root.join("a/summary.json")).unwrap(), b"first");
        let file = root.join("file");
        fs::write(&file, b"").unwrap();
        let error = OutputFolder::create(&file, "a").unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("file"), "{error}");
    }

    #[test]
    fn files_are_whole_and_leave_nothing_beside_them() {
        let root = tempfile::tempdir().unwrap();
        let folder = OutputFolder::create(root.path(), "a").unwrap();
        let path = folder.write("failures/f/plan.json", b"{}").unwrap();
        folder.write("failures/f/plan.json", b"{1}").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{1}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        folder.append("seeds.jsonl", "1\n").unwrap();
        folder.append("seeds.jsonl", "2\n").unwrap();
        assert_eq!(fs::read(folder.path().join("seeds.jsonl")).unwrap(), b"1\n2\n");
    }

    #[test]
    #[cfg(unix)]
    fn a_line_that_does_not_fit_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let folder = OutputFolder::create(root.path(), "a").unwrap();
        symlink(Path::new("/dev/full"), &folder.path().join("seeds.jsonl")).unwrap();
        let error = folder.append("seeds.jsonl", "1\n").unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("seeds.jsonl"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn links_point_to_the_newest_and_spare_what_is_no_link() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let folder = OutputFolder::create(root.path(), name).unwrap();
            folder.write("failures/f/plan.json", name.as_bytes()).unwrap();
            folder.link_latest().unwrap();
            folder.link_latest_failure("failures/f").unwrap();
        }
        let read = |path: &str| fs::read(root.path().join(path)).unwrap();
        assert_eq!(read("latest/failures/f/plan.json"), b"b");
        assert_eq!(read("latest-failure/plan.json"), b"b");
        fs::remove_file(root.path().join("latest")).unwrap();
        fs::create_dir(root.path().join("latest")).unwrap();
        OutputFolder::create(root.path(), "c").unwrap().link_latest().unwrap();
        assert!(root.path().join("latest").is_dir());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 5);
    }
}
