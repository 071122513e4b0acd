//! Three `keeperd` processes on loopback, with their folders and ports.
//!
//! Who leads is read from the servers' logs: the last thing that a server said of its role.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keeper_client::ServerAddress;

use super::LiveError;
use super::process::Guarded;
use crate::machine::{cpu_s, resident_mib};

/// How many servers there are.
pub(super) const SERVERS: usize = 3;
/// How long servers may take until all serve.
const SERVING_LIMIT: Duration = Duration::from_secs(30);
/// Lines of a server's log that an error shows.
const LOG_LINES_SHOWN: usize = 5;

/// The ensemble. Dropping it ends the servers and removes their folders.
#[derive(Debug)]
pub(super) struct Ensemble {
    folder: PathBuf,
    servers: Vec<Server>,
    /// Where clients connect, in the order of the servers' numbers.
    pub(super) addresses: Vec<ServerAddress>,
}

#[derive(Debug)]
struct Server {
    keeperd: PathBuf,
    folder: PathBuf,
    starts: usize,
    process: Option<Guarded>,
}

/// What a server last said of its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leader(u64),
    Follower,
    Neither,
}

impl Ensemble {
    /// Writes configurations below `folder`, which must not exist, and starts the servers.
    pub(super) fn start(
        keeperd: &Path,
        folder: &Path,
        tick_ms: u64,
    ) -> Result<Ensemble, LiveError> {
        let at = |error| LiveError::Folder { path: folder.to_owned(), error };
        fs::create_dir_all(folder).map_err(at)?;
        // From here on, an early return removes the folder.
        let mut ensemble =
            Ensemble { folder: folder.to_owned(), servers: Vec::new(), addresses: Vec::new() };
        let folder = folder.canonicalize().map_err(at)?;
        let ports = free_ports(3 * SERVERS).map_err(LiveError::Ports)?;
        let (peers, client_ports) = ports.split_at(2 * SERVERS);
        let lines: String = (1..=SERVERS)
            .zip(peers.chunks(2))
            .map(|(number, peer)| format!("server.{number}=127.0.0.1:{}:{}\n", peer[0], peer[1]))
            .collect();
        for (number, port) in (1..=SERVERS).zip(client_ports) {
            let folder = folder.join(number.to_string());
            let config = format!(
                "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime={tick_ms}\n\
                 initLimit=10\nsyncLimit=5\nmaxSessionTimeout=60000\nmaxClientCnxns=0\n{lines}",
                folder.display()
            );
            let written = fs::create_dir_all(&folder)
                .and_then(|()| fs::write(folder.join("zoo.cfg"), config))
                .and_then(|()| fs::write(folder.join("myid"), number.to_string()));
            written.map_err(at)?;
            let keeperd = keeperd.to_owned();
            ensemble.servers.push(Server { keeperd, folder, starts: 0, process: None });
            ensemble.addresses.push(ServerAddress { host: "127.0.0.1".to_owned(), port: *port });
        }
        for server in &mut ensemble.servers {
            server.start()?;
        }
        Ok(ensemble)
    }

