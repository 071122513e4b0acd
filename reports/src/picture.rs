//! What can be drawn of one run: operations as points, faults as spans, leaders as moments, clocks
//! as tracks.
//!
//! `history.jsonl` has the operations; `picture.json` beside it has the rest, so that plots can be
//! made again from the two files alone.

use checker::znode::{Outcome, Request, ZHistory, ZOperation};
use serde::{Deserialize, Serialize};

use crate::folder::{FolderError, OutputFolder};
use crate::history::Span;
use crate::message::Moment;
use crate::plot::RUN_PLOTS;

/// The file beside `history.jsonl`.
pub(crate) const PICTURE_FILE: &str = "picture.json";

/// What can be drawn of one run. All times are simulated nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPicture {
    /// The scenario.
    pub scenario: String,
    /// The run's seed.
    pub seed: u64,
    /// What clients asked; `history.jsonl` keeps it.
    #[serde(skip)]
    pub operations: Vec<OperationPoint>,
    /// When each fault struck and ended.
    pub faults: Vec<Span>,
    /// When a leader began to serve.
    pub leaders: Vec<Moment>,
    /// How wrong the servers' wall clocks were.
    pub clocks: Vec<ClockTrack>,
    /// Spans in which no write was acknowledged although clients asked for some.
    pub unavailable: Vec<Gap>,
    /// When faults ended and healing began.
    pub chaos_end_ns: u64,
    /// The end of the run.
    pub end_ns: u64,
}

/// One request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationPoint {
    /// The client, from 1.
    pub client: u32,
    /// What was asked.
    pub kind: OperationKind,
    /// When.
    pub invoke_ns: u64,
    /// When its end was known; none if it never was.
    pub complete_ns: Option<u64>,
    /// Its end.
    pub outcome: PointOutcome,
}

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// `getData`.
    Get,
    /// `setData`.
    Set,
    /// `create`.
    Create,
    /// `delete`.
    Delete,
    /// `exists`.
    Exists,
    /// `getChildren2`.
    Children,
    /// `multi`.
    Multi,
    /// `sync`.
    Sync,
    /// Any other.
    Other,
}

/// Ends of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PointOutcome {
    /// Answered without error.
    Acknowledged,
    /// Answered with an error, so nothing was changed.
    Refused,
    /// Not answered; it may have happened.
    Unknown,
}

/// How wrong a server's wall clock was, as points that straight lines join. A step is two points at
/// one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockTrack {
    /// The server.
    pub server: String,
    /// (nanoseconds, offset in milliseconds; positive is ahead), in order of time.
    pub points: Vec<(u64, i64)>,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Its beginning.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
}

impl OperationKind {
    /// All, in the order of legends.
    pub const ALL: [OperationKind; 9] = [
        OperationKind::Get,
        OperationKind::Set,
        OperationKind::Create,
        OperationKind::Delete,
        OperationKind::Exists,
        OperationKind::Children,
        OperationKind::Multi,
        OperationKind::Sync,
        OperationKind::Other,
    ];

    /// Its name in legends and data.
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::Get => "get",
            OperationKind::Set => "set",
            OperationKind::Create => "create",
            OperationKind::Delete => "delete",
            OperationKind::Exists => "exists",
            OperationKind::Children => "children",
            OperationKind::Multi => "multi",
            OperationKind::Sync => "sync",
            OperationKind::Other => "other",
        }
    }

    #[allow(unreachable_patterns, reason = "the checker may come to know more requests")]
    fn of(request: &Request) -> OperationKind {
        match request {
            Request::GetData { .. } => OperationKind::Get,
            Request::SetData { .. } => OperationKind::Set,
            Request::Create { .. } => OperationKind::Create,
            Request::Delete { .. } => OperationKind::Delete,
            Request::Exists { .. } => OperationKind::Exists,
            Request::GetChildren2 { .. } => OperationKind::Children,
            Request::Multi { .. } => OperationKind::Multi,
            Request::Sync { .. } => OperationKind::Sync,
            _ => OperationKind::Other,
        }
    }
}

impl PointOutcome {
    /// All, in the order of legends.
    pub const ALL: [PointOutcome; 3] =
        [PointOutcome::Acknowledged, PointOutcome::Refused, PointOutcome::Unknown];

    /// Its name in legends and data.
    pub fn name(self) -> &'static str {
        match self {
            PointOutcome::Acknowledged => "acknowledged",
            PointOutcome::Refused => "refused",
            PointOutcome::Unknown => "unknown",
        }
    }

    /// The palette's name for its colour.
    pub(crate) fn colour(self) -> &'static str {
        match self {
            PointOutcome::Acknowledged => "ok",
            PointOutcome::Refused => "error",
            PointOutcome::Unknown => "unknown",
        }
    }
}

