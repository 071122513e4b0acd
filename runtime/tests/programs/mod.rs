//! Ordinary programs, written with the names of this crate as one would write them with tokio's. They
//! check what they do themselves, so that they are run for real and in a world alike.

#![allow(dead_code, reason = "not every test file runs every program")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use squall_runtime::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, copy,
};
use squall_runtime::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
use squall_runtime::sync::mpsc;
use squall_runtime::time::{
    Duration, Instant, MissedTickBehavior, SystemTime, UNIX_EPOCH, interval, sleep, sleep_until,
    system_now, timeout, timeout_at,
};
use squall_runtime::{fs, join, pin, random, select, spawn, task};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Streams: a service and its clients on one host.
pub(crate) async fn streams() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        for _ in 0..3 {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), peer);
            spawn(async move {
                stream.set_nodelay(true).unwrap();
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await.unwrap();
            });
        }
    });

    let stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert_ne!(stream.local_addr().unwrap(), address);
    let (read, mut write) = stream.into_split();
    write.write_all(b"one\ntwo\n").await.unwrap();
    let mut lines = BufReader::new(read).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("two"));
    drop(write);
    assert_eq!(lines.next_line().await.unwrap(), None);

    let socket = TcpSocket::new_v4().unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut buf = [0; 8];
    assert_eq!(stream.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(b"abc").unwrap(), 3);
    stream.readable().await.unwrap();
    assert_eq!(stream.peek(&mut buf[..2]).await.unwrap(), 2);
    assert_eq!(stream.try_read(&mut buf).unwrap(), 3);
    assert_eq!(&buf[..3], b"abc");
    let (read, write) = stream.into_split();
    let mut stream = read.reunite(write).unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut buf).await.unwrap(), 0);

    let port = address.port();
    let by_name = format!("localhost:{port}");
    assert!(lookup_host(&by_name).await.unwrap().any(|found| found.port() == port));
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    server.await.unwrap();
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!("no port".parse::<u16>().is_err() && TcpStream::connect("no port").await.is_err());

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = join!(listener.accept(), TcpStream::connect(address));
    assert_eq!(accepted.unwrap().1, connected.unwrap().local_addr().unwrap());
}

/// Datagrams on one host.
pub(crate) async fn datagrams() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let client = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let mut buf = [0; 16];
    assert_eq!(server.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.send_to(b"ping", address).await.unwrap(), 4);
    server.readable().await.unwrap();
    let (len, from) = server.recv_from(&mut buf).await.unwrap();
    assert_eq!((&buf[..len], from), (&b"ping"[..], client.local_addr().unwrap()));

    assert!(client.peer_addr().is_err() && client.send(b"x").await.is_err());
    client.connect(address).await.unwrap();
    assert_eq!(client.peer_addr().unwrap(), address);
    client.send(b"longer than the buffer").await.unwrap();
    assert_eq!(server.peek_from(&mut buf[..6]).await.unwrap().0, 6);
    assert_eq!(server.recv_from(&mut buf[..6]).await.unwrap().0, 6, "the rest is lost");
    server.try_send_to(b"pong", from).unwrap();
    assert_eq!(client.recv(&mut buf).await.unwrap(), 4);
    assert!(UdpSocket::bind(address).await.is_err(), "the port is taken");
    drop(server);
    UdpSocket::bind(address).await.unwrap();
}

