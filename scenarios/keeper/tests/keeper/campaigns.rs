//! Campaigns of all scenarios and the corpus: shards together are the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use harness::campaign::{Campaign, Origin};
use harness::partition::Partition;

use crate::support::SYSTEMS;

fn campaign(runs: u64) -> Campaign {
    Campaign { runs: Some(runs), corpus: false, ..Campaign::of(SYSTEMS) }
}

#[test]
fn plans_are_a_function_of_seed_and_position() {
    let one = campaign(1);
    assert_eq!(one.plan(7), campaign(100).plan(7));
    let scenarios: BTreeSet<String> = (0..7).map(|n| one.plan(n).scenario).collect();
    assert_eq!(scenarios.len(), 7);
    let planted = Campaign { plant: Some("ack-before-fsync".to_owned()), ..campaign(1) };
    assert_eq!(planted.plan(0).plant.as_deref(), Some("ack-before-fsync"));
}

#[test]
fn shards_together_perform_the_corpus_once() {
    let never = AtomicBool::new(false);
    let corpus: Vec<&str> = SYSTEMS.corpus().iter().map(|entry| entry.name).collect();
    let mut performed: BTreeMap<&str, u32> = BTreeMap::new();
    for number in 1..=5 {
        let partition = Partition::new(number, 5).unwrap();
        let shard = Campaign { partition, corpus: true, twice_every: 0, ..campaign(0) };
        shard.run(&never, &mut |finished| {
            let Origin::Corpus(name) = finished.origin else { panic!("{:?}", finished.origin) };
            *performed.entry(name).or_default() += 1;
            ControlFlow::Continue(())
        });
    }
    assert!(performed.values().all(|count| *count == 1), "{performed:?}");
    assert_eq!(performed.into_keys().collect::<Vec<_>>(), corpus);
}
