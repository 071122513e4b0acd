//! Tasks: interleavings, wakers, destructors, and what a task must not do.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use platform::{Platform, Stream, Task, Timer};
use sim::engine::platform::EnginePlatform;
use sim::engine::{EngineSettings, EngineWorld};
use sim::world::Settings;
use sim::{HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::common::{Log, PORT, echo_server, world};

const HOST: HostId = HostId(0);

/// The order in which six tasks that wake at the same instants say their numbers, three times.
fn interleaving(seed: u64, random_order: bool, others: usize) -> Vec<u32> {
    let common = Settings { random_order, ..Settings::default() };
    let mut world = EngineWorld::new(seed, common);
    let order = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&order);
    world.host("host", move |platform| {
        let order = Arc::clone(&own);
        async move {
            for number in 0..6 {
                let order = Arc::clone(&order);
                platform.spawn(async move {
                    for _ in 0..3 {
                        platform.sleep_ms(10).await;
                        order.lock().unwrap().push(number);
                    }
                });
            }
        }
    });
    for other in 0..others {
        world.host(&format!("other {other}"), |platform| async move {
            for _ in 0..5 {
                platform.spawn(async move { platform.sleep_ms(10).await });
            }
        });
    }
    world.run_until_ms(100).unwrap();
    let order = order.lock().unwrap().clone();
    assert_eq!(order.len(), 18);
    order
}

#[test]
fn seeds_explore_interleavings_in_every_round() {
    let orders: Vec<Vec<u32>> = (0..300).map(|seed| interleaving(seed, true, 0)).collect();
    for round in [0..6, 6..12, 12..18] {
        let distinct: BTreeSet<&[u32]> = orders.iter().map(|order| &order[round.clone()]).collect();
        // 300 draws of 720 orders give 245 distinct ones on average.
        assert!(distinct.len() > 215, "{}", distinct.len());
    }
    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 300);
    assert_eq!(interleaving(1, false, 0), interleaving(2, false, 0), "without it they are all one");
}

#[test]
fn interleaving_on_a_host_does_not_depend_on_other_hosts() {
    for seed in 0..20 {
        assert_eq!(interleaving(seed, true, 0), interleaving(seed, true, 3));
    }
}

#[test]
fn killed_tasks_are_dropped_in_the_order_of_their_birth_and_what_they_start_dying_never_runs() {
    struct Tomb {
        number: u32,
        dead: Arc<Mutex<Vec<u32>>>,
        platform: EnginePlatform,
    }
    impl Drop for Tomb {
        fn drop(&mut self) {
            self.dead.lock().unwrap().push(self.number);
            let dead = Arc::clone(&self.dead);
            self.platform.spawn(async move { dead.lock().unwrap().push(1_000) });
        }
    }
    let mut world = world(1);
    let dead = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&dead);
    world.host("host", move |platform| {
        let dead = Arc::clone(&own);
        async move {
            let mut tasks = Vec::new();
            for number in 0..50 {
                let tomb = Tomb { number, dead: Arc::clone(&dead), platform };
                tasks.push(platform.spawn(async move {
                    let _tomb = tomb;
                    std::future::pending::<()>().await;
                }));
            }
            // Later births take the places of earlier deaths.
            for number in [7, 3, 20] {
                tasks[number].abort();
            }
            platform.sleep_ms(1).await;
            for number in 50..55 {
                let tomb = Tomb { number, dead: Arc::clone(&dead), platform };
                platform.spawn(async move {
                    let _tomb = tomb;
                    std::future::pending::<()>().await;
                });
            }
            std::future::pending::<()>().await;
        }
    });
    world.run_until_ms(10).unwrap();
    let aborted: BTreeSet<u32> = dead.lock().unwrap().drain(..).filter(|n| *n < 1_000).collect();
    assert_eq!(aborted, BTreeSet::from([3, 7, 20]));
    world.crash(HOST).unwrap();
    world.run_until_ms(20).unwrap();
    let expected: Vec<u32> = (0..55).filter(|number| !aborted.contains(number)).collect();
    assert_eq!(*dead.lock().unwrap(), expected);
    assert_eq!(world.census().tasks, 0);
}

#[test]
fn wake_from_another_thread_fails_the_run() {
    let mut world = world(1);
    let sender = Arc::new(Mutex::new(None));
    let own = Arc::clone(&sender);
    world.host("host", move |_| {
        let own = Arc::clone(&own);
        async move {
            let (send, receive) = oneshot::channel::<()>();
            *own.lock().unwrap() = Some(send);
            receive.await.unwrap();
        }
    });
    world.run_until_ms(10).unwrap();
    let send = sender.lock().unwrap().take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || send.send(()).unwrap());
    });
    let error = world.run_until_ms(20).unwrap_err();
    assert!(error.message.contains("another thread"), "{error}");
    assert_eq!(world.step().unwrap_err(), error);
}

