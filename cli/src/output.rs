//! Results on stdout, messages on stderr.
//!
//! When nobody reads stdout any more (`squall list | head -1`), the rest is dropped in silence; a
//! campaign asks [`Output::is_closed`] and ends. When results cannot be written for another reason, as onto
//! a full disk, that is said once and the program ends with an error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::args::Format;

/// Whether results could not be written. The whole process has one standard output.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);

/// Where results go.
#[derive(Debug)]
pub struct Output {
    format: Format,
    is_closed: AtomicBool,
    is_coloured: bool,
}

impl Output {
    /// Results on standard output, in this form.
    pub fn new(format: Format) -> Output {
        // https://no-color.org: present and not empty means no colours.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_coloured = format == Format::Text && !no_color && io::stdout().is_terminal();
        Output { format, is_closed: AtomicBool::new(false), is_coloured }
    }

    /// Writes text that ends its lines itself, unless results are JSON.
    pub fn text(&self, text: &str) {
        if self.format == Format::Text {
            match text.strip_prefix("FAIL").filter(|_| self.is_coloured) {
                Some(rest) => self.write(&format!("\u{1b}[1;31mFAIL\u{1b}[0m{rest}")),
                None => self.write(text),
            }
        }
    }

    /// Writes a line of JSON, if results are JSON.
    pub fn json(&self, value: &impl Serialize) {
        if self.format == Format::Json {
            let json = serde_json::to_string(value).expect("results are plain data with text keys");
            self.write(&(json + "\n"));
        }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn write(&self, text: &str) {
        if self.is_closed() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.is_closed.store(true, Ordering::Relaxed);
            let is_told = error.kind() == io::ErrorKind::BrokenPipe;
            if !is_told && !HAS_FAILED.swap(true, Ordering::Relaxed) {
                complain(&format!("cannot write results to standard output: {error}"));
            }
        }
    }
}

/// Whether results could not be written although somebody may have waited for them; a second call in the same
/// process begins anew.
pub(crate) fn has_failed() -> bool {
    HAS_FAILED.swap(false, Ordering::Relaxed)
}

/// Writes a message to stderr; there is nobody to tell when that fails.
pub fn say(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Writes an error to stderr.
pub fn complain(message: &str) {
    say(&format!("squall: {message}"));
}
