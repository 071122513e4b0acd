//! The watches of a session, so that they can be set again after a reconnection
//! (`ZKWatchManager`, `ClientCnxn.primeConnection`).
//!
//! A server forgets a session's watches with the connection. The client knows which are set: a
//! watch counts from the answer to the request that asked for it, and a one-shot watch until its
//! event.

use std::collections::BTreeSet;

use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use keeper_core::wire::client::{AddWatchMode, EventType, Request, WatcherEvent, WatcherType};

/// Paths in one setWatches packet, in bytes (`SET_WATCHES_MAX_LENGTH`).
const BATCH_BYTES_MAX: usize = 128 << 10;

/// What a request does to the watches once it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Data(String),
    Exists(String),
    Children(String),
    Add(String, AddWatchMode),
    Remove(String, WatcherType),
}

impl Wish {
    pub(super) fn of(request: &Request) -> Option<Wish> {
        match request {
            Request::GetData { path, watch: true } => Some(Wish::Data(path.clone())),
            Request::Exists { path, watch: true } => Some(Wish::Exists(path.clone())),
            Request::GetChildren { path, watch: true }
            | Request::GetChildren2 { path, watch: true } => Some(Wish::Children(path.clone())),
            Request::AddWatch { path, mode } => Some(Wish::Add(path.clone(), *mode)),
            Request::RemoveWatches { path, kind } => Some(Wish::Remove(path.clone(), *kind)),
            _ => None,
        }
    }
}

/// Paths with a watch, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// A request that had this wish was answered.
    pub(super) fn answered(&mut self, wish: Wish, code: Code) {
        match (wish, code) {
            (Wish::Data(path) | Wish::Exists(path), Code::Ok) => {
                self.data.insert(path);
            }
            (Wish::Exists(path), Code::NoNode) => {
                self.exist.insert(path);
            }
            (Wish::Children(path), Code::Ok) => {
                self.child.insert(path);
            }
            (Wish::Add(path, AddWatchMode::Persistent), Code::Ok) => {
                self.persistent.insert(path);
            }
            (Wish::Add(path, AddWatchMode::PersistentRecursive), Code::Ok) => {
                self.recursive.insert(path);
            }
            (Wish::Remove(path, kind), Code::Ok) => self.removed(&path, kind),
            _ => {}
        }
    }

    /// An event came: the one-shot watches that it used up are no more.
    pub(super) fn fired(&mut self, event: &WatcherEvent) {
        let path = event.path.as_str();
        match event.kind {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                self.data.remove(path);
                self.exist.remove(path);
            }
            EventType::NodeChildrenChanged => {
                self.child.remove(path);
            }
            EventType::NodeDeleted => {
                self.data.remove(path);
                self.exist.remove(path);
                self.child.remove(path);
            }
            EventType::None
            | EventType::DataWatchRemoved
            | EventType::ChildWatchRemoved
            | EventType::PersistentWatchRemoved => {}
        }
    }

    fn removed(&mut self, path: &str, kind: WatcherType) {
        let any = kind == WatcherType::Any;
        if any || kind == WatcherType::Data {
            self.data.remove(path);
            self.exist.remove(path);
        }
        if any || kind == WatcherType::Children {
            self.child.remove(path);
        }
        if any || kind == WatcherType::Persistent {
            self.persistent.remove(path);
        }
        if any || kind == WatcherType::PersistentRecursive {
            self.recursive.remove(path);
        }
    }

    /// The requests that set every watch again; changes after `relative_zxid` are reported at once.
    pub(super) fn restore(&self, relative_zxid: Zxid) -> Vec<Request> {
        let kinds = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        let all = kinds
            .iter()
            .enumerate()
            .flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path)));
        let mut batches: Vec<[Vec<String>; 5]> = Vec::new();
        let mut room = 0;
        for (kind, path) in all {
            if batches.is_empty() || path.len() > room {
                batches.push(Default::default());
                room = BATCH_BYTES_MAX;
            }
            room = room.saturating_sub(path.len() + 4);
            let batch = batches.last_mut().expect("one was pushed if there was none");
            batch[kind].push(path.clone());
        }
        batches.into_iter().map(|batch| set_watches(relative_zxid, batch)).collect()
    }
}

