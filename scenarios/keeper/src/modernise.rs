//! Plans of older formats.

use serde_json::{Map, Value};

/// Format 1 knew no other system: what is a setup now lay beside the envelope's fields, and the leader
/// alone could be isolated.
pub(crate) fn from_1(plan: &mut Map<String, Value>) {
    let mut setup = Map::new();
    for field in ["ensemble", "value_bytes"] {
        if let Some(value) = plan.remove(field) {
            setup.insert(field.to_owned(), value);
        }
    }
    plan.insert("setup".to_owned(), Value::Object(setup));
    let faults = plan.get_mut("faults").and_then(Value::as_array_mut);
    for fault in faults.into_iter().flatten().filter_map(Value::as_object_mut) {
        if fault.get("kind").is_some_and(|kind| kind == "isolate_leader") {
            fault.insert("kind".to_owned(), "isolate".into());
            fault.insert("who".to_owned(), "leader".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use harness::plan::Plan;
    use sim::fault::Fault;

    use crate::property::testing::{SYSTEMS, plan};

    /// Plans of format 1 name no system.
    const OLD: &str = r#"{
        "format": 1, "scenario": "keeper/register", "seed": 9,
        "topology": {"servers": 3, "clients": 2},
        "ensemble": {"tick_ms": 100, "init_limit": 5, "sync_limit": 5, "snap_count": 100,
            "commit_log_count": 50, "session_timeout_ms": 1000},
        "conditions": {"latency_min_ms": 1, "latency_max_ms": 2, "fsync_us": 500},
        "chaos_ms": 5000, "heal_ms": 9000, "value_bytes": 70,
        "operations": [{"at_ms": 4, "client": 1, "do": "get", "path": "/a", "watch": false}],
        "faults": [{"at_ms": 5, "until_ms": 9, "kind": "isolate_leader", "reset_on_heal": 0.5}]
    }"#;

    fn old(change: impl FnOnce(&mut serde_json::Value)) -> Result<Plan, String> {
        let mut json = serde_json::from_str(OLD).unwrap();
        change(&mut json);
        SYSTEMS.load(json.to_string().as_bytes(), "p.json").map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_of_format_1_becomes_one_of_this_format() {
        use crate::setup::{KeeperSetup, servers};
        let plan = old(|_| {}).unwrap();
        assert_eq!((plan.format, plan.system.as_str()), (2, "keeper"));
        let setup = KeeperSetup::of(&plan);
        assert_eq!((servers(&plan), setup.ensemble.snap_count, setup.value_bytes), (3, 100, 70));
        let Fault::Isolate { who, reset_on_heal } = &plan.faults[0].fault else { panic!() };
        assert_eq!((who.to_string().as_str(), *reset_on_heal), ("leader", 0.5));
        assert_eq!(
            SYSTEMS.load(plan.to_text().as_bytes(), "p.json"),
            Ok(plan),
            "stored as format 2"
        );
    }

    #[test]
    fn what_is_wrong_with_a_plan_of_format_1_is_named() {
        let without = |field: &str| {
            old(|json| drop(json.as_object_mut().unwrap().remove(field))).unwrap_err()
        };
        assert!(
            without("ensemble").contains("missing field `ensemble`"),
            "{}",
            without("ensemble")
        );
        assert_eq!(without("chaos_ms"), "p.json: the plan: missing field `chaos_ms`");
        let long = old(|json| json["ensemble"]["tick_ms"] = "long".into()).unwrap_err();
        assert!(long.contains("ensemble.tick_ms: invalid type: string"), "{long}");
        let few = old(|json| json["ensemble"]["purge_retain"] = 2.into()).unwrap_err();
        assert!(few.contains("ensemble.purge_retain: 2, expected 3 to 1000"), "{few}");
    }

    #[test]
    fn a_plan_of_this_format_says_whose_it_is() {
        let stored: serde_json::Value = serde_json::from_str(&plan().to_text()).unwrap();
        assert_eq!((&stored["format"], &stored["system"]), (&2.into(), &"keeper".into()));
        assert!(stored["setup"]["ensemble"].is_object());
    }
}