/// Alarms and clocks.
pub(crate) async fn clocks() {
    let (start, day) = (Instant::now(), SystemTime::now());
    sleep(ms(20)).await;
    let passed = start.elapsed();
    assert!(passed >= ms(20) && passed < ms(2_000), "{passed:?}");
    assert!(day.elapsed().unwrap() >= ms(19));
    assert!(system_now() > std::time::UNIX_EPOCH);
    assert!(day.duration_since(UNIX_EPOCH).unwrap() > ms(1_000));
    assert_eq!(start + ms(5) - start, ms(5));
    assert_eq!(start.saturating_duration_since(start + ms(1)), Duration::ZERO);
    assert!(start - Duration::from_secs(10) < start);

    assert_eq!(timeout(ms(1_000), async { 7 }).await.unwrap(), 7);
    let late = timeout(ms(5), std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(late.to_string(), "deadline has elapsed");
    assert_eq!(std::io::Error::from(late).kind(), ErrorKind::TimedOut);
    assert!(timeout_at(Instant::now(), sleep(ms(100))).await.is_err());
    assert!(timeout(Duration::MAX, sleep(ms(1))).await.is_ok());

    let alarm = sleep_until(Instant::now() + ms(3_600_000));
    pin!(alarm);
    assert!(!alarm.is_elapsed());
    alarm.as_mut().reset(Instant::now() + ms(5));
    alarm.as_mut().await;
    assert!(alarm.is_elapsed() && alarm.deadline() <= Instant::now());

    let mut ticks = interval(ms(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let first = ticks.tick().await;
    assert_eq!(ticks.tick().await - first, ms(20));
    sleep(ms(50)).await;
    let (missed, next) = (ticks.tick().await - first, ticks.tick().await - first);
    assert!(missed >= ms(40) && next > missed, "{missed:?} {next:?}");
    assert_eq!((missed.as_millis() % 20, next.as_millis() % 20), (0, 0));
    assert_eq!(ticks.period(), ms(20));
}

/// Tasks.
pub(crate) async fn tasks() {
    let handle = spawn(async { 5 });
    assert_eq!(handle.await.unwrap(), 5);

    let forever = spawn(std::future::pending::<()>());
    let abort = forever.abort_handle();
    task::yield_now().await;
    assert!(!forever.is_finished() && !abort.is_finished());
    abort.abort();
    let error = forever.await.unwrap_err();
    assert!(error.is_cancelled() && !error.is_panic() && abort.is_finished());

    let mut set = task::JoinSet::new();
    assert!(set.join_next().await.is_none());
    for number in [3_600_000, 10, 300] {
        set.spawn(async move {
            sleep(ms(number)).await;
            number
        });
    }
    assert_eq!(set.len(), 3);
    assert_eq!(set.join_next().await.unwrap().unwrap(), 10);
    assert_eq!(set.join_next().await.unwrap().unwrap(), 300);
    set.abort_all();
    assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    assert!(set.is_empty() && set.try_join_next().is_none());
    for number in 0..4 {
        set.spawn(async move { number });
    }
    let mut all = set.join_all().await;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);

    // A set that is dropped ends its tasks; a handle that is dropped does not.
    let (ended, alive) = (Arc::new(()), Arc::new(AtomicU32::new(0)));
    let mut set = task::JoinSet::new();
    let (in_set, detached) = (Arc::clone(&ended), Arc::clone(&alive));
    set.spawn(async move {
        std::future::pending::<()>().await;
        drop(in_set);
    });
    drop(spawn(async move {
        sleep(ms(10)).await;
        detached.fetch_add(1, Ordering::Relaxed);
    }));
    task::yield_now().await;
    drop(set);
    let both = async {
        while Arc::strong_count(&ended) > 1 || alive.load(Ordering::Relaxed) == 0 {
            sleep(ms(1)).await;
        }
    };
    timeout(ms(60_000), both).await.unwrap();

    let (sender, mut receiver) = mpsc::channel(1);
    spawn(async move {
        for number in 0..300 {
            sender.send(number).await.unwrap();
        }
    });
    for expected in 0..300 {
        assert_eq!(receiver.recv().await, Some(expected));
    }
    assert_eq!(receiver.recv().await, None);
}

/// Choices and random sources.
pub(crate) async fn choices() -> Vec<u64> {
    let mut chosen = BTreeSet::new();
    let mut all = Vec::new();
    for _ in 0..64 {
        let branch = select! {
            _ = async {} => 0,
            _ = async {}, if true => 1,
            _ = async {} => { 2 }
            else => unreachable!(),
        };
        chosen.insert(branch);
        all.push(branch);
    }
    assert_eq!(chosen.len(), 3, "no branch is preferred");
    let first = select! { biased; _ = async {} => 0, _ = async {} => 1 };
    assert_eq!(first, 0);

    let (mut one, mut two) = (random("tests"), random("tests"));
    let (a, b) = (one.bits(), two.bits());
    assert_ne!(a, b, "each source is another stream");
    assert!((0..100).all(|_| one.below(10) < 10));
    let mut bytes = [0; 32];
    rand_core::Rng::fill_bytes(&mut two, &mut bytes);
    assert_ne!(bytes, [0; 32]);
    all.extend([a, b]);
    all
}

/// Files in an empty folder.
pub(crate) async fn files(dir: &Path) {
    let nested = dir.join("a/b");
    assert_eq!(fs::create_dir(&nested).await.unwrap_err().kind(), ErrorKind::NotFound);
    fs::create_dir_all(&nested).await.unwrap();
    fs::create_dir(dir.join("a/c")).await.unwrap();
    let path = nested.join("log");
    assert!(!fs::try_exists(&path).await.unwrap());
    assert_eq!(fs::File::open(&path).await.unwrap_err().kind(), ErrorKind::NotFound);

    let mut file = fs::File::create(&path).await.unwrap();
    file.write_all(b"hello ").await.unwrap();
    file.write_all(b"world").await.unwrap();
    file.flush().await.unwrap();
    file.sync_all().await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), 11);
    let mut byte = [0; 1];
    assert!(file.read(&mut byte).await.is_err(), "it is not open for reading");
    fs::File::open(&nested).await.unwrap().sync_all().await.unwrap();
    assert_eq!(fs::read_to_string(&path).await.unwrap(), "hello world");
    assert_eq!(fs::File::create_new(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
    file.seek(SeekFrom::End(-5)).await.unwrap();
    file.write_all(b"there").await.unwrap();
    file.rewind().await.unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello there");
    assert_eq!(file.stream_position().await.unwrap(), 11);
    file.set_len(5).await.unwrap();
    file.sync_data().await.unwrap();

    let mut file = fs::OpenOptions::new().append(true).open(&path).await.unwrap();
    file.write_all(b"!").await.unwrap();
    file.flush().await.unwrap();
    assert!(fs::OpenOptions::new().open(&path).await.is_err(), "EINVAL");

    let renamed = nested.join("renamed");
    let mut before = fs::File::open(&path).await.unwrap();
    fs::rename(&path, &renamed).await.unwrap();
    let mut text = String::new();
    before.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello!", "a handle outlives the name");
    fs::write(nested.join("other"), "x").await.unwrap();
    assert_eq!(fs::copy(&renamed, nested.join("copied")).await.unwrap(), 6);

    let mut names = BTreeSet::new();
    let mut entries = fs::read_dir(&nested).await.unwrap();
    while let Some(entry) = entries.next_entry().await.unwrap() {
        assert!(entry.file_type().await.unwrap().is_file());
        assert_eq!(entry.path(), nested.join(entry.file_name()));
        names.insert(entry.file_name().into_string().unwrap());
    }
    let expected = ["copied", "other", "renamed"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));

    assert!(fs::metadata(&nested).await.unwrap().is_dir());
    assert!(fs::read(&nested).await.is_err(), "a directory is not read");
    assert!(fs::remove_file(&nested).await.is_err() && fs::remove_dir(&nested).await.is_err());
    fs::remove_file(&renamed).await.unwrap();
    fs::remove_dir(dir.join("a/c")).await.unwrap();
    fs::remove_dir_all(dir.join("a")).await.unwrap();
    assert!(!fs::try_exists(dir.join("a")).await.unwrap());
}

/// In which order twelve tasks that wait for a value are woken, by the numbers in which they came: of one
/// `watch`, whichever crate it is of.
#[macro_export]
macro_rules! order_of_watchers {
    ($watch:path) => {{
        use $watch as watch;
        let (sender, receiver) = watch::channel(0);
        let (tell, mut told) = squall_runtime::sync::mpsc::unbounded_channel();
        for number in 0..12 {
            let (mut receiver, tell) = (receiver.clone(), tell.clone());
            squall_runtime::spawn(async move {
                receiver.wait_for(|value| *value == 2).await.unwrap();
                tell.send(number).unwrap();
                assert!(receiver.changed().await.is_err(), "nobody sends any more");
                tell.send(number).unwrap();
            });
            squall_runtime::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        drop(tell);
        sender.send(1).unwrap();
        squall_runtime::time::sleep(std::time::Duration::from_millis(1)).await;
        sender.send_modify(|value| *value = 2);
        squall_runtime::time::sleep(std::time::Duration::from_millis(20)).await;
        drop(sender);
        let mut order = Vec::new();
        while let Some(number) = told.recv().await {
            order.push(number);
        }
        order
    }};
}