#[test]
fn wake_by_the_harness_between_runs_is_kept() {
    let mut world = world(1);
    let log = Log::default();
    let (send, receive) = mpsc::unbounded_channel::<u32>();
    let (own, receive) = (log.clone(), Rc::new(RefCell::new(Some(receive))));
    world.host("host", move |platform| {
        let (log, receive) = (own.clone(), receive.take());
        async move {
            let mut receive = receive.unwrap();
            while let Some(number) = receive.recv().await {
                log.add(&platform, format!("{number}"));
            }
        }
    });
    world.run_until_ms(10).unwrap();
    send.send(7).unwrap();
    world.run_until_ms(20).unwrap();
    send.send(8).unwrap();
    world.step().unwrap();
    assert_eq!(log.all(), [(10, "7".to_owned()), (20, "8".to_owned())]);
}

#[test]
fn livelock_is_told_and_a_long_but_finite_instant_is_not() {
    let settings = EngineSettings { polls_per_instant_max: 1_000, ..EngineSettings::default() };
    let run = |yields: u32| {
        let mut world = EngineWorld::new(1, settings.clone());
        world.host("host", move |_| async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
        });
        world.run_until_ms(10)
    };
    run(900).unwrap();
    let error = run(u32::MAX).unwrap_err();
    assert!(error.message.contains("livelock"), "{error}");
    assert_eq!(error.host_name.as_deref(), Some("host"));
}

#[test]
fn polls_of_different_instants_are_not_counted_together() {
    let settings = EngineSettings { polls_per_instant_max: 10, ..EngineSettings::default() };
    let mut world = EngineWorld::new(1, settings);
    world.host("host", |platform| async move {
        for _ in 0..1_000 {
            platform.sleep_ms(1).await;
        }
    });
    world.run_until_ms(2_000).unwrap();
}

#[test]
#[should_panic(expected = "outside of tokio's runtimes")]
fn engine_refuses_to_run_inside_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = world(1);
        let _ = world.run_until_ms(1);
    });
}

/// Sets a flag, then wakes the waker that it wraps: what a combinator with wakers of its own does.
struct Wrapper {
    woken: AtomicBool,
    outer: Waker,
}

impl Wake for Wrapper {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.outer.wake_by_ref();
    }
}

