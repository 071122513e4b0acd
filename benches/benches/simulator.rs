//! One short simulated run of five servers and five clients, from plan to record.

use std::hint::black_box;

use benches::sim::speed::plan;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harness::RunOptions;
use harness::run::run;
use scenarios::KEEPER;

/// Simulated seconds.
const SECONDS: u64 = 4;

fn short_plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SECONDS));
    let plan = plan(100, SECONDS);
    group.bench_function("4 simulated seconds, 100 requests/s", |bencher| {
        bencher.iter(|| run(&KEEPER, black_box(&plan), &RunOptions::default()).record.trace_hash);
    });
    group.finish();
}

criterion_group!(benches, short_plan);
criterion_main!(benches);
