//! Files that appear whole or not at all.
//!
//! A regular file is written beside its place and moved there, so that whoever reads it sees nothing, the
//! old contents or the new ones. What is there and no regular file - a device, a FIFO, a link - was put there
//! by somebody who wants it to stay: it is followed, and written where it leads.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::folder::{FolderError, at};

/// Writes a file, creating the folders on the way.
///
/// # Errors
/// When it cannot be written.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), FolderError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    write_there(path, contents)
}

/// Writes a file that somebody named, into a folder that is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_there(path: &Path, contents: &[u8]) -> Result<(), FolderError> {
    if is_in_place(path) {
        let open = OpenOptions::new().write(true).create(true).truncate(true).open(path);
        return open.and_then(|mut file| file.write_all(contents)).map_err(at(path));
    }
    let beside = beside(path);
    let written = fs::write(&beside, contents)
        .map_err(at(path))
        .and_then(|()| fs::rename(&beside, path).map_err(at(path)));
    if written.is_err() {
        // Half a file is of no use to anybody; that it stays is no worse than what is told already.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Tries whether [`write_there`] will do, before the work whose result it is to be. What is there stays as it
/// is. The file's own folder is made if it is not there, and none above it: a name that is misspelt further
/// up is more likely.
///
/// # Errors
/// When it cannot be written.
pub fn try_place(path: &Path) -> Result<(), FolderError> {
    match fs::metadata(path) {
        // To open it could wait for a reader, or mean something to a device.
        Ok(there) if !there.is_file() && !there.is_dir() => return Ok(()),
        Ok(_) => drop(OpenOptions::new().write(true).open(path).map_err(at(path))?),
        // A link that leads to no file yet.
        Err(_) if is_in_place(path) => drop(open_new(path).map_err(at(path))?),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.exists()) {
                fs::create_dir(folder).map_err(at(folder))?;
            }
        }
    }
    if is_in_place(path) {
        return Ok(());
    }
    let beside = beside(path);
    fs::write(&beside, b"").map_err(at(path))?;
    fs::remove_file(&beside).map_err(at(&beside))
}

fn open_new(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Whether there is something that must not be replaced by a regular file.
fn is_in_place(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| !there.is_file())
}

/// `.tmp` behind the name.
fn beside(path: &Path) -> PathBuf {
    let mut name: OsString = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn links_and_devices_and_pipes_stay_what_they_are() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        symlink("target", path("link")).unwrap();
        for text in ["first, and longer", "second"] {
            write_atomically(&path("link"), text.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(path("target")).unwrap(), text);
        }
        symlink("/dev/null", path("null")).unwrap();
        write_atomically(&path("null"), b"gone").unwrap();
        assert!(fs::metadata(path("null")).unwrap().file_type().is_char_device());
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        try_place(&path("pipe")).unwrap();
        let read = thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read_to_string(path("pipe")).unwrap());
            write_atomically(&path("pipe"), b"through").unwrap();
            reader.join().unwrap()
        });
        assert_eq!(read, "through");
        assert!(fs::metadata(path("pipe")).unwrap().file_type().is_fifo());
    }

    #[test]
    fn trying_leaves_nothing_and_makes_one_folder_at_most() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("there"), b"old").unwrap();
        try_place(&path("there")).unwrap();
        assert_eq!(fs::read(path("there")).unwrap(), b"old");
        try_place(&path("reports/junit.xml")).unwrap();
        assert_eq!(fs::read_dir(path("reports")).unwrap().count(), 0);
        let error = try_place(&path("a/b/junit.xml")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("a/b"), "{error}");
        assert!(!path("a").exists());
        let error = try_place(&path("reports")).unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");
        symlink("nowhere/x", path("dangling")).unwrap();
        assert!(try_place(&path("dangling")).is_err());
        assert!(try_place(&path("there/x")).is_err(), "it is no folder");
    }

    #[test]
    fn what_does_not_fit_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let full = root.path().join("full");
        symlink("/dev/full", &full).unwrap();
        assert!(write_atomically(&full, b"x").is_err());
        assert!(write_atomically(&root.path().join("full/x"), b"x").is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
