//! The tokio platform keeps the contract of the trait, on both flavours of the runtime.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io;
use std::time::Duration;

use platform::tokio_platform::TokioPlatform;
use platform::{Elapsed, File, Files, Listener, Platform, Stream, Task, Timer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// Runs an async test body on one thread and on two.
fn on_both_flavours<F: Future<Output = ()>>(body: impl Fn(TokioPlatform) -> F) {
    for threads in [0, 2] {
        let mut builder = match threads {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder.enable_all().build().expect("a runtime starts");
        let platform = TokioPlatform::new().expect("the disk thread starts");
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), body(platform)).await.expect("hangs");
        });
    }
}

#[test]
fn echoes_over_loopback_and_half_closes() {
    on_both_flavours(|platform| async move {
        let mut listener = platform.listen("127.0.0.1", 0).await.unwrap();
        let port = listener.port();
        assert_ne!(port, 0);
        platform.spawn(async move {
            let stream = listener.accept().await.unwrap();
            assert!(stream.nodelay().unwrap());
            let (mut read, mut write) = Stream::into_split(stream);
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        let stream = platform.connect("127.0.0.1", port).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(Stream::peer_addr(&stream).unwrap().port(), port);
        let (mut read, mut write) = Stream::into_split(stream);
        let sent: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        platform.spawn(async move {
            write.write_all(&sent).await.unwrap();
            // Dropping the writing half ends the peer's reading.
        });
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, expected);
    });
}

#[test]
fn connect_to_a_closed_port_is_refused() {
    on_both_flavours(|platform| async move {
        let port = platform.listen("127.0.0.1", 0).await.unwrap().port();
        let error = platform.connect("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn alarm_fires_not_before_its_time_and_can_be_moved_and_disarmed() {
    on_both_flavours(|platform| async move {
        let start = platform.now();
        let mut timer = platform.timer();
        timer.set(Some(start.after_ms(10_000)));
        timer.set(Some(start.after_ms(30)));
        timer.fired().await;
        let elapsed_ms = platform.now().ms_since(start);
        assert!((30..5_000).contains(&elapsed_ms), "{elapsed_ms}");
        // Fired means disarmed; so does `None`.
        assert_eq!(platform.timeout(20, timer.fired()).await, Err(Elapsed));
        timer.set(Some(platform.now().after_ms(5)));
        timer.set(None);
        assert_eq!(platform.timeout(20, timer.fired()).await, Err(Elapsed));
        // A time in the past fires at once, the end of time never.
        timer.set(Some(start));
        timer.fired().await;
        timer.set(Some(platform::Mono(u64::MAX)));
        assert_eq!(platform.timeout(20, timer.fired()).await, Err(Elapsed));
    });
}

#[test]
fn clocks_and_entropy_are_real() {
    on_both_flavours(|platform| async move {
        let (mono, wall) = (platform.now(), platform.wall_ns());
        platform.sleep_ms(15).await;
        assert!(platform.now().ms_since(mono) >= 15);
        assert!(platform.wall_ns() > wall);
        assert!(wall > 1_600_000_000_000_000_000, "the wall clock counts from 1970");
        let (mut a, mut b) = ([0; 32], [0; 32]);
        platform.fill(&mut a);
        platform.fill(&mut b);
        assert_ne!(a, b);
    });
}

#[test]
fn aborted_task_ends_and_a_dropped_handle_detaches() {
    on_both_flavours(|platform| async move {
        let (alive, ended) = oneshot::channel::<()>();
        let task = platform.spawn(async move {
            std::future::pending::<()>().await;
            drop(alive);
        });
        task.abort();
        assert!(ended.await.is_err());
        let (done, detached) = oneshot::channel();
        let sleeper = platform.clone();
        drop(platform.spawn(async move {
            sleeper.sleep_ms(5).await;
            done.send(7).unwrap();
        }));
        assert_eq!(detached.await, Ok(7));
    });
}

#[test]
fn files_keep_their_contract() {
    on_both_flavours(|platform| async move {
        let root = tempfile::tempdir().unwrap();
        let dir = format!("{}/a/b", root.path().to_str().unwrap());
        let files = platform.files();
        files.create_dir_all(&dir).await.unwrap();
        let path = format!("{dir}/log");
        let mut file = files.create(&path).await.unwrap();
        file.append(b"hello ".to_vec());
        file.append(b"world".to_vec());
        file.sync().await.unwrap();
        assert_eq!(files.read(&path).await.unwrap(), b"hello world");
        assert_eq!(files.read_at(&path, 6, 3).await.unwrap(), b"wor");
        assert_eq!(files.read_at(&path, 9, 30).await.unwrap(), b"ld");
        assert_eq!(files.read_at(&path, 99, 3).await.unwrap(), b"");

        // Cutting and appending keep their order; a flush makes them visible.
        file.truncate(5);
        file.append(b"!".to_vec());
        file.flush().await.unwrap();
        assert_eq!(files.read(&path).await.unwrap(), b"hello!");
        drop(file);

        let mut again = files.open_append(&path).await.unwrap();
        again.write_at(1, b"ipp".to_vec());
        again.append(b"?".to_vec());
        again.sync().await.unwrap();
        assert_eq!(files.read(&path).await.unwrap(), b"hippo!?", "appends go to the end as before");

        let moved = format!("{dir}/moved");
        files.rename(&path, &moved).await.unwrap();
        files.create(&format!("{dir}/empty")).await.unwrap();
        files.sync_dir(&dir).await.unwrap();
        assert_eq!(files.list(&dir).await.unwrap(), ["empty", "moved"]);
        // Creating an existing file empties it; the old handle still writes to its own file.
        files.create(&moved).await.unwrap();
        assert_eq!(files.len(&moved).await.unwrap(), 0);
        files.remove(&moved).await.unwrap();
        assert_eq!(files.list(&dir).await.unwrap(), ["empty"]);
    });
}

#[test]
fn file_errors_carry_their_errno() {
    on_both_flavours(|platform| async move {
        let root = tempfile::tempdir().unwrap();
        let missing = format!("{}/missing", root.path().to_str().unwrap());
        let files = platform.files();
        assert_eq!(files.read(&missing).await.unwrap_err().raw_os_error(), Some(2));
        let error = files.open_append(&missing).await.err().unwrap();
        assert_eq!(error.raw_os_error(), Some(2));
        assert_eq!(files.sync_dir(&missing).await.unwrap_err().raw_os_error(), Some(2));
    });
}

#[test]
fn dropped_sync_still_happens_in_order() {
    on_both_flavours(|platform| async move {
        let root = tempfile::tempdir().unwrap();
        let path = format!("{}/log", root.path().to_str().unwrap());
        let files = platform.files();
        let mut file = files.create(&path).await.unwrap();
        for byte in 0..100u8 {
            file.append(vec![byte; 10]);
            let _ = platform.timeout(0, file.sync()).await;
        }
        file.sync().await.unwrap();
        let expected: Vec<u8> = (0..100u8).flat_map(|byte| [byte; 10]).collect();
        assert_eq!(files.read(&path).await.unwrap(), expected);
    });
}

const PANIC_CHILD: &str = "PLATFORM_TEST_PANIC_CHILD";

#[test]
fn panic_in_a_task_ends_the_process() {
    if std::env::var_os(PANIC_CHILD).is_some() {
        on_both_flavours(|platform| async move {
            platform.spawn(async { panic!("a bug in a task") });
            platform.sleep_ms(10_000).await;
        });
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panic_in_a_task_ends_the_process", "--nocapture"])
        .env(PANIC_CHILD, "1")
        .output()
        .unwrap();
    // An abort is a signal: there is no exit code.
    assert_eq!(output.status.code(), None, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("a bug in a task"));
}
