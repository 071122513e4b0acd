//! Tiny programs for tests of worlds.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod busy;

use std::io;
use std::sync::{Arc, Mutex};

use platform::{Listener, Platform, Stream};
use sim::{Host, Settings, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const PORT: u16 = 7;

/// What happened at which millisecond.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(u64, String)>>>);

impl Log {
    pub fn add(&self, platform: &impl Host, what: impl Into<String>) {
        self.0.lock().unwrap().push((platform.world_ns() / 1_000_000, what.into()));
    }

    pub fn all(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.all().into_iter().map(|(_, what)| what).collect()
    }

    /// When `what` happened first.
    pub fn at(&self, what: &str) -> Option<u64> {
        self.all().iter().find(|(_, text)| text == what).map(|(at, _)| *at)
    }

    pub fn count_between(&self, what: &str, from_ms: u64, to_ms: u64) -> usize {
        let all = self.all();
        all.iter().filter(|(at, text)| text == what && (from_ms..to_ms).contains(at)).count()
    }
}

pub fn world<W: World>(seed: u64) -> W {
    W::build(seed, Settings::default())
}

pub fn errno<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("errno {:?}", error.raw_os_error()),
    }
}

/// Sends back whatever arrives on any connection.
pub async fn echo_server(platform: impl Host) {
    let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
    loop {
        let stream = listener.accept().await.unwrap();
        platform.spawn(async move {
            let (mut read, mut write) = stream.into_split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

/// Connects, then sends a number every 10 ms; logs `pong` for each answer and checks their order.
/// Ends with what ended the connection.
pub async fn pinger(platform: impl Host, log: Log) {
    let stream = platform.connect("server", PORT).await.unwrap();
    log.add(&platform, "connected");
    let (mut read, mut write) = stream.into_split();
    let (sender, sender_log) = (platform.clone(), log.clone());
    platform.spawn(async move {
        for number in 0u32.. {
            if let Err(error) = write.write_all(&number.to_be_bytes()).await {
                sender_log.add(&sender, format!("write errno {:?}", error.raw_os_error()));
                return;
            }
            sender.sleep_ms(10).await;
        }
    });
    for number in 0u32.. {
        match read.read_u32().await {
            Ok(answer) => assert_eq!(answer, number, "bytes were lost or reordered"),
            Err(error) => {
                let what = match error.raw_os_error() {
                    Some(errno) => format!("read errno {errno}"),
                    None => format!("read {:?}", error.kind()),
                };
                log.add(&platform, what);
                return;
            }
        }
        log.add(&platform, "pong");
    }
}

/// A world with an echo server and a pinger.
pub fn echo_world<W: World>(seed: u64) -> (W, Log) {
    let mut world: W = world(seed);
    let log = Log::default();
    world.host("server", echo_server);
    let client_log = log.clone();
    world.host("client", move |platform| pinger(platform, client_log.clone()));
    (world, log)
}

/// Reads until something ends it, and says what.
pub async fn read_to_its_end(stream: &mut impl Stream) -> String {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return "end".to_owned(),
            Ok(_) => {}
            Err(error) => return errno::<()>(Err(error)),
        }
    }
}

/// A server that waits for bytes of one connection, and a client that waits for bytes, too, and
/// writes at `write_ms`.
pub fn waiting_world<W: World>(write_ms: u64) -> (W, Log) {
    let mut world: W = world(1);
    let log = Log::default();
    let server_log = log.clone();
    world.host("server", move |platform| {
        let log = server_log.clone();
        async move {
            let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
            let mut stream = listener.accept().await.unwrap();
            let end = read_to_its_end(&mut stream).await;
            log.add(&platform, format!("server {end}"));
        }
    });
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            platform.sleep_ms(write_ms).await;
            log.add(&platform, errno(stream.write_all(b"x").await));
            log.add(&platform, read_to_its_end(&mut stream).await);
        }
    });
    (world, log)
}
