//! The checkers: the zxid witness over ten thousand operations of a simulated run, and the search
//! over concurrent histories of a register.

use std::hint::black_box;

use benches::samples::register_calls;
use benches::sim::speed::plan;
use checker::linear::{Budget, check_calls};
use checker::model::register::{CasRegister, FailedCas};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harness::RunOptions;
use harness::run::run;
use scenarios::KEEPER;
use scenarios::convert;
use scenarios::znode::{check_all, witness};

/// Requests per simulated second and simulated seconds that make ten thousand operations.
const LOAD: (u64, u64) = (2_000, 7);

fn by_witness(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checker");
    group.sample_size(10);
    let (rate, seconds) = LOAD;
    let history =
        convert::history(&run(&KEEPER, &plan(rate, seconds), &RunOptions::default()).record);
    assert!(history.operations.len() >= 10_000 && witness::check(&history).is_valid());
    group.throughput(Throughput::Elements(history.operations.len() as u64));
    group.bench_function("zxid witness over 10 000 operations", |bencher| {
        bencher.iter(|| witness::check(black_box(&history)));
    });
    group.bench_function("every guarantee over 10 000 operations", |bencher| {
        bencher.iter(|| check_all(black_box(&history)));
    });
    group.finish();
}

fn by_search(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checker");
    let model = CasRegister { failed_cas: FailedCas::FoundAnother };
    for (clients, count) in [(4, 1_000), (12, 1_000)] {
        let calls = register_calls(count, clients);
        let decide = |calls: &[_]| check_calls(&model, "x", calls, Budget::default());
        assert!(decide(&calls).is_valid());
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("search, register, {clients} at a time"), |bencher| {
            bencher.iter(|| decide(black_box(&calls)));
        });
    }
    group.finish();
}

criterion_group!(benches, by_witness, by_search);
criterion_main!(benches);
