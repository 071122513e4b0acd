//! Writes what can be drawn of a run, and its history, into a folder: `picture.json` from which
//! plots can be made again, the plots, and the files that the system made of the history.

use std::borrow::Cow;

use evidence::words::visible;
use evidence::{History, RunPicture};

use crate::folder::{FolderError, OutputFolder};
use crate::plot::RUN_PLOTS;

/// The file from which plots are made.
pub(crate) const PICTURE_FILE: &str = "picture.json";

/// The plots of a run as files: names and texts.
pub fn plots(picture: &RunPicture) -> Vec<(&'static str, String)> {
    RUN_PLOTS.iter().map(|(name, draw)| (*name, draw(picture).standing_alone())).collect()
}

/// Writes `picture.json` and the plots; `folder` is empty or ends with a slash.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_picture(
    picture: &RunPicture,
    output: &OutputFolder,
    folder: &str,
) -> Result<(), FolderError> {
    output.write(&format!("{folder}{PICTURE_FILE}"), picture.to_json().as_bytes())?;
    for (name, svg) in plots(picture) {
        output.write(&format!("{folder}{name}"), svg.as_bytes())?;
    }
    Ok(())
}

/// Writes the files of a history; `folder` is empty or ends with a slash.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_history(
    history: &History,
    output: &OutputFolder,
    folder: &str,
) -> Result<(), FolderError> {
    history.files.named().into_iter().try_for_each(|(name, text)| {
        // The other forms have escapes of their own, and are read by programs.
        let text = match name.ends_with(".txt") {
            true => Cow::Owned(visible(text)),
            false => Cow::Borrowed(text),
        };
        output.write(&format!("{folder}{name}"), text.as_bytes()).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_has_no_control_characters() {
        let root = tempfile::tempdir().unwrap();
        let output = OutputFolder::create(root.path(), "a").unwrap();
        let mut history = evidence::example::history(2);
        history.files.text = "set \u{1b}[2J\ta\r\n".to_owned();
        history.files.json_lines = "as it is\r\n".to_owned();
        write_history(&history, &output, "").unwrap();
        let read = |name: &str| std::fs::read_to_string(output.path().join(name)).unwrap();
        assert_eq!(read("history.txt"), "set \\u{1b}[2J\ta\\r\n");
        assert_eq!(read("history.jsonl"), "as it is\r\n");
    }
}
