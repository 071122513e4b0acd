//! What is going on, on stderr: a bar on a terminal, elsewhere a line now and then.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Stopwatch;
use crate::output::say;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a campaign.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last_line: Stopwatch,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
            let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
            bar.with_style(style.expect("the template is well-formed"))
        });
        Progress { bar, last_line: Stopwatch::start() }
    }

    /// Shows where things stand.
    pub(crate) fn show(&mut self, message: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(message());
                bar.tick();
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                say(&message());
                self.last_line = Stopwatch::start();
            }
            None => {}
        }
    }

    /// Lets something else be written; the bar comes back below it.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
