//! What a run does at the moment, for a watchdog outside of it: whether it goes on, and if not, who holds it
//! up. The run's thread writes here and never reads, so nothing in a run can depend on being watched.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::HostId;
use crate::trace::Kind;

/// What stands for nobody, and for nothing.
const NOBODY: u32 = u32::MAX;
/// Above the codes of events: a mark in the system's code, by its number.
const MARK: u64 = 1 << 48;

/// A run as seen from outside.
#[derive(Debug)]
pub struct Pulse {
    /// Goes up when time begins to pass and when it has passed: odd in between.
    beats: AtomicU64,
    host: AtomicU32,
    task: AtomicU64,
    last: AtomicU64,
    names: Mutex<Vec<String>>,
}

/// What a pulse says at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Another number means that the run went on.
    pub beats: u64,
    /// Whether programs may run.
    pub is_running: bool,
    /// The host whose task is or was polled last, if the world says so.
    pub host: Option<String>,
    /// That task: its number in the order of their births.
    pub task: u64,
    /// What happened last.
    pub last: Last,
}

/// What happened last in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Nothing at all.
    Nothing,
    /// A program hit the mark of this number.
    Mark(u16),
    /// A program asked its platform for something, or was answered.
    Call(&'static str),
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse {
            beats: AtomicU64::new(0),
            host: AtomicU32::new(NOBODY),
            task: AtomicU64::new(0),
            last: AtomicU64::new(0),
            names: Mutex::default(),
        }
    }
}

impl Pulse {
    /// Time passes while this does its work.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.beats.fetch_add(1, Ordering::Relaxed);
        let done = work();
        self.beats.fetch_add(1, Ordering::Relaxed);
        done
    }

    /// What it says now. Only for those who are not part of the run.
    pub fn reading(&self) -> Reading {
        let beats = self.beats.load(Ordering::Relaxed);
        let host = self.host.load(Ordering::Relaxed) as usize;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Reading {
            beats,
            is_running: beats % 2 == 1,
            host: names.get(host).cloned(),
            task: self.task.load(Ordering::Relaxed),
            last: Last::of(self.last.load(Ordering::Relaxed)),
        }
    }

    /// A program hits a mark.
    pub fn marked(&self, mark: u16) {
        self.last.store(MARK | u64::from(mark), Ordering::Relaxed);
    }

    pub(crate) fn happened(&self, kind: Kind) {
        self.last.store(kind.code(), Ordering::Relaxed);
    }

    pub(crate) fn polled(&self, host: HostId, task: u64) {
        self.host.store(host.0, Ordering::Relaxed);
        self.task.store(task, Ordering::Relaxed);
    }

    pub(crate) fn add_host(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    }
}

impl Last {
    fn of(code: u64) -> Last {
        match code {
            0 => Last::Nothing,
            mark if mark & MARK != 0 => Last::Mark(mark as u16),
            code => Last::Call(Kind::words(code)),
        }
    }
}

thread_local! {
    /// The pulse of the run that this thread performs.
    static CURRENT: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// Lets a run that is performed meanwhile on this thread show its pulse there.
pub fn shown<R>(pulse: &Arc<Pulse>, perform: impl FnOnce() -> R) -> R {
    /// The one before is the thread's again, whether the run panics or not.
    struct Before(Option<Arc<Pulse>>);

    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }

    let _before = Before(CURRENT.replace(Some(Arc::clone(pulse))));
    perform()
}

/// The pulse that the run of this thread shows; one that nobody looks at, if nobody wants to see it.
pub fn current() -> Arc<Pulse> {
    CURRENT.with_borrow(Option::clone).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_says_who_runs_and_what_happened_last() {
        let pulse = Arc::new(Pulse::default());
        let bare = pulse.reading();
        assert_eq!((bare.is_running, bare.host, bare.last), (false, None, Last::Nothing));
        pulse.add_host("n1");
        pulse.add_host("n2");
        shown(&pulse, || {
            current().during(|| {
                current().polled(HostId(1), 7);
                current().happened(Kind::DiskSubmitted);
                let seen = pulse.reading();
                assert_eq!(
                    (seen.host.as_deref(), seen.task, seen.is_running),
                    (Some("n2"), 7, true)
                );
                assert_eq!(seen.last, Last::Call("a disk operation was submitted"));
                current().marked(3);
            });
        });
        let seen = pulse.reading();
        assert_eq!((seen.beats, seen.is_running, seen.last), (2, false, Last::Mark(3)));
        current().marked(9);
        assert_eq!(pulse.reading().last, Last::Mark(3), "it is not shown any more");
    }

    #[test]
    fn every_kind_of_event_has_words() {
        let pulse = Pulse::default();
        for kind in
            Kind::WORDS.map(|(kind, _)| kind).into_iter().chain([Kind::Own(1), Kind::Own(9)])
        {
            pulse.happened(kind);
            assert!(matches!(pulse.reading().last, Last::Call(words) if !words.is_empty()));
        }
    }
}
