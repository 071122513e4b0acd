//! The transaction log: appending, and what a start makes of a segment, both in memory.

use std::hint::black_box;

use benches::samples::{create_txn, directory_txns};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keeper_core::ids::Zxid;
use keeper_core::log::{FileName, Recovery, Rule, append_header, append_record};
use keeper_core::txn::{Txn, encode_txn};

/// Transactions of the segment that is recovered.
const RECORDS: u64 = 20_000;

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

fn segment() -> Vec<u8> {
    let mut file = Vec::new();
    append_header(&mut file, Zxid::ZERO);
    let directories = directory_txns();
    let made = directories.len() as u64;
    let nodes = (1..=RECORDS - made).map(|number| {
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
    file
}

fn recover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS));
    let file = segment();
    let name = FileName::Log(Zxid(1));
    group.bench_function("recover a segment of 20 000 records", |bencher| {
        bencher.iter(|| {
            let mut recovery = Recovery::new([name.to_string()], Rule::default());
            recovery.feed(name, black_box(&file)).expect("the segment is whole");
            let recovered = recovery.finish().expect("the segment begins at the beginning");
            assert_eq!(recovered.last_zxid(), Zxid(RECORDS));
            recovered
        });
    });
    group.finish();
}

criterion_group!(benches, append, recover);
criterion_main!(benches);
