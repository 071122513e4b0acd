//! What an event or a span says.

use std::fmt;

use tracing::field::{Field, Visit};

/// The message and the other fields, each cut to a bound.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    message: String,
    others: Vec<(String, String)>,
    text_bytes_max: usize,
}

impl Fields {
    pub(super) fn new(text_bytes_max: usize) -> Fields {
        Fields { message: String::new(), others: Vec::new(), text_bytes_max }
    }

    pub(super) fn others(&self) -> &[(String, String)] {
        &self.others
    }

    pub(super) fn into_parts(self) -> (String, Vec<(String, String)>) {
        (self.message, self.others)
    }

    fn set(&mut self, field: &Field, mut text: String) {
        if text.len() > self.text_bytes_max {
            let at = text.floor_char_boundary(self.text_bytes_max);
            text.truncate(at);
            text.push_str("..");
        }
        if field.name() == "message" {
            self.message = text;
            return;
        }
        // A span's field may be recorded anew.
        match self.others.iter_mut().find(|(name, _)| name == field.name()) {
            Some((_, value)) => *value = text,
            None => self.others.push((field.name().to_owned(), text)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
