//! What the programs of a run log: `tracing` events of its hosts, each with its host and the world's
//! time, kept for whoever reads a failure.
//!
//! A [`Collected`] is the thread's subscriber while [`Collected::during`] lets a world run; nothing is
//! global, so that many runs collect side by side. It sees only what is logged while a task of a host
//! is polled. All else, and if they want it the hosts' events too, goes to the subscriber that was
//! there before. Nothing of it is part of a run's trace or hash.

mod fields;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::host::HostId;
use crate::place::{Place, place};
use fields::Fields;

/// Identifiers of our own spans have this bit, those of the subscriber before us do not.
const OWN_SPAN: u64 = 1 << 63;

/// A line of a host's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// World time, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// The number of the host: see [`HostId`].
    pub host: u32,
    /// "ERROR", "WARN", "INFO", "DEBUG" or "TRACE".
    pub level: String,
    /// Where it was logged, a module's path unless it was said otherwise.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its other fields, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
    /// The spans around it, the outermost first, each with its fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<String>,
}

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important level.
    pub level: Level,
    /// How many lines: the last ones.
    pub lines_max: usize,
    /// How many bytes of a message, and of each field.
    pub text_bytes_max: usize,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { level: Level::DEBUG, lines_max: 10_000, text_bytes_max: 4_096 }
    }
}

/// The log of a run. Cloning gives another handle to the same log.
#[derive(Clone, Debug)]
pub struct Collected {
    settings: LogSettings,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<LogLine>,
    dropped: u64,
}

impl Default for Collected {
    fn default() -> Collected {
        Collected::new(LogSettings::default())
    }
}

impl Collected {
    /// An empty log.
    pub fn new(settings: LogSettings) -> Collected {
        Collected { settings, log: Arc::default() }
    }

    /// Collects what hosts log while `work` lets their world run, on this thread.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        ask_every_thread();
        let before = tracing::dispatcher::get_default(Dispatch::clone);
        let collector = Collector {
            collected: self.clone(),
            before,
            spans: Mutex::new(Spans { last: OWN_SPAN, ..Spans::default() }),
        };
        tracing::dispatcher::with_default(&Dispatch::new(collector), work)
    }

    /// The lines so far, in order of time.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lock().lines.iter().cloned().collect()
    }

    /// How many earlier lines were given up for later ones.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: LogLine) {
        let mut log = self.lock();
        if log.lines.len() >= self.settings.lines_max {
            log.lines.pop_front();
            log.dropped += 1;
        }
        if self.settings.lines_max > 0 {
            log.lines.push_back(line);
        }
    }
}

/// Lets `tracing` ask every collector whether it wants to hear of a place in the code. While only one
/// subscriber has ever been there, it asks that of the thread which comes to the place first, remembers
/// the answer for all threads, and a run that collects on another thread would never hear of it. So there
/// is always a second one, which wants nothing.
fn ask_every_thread() {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(tracing::subscriber::NoSubscriber::default()));
}

/// The thread's subscriber during a run.
struct Collector {
    collected: Collected,
    /// Whose turn it is outside of hosts.
    before: Dispatch,
    spans: Mutex<Spans>,
}

/// The spans that hosts opened.
#[derive(Debug, Default)]
struct Spans {
    known: BTreeMap<u64, Span>,
    /// Those that are entered, the innermost last.
    entered: Vec<u64>,
    last: u64,
}

#[derive(Debug)]
struct Span {
    name: &'static str,
    fields: Fields,
    handles: u64,
}

impl Span {
    fn text(&self) -> String {
        let fields: Vec<String> =
            self.fields.others().iter().map(|(name, value)| format!("{name}={value}")).collect();
        match fields.is_empty() {
            true => self.name.to_owned(),
            false => format!("{}{{{}}}", self.name, fields.join(" ")),
        }
    }
}

impl Collector {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.collected.settings.level
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fields(&self) -> Fields {
        Fields::new(self.collected.settings.text_bytes_max)
    }

    fn line(&self, Place { host: HostId(host), at_ns }: Place, event: &Event<'_>) -> LogLine {
        let mut fields = self.fields();
        event.record(&mut fields);
        let spans = self.spans();
        let around = spans.entered.iter().filter_map(|id| spans.known.get(id)).map(Span::text);
        let (message, fields) = fields.into_parts();
        LogLine {
            at_ns,
            host,
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            message,
            fields,
            spans: around.collect(),
        }
    }
}

fn is_own(span: &Id) -> bool {
    span.into_u64() & OWN_SPAN != 0
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        (self.wants(metadata) && place().is_some()) || self.before.enabled(metadata)
    }

    /// Whether somebody listens depends on where the program runs, so it is asked each time.
    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        let before = self.before.register_callsite(metadata);
        if self.wants(metadata) { tracing::subscriber::Interest::sometimes() } else { before }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // What the subscriber before us wants counts as its own.
        Some(LevelFilter::from_level(self.collected.settings.level))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if place().is_none() || !self.wants(span.metadata()) {
            return self.before.new_span(span);
        }
        let mut fields = self.fields();
        span.record(&mut fields);
        let mut spans = self.spans();
        spans.last += 1;
        let id = spans.last;
        spans.known.insert(id, Span { name: span.metadata().name(), fields, handles: 1 });
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if !is_own(span) {
            return self.before.record(span, values);
        }
        if let Some(span) = self.spans().known.get_mut(&span.into_u64()) {
            values.record(&mut span.fields);
        }
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        if !is_own(span) && !is_own(follows) {
            self.before.record_follows_from(span, follows);
        }
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if let Some(place) = place().filter(|_| self.wants(metadata)) {
            self.collected.keep(self.line(place, event));
        }
        if self.before.enabled(metadata) {
            self.before.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        match is_own(span) {
            true => self.spans().entered.push(span.into_u64()),
            false => self.before.enter(span),
        }
    }

    fn exit(&self, span: &Id) {
        if !is_own(span) {
            return self.before.exit(span);
        }
        let mut spans = self.spans();
        let innermost = spans.entered.iter().rposition(|entered| *entered == span.into_u64());
        if let Some(at) = innermost {
            spans.entered.remove(at);
        }
    }

    fn clone_span(&self, span: &Id) -> Id {
        if !is_own(span) {
            return self.before.clone_span(span);
        }
        if let Some(known) = self.spans().known.get_mut(&span.into_u64()) {
            known.handles += 1;
        }
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        if !is_own(&span) {
            return self.before.try_close(span);
        }
        let mut spans = self.spans();
        let Some(known) = spans.known.get_mut(&span.into_u64()) else { return false };
        known.handles -= 1;
        let is_over = known.handles == 0;
        if is_over {
            spans.known.remove(&span.into_u64());
        }
        is_over
    }
}
