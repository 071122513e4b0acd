//! The programs run for real, on tokio: in a normal build by its own items, in a simulated one because
//! no world is around them.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "in a normal build the names are tokio's own")]

mod programs;

use std::future::Future;

fn on_tokio(work: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(work);
}

#[test]
fn streams() {
    on_tokio(programs::streams());
}

#[test]
fn watchers_all_wake() {
    on_tokio(async {
        let mut order: Vec<u32> = order_of_watchers!(squall_runtime::sync::watch);
        order.sort_unstable();
        assert_eq!(order, (0..24).map(|number| number / 2).collect::<Vec<_>>());
    });
}

#[test]
fn datagrams() {
    on_tokio(programs::datagrams());
}

#[test]
fn clocks() {
    on_tokio(programs::clocks());
}

#[test]
fn tasks() {
    on_tokio(programs::tasks());
}

#[test]
fn choices() {
    on_tokio(async {
        let (first, second) = (programs::choices().await, programs::choices().await);
        assert_ne!(first, second, "the system's randomness repeats nothing");
    });
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    on_tokio(programs::files(dir.path()));
}

#[test]
fn panic_of_a_task_is_its_join_error() {
    on_tokio(async {
        let error = squall_runtime::spawn(async { panic!("on purpose") }).await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "on purpose");
    });
}

#[test]
fn blocking_work_runs_on_a_thread() {
    on_tokio(async {
        let thread = std::thread::current().id();
        let other = squall_runtime::task::spawn_blocking(|| std::thread::current().id()).await;
        assert_ne!(other.unwrap(), thread);
    });
}
