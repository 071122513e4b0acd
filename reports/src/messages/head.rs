//! What stands above the drawing: its name, what is wrong, and what lines and colours mean.

use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{Story, Tone};

use super::layout::{COLUMN, HEAD, text_width, x};
use super::select::Selection;
use super::{cross, protocol_class};
use crate::story::shortened;
use crate::style::escape;

/// Height of a line of the text above and below the drawing.
pub(super) const LINE: f64 = 18.0;

/// What stands above the hosts' lines.
pub(super) struct Head {
    pub(super) text: String,
    pub(super) width: f64,
    pub(super) bottom: f64,
}

impl Head {
    pub(super) fn new(story: &Story, selection: &Selection<'_>) -> Head {
        let width = (x(selection.hosts.len().saturating_sub(1)) + COLUMN + 20.0).max(720.0);
        let mut head = Head { text: String::new(), width, bottom: 10.0 };
        head.line(
            "title",
            &shortened(&format!("Messages: {}", story.title), (width / 9.0) as usize),
        );
        match &story.contradiction {
            None => head.line("words soft", "nothing contradicts anything"),
            Some(contradiction) => {
                let explanation = &contradiction.explanation;
                let headline = format!("{}: {}", explanation.property, explanation.headline);
                wrapped(&headline, width - 30.0)
                    .iter()
                    .for_each(|line| head.line("words bad", line));
                for (number, line) in explanation.lines.iter().enumerate() {
                    let worst =
                        if story.is_contradiction(number) { "  ← contradiction" } else { "" };
                    let when = line.to_ns.or(line.from_ns).map_or(String::new(), moment);
                    let text = format!("{}  {}  {when}  {}", line.client, line.text, line.note);
                    head.numbered(number, text.trim_end(), worst);
                }
            }
        }
        head.legend(story);
        head.bottom += HEAD;
        head
    }

    fn line(&mut self, class: &str, text: &str) {
        self.bottom += LINE;
        let y = self.bottom;
        let _ = writeln!(
            self.text,
            "<text class=\"{class}\" x=\"12\" y=\"{y}\">{}</text>",
            escape(text)
        );
    }

    /// A line of the explanation, as many lines as it needs: what matters may stand at its end.
    fn numbered(&mut self, number: usize, text: &str, worst: &str) {
        let class = if worst.is_empty() { "" } else { " worst" };
        for (row, line) in wrapped(&format!("{text}{worst}"), self.width - 56.0).iter().enumerate()
        {
            self.bottom += LINE;
            let (y, middle) = (self.bottom, self.bottom - 4.0);
            if row == 0 {
                let _ = write!(
                    self.text,
                    "<g class=\"mark{class}\"><circle cx=\"20\" cy=\"{middle}\" r=\"8\"/><text x=\"20\" \
                     y=\"{y}\" text-anchor=\"middle\">{}</text></g>",
                    number + 1,
                );
            }
            let line = escape(line);
            let _ = writeln!(self.text, "<text class=\"words\" x=\"36\" y=\"{y}\">{line}</text>");
        }
    }

    /// What lines and colours mean, in as many rows as the width needs.
    fn legend(&mut self, story: &Story) {
        self.bottom += LINE + 4.0;
        let mut at = 12.0;
        let protocols = story.protocols();
        let arrows = protocols.iter().map(|name| (protocol_class(&protocols, name), *name));
        let arrows = arrows.chain([("lost".to_owned(), "never read")]);
        let tones = Tone::ALL.map(|tone| (tone.name().to_owned(), story.tone_words(tone)));
        let samples = arrows
            .map(|(class, name)| (format!("arrow {class}"), class, name))
            .chain(tones.map(|(class, name)| (String::new(), class, name)));
        for (group, class, name) in samples {
            let width = 30.0 + text_width(name) + 18.0;
            if at + width > self.width {
                at = 12.0;
                self.bottom += LINE;
            }
            let (y, middle) = (self.bottom, self.bottom - 4.0);
            let cross = match class.as_str() {
                "lost" => format!("<path class=\"cross\" d=\"{}\"/>", cross(at + 20.0, middle)),
                _ => String::new(),
            };
            let _ = writeln!(
                self.text,
                "<g class=\"{group}\"><line class=\"{class} sample\" x1=\"{at}\" y1=\"{middle}\" \
                 x2=\"{}\" y2=\"{middle}\"/>{cross}</g><text class=\"soft\" x=\"{}\" \
                 y=\"{y}\">{}</text>",
                at + 22.0,
                at + 29.0,
                escape(name),
            );
            at += width;
        }
    }
}

/// Lines of at most this many pixels.
pub(super) fn wrapped(text: &str, width: f64) -> Vec<String> {
    let most = (width / 6.6) as usize;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > most {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}