/// Polls `work` with a waker of its own, and only when that was woken.
async fn wrapped<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut wrapper: Option<Arc<Wrapper>> = None;
    poll_fn(|cx| {
        let is_first = wrapper.is_none();
        let own = wrapper.get_or_insert_with(|| {
            Arc::new(Wrapper { woken: AtomicBool::new(false), outer: cx.waker().clone() })
        });
        if !own.woken.swap(false, Ordering::Relaxed) && !is_first {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(own));
        work.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

#[test]
fn wakers_that_combinators_make_are_woken_too() {
    let mut world = world(1);
    let log = Log::default();
    world.host("server", echo_server);
    let own = log.clone();
    world.host("client", move |platform| {
        let log = own.clone();
        async move {
            wrapped(platform.sleep_ms(10)).await;
            let mut stream = wrapped(platform.connect("server", PORT)).await.unwrap();
            wrapped(stream.write_all(&[1; 1_000_000])).await.unwrap_err();
            log.add(&platform, "unreachable");
        }
    });
    let own = log.clone();
    world.host("reader", move |platform| {
        let log = own.clone();
        async move {
            platform.sleep_ms(10).await;
            let stream = wrapped(platform.connect("server", PORT)).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            platform.spawn(async move {
                wrapped(write.write_all(&[1; 1_000_000])).await.unwrap();
                platform.sleep_ms(1_000).await;
            });
            let mut all = vec![0; 1_000_000];
            wrapped(read.read_exact(&mut all)).await.unwrap();
            let mut file = wrapped(platform::Files::create(&platform.files(), "f")).await.unwrap();
            wrapped(platform::File::sync(&mut file)).await.unwrap();
            log.add(&platform, "all");
        }
    });
    world.run_until_ms(1_000).unwrap();
    assert_eq!(log.texts(), ["all"], "the client never reads: echo and it wait for each other");
}

#[test]
fn worlds_may_nest() {
    let mut outer = world(1);
    let log = Log::default();
    let own = log.clone();
    outer.host("outer", move |platform| {
        let log = own.clone();
        async move {
            let notify = Arc::new(Notify::new());
            let inner_notify = Arc::clone(&notify);
            platform.spawn({
                let (notify, log) = (Arc::clone(&notify), log.clone());
                async move {
                    notify.notified().await;
                    log.add(&platform, "woken from the inner world");
                }
            });
            platform.sleep_ms(5).await;
            let mut inner = world(2);
            inner.host("inner", move |platform| {
                let notify = Arc::clone(&inner_notify);
                async move {
                    platform.sleep_ms(100).await;
                    notify.notify_waiters();
                }
            });
            inner.run_until_ms(200).unwrap();
            log.add(&platform, "inner is over");
            platform.sleep_ms(5).await;
        }
    });
    outer.run_until_ms(20).unwrap();
    let expected = [(5, "inner is over"), (5, "woken from the inner world")];
    assert_eq!(log.all(), expected.map(|(at, what)| (at, what.to_owned())));
}

#[test]
fn handles_may_outlive_their_program_and_their_world() {
    type Kept = (sim::engine::EngineStream, sim::engine::platform::EngineTimer, EnginePlatform);
    let kept: Rc<RefCell<Vec<Kept>>> = Rc::default();
    let mut world = world(1);
    world.host("server", echo_server);
    let own = Rc::clone(&kept);
    let client = world.host("client", move |platform| {
        let own = Rc::clone(&own);
        async move {
            let stream = platform.connect("server", PORT).await.unwrap();
            let mut timer = platform.timer();
            timer.set(Some(platform.now().after_ms(1_000)));
            own.borrow_mut().push((stream, timer, platform));
        }
    });
    world.run_until_ms(100).unwrap();
    assert_eq!(world.connection_ends(), 2);
    world.crash(client).unwrap();
    world.run_until_ms(200).unwrap();
    assert_eq!(world.connection_ends(), 0, "the kernel closed what the program left");
    world.restart(client).unwrap();
    world.run_until_ms(300).unwrap();
    assert_eq!((world.connection_ends(), kept.borrow().len()), (2, 2));
    drop(kept.borrow_mut().pop());
    drop(world);
    let (stream, timer, platform) = kept.borrow_mut().pop().unwrap();
    drop((stream, timer));
    platform.spawn(async { unreachable!("its world is over") }).abort();
}

#[test]
fn programs_are_dropped_with_their_world() {
    let alive = Arc::new(());
    let mut world = world(1);
    let own = Arc::clone(&alive);
    world.host("host", move |platform| {
        let own = Arc::clone(&own);
        async move {
            let inner = Arc::clone(&own);
            platform.spawn(async move {
                let _inner = inner;
                std::future::pending::<()>().await;
            });
            let _own = own;
            std::future::pending::<()>().await;
        }
    });
    world.run_until_ms(10).unwrap();
    assert_eq!(Arc::strong_count(&alive), 4);
    drop(world);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn deadlines_that_every_message_moves_do_not_fill_the_agenda() {
    let mut world = world(1);
    world.host("host", |platform| async move {
        let mut moved = platform.timer();
        for turn in 0..50_000u64 {
            moved.set(Some(platform.now().after_ms(30_000)));
            // Dropped early: its entry is useless.
            let limited = platform.timeout(20_000 - turn % 100, std::future::ready(turn)).await;
            assert_eq!(limited, Ok(turn));
            if turn % 100 == 0 {
                platform.sleep_ms(1).await;
            }
        }
    });
    world.run_until_ms(1_000).unwrap();
    let census = world.census();
    assert!(census.events < 1_000, "{census:?}");
    assert_eq!((census.tasks, census.timers), (0, 0));
}

#[test]
fn select_join_and_channels_of_tokio_work() {
    let mut world = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            let (send, mut receive) = mpsc::channel(2);
            platform.spawn(async move {
                for number in 0..1_000 {
                    send.send(number).await.unwrap();
                }
            });
            let mut sum = 0;
            loop {
                tokio::select! {
                    biased;
                    number = receive.recv() => match number {
                        Some(number) => sum += number,
                        None => break,
                    },
                    () = platform.sleep_ms(50) => unreachable!("there is always a number"),
                }
            }
            let (_, ()) = tokio::join!(platform.sleep_ms(20), platform.sleep_ms(30));
            log.add(&platform, format!("{sum}"));
        }
    });
    world.run_until_ms(100).unwrap();
    assert_eq!(log.all(), [(30, "499500".to_owned())]);
}

/// Ready at the second poll, and pending at the first without being woken by anybody but the pause.
struct Twice(bool);

impl Future for Twice {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn paused_host_polls_nothing_not_even_what_was_ready() {
    let mut world = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            log.add(&platform, "started");
            Twice(false).await;
            platform.sleep_ms(5).await;
            log.add(&platform, "slept");
        }
    });
    world.pause(HOST);
    world.run_until_ms(50).unwrap();
    assert_eq!(log.texts(), [""; 0]);
    world.resume(HOST);
    world.run_until_ms(53).unwrap();
    world.pause(HOST);
    world.run_until_ms(100).unwrap();
    world.resume(HOST);
    world.run_until_ms(110).unwrap();
    assert_eq!(log.all(), [(50, "started".to_owned()), (100, "slept".to_owned())]);
}

#[test]
fn time_jumps_over_what_is_idle() {
    let mut world = world(1);
    world.host("host", |platform| async move {
        loop {
            platform.sleep_ms(3_600_000).await;
        }
    });
    // Ten thousand years of an hourly alarm would not end, nor would a millisecond at a time.
    world.run_until_ms(100 * 365 * 24 * 3_600_000).unwrap();
    assert_eq!(world.trace_count(), 1 + 100 * 365 * 24 - 1);
    let before = world.elapsed_ns();
    world.crash(HOST).unwrap();
    // The stale alarm may still be passed.
    world.step().unwrap();
    world.step().unwrap();
    assert!(world.elapsed_ns() > before);
}
