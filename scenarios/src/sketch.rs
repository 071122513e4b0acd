//! What can be drawn of a run beside its operations: small enough to be kept of every run.

use std::collections::BTreeMap;

use keeper_core::instruments::Observation;
use sim::cluster::plan::Plan;
use sim::cluster::record::{FaultWindow, RunRecord};
use sim::fault::Fault;

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

/// Shifts of one clock add up: each fault shifts as it strikes and takes that back as it ends.
fn clocks(plan: &Plan, record: &RunRecord) -> BTreeMap<String, Vec<(u64, i64)>> {
    let mut shifts: BTreeMap<String, Vec<(u64, i64)>> =
        (1..=plan.topology.servers).map(|server| (format!("n{server}"), Vec::new())).collect();
    for window in &record.faults {
        let fault = plan.faults.get(window.planned).map(|timed| &timed.fault);
        let Some(Fault::ClockOffset { offset_ms, .. }) = fault else { continue };
        for name in window.what.split_whitespace() {
            let Some(shifts) = shifts.get_mut(name) else { continue };
            shifts.push((window.from_ns, *offset_ms));
            shifts.extend(window.to_ns.map(|to_ns| (to_ns, -offset_ms)));
        }
    }
    let track = |(name, mut shifts): (String, Vec<(u64, i64)>)| {
        shifts.sort_unstable();
        let (mut points, mut offset_ms) = (vec![(0, 0)], 0);
        for (at_ns, shift_ms) in shifts {
            points.push((at_ns, offset_ms));
            offset_ms += shift_ms;
            points.push((at_ns, offset_ms));
        }
        points.push((record.end_ns, offset_ms));
        (name, points)
    };
    shifts.into_iter().map(track).collect()
}

#[cfg(test)]
mod tests {
    use sim::fault::{Target, TimedFault};

    use super::*;
    use crate::property::testing::{plan, two_epochs};

    const MS: u64 = 1_000_000;

    fn offset(offset_ms: i64) -> TimedFault {
        let target = Target::Host("n2".to_owned());
        TimedFault { at_ms: 0, until_ms: None, fault: Fault::ClockOffset { target, offset_ms } }
    }

    fn window(planned: usize, kind: &str, from_ms: u64, to_ms: Option<u64>) -> FaultWindow {
        FaultWindow {
            planned,
            kind: kind.to_owned(),
            what: "n2".to_owned(),
            from_ns: from_ms * MS,
            to_ns: to_ms.map(|ms| ms * MS),
        }
    }

    #[test]
    fn shifts_of_a_clock_add_up_and_are_taken_back() {
        let crash = Fault::Crash { target: Target::Leader };
        let crash = TimedFault { at_ms: 0, until_ms: None, fault: crash };
        let plan = Plan { faults: vec![offset(500), offset(-200), crash], ..plan() };
        let mut record = two_epochs().record();
        record.end_ns = 100 * MS;
        record.faults = vec![
            window(0, "clock_offset", 10, Some(40)),
            window(1, "clock_offset", 20, None),
            window(2, "crash", 30, Some(35)),
        ];
        let sketch = Sketch::of(&plan, &record);
        let expected =
            [(0, 0), (10, 0), (10, 500), (20, 500), (20, 300), (40, 300), (40, -200), (100, -200)];
        assert_eq!(sketch.clocks["n2"], expected.map(|(ms, offset_ms)| (ms * MS, offset_ms)));
        assert_eq!(sketch.clocks["n1"], [(0, 0), (100 * MS, 0)]);
        assert_eq!(sketch.clocks.len(), plan.topology.servers as usize);
        assert_eq!(sketch.faults, record.faults);
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
