//! Where a campaign's results are, for texts that are read elsewhere: what they name must be found from the
//! folder in which the program was called.

use std::path::Path;

use evidence::DistinctFailure;
use evidence::words::shell_word;

/// A folder of results, and the program that made it.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The words that call the program.
    pub program: &'a str,
    /// The folder.
    pub folder: &'a Path,
}

impl Home<'_> {
    /// The text that explains a failure; none if it was not kept.
    pub(crate) fn explanation(&self, of: &DistinctFailure) -> Option<String> {
        let folder = Some(&of.folder).filter(|folder| !folder.is_empty())?;
        Some(self.folder.join(folder).join("explanation.txt").display().to_string())
    }

    /// The command that performs a failure's plan again; none if it was not kept.
    pub(crate) fn replay(&self, of: &DistinctFailure) -> Option<String> {
        let folder = Some(&of.folder).filter(|folder| !folder.is_empty())?;
        let plan = self.folder.join(folder).join("plan.json");
        Some(format!("{} replay {}", self.program, shell_word(&plan.display().to_string())))
    }
}
