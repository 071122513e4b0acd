//! Clocks that run fast or slow or are set, wall and monotonic apart.

use platform::{Mono, Platform, Timer};
use sim::clock::Clock;
use sim::{Capability, HostId, World};

use crate::programs::{Log, world};

const HOST: HostId = HostId(0);

/// A world in which one host sleeps a second of its own, again and again, and logs it.
fn sleeper<W: World>() -> (W, Log) {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            loop {
                platform.sleep_ms(1_000).await;
                log.add(&platform, "second");
            }
        }
    });
    (world, log)
}

fn times(log: &Log) -> Vec<u64> {
    log.all().into_iter().map(|(at, _)| at).collect()
}

fn sleeps_last_as_long_as_the_hosts_own_clock_says<W: World>() {
    let (mut world, log) = sleeper::<W>();
    world.drift_clock(HOST, Clock::Monotonic, 500_000);
    world.run_until_ms(2_000).unwrap();
    // In two thirds of a second each. Alarms in whole milliseconds are late by up to one, by the
    // host's clock too.
    let is_exact = W::has(Capability::ExactTime);
    let expected = if is_exact { [666, 1_333] } else { [667, 1_334] };
    assert_eq!(times(&log), expected, "2000 ms is the third one's");
    world.drift_clock(HOST, Clock::Monotonic, -1_000_000);
    world.run_until_ms(6_100).unwrap();
    let expected = if is_exact { [2_000, 4_000, 6_000] } else { [2_002, 4_002, 6_002] };
    assert_eq!(times(&log)[2..], expected);
}

fn armed_alarm_follows_a_change_of_rate_either_way<W: World>() {
    for (ppm, fired_ms) in [(0, 1_000), (1_000_000, 750), (-500_000, 1_500)] {
        let (mut world, log) = sleeper::<W>();
        world.run_until_ms(500).unwrap();
        world.drift_clock(HOST, Clock::Monotonic, ppm);
        world.run_until_ms(1_600).unwrap();
        assert_eq!(times(&log)[0], fired_ms);
    }
}

fn wall_clock_goes_wrong_without_the_monotonic_one_and_the_other_way_round<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            let mut timer = platform.timer();
            for turn in 1..=3u64 {
                timer.set(Some(Mono(turn * 100_000_000)));
                timer.fired().await;
                let wall_ms = platform.wall_ns() / 1_000_000 - 1_700_000_000_000;
                log.add(&platform, format!("{wall_ms} {}", platform.now().0 / 1_000_000));
            }
        }
    });
    world.drift_clock(HOST, Clock::Wall, 100_000);
    world.run_until_ms(150).unwrap();
    world.end_clock_drift(HOST, Clock::Wall, 100_000, 0);
    world.shift_clock(HOST, -15);
    world.run_until_ms(250).unwrap();
    world.drift_clock(HOST, Clock::Monotonic, 1_000_000);
    world.run_until_ms(400).unwrap();
    let expected = [(100, "110 100"), (200, "185 200"), (275, "260 300")];
    assert_eq!(log.all(), expected.map(|(at, what)| (at, what.to_owned())));
    let offsets_us: Vec<i64> = world.wall_offsets().iter().map(|point| point.offset_us).collect();
    assert_eq!(offsets_us, [0, 0, 15_000, 0, 0, -15_000, -15_000, -15_000, -15_000]);
}

fn drift_of_one_host_leaves_another_alone<W: World>() {
    let (mut world, log) = sleeper::<W>();
    let other = world.host("other", |platform| async move {
        platform.sleep_ms(10_000).await;
    });
    world.drift_clock(other, Clock::Monotonic, 900_000);
    world.run_until_ms(3_500).unwrap();
    assert_eq!(times(&log), [1_000, 2_000, 3_000]);
}

in_every_world! {
    sleeps_last_as_long_as_the_hosts_own_clock_says,
    armed_alarm_follows_a_change_of_rate_either_way,
    wall_clock_goes_wrong_without_the_monotonic_one_and_the_other_way_round,
    drift_of_one_host_leaves_another_alone,
}
