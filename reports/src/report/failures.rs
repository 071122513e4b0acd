//! The part of the page with which it begins: what failed, cause by cause, each with what contradicts what, a
//! picture and the commands that go on from there.

use std::fs;

use evidence::RunPicture;
use evidence::words::{count, moment};
use serde::Deserialize;

use crate::plot::RUN_PLOTS;
use crate::story::shortened;
use crate::style::escape;

use super::FailureEntry;
use super::causes::Cause;
use super::html::{Page, figure};
use super::links::link;

/// Causes that have plots and a picture on the page; the others have theirs in their folders.
const PLOTTED_MAX: usize = 12;
/// Causes whose picture is seen without a click.
const OPEN_MAX: usize = 3;
/// How a picture of messages begins that has rules for itself alone, so that it may stand on a page.
const PICTURE_HEAD: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"messages\"";
/// The words that stand before the commands of a failure's text.
const COMMANDS: [&str; 4] = ["replay", "smaller", "shrink", "read"];

/// Lines of the log that are on the page.
const LOG_MAX: usize = 16;
/// Levels of lines that the page leaves to `log.jsonl`.
const LESSER: [&str; 2] = ["DEBUG", "TRACE"];

/// A line of `log.jsonl`, as far as the page shows it.
#[derive(Deserialize)]
struct LogLine {
    host: String,
    at_ns: u64,
    level: String,
    message: String,
    #[serde(default)]
    fields: Vec<(String, String)>,
}

impl LogLine {
    fn in_words(&self) -> String {
        let LogLine { host, at_ns, level, message, fields } = self;
        let fields = fields.iter().map(|(name, value)| format!(" {name}={value}"));
        let text = format!("{message}{}", fields.collect::<String>());
        format!("{:>10}  {host:<4} {level:<5} {}", moment(*at_ns), shortened(&text, TEXT_MAX))
    }
}

/// Characters of a line of the log.
const TEXT_MAX: usize = 300;

/// A failure's text in parts.
struct Told {
    /// What contradicts what, and what was done to the hosts.
    message: String,
    commands: String,
    /// What the rest is about, and the rest: the whole run.
    run: Option<(String, String)>,
}

fn told(text: &str) -> Told {
    let (message, run) = text.trim_end().split_once("\n\n").unwrap_or((text, ""));
    let is_command = |line: &&str| {
        let word = line.strip_prefix("  ").and_then(|line| line.split(' ').next());
        word.is_some_and(|word| COMMANDS.contains(&word))
    };
    let (commands, lines): (Vec<&str>, Vec<&str>) = message.lines().partition(is_command);
    let commands: Vec<&str> = commands.into_iter().map(str::trim_start).collect();
    let run = run.split_once('\n');
    Told {
        message: lines.join("\n").trim_end().to_owned(),
        commands: commands.join("\n"),
        run: run.map(|(name, lines)| (name.trim_end_matches(':').to_owned(), lines.to_owned())),
    }
}