impl OperationPoint {
    fn of(operation: &ZOperation) -> OperationPoint {
        OperationPoint {
            client: operation.client.0,
            kind: OperationKind::of(&operation.request),
            invoke_ns: operation.invoke_ns,
            complete_ns: operation.complete_ns,
            outcome: match operation.outcome {
                Outcome::Ok(_) => PointOutcome::Acknowledged,
                Outcome::Error(_) => PointOutcome::Refused,
                Outcome::Unknown => PointOutcome::Unknown,
            },
        }
    }

    /// How long it took; none if its end was never known.
    pub fn latency_ns(&self) -> Option<u64> {
        self.complete_ns.map(|complete_ns| complete_ns.saturating_sub(self.invoke_ns))
    }
}

impl RunPicture {
    /// The picture with the operations of a history.
    pub fn with_history(mut self, history: &ZHistory) -> RunPicture {
        self.operations = history.operations.iter().map(OperationPoint::of).collect();
        self
    }

    /// The plots of the run as files: names and texts.
    pub fn plots(&self) -> Vec<(&'static str, String)> {
        RUN_PLOTS.iter().map(|(name, draw)| (*name, draw(self).standing_alone())).collect()
    }

    /// Writes `picture.json` and the plots; `folder` is empty or ends with a slash.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, output: &OutputFolder, folder: &str) -> Result<(), FolderError> {
        output.write(&format!("{folder}{PICTURE_FILE}"), self.to_json().as_bytes())?;
        for (name, svg) in self.plots() {
            output.write(&format!("{folder}{name}"), svg.as_bytes())?;
        }
        Ok(())
    }

    /// The text of `picture.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a picture is plain data with text keys") + "\n"
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const SECOND: u64 = 1_000_000_000;

    /// Twenty seconds of one client and five servers.
    pub(crate) fn example() -> RunPicture {
        use OperationKind::{Create, Get, Set};
        use PointOutcome::{Acknowledged, Refused, Unknown};
        let ms = |milliseconds: u64| milliseconds * 1_000_000;
        let kinds = [Create, Get, Set];
        let outcomes = [Acknowledged, Acknowledged, Acknowledged, Refused, Unknown];
        let operations = (0..200u64).map(|index| {
            let invoke_ns = index * SECOND / 10;
            let outcome = outcomes[index as usize % 5];
            let is_lost = index % 50 == 49;
            OperationPoint {
                client: 1 + index as u32 % 3,
                kind: kinds[index as usize % 3],
                invoke_ns,
                complete_ns: (!is_lost).then_some(invoke_ns + ms(1 + index % 40)),
                outcome: if is_lost { Unknown } else { outcome },
            }
        });
        RunPicture {
            scenario: "keeper/register".to_owned(),
            seed: 7,
            operations: operations.collect(),
            faults: vec![
                Span::new("partition", "n1", 2 * SECOND, Some(5 * SECOND)),
                Span::new("crash", "n2", 4 * SECOND, Some(6 * SECOND)),
                Span::new("clock_offset", "n3", 7 * SECOND, Some(9 * SECOND)),
                Span::new("fsync_fail", "n1", 8 * SECOND, Some(8 * SECOND)),
                Span::new("pause", "n5", 12 * SECOND, None),
            ],
            leaders: vec![
                Moment { at_ns: SECOND / 2, what: "leader n1 (epoch 1)".to_owned() },
                Moment { at_ns: 3 * SECOND, what: "leader n1 → n4 (epoch 2)".to_owned() },
            ],
            clocks: vec![
                ClockTrack { server: "n1".to_owned(), points: vec![(0, 0), (20 * SECOND, 0)] },
                ClockTrack {
                    server: "n3".to_owned(),
                    points: vec![
                        (0, 0),
                        (7 * SECOND, 0),
                        (7 * SECOND, -4_000),
                        (9 * SECOND, -4_000),
                        (9 * SECOND, 0),
                        (20 * SECOND, 0),
                    ],
                },
            ],
            unavailable: vec![Gap { from_ns: 2 * SECOND, to_ns: 3 * SECOND + SECOND / 2 }],
            chaos_end_ns: 15 * SECOND,
            end_ns: 20 * SECOND,
        }
    }

    #[test]
    fn the_two_files_together_give_the_picture_back() {
        let history = crate::history::tests::history();
        let picture = example().with_history(&history);
        assert_eq!(picture.operations.len(), history.operations.len());
        assert!(!picture.operations.is_empty());
        let read: RunPicture = serde_json::from_str(&picture.to_json()).unwrap();
        assert!(read.operations.is_empty(), "the history has them");
        assert_eq!(read.with_history(&history), picture);
    }

    #[test]
    fn points_are_the_historys_operations() {
        let history = crate::history::tests::history();
        let picture = RunPicture::default().with_history(&history);
        for (point, operation) in picture.operations.iter().zip(&history.operations) {
            assert_eq!(point.client, operation.client.0);
            assert_eq!(
                (point.invoke_ns, point.complete_ns),
                (operation.invoke_ns, operation.complete_ns)
            );
            assert_eq!(point.outcome == PointOutcome::Unknown, !operation.is_known());
        }
    }
}
