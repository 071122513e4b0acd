//! What can be drawn of a run beside its operations: small enough to be kept of every run.

use std::collections::BTreeMap;

use evidence::Moment;

use crate::record::{FaultWindow, Record};
use crate::system::System;

/// What struck a run and who took which role. Times are simulated nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// When each fault began and ended.
    pub faults: Vec<FaultWindow>,
    /// When a server took a role worth drawing, and what to call that.
    pub turns: Vec<Moment>,
    /// By server, how far its wall clock was off: (time, milliseconds, positive is ahead) as points
    /// that straight lines join, two at one time where it was set.
    pub clocks: BTreeMap<String, Vec<(u64, i64)>>,
    /// When faults ended.
    pub chaos_end_ns: u64,
    /// The end of the run.
    pub end_ns: u64,
}

impl Sketch {
    /// The sketch of a run.
    pub fn of<S: System>(system: &S, record: &Record<S>) -> Sketch {
        Sketch {
            faults: record.faults.clone(),
            turns: system.turns(record),
            clocks: clocks(record),
            chaos_end_ns: record.chaos_end_ns,
            end_ns: record.end_ns,
        }
    }
}

/// Every server has a track; clients have none.
fn clocks<S: System>(record: &Record<S>) -> BTreeMap<String, Vec<(u64, i64)>> {
    let servers = record.hosts.iter().filter(|host| !host.is_client);
    let mut tracks: BTreeMap<String, Vec<(u64, i64)>> =
        servers.map(|server| (server.name.clone(), Vec::new())).collect();
    for point in &record.clock_points {
        if let Some(track) = tracks.get_mut(&point.host) {
            track.push((point.at_ns, point.offset_us / 1_000));
        }
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ClockPoint;
    use crate::testing::{STORE, honest_record};

    #[test]
    fn every_server_has_a_track_and_clients_have_none() {
        let mut record = honest_record();
        let point =
            |host: &str, at_ns, offset_us| ClockPoint { host: host.to_owned(), at_ns, offset_us };
        record.clock_points = vec![
            point("n2", 5, 0),
            point("n2", 5, -2_000),
            point("c1", 6, 9_000),
            point("n2", 9, 0),
        ];
        let sketch = Sketch::of(&STORE, &record);
        assert_eq!(sketch.clocks["n2"], [(5, 0), (5, -2), (9, 0)]);
        assert_eq!(sketch.clocks["n1"], []);
        assert_eq!(sketch.clocks.len(), 3);
    }

    #[test]
    fn turns_are_the_systems() {
        let sketch = Sketch::of(&STORE, &honest_record());
        let told: Vec<(u64, &str)> =
            sketch.turns.iter().map(|turn| (turn.at_ns, turn.what.as_str())).collect();
        assert_eq!(told, [(2, "leader n1")]);
    }
}
