//! What can be drawn of a run beside its operations: small enough to be kept of every run.

use std::collections::BTreeMap;

use keeper_core::instruments::Observation;
use sim::cluster::plan::Plan;
use sim::cluster::record::{FaultWindow, RunRecord};

/// What struck a run and who led it. Times are simulated nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// When each fault began and ended.
    pub faults: Vec<FaultWindow>,
    /// When a server began to lead and serve, and what to call it.
    pub leaders: Vec<(u64, String)>,
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
    pub fn of(plan: &Plan, record: &RunRecord) -> Sketch {
        Sketch {
            faults: record.faults.clone(),
            leaders: leaders(record),
            clocks: clocks(plan, record),
            chaos_end_ns: record.chaos_end_ns,
            end_ns: record.end_ns,
        }
    }
}

fn leaders(record: &RunRecord) -> Vec<(u64, String)> {
    let mut leaders = Vec::new();
    let mut before: Option<u32> = None;
    for observed in &record.observations {
        let Observation::Serving { epoch } = observed.observation else { continue };
        let server = observed.server;
        let what = match before.replace(server) {
            Some(other) => format!("leader n{other} → n{server} (epoch {epoch})"),
            None => format!("leader n{server} (epoch {epoch})"),
        };
        leaders.push((observed.at_ns, what));
    }
    leaders
}

fn clocks(plan: &Plan, record: &RunRecord) -> BTreeMap<String, Vec<(u64, i64)>> {
    let mut tracks: BTreeMap<String, Vec<(u64, i64)>> =
        (1..=plan.topology.servers).map(|server| (format!("n{server}"), Vec::new())).collect();
    for point in &record.clock_points {
        if let Some(track) = tracks.get_mut(&point.host) {
            track.push((point.at_ns, point.offset_us / 1_000));
        }
    }
    tracks
}

#[cfg(test)]
mod tests {
    use sim::cluster::record::ClockPoint;

    use super::*;
    use crate::property::testing::{plan, two_epochs};

    #[test]
    fn every_server_has_a_track_and_clients_have_none() {
        let mut record = two_epochs().record();
        let point =
            |host: &str, at_ns, offset_us| ClockPoint { host: host.to_owned(), at_ns, offset_us };
        record.clock_points = vec![
            point("n2", 5, 0),
            point("n2", 5, -2_000),
            point("c1", 6, 9_000),
            point("n2", 9, 0),
        ];
        let sketch = Sketch::of(&plan(), &record);
        assert_eq!(sketch.clocks["n2"], [(5, 0), (5, -2), (9, 0)]);
        assert_eq!(sketch.clocks["n1"], []);
        assert_eq!(sketch.clocks.len(), plan().topology.servers as usize);
    }

    #[test]
    fn leaders_are_told_with_their_predecessor() {
        let sketch = Sketch::of(&plan(), &two_epochs().record());
        let told: Vec<&str> = sketch.leaders.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("leader n1 (epoch 1)"), "{told:?}");
        assert!(told[1].starts_with("leader n1 → n") && told[1].ends_with("(epoch 2)"), "{told:?}");
    }
}
