//! What hosts log is kept with their time, and changes nothing.

use std::time::Duration;

use platform::Platform;
use sim::World as _;
use sim::engine::platform::EnginePlatform;
use sim::logs::{Collected, LogLine, LogSettings};
use tracing::Level;

use crate::common::world;

async fn chatty(platform: EnginePlatform) {
    tracing::info!(answer = 42, name = "x", "begins");
    let span = tracing::info_span!("work", round = 1, late = tracing::field::Empty);
    for round in 0..3u64 {
        platform.sleep_ms(10).await;
        let _entered = span.enter();
        span.record("late", round);
        tracing::debug!("round {round}");
        tracing::trace!("unheard");
    }
}

fn run(collected: Option<&Collected>) -> u64 {
    let mut world = world(1);
    world.host("a", chatty);
    world.host("b", chatty);
    let mut pass = || world.run_until_ms(100).unwrap();
    match collected {
        Some(collected) => collected.during(pass),
        None => pass(),
    }
    world.trace_hash()
}

#[test]
fn lines_have_time_host_level_message_fields_and_spans() {
    let collected = Collected::default();
    let hash = run(Some(&collected));
    let lines = collected.lines();
    assert_eq!(lines.len(), 8);
    let of_b: Vec<&LogLine> = lines.iter().filter(|line| line.host == 1).collect();
    let expected = LogLine {
        at_ns: 0,
        host: 1,
        level: "INFO".to_owned(),
        target: "engine::logs".to_owned(),
        message: "begins".to_owned(),
        fields: [("answer", "42"), ("name", "x")].map(|(a, b)| (a.into(), b.into())).to_vec(),
        spans: Vec::new(),
    };
    assert_eq!(*of_b[0], expected);
    assert_eq!((of_b[2].at_ns, of_b[2].message.as_str()), (20_000_000, "round 1"));
    assert_eq!(of_b[2].spans, ["work{round=1 late=1}"]);
    assert_eq!(hash, run(None), "nothing of it is part of the run");
}

/// `tracing` remembers for all threads whether anybody listens at a place in the code.
#[test]
#[allow(clippy::disallowed_methods, reason = "the point is to have another thread")]
fn what_another_thread_came_to_first_is_heard_too() {
    fn whisper() -> u64 {
        let mut world = world(1);
        world.host("a", |_| async { tracing::info!("psst") });
        world.run_until_ms(5).unwrap();
        world.trace_hash()
    }
    let collected = Collected::default();
    collected.during(|| {
        std::thread::spawn(whisper).join().unwrap();
        whisper();
    });
    assert_eq!(collected.lines().len(), 1, "{:?}", collected.lines());
}

#[test]
fn log_is_bounded_and_keeps_the_last() {
    let settings = LogSettings { lines_max: 3, text_bytes_max: 6, level: Level::DEBUG };
    let collected = Collected::new(settings);
    run(Some(&collected));
    assert_eq!((collected.lines().len(), collected.dropped()), (3, 5));
    assert!(collected.lines().iter().all(|line| line.message == "round .."));
    let collected = Collected::new(LogSettings { level: Level::INFO, ..settings });
    run(Some(&collected));
    assert_eq!(collected.lines().len(), 2);
}

#[test]
fn what_no_host_logs_goes_to_the_subscriber_before() {
    let (outer, inner) = (Collected::default(), Collected::default());
    let mut world = world(1);
    world.host("a", |_| async { tracing::warn!("of a host") });
    outer.during(|| {
        inner.during(|| {
            tracing::warn!("of nobody");
            let _span = tracing::info_span!("of nobody").entered();
            world.run_until_ms(10).unwrap();
        });
        tracing::warn!("of nobody");
    });
    let messages = |log: &Collected| log.lines().into_iter().map(|l| l.message).collect::<Vec<_>>();
    assert_eq!(messages(&inner), ["of a host"]);
    assert_eq!(messages(&outer), ["of a host"], "both listen to hosts");
}

#[test]
fn two_threads_collect_apart() {
    let run_one = || {
        let collected = Collected::default();
        let hash = run(Some(&collected));
        std::thread::sleep(Duration::from_millis(5));
        (hash, collected.lines())
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(run_one);
        (run_one(), other.join().unwrap())
    });
    assert_eq!(first, second);
}
