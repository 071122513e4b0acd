//! The tree of a hundred thousand nodes: changes, reads and snapshots.

use std::collections::BTreeMap;
use std::hint::black_box;

use benches::samples::{
    DIRECTORIES, create_txn, delete_txn, multi_txn, node_path, set_txn, tree_with,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keeper_core::log::{SnapshotReader, SnapshotWriter};
use keeper_core::txn::Txn;

const NODES: u64 = 100_000;
/// Bytes of a snapshot that are made at a time.
const CHUNK_BYTES: usize = 64 << 10;

fn changes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Elements(1));
    let mut tree = tree_with(NODES);
    let mut zxid = DIRECTORIES + NODES;
    group.bench_function("create and delete", |bencher| {
        bencher.iter(|| {
            // Both, so that the tree keeps its size however often this is done.
            zxid += 2;
            let path_number = NODES + zxid;
            let create = Txn { header: create_txn(zxid - 1).header, ..create_txn(path_number) };
            assert!(tree.apply(&create).result.code().is_ok());
            assert!(tree.apply(&delete_txn(zxid, path_number)).result.code().is_ok());
        });
    });
    group.bench_function("set", |bencher| {
        bencher.iter(|| {
            zxid += 1;
            tree.apply(black_box(&set_txn(zxid, zxid * 7_919 % NODES)))
        });
    });
    group.throughput(Throughput::Elements(10));
    group.bench_function("multi of 10 sets", |bencher| {
        bencher.iter(|| {
            zxid += 1;
            tree.apply(black_box(&multi_txn(zxid, 10, NODES)))
        });
    });
    group.throughput(Throughput::Elements(1));
    let paths: Vec<String> = (0..NODES).step_by(97).map(node_path).collect();
    let mut turn = 0;
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            turn += 1;
            let view = tree.get(black_box(&paths[turn % paths.len()])).expect("it was created");
            (view.stat(), view.data().clone())
        });
    });
    group.finish();
}

fn snapshots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree");
    group.sample_size(10);
    let mut tree = tree_with(NODES);
    group.throughput(Throughput::Elements(tree.node_count() as u64));
    group.bench_function("snapshot of 100 000 nodes, in chunks", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            let mut writer = SnapshotWriter::file(&mut tree, &BTreeMap::new(), &mut out);
            while !writer.chunk(&mut tree, CHUNK_BYTES, &mut out) {}
            out.len()
        });
    });
    let mut file = Vec::new();
    let mut writer = SnapshotWriter::file(&mut tree, &BTreeMap::new(), &mut file);
    let zxid = writer.zxid();
    while !writer.chunk(&mut tree, CHUNK_BYTES, &mut file) {}
    group.bench_function("reading it back", |bencher| {
        bencher.iter_batched(
            SnapshotReader::file,
            |mut reader| {
                for chunk in file.chunks(CHUNK_BYTES) {
                    reader.push(chunk).expect("it was written");
                }
                reader.finish(zxid).expect("it was written")
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, changes, snapshots);
criterion_main!(benches);
