//! The transaction log: appending, what a start makes of a segment, and how long a server takes from a log of a
//! million records to serving; all in memory.

use std::hint::black_box;

use benches::samples::{create_txn, directory_txns};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keeper_core::effect::Effect;
use keeper_core::event::Event;
use keeper_core::ids::{ServerId, Zxid};
use keeper_core::log::{FileName, Recovery, Rule, append_header, append_record};
use keeper_core::replica::{Recovered, Replica};
use keeper_core::time::Now;
use keeper_core::txn::{Txn, encode_txn};
use keeper_core::zab::ensemble::{Ensemble, Settings};
use probe::Off;

/// Transactions of the segment that is recovered.
const RECORDS: u64 = 20_000;
/// Transactions of the log with which a server begins to serve.
const HISTORY: u64 = 1_000_000;

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(1));
    let txn = create_txn(7);
    group.bench_function("encode and append a record", |bencher| {
        let (mut encoded, mut out) = (Vec::with_capacity(512), Vec::with_capacity(512));
        bencher.iter(|| {
            encoded.clear();
            out.clear();
            encode_txn(black_box(&txn), None, &mut encoded);
            append_record(&mut out, &encoded, Zxid::ZERO);
            out.len()
        });
    });
    group.finish();
}

fn segment(records: u64) -> Bytes {
    let mut file = Vec::new();
    append_header(&mut file, Zxid::ZERO);
    let directories = directory_txns();
    let made = directories.len() as u64;
    let nodes = (1..=records - made).map(|number| {
        let mut txn = create_txn(number);
        txn.header.zxid = Zxid(made + number);
        txn
    });
    let mut encoded = Vec::new();
    for txn in directories.into_iter().chain(nodes).collect::<Vec<Txn>>() {
        encoded.clear();
        encode_txn(&txn, None, &mut encoded);
        append_record(&mut file, &encoded, Zxid::ZERO);
    }
    file.into()
}

fn recovered(file: &Bytes) -> Recovered {
    let name = FileName::Log(Zxid(1));
    let mut recovery = Recovery::new([name.to_string()], Rule::default());
    recovery.feed(name, file).expect("the segment is whole");
    let log = recovery.finish().expect("the segment begins at the beginning");
    Recovered { tail: log.tail, ..Recovered::empty() }
}

/// A server that stands alone, from its log to serving, on a disk that takes no time.
fn serving(file: &Bytes) -> Replica {
    let me = ServerId(1);
    let (voters, config_text) = ([me].into(), String::new());
    let ensemble = Ensemble { me, voters, config_text, config_version: 0 };
    let mut now = Now { mono_ms: 0, wall_ms: 0 };
    let settings = Settings::default();
    let mut replica = Replica::new(now, ensemble, settings, recovered(file), 0, Off);
    let mut effects = Vec::new();
    replica.start(now, &mut effects);
    while !replica.is_serving() {
        let token = |effect| match effect {
            Effect::Disk { token, .. } => Some(token),
            _ => None,
        };
        let event = match effects.drain(..).filter_map(token).last() {
            Some(token) => Event::Persisted { token },
            None => Event::Tick,
        };
        now.mono_ms = now.mono_ms.max(replica.deadline_ms().unwrap_or(0));
        replica.step(now, event, &mut effects);
    }
    replica
}

fn recover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS));
    let file = segment(RECORDS);
    group.bench_function("recover a segment of 20 000 records", |bencher| {
        bencher.iter(|| {
            let recovered = recovered(black_box(&file));
            assert_eq!(recovered.last_zxid(), Zxid(RECORDS));
            recovered
        });
    });
    group.throughput(Throughput::Elements(HISTORY));
    let file = segment(HISTORY);
    group.bench_function("serve from a log of 1 000 000 records", |bencher| {
        bencher.iter_with_large_drop(|| {
            let replica = serving(black_box(&file));
            assert_eq!(replica.applied(), Zxid(HISTORY));
            replica
        });
    });
    group.finish();
}

criterion_group!(benches, append, recover);
criterion_main!(benches);