    /// Waits until one server leads and all others follow.
    pub(super) async fn all_serve(&mut self) -> Result<(), LiveError> {
        let from = Instant::now();
        loop {
            for server in &mut self.servers {
                if server.process.as_mut().is_some_and(Guarded::has_ended) {
                    return Err(LiveError::Ended(server.log_end()));
                }
            }
            let roles: Vec<Role> = self.servers.iter().map(Server::role).collect();
            let leaders = roles.iter().filter(|role| matches!(role, Role::Leader(_))).count();
            if leaders == 1 && !roles.contains(&Role::Neither) {
                return Ok(());
            }
            if from.elapsed() > SERVING_LIMIT {
                let logs: Vec<String> = self.servers.iter().map(Server::log_end).collect();
                return Err(LiveError::NotServing(logs.join("")));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The leader's index and epoch; the newest if several believe so.
    pub(super) fn leader(&self) -> Option<(usize, u64)> {
        let epoch = |server: &Server| match server.role() {
            Role::Leader(epoch) if server.process.is_some() => Some(epoch),
            _ => None,
        };
        let leading = self.servers.iter().enumerate();
        let leading = leading.filter_map(|(index, server)| Some((index, epoch(server)?)));
        leading.max_by_key(|(_, epoch)| *epoch)
    }

    /// Kills a server and says when the signal was sent.
    pub(super) fn kill(&mut self, index: usize) -> Result<Instant, LiveError> {
        let mut process = self.servers[index].process.take().expect("who leads runs");
        process.kill().map_err(LiveError::Signal)?;
        let at = Instant::now();
        drop(process);
        Ok(at)
    }

    /// Starts a server that was killed.
    pub(super) fn restart(&mut self, index: usize) -> Result<(), LiveError> {
        self.servers[index].start()
    }

    /// Stops a server or lets it go on, and says since when.
    pub(super) fn set_stopped(&self, index: usize, stopped: bool) -> Result<Instant, LiveError> {
        let process = self.servers[index].process.as_ref().expect("who leads runs");
        process.set_stopped(stopped).map_err(LiveError::Signal)?;
        Ok(Instant::now())
    }

    /// CPU time of all servers together, in seconds.
    pub(super) fn cpu_s(&self) -> f64 {
        self.ids().filter_map(cpu_s).sum()
    }

    /// Resident memory of each server, in mebibytes.
    pub(super) fn resident_mib(&self) -> Vec<f64> {
        self.ids().filter_map(resident_mib).collect()
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        self.servers.iter().filter_map(|server| Some(server.process.as_ref()?.id()))
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        self.servers.clear();
        // What cannot be removed stays; its path was said when it was made.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    fn start(&mut self) -> Result<(), LiveError> {
        self.starts += 1;
        let started = File::create(self.log()).and_then(|log| {
            let mut command = Command::new(&self.keeperd);
            let null = Stdio::null;
            command.arg(self.folder.join("zoo.cfg")).env("KEEPERD_LOG", "info");
            command.stdin(null()).stdout(null()).stderr(log);
            Guarded::spawn(&mut command)
        });
        let path = self.keeperd.clone();
        self.process = Some(started.map_err(|error| LiveError::Start { path, error })?);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("log-{}.txt", self.starts))
    }

    fn role(&self) -> Role {
        role(&fs::read_to_string(self.log()).unwrap_or_default())
    }

    fn log_end(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        format!("\n  {}:\n    {}", self.log().display(), shown.join("\n    "))
    }
}

/// What a log says last of its server's role.
fn role(log: &str) -> Role {
    for line in log.lines().rev() {
        if let Some((_, rest)) = line.split_once("serving as the leader of epoch ") {
            let epoch = rest.split_whitespace().next().and_then(|epoch| epoch.parse().ok());
            return epoch.map_or(Role::Neither, Role::Leader);
        }
        if line.contains("serving as a follower") {
            return Role::Follower;
        }
        if line.contains("looking for a leader") {
            return Role::Neither;
        }
    }
    Role::Neither
}

/// Ports that nobody listens on now; all are held until the last is known, so that they differ.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    listeners?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_last_that_a_log_tells() {
        let leader = "x INFO serving as the leader of epoch 12 from 0x0\n";
        let looking = "x INFO looking for a leader: its quorum is gone\n";
        let follower = "x INFO serving as a follower in epoch 13 from 0xc00000001\n";
        assert_eq!(role(leader), Role::Leader(12));
        assert_eq!(role(&format!("{leader}{looking}x INFO other\n")), Role::Neither);
        assert_eq!(role(&format!("{leader}{looking}{follower}")), Role::Follower);
        assert_eq!(role(""), Role::Neither);
    }

    #[test]
    fn free_ports_differ() {
        let mut ports = free_ports(9).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 9);
    }

    #[test]
    fn a_program_that_cannot_start_is_named_and_leaves_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        let error = Ensemble::start(Path::new("/nowhere/keeperd"), &folder, 100).unwrap_err();
        assert!(error.to_string().contains("/nowhere/keeperd"), "{error}");
        assert!(!folder.exists());
    }
}
