//! One program and one seed make one trace: twice in a process, beside other runs, in two
//! processes.

use std::collections::HashMap;

use platform::Platform;
use sim::trace::first_difference;
use sim::{EngineKind, Host, Settings, World};

use crate::programs::busy::{self, Run};

fn busy_run<W: World>(seed: u64, program: impl Fn(&mut W)) -> Run {
    let world = W::build(seed, Settings { keep_trace: true, ..Settings::default() });
    // turmoil seeds tokio's own generator.
    busy::run(world, W::KIND != EngineKind::Turmoil, program)
}

fn hash<W: World>(seed: u64) -> u64 {
    busy_run::<W>(seed, |_| {}).hash
}

fn same_seed_twice_is_the_same_run_to_the_last_event<W: World>() {
    let (a, b) = (busy_run::<W>(1, |_| {}), busy_run::<W>(1, |_| {}));
    if let Some((number, a, b)) = first_difference(&a.events, &b.events) {
        panic!("event {number} differs:\n{a:?}\n{b:?}");
    }
    assert_eq!(a.hash, b.hash);
    assert!(a.events.len() > 10_000, "the run is worth comparing: {} events", a.events.len());
    assert_ne!(a.hash, hash::<W>(2), "another seed is another run");
}

fn runs_side_by_side_do_not_influence_each_other<W: World>() {
    let alone: Vec<u64> = (10..16).map(hash::<W>).collect();
    let together: Vec<u64> = std::thread::scope(|scope| {
        let runs: Vec<_> = (10..16).map(|seed| scope.spawn(move || hash::<W>(seed))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

const CHILD: &str = "SIM_TEST_DETERMINISM_CHILD";

fn another_process_makes_the_same_run<W: World>() {
    let own = format!("hash {:016x} {:016x}", hash::<W>(20), hash::<W>(21));
    if std::env::var_os(CHILD).is_some() {
        println!("{own}");
        return;
    }
    let name = format!("determinism::on_{}::another_process_makes_the_same_run", W::KIND);
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains(&own), "{own} is not in {stdout}");
}

/// The proof that the comparison can fail: a program with the classic mistake.
#[allow(clippy::disallowed_methods, reason = "the mistake is the point")]
fn iterating_a_hash_map_shows_as_a_difference<W: World>() {
    let with_hash_map = |_: u32| {
        let planted = |world: &mut W| {
            world.host("planted", |platform| async move {
                let map: HashMap<u32, u32> = (0..20).map(|n| (n, n)).collect();
                platform.sleep_ms(500).await;
                for key in map.keys() {
                    platform.record(3, &key.to_le_bytes());
                }
            });
        };
        busy_run(1, planted)
    };
    let first = with_hash_map(0);
    let differs = (1..5).map(with_hash_map).find(|other| other.hash != first.hash);
    let other = differs.expect("twenty keys come in the same order with one chance in 20!");
    let (_, a, _) = first_difference(&first.events, &other.events).unwrap();
    assert_eq!(a.unwrap().kind, sim::trace::Kind::Own(3), "the first difference is the mistake");
}

in_every_world! {
    same_seed_twice_is_the_same_run_to_the_last_event,
    runs_side_by_side_do_not_influence_each_other,
    another_process_makes_the_same_run,
    iterating_a_hash_map_shows_as_a_difference,
}
