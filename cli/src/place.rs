//! Files that somebody names on the command line: `--junit FILE`, `--events FILE`.
//!
//! They are tried before the work, as folders are, and written as [`reports::write_there`] says. A name of
//! this program's own output, such as `/dev/stdout`, is written through that output: opened anew it would
//! begin at the start of the file that it may have been redirected to.

use std::io::{self, Write};
use std::path::Path;

/// An output of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Tries whether the file can be written, and leaves what is there as it is.
pub(crate) fn try_place(path: &Path) -> Result<(), String> {
    match stream(path) {
        Some(_) => Ok(()),
        None => reports::try_place(path).map_err(|error| error.to_string()),
    }
}

/// Writes the file.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot write {}: {error}", path.display());
    match stream(path) {
        None => reports::write_there(path, contents).map_err(|error| error.to_string()),
        Some(Stream::Out) => {
            let mut out = io::stdout().lock();
            out.write_all(contents).and_then(|()| out.flush()).map_err(cannot)
        }
        Some(Stream::Err) => io::stderr().lock().write_all(contents).map_err(cannot),
    }
}

/// The output that a link or a device is another name of; none for a regular file of its own name, which is
/// replaced whatever else is written to it.
#[cfg(unix)]
fn stream(path: &Path) -> Option<Stream> {
    use std::fs::{metadata, symlink_metadata};
    use std::os::unix::fs::MetadataExt;

    symlink_metadata(path).ok().filter(|there| !there.is_file())?;
    let identity = |path: &Path| metadata(path).ok().map(|there| (there.dev(), there.ino()));
    let this = identity(path)?;
    let streams = [("/dev/stdout", Stream::Out), ("/dev/stderr", Stream::Err)];
    let same = streams.into_iter().find(|(name, _)| identity(Path::new(name)) == Some(this));
    same.map(|(_, stream)| stream)
}

#[cfg(not(unix))]
fn stream(_path: &Path) -> Option<Stream> {
    None
}
