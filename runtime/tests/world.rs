//! The same programs in a world, and what only a world does to them.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "in a normal build the names are tokio's own")]

mod programs;

#[path = "world/datagrams.rs"]
mod datagrams;
#[path = "world/disk.rs"]
mod disk;
#[path = "world/hosts.rs"]
mod hosts;

use std::cell::RefCell;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;

use sim::World as _;
use sim::engine::{EngineSettings, EngineWorld};
use squall_runtime::task::JoinSet;

fn world(seed: u64) -> EngineWorld {
    EngineWorld::new(seed, EngineSettings::default())
}

/// Runs a program on a host of its own; it must end. Gives its result and the hash of what happened.
fn run<T, Fut>(seed: u64, program: impl Fn() -> Fut + 'static) -> (T, u64)
where
    T: 'static,
    Fut: Future<Output = T> + 'static,
{
    let mut world = world(seed);
    let result = Rc::new(RefCell::new(None));
    let (program, place) = (Rc::new(program), Rc::clone(&result));
    world.host("host", move |_| {
        let (program, place) = (Rc::clone(&program), Rc::clone(&place));
        async move {
            let output = program().await;
            *place.borrow_mut() = Some(output);
        }
    });
    world.run_until(60_000, |_| result.borrow().is_some()).unwrap();
    let output = result.take().expect("the program ends within a minute");
    (output, world.trace_hash())
}

/// Two runs of a seed are equal.
fn twice<Fut: Future<Output = ()> + 'static>(program: impl Fn() -> Fut + Clone + 'static) {
    for seed in 0..20 {
        let (first, second) = (run(seed, program.clone()).1, run(seed, program.clone()).1);
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn watchers_are_woken_in_an_order_that_the_seed_decides() {
    let own = |seed| run(seed, || async { order_of_watchers!(squall_runtime::sync::watch) }).0;
    for seed in 0..5 {
        assert_eq!(own(seed), own(seed), "seed {seed}");
    }
    assert!((1..5).any(|seed| own(seed) != own(0)), "the host draws who is polled first");
    // tokio's own, for which no seed decides: the name is worth having.
    let tokios = |seed| run(seed, || async { order_of_watchers!(tokio::sync::watch) }).0;
    assert!((0..5).any(|seed| tokios(seed) != tokios(seed)));
}

#[test]
fn streams() {
    twice(programs::streams);
}

#[test]
fn datagrams_of_one_host() {
    twice(programs::datagrams);
}

#[test]
fn clocks() {
    twice(programs::clocks);
}

#[test]
fn tasks() {
    twice(programs::tasks);
}

#[test]
fn files() {
    twice(|| programs::files(Path::new("/")));
}

#[test]
fn choices_are_the_seeds() {
    for seed in 0..5 {
        let first = run(seed, programs::choices);
        assert_eq!(first, run(seed, programs::choices));
        assert_ne!(first.0, run(seed + 100, programs::choices).0);
    }
}

#[test]
fn programs_run_beside_each_other() {
    twice(|| async {
        let mut set = JoinSet::new();
        set.spawn(programs::streams());
        set.spawn(programs::clocks());
        set.spawn(programs::tasks());
        set.spawn(programs::datagrams());
        set.spawn(programs::files(Path::new("/data/..")));
        set.join_all().await;
    });
}