impl Page<'_> {
    pub(super) fn failures(&mut self) {
        self.section("failures", "Failures");
        let report = self.report;
        let causes = report.causes();
        if causes.is_empty() {
            self.add("<p>None.</p>");
        }
        if causes.len() > 1 {
            let items = causes.iter().map(|cause| {
                let example = cause.example();
                format!(
                    "<li><a href=\"#{}\">{}: {}</a>, {}</li>\n",
                    escape(&cause.id()),
                    escape(&example.property),
                    escape(&example.headline),
                    count(cause.runs, "run"),
                )
            });
            let items: String = items.collect();
            self.add(&format!("<ol class=\"causes\">\n{items}</ol>"));
        }
        for (index, cause) in causes.iter().enumerate() {
            self.cause(index, cause);
        }
    }

    fn cause(&mut self, index: usize, cause: &Cause<'_>) {
        let example = cause.example();
        let plants = cause.plants();
        let plants = if plants.is_empty() { plants } else { format!("; planted bug {plants}") };
        self.add(&format!(
            "<section class=\"failure\" id=\"{}\">\n<h3>{}: {}</h3>\n<p class=\"soft\">Seen in {}: {}{}</p>",
            escape(&cause.id()),
            escape(&example.property),
            escape(&example.headline),
            count(cause.runs, "run"),
            escape(&cause.scenarios_in_words()),
            escape(&plants),
        ));
        self.failure(example, |page| {
            if index < PLOTTED_MAX {
                page.messages(example, index < OPEN_MAX);
                page.log(example);
            }
        });
        if let Some(picture) = example.picture.as_ref().filter(|_| index < PLOTTED_MAX) {
            self.plots(picture, false);
        }
        let others = &cause.failures[1..];
        if !others.is_empty() {
            self.add(&format!(
                "<details><summary>The same in {}</summary>",
                count(others.len() as u64, "other scenario")
            ));
            others.iter().for_each(|failure| self.failure(failure, |_| {}));
            self.add("</details>");
        }
        self.add("</section>");
    }

    /// A failure: its message, its picture, the commands and the files.
    fn failure(&mut self, failure: &FailureEntry, picture: impl FnOnce(&mut Self)) {
        let fingerprint = escape(&failure.fingerprint);
        self.add(&format!("<div id=\"f-{fingerprint}\">"));
        let told = failure.explanation.as_deref().map(told);
        match &told {
            Some(told) => self.add(&format!("<pre>{}</pre>", escape(&told.message))),
            None => self.add(&format!(
                "<p>{}, seed {}, fingerprint <code>{fingerprint}</code></p>",
                escape(&failure.scenario),
                failure.seed,
            )),
        }
        picture(self);
        if let Some(told) = told.as_ref().filter(|told| !told.commands.is_empty()) {
            self.add(&format!("<pre class=\"commands\">{}</pre>", escape(&told.commands)));
        }
        match &failure.folder {
            None => self.add("<p>Its folder is not there.</p>"),
            Some(folder) => {
                let files = failure.files.iter().map(|name| {
                    let href = link(self.folder, &folder.join(name));
                    format!("<a href=\"{href}\">{}</a>", escape(name))
                });
                let files: String = files.collect();
                self.add(&format!("<nav>{files}</nav>"));
            }
        }
        if let Some((name, lines)) = told.and_then(|told| told.run) {
            self.add(&format!(
                "<details><summary>{}</summary>\n<pre>{}</pre></details>",
                escape(&name),
                escape(&lines)
            ));
        }
        self.add("</div>");
    }

    /// Who said what to whom, as its folder has it.
    fn messages(&mut self, failure: &FailureEntry, is_open: bool) {
        let Some(folder) = &failure.folder else { return };
        let Ok(svg) = fs::read_to_string(folder.join("messages.svg")) else { return };
        if !svg.starts_with(PICTURE_HEAD) {
            return;
        }
        let open = if is_open { " open=\"open\"" } else { "" };
        self.add(&format!(
            "<details{open}><summary>Who said what to whom before</summary>\n\
             <figure class=\"messages\">\n{svg}</figure></details>"
        ));
    }

    /// The last lines that programs logged, as its folder has them.
    fn log(&mut self, failure: &FailureEntry) {
        let Some(folder) = &failure.folder else { return };
        let Ok(text) = fs::read_to_string(folder.join("log.jsonl")) else { return };
        let lines: Vec<LogLine> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let important = lines.iter().filter(|line| !LESSER.contains(&line.level.as_str()));
        let important: Vec<&LogLine> = important.collect();
        if important.is_empty() {
            return;
        }
        let last = &important[important.len().saturating_sub(LOG_MAX)..];
        let rows: String = last.iter().map(|line| line.in_words() + "\n").collect();
        self.add(&format!(
            "<details><summary>What was logged before</summary>\n<pre class=\"log\">{}</pre></details>",
            escape(&rows)
        ));
    }

    pub(super) fn plots(&mut self, picture: &RunPicture, is_open: bool) {
        let open = if is_open { " open=\"open\"" } else { "" };
        let plots = RUN_PLOTS.iter().map(|(_, draw)| figure(&draw(picture).in_page()));
        let plots: String = plots.collect();
        let of = format!("{} seed {}", picture.scenario, picture.seed);
        self.add(&format!(
            "<details{open}><summary>Plots of {}</summary>\n{plots}</details>",
            escape(&of)
        ));
    }
}
