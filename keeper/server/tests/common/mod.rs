//! One real server on loopback, ended with its test, and what is said to it.
#![allow(dead_code, reason = "no test needs all of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keeper_client::{Client, ClientOptions, ServerAddress};
use platform::tokio_platform::TokioPlatform;

/// How long something may take that takes a moment: amply.
const LIMIT_S: u64 = 60;

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LIMIT_S * 20 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within {LIMIT_S} s");
}

/// A server's process.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// Everything that it has said.
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts one with these lines in its `zoo.cfg`, on a data directory in `folder`.
    pub(crate) fn start(folder: &Path, lines: &str) -> Server {
        let mut server = Server::start_unheard(folder, lines);
        let said = server.said.clone();
        let stderr = BufReader::new(server.child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *said.lock().unwrap() += &(line + "\n");
            }
        });
        server
    }

    /// The same, and nobody listens yet to what it says.
    pub(crate) fn start_unheard(folder: &Path, lines: &str) -> Server {
        let config = folder.join("zoo.cfg");
        let data = folder.join("data");
        fs::create_dir_all(&data).unwrap();
        fs::write(&config, format!("dataDir={}\n{lines}", data.display())).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keeperd"))
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Server { child, said: Arc::default() }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, words: &str) {
        for _ in 0..LIMIT_S * 20 {
            if self.said().contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not said within {LIMIT_S} s: {words}; but: {}", self.said());
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        wait_for("the server ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// A line of /proc/PID/status in kilobytes, such as VmHWM, the most memory that it ever had.
    pub(crate) fn kilobytes(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of a server on this port.
pub(crate) fn client(port: u16) -> Client<TokioPlatform> {
    let servers = vec![ServerAddress { host: "127.0.0.1".to_owned(), port }];
    let options = ClientOptions { request_timeout_ms: Some(30_000), ..ClientOptions::default() };
    Client::connect(TokioPlatform::new().unwrap(), servers, options).0
}

/// A client's connection without a client: it says what it is told to and reads what it likes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    /// Connects and opens a session (ZooKeeper's ConnectRequest). Tried again while nobody listens.
    pub(crate) fn open(port: u16) -> Raw {
        let mut stream = None;
        wait_for("a server listens", || {
            stream = TcpStream::connect(("127.0.0.1", port)).ok();
            stream.is_some()
        });
        let mut raw = Raw(stream.unwrap());
        raw.0.set_read_timeout(Some(Duration::from_secs(LIMIT_S))).unwrap();
        let mut hello = vec![0; 12];
        hello.extend(60_000_i32.to_be_bytes());
        hello.extend([0; 8]);
        hello.extend(16_i32.to_be_bytes());
        hello.extend([0; 16]);
        raw.say(&hello);
        let mut answer = [0; 41];
        raw.0.read_exact(&mut answer[..40]).unwrap();
        raw
    }

    /// Sends a frame; the server may have hung up.
    pub(crate) fn say(&mut self, body: &[u8]) {
        let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(body);
        let _ = self.0.write_all(&frame);
    }

    /// Asks for a node's data, and reads no answer.
    pub(crate) fn ask(&mut self, path: &str) {
        let mut body = Vec::new();
        // xid, getData.
        body.extend(1_i32.to_be_bytes());
        body.extend(4_i32.to_be_bytes());
        body.extend(i32::try_from(path.len()).unwrap().to_be_bytes());
        body.extend(path.as_bytes());
        body.push(0);
        self.say(&body);
    }

    /// Whether the other side has ended the connection, once all that it sent is read.
    pub(crate) fn ends(mut self) -> bool {
        std::io::copy(&mut self.0, &mut std::io::sink())
            .map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true)
    }
}
