//! What clients of the coordination server write down.

use std::fmt::Write as _;

use harness::Recording;
use sim::Host;

use crate::record::{ClientOperation, ClientOutcome, ClientSessionEvent, ClientWatchEvent};
use crate::system::Keeper;

/// Tags of events of clients in the trace. They are part of a run's hash and never change.
const TAG_OPERATION: u32 = 2;
const TAG_EVENT: u32 = 3;

/// The clients' part of a run's notebook.
pub(crate) trait ClientNotes {
    /// A request was made. The returned position names it.
    fn begin(&self, operation: ClientOperation) -> usize;

    /// A request's end is known.
    fn end(
        &self,
        platform: &impl Host,
        position: usize,
        end: impl FnOnce(&mut ClientOperation),
    ) -> ClientOutcome;

    /// A session began, moved or ended.
    fn session(&self, platform: &impl Host, event: ClientSessionEvent);

    /// A watch event arrived.
    fn watch(&self, platform: &impl Host, event: ClientWatchEvent);
}

impl ClientNotes for Recording<Keeper> {
    fn begin(&self, operation: ClientOperation) -> usize {
        let mut notes = self.notes();
        notes.hold::<ClientOperation>(0);
        let operations = &mut notes.history().operations;
        operations.push(operation);
        operations.len() - 1
    }

    fn end(
        &self,
        platform: &impl Host,
        position: usize,
        end: impl FnOnce(&mut ClientOperation),
    ) -> ClientOutcome {
        let mut notes = self.notes();
        let operation = &mut notes.history().operations[position];
        operation.complete_ns = Some(platform.world_ns());
        end(operation);
        let outcome = operation.outcome.clone();
        let text = notes.scratch(|text| {
            let _ = write!(text, "{position} {outcome:?}");
        });
        self.event(platform, TAG_OPERATION, &text);
        notes.hold::<ClientOutcome>(text.len());
        notes.give_back(text);
        outcome
    }

    fn session(&self, platform: &impl Host, event: ClientSessionEvent) {
        self.event(platform, TAG_EVENT, &format!("{event:?}"));
        let mut notes = self.notes();
        notes.hold::<ClientSessionEvent>(0);
        notes.history().sessions.push(event);
    }

    fn watch(&self, platform: &impl Host, event: ClientWatchEvent) {
        self.event(platform, TAG_EVENT, &format!("{event:?}"));
        let mut notes = self.notes();
        notes.hold::<ClientWatchEvent>(event.path.len());
        notes.history().watches.push(event);
    }
}