/// Servers before 3.6 know no persistent watches, so the newer request is used only for those.
fn set_watches(relative_zxid: Zxid, batch: [Vec<String>; 5]) -> Request {
    let [data, exist, child, persistent, persistent_recursive] = batch;
    if persistent.is_empty() && persistent_recursive.is_empty() {
        return Request::SetWatches { relative_zxid, data, exist, child };
    }
    Request::SetWatches2 { relative_zxid, data, exist, child, persistent, persistent_recursive }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    fn answered(watches: &mut Watches, request: Request, code: Code) {
        if let Some(wish) = Wish::of(&request) {
            watches.answered(wish, code);
        }
    }

    #[test]
    fn a_watch_counts_from_its_answer_until_its_event() {
        let mut watches = Watches::default();
        let exists = |path: &str| Request::Exists { path: path.into(), watch: true };
        answered(&mut watches, exists("/there"), Code::Ok);
        answered(&mut watches, exists("/missing"), Code::NoNode);
        answered(&mut watches, exists("/forbidden"), Code::NoAuth);
        let get = |path: &str, watch| Request::GetData { path: path.into(), watch };
        answered(&mut watches, get("/a", true), Code::Ok);
        answered(&mut watches, get("/gone", true), Code::NoNode);
        answered(&mut watches, get("/unwatched", false), Code::Ok);
        let children = Request::GetChildren2 { path: "/a".into(), watch: true };
        answered(&mut watches, children, Code::Ok);
        let expected = Request::SetWatches {
            relative_zxid: Zxid(5),
            data: paths(&["/a", "/there"]),
            exist: paths(&["/missing"]),
            child: paths(&["/a"]),
        };
        assert_eq!(watches.restore(Zxid(5)), [expected]);

        watches.fired(&WatcherEvent::new(EventType::NodeCreated, "/missing"));
        watches.fired(&WatcherEvent::new(EventType::NodeDataChanged, "/there"));
        watches.fired(&WatcherEvent::new(EventType::NodeDeleted, "/a"));
        assert_eq!(watches.restore(Zxid(5)), []);
    }

    #[test]
    fn persistent_watches_outlive_events_but_not_their_removal() {
        let mut watches = Watches::default();
        for mode in [AddWatchMode::Persistent, AddWatchMode::PersistentRecursive] {
            answered(&mut watches, Request::AddWatch { path: "/p".into(), mode }, Code::Ok);
        }
        watches.fired(&WatcherEvent::new(EventType::NodeDeleted, "/p"));
        let remove = Request::RemoveWatches { path: "/p".into(), kind: WatcherType::Persistent };
        answered(&mut watches, remove.clone(), Code::NoWatcher);
        let expected = |persistent: &[&str]| Request::SetWatches2 {
            relative_zxid: Zxid(1),
            data: Vec::new(),
            exist: Vec::new(),
            child: Vec::new(),
            persistent: paths(persistent),
            persistent_recursive: paths(&["/p"]),
        };
        assert_eq!(watches.restore(Zxid(1)), [expected(&["/p"])]);
        answered(&mut watches, remove, Code::Ok);
        assert_eq!(watches.restore(Zxid(1)), [expected(&[])]);
        let remove = Request::RemoveWatches { path: "/p".into(), kind: WatcherType::Any };
        answered(&mut watches, remove, Code::Ok);
        assert_eq!(watches.restore(Zxid(1)), []);
    }

    #[test]
    fn many_watches_are_set_in_packets_of_bounded_size() {
        let mut watches = Watches::default();
        for index in 0..20_000 {
            watches.answered(Wish::Data(format!("/directory/{index:08}")), Code::Ok);
        }
        let requests = watches.restore(Zxid(1));
        assert_eq!(requests.len(), 4);
        let mut total = 0;
        for request in requests {
            let Request::SetWatches { data, .. } = request else { panic!("setWatches") };
            assert!(data.iter().map(|path| path.len() + 4).sum::<usize>() <= BATCH_BYTES_MAX + 4);
            total += data.len();
        }
        assert_eq!(total, 20_000);
    }
}
