//! `squall bench live`: three servers of this machine under load, and without their leader.
//!
//! Clients and servers share the machine's processors, so throughput is what all of them reach
//! together; CPU time per operation is told beside it. The servers end with this program, whichever
//! way it ends.
#![allow(clippy::disallowed_methods, reason = "this is measured on real threads and clocks")]

mod ensemble;
mod failover;
mod load;
mod lock;
mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keeper_client::ClientError;
use platform::tokio_platform::TokioPlatform;
use reports::{BenchTarget, Better, quantile};
use thiserror::Error;

use crate::Measured;
use ensemble::{Ensemble, SERVERS};
use load::{Load, Loaded};

pub use load::Workload;

/// `tickTime` while throughput is measured: ZooKeeper's usual value.
const LOAD_TICK_MS: u64 = 2_000;
/// Ensembles that are tried when another program takes a port between its choice and its use.
const STARTS_MAX: u32 = 3;
/// Files that the disk is tried with.
const FSYNCS: usize = 50;

/// How much to measure, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// The server's program.
    pub keeperd: PathBuf,
    /// A folder for the servers' files, which must not exist; removed at the end.
    pub folder: PathBuf,
    /// What to ask for.
    pub workloads: Vec<Workload>,
    /// Clients, each with a session of its own.
    pub clients: usize,
    /// Requests of each client that are unanswered at a time.
    pub outstanding: usize,
    /// Requests due per second, of all clients together; none for a closed loop.
    pub rate: Option<u64>,
    /// The size of a node's data.
    pub payload_bytes: usize,
    /// How long each workload is measured in each round.
    pub duration: Duration,
    /// Rounds; each begins with new servers without data.
    pub rounds: u32,
    /// How often the leader is killed, and how often paused; 0 for neither.
    pub failovers: u32,
    /// `tickTime` while leaders are lost.
    pub tick_ms: u64,
}

impl LiveOptions {
    /// As a report shows them and a baseline must have them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let names: Vec<&str> = self.workloads.iter().map(|each| each.name()).collect();
        let loop_kind = match self.rate {
            Some(rate) => format!("{rate} requests/s, latency from when each was due"),
            None => "closed loop, latency of the request alone".to_owned(),
        };
        let pairs = [
            ("servers", SERVERS.to_string()),
            ("workloads", names.join(" ")),
            ("clients", self.clients.to_string()),
            ("outstanding per client", self.outstanding.to_string()),
            ("load", loop_kind),
            ("payload", format!("{} bytes", self.payload_bytes)),
            ("time per round and workload", format!("{} s", self.duration.as_secs_f64())),
            ("rounds", self.rounds.to_string()),
            ("leaders killed and paused", self.failovers.to_string()),
            (
                "time-outs of clients in failover",
                format!(
                    "session {} ms, connect {} ms",
                    failover::SESSION_TIMEOUT_MS,
                    failover::CONNECT_TIMEOUT_MS
                ),
            ),
            ("tickTime under load", format!("{LOAD_TICK_MS} ms")),
            ("tickTime of failover", format!("{} ms", self.tick_ms)),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Nothing measured yet.
    pub fn measured(&self) -> Measured {
        Measured::new(BenchTarget::Live, self.settings())
    }

    /// The loads of one round: each workload as asked for, and a single client with a single
    /// request, which shows what one request costs.
    fn loads(&self) -> Vec<Load> {
        let load = |workload, clients, outstanding| Load {
            workload,
            clients,
            outstanding,
            rate: self.rate,
            payload_bytes: self.payload_bytes,
            duration: self.duration,
            number: 0,
        };
        let mut loads = Vec::new();
        for workload in &self.workloads {
            let is_plain = matches!(workload, Workload::Set | Workload::Get);
            if is_plain && self.rate.is_none() && (self.clients, self.outstanding) != (1, 1) {
                loads.push(load(*workload, 1, 1));
            }
            let outstanding = if workload.is_lock() { 1 } else { self.outstanding };
            loads.push(load(*workload, self.clients, outstanding));
        }
        for (number, load) in loads.iter_mut().enumerate() {
            load.number = number + 1;
        }
        loads
    }

    /// Beyond this, something hangs.
    fn limit(&self) -> Duration {
        let loads = self.duration * 3 + Duration::from_secs(20);
        let rounds = (loads * self.loads().len() as u32 + Duration::from_secs(30)) * self.rounds;
        rounds + Duration::from_secs(30) * 2 * self.failovers + Duration::from_secs(120)
    }
}

/// Why nothing more was measured.
#[derive(Debug, Error)]
pub enum LiveError {
    /// There is no place for the servers' files.
    #[error("cannot write servers' files to {}: {error}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// No ports.
    #[error("no free ports on 127.0.0.1: {0}")]
    Ports(#[source] io::Error),
    /// A server's program cannot be started.
    #[error("cannot start {}: {error}", path.display())]
    Start {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A server ended; the end of its log.
    #[error("a server ended by itself:{0}")]
    Ended(String),
    /// No leader, or not all followers; the ends of logs.
    #[error("the servers do not all serve within 30 s:{0}")]
    NotServing(String),
    /// Clients were not served again.
    #[error("clients were not served within {} s of the leader's loss", .0.as_secs())]
    NotServed(Duration),
    /// A signal cannot be sent.
    #[error("a server cannot be signalled: {0}")]
    Signal(#[source] io::Error),
    /// A server grants no session.
    #[error("{0} grants no session")]
    NoSession(String),
    /// A request failed that prepares or checks.
    #[error("a request failed: {0}")]
    Request(#[source] ClientError),
    /// Requests stay unanswered.
    #[error("requests are still unanswered long after the load's end")]
    NotDrained,
    /// All of it takes too long.
    #[error("not done within {} s, so something hangs", .0.as_secs())]
    Limit(Duration),
    /// The caller wants no more.
    #[error("interrupted")]
    Interrupted,
    /// No runtime or no disk thread.
    #[error("the operating system refuses a thread: {0}")]
    Threads(#[source] io::Error),
}

/// Measures everything into `measured`, which keeps what was measured before an error; `progress` is
/// told what comes next. Servers have ended when this returns.
///
/// # Errors
/// [`LiveError::Interrupted`] when `should_stop` says so, others as they say.
pub fn measure(
    options: &LiveOptions,
    measured: &mut Measured,
    progress: &dyn Fn(&str),
    should_stop: &dyn Fn() -> bool,
) -> Result<(), LiveError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(LiveError::Threads)?;
    let limit = options.limit();
    runtime.block_on(async {
        let stopped = async {
            while !should_stop() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // What loses is dropped, and with it the servers.
        tokio::select! {
            biased;
            () = stopped => Err(LiveError::Interrupted),
            () = tokio::time::sleep(limit) => Err(LiveError::Limit(limit)),
            done = measure_all(options, measured, progress) => done,
        }
    })
}

async fn measure_all(
    options: &LiveOptions,
    measured: &mut Measured,
    progress: &dyn Fn(&str),
) -> Result<(), LiveError> {
    let platform = TokioPlatform::new().map_err(LiveError::Threads)?;
    let mut disk_us = fsync_us(&options.folder)?;
    for round in 1..=options.rounds {
        if options.workloads.is_empty() {
            break;
        }
        let mut ensemble = started(options, LOAD_TICK_MS, Some(&mut *measured)).await?;
        for load in options.loads() {
            progress(&format!("{}, round {round}/{}", load.label(), options.rounds));
            let label = load.label();
            let loaded = load::run(&platform, &ensemble, load).await?;
            note(measured, &label, &loaded);
            ensemble.all_serve().await?;
        }
        for mib in ensemble.resident_mib() {
            let name = "resident memory of a server, after load";
            measured.round(name, "MiB", Better::Lower, mib);
        }
        disk_us.extend(fsync_us(&options.folder)?);
    }
    measured.notes.push(format!(
        "clients and servers share this machine's processors; appending 512 bytes and fsync, before \
         and after rounds: p10 {:.0}, median {:.0}, p90 {:.0} us",
        quantile(&disk_us, 0.1),
        quantile(&disk_us, 0.5),
        quantile(&disk_us, 0.9)
    ));
    if options.failovers > 0 {
        let mut ensemble = started(options, options.tick_ms, None).await?;
        let count = options.failovers;
        failover::measure(&platform, &mut ensemble, count, measured, progress).await?;
    }
    Ok(())
}

/// New servers that all serve. Where there is a place for it, what they cost at first is noted.
async fn started(
    options: &LiveOptions,
    tick_ms: u64,
    measured: Option<&mut Measured>,
) -> Result<Ensemble, LiveError> {
    let mut starts = 0;
    let (ensemble, seconds) = loop {
        starts += 1;
        let from = Instant::now();
        let mut ensemble = Ensemble::start(&options.keeperd, &options.folder, tick_ms)?;
        match ensemble.all_serve().await {
            Ok(()) => break (ensemble, from.elapsed().as_secs_f64()),
            // Most likely somebody else took a port.
            Err(LiveError::Ended(_)) if starts < STARTS_MAX => drop(ensemble),
            Err(error) => return Err(error),
        }
    };
    if let Some(measured) = measured {
        measured.round("start of three servers", "ms", Better::Lower, seconds * 1_000.0);
        tokio::time::sleep(Duration::from_millis(500)).await;
        for mib in ensemble.resident_mib() {
            measured.round("resident memory of a server, idle", "MiB", Better::Lower, mib);
        }
    }
    Ok(ensemble)
}

/// Turns what came of a load into figures.
fn note(measured: &mut Measured, label: &str, loaded: &Loaded) {
    let tally = &loaded.tally;
    let answered = tally.answered as f64;
    let rate = answered / loaded.seconds.max(1e-9);
    measured.round(&format!("{label}: throughput"), "operations/s", Better::Higher, rate);
    for (name, at) in [("p50", 0.5), ("p99", 0.99)] {
        let value_ms = tally.latencies.value_at_quantile(at) as f64 / 1_000.0;
        measured.round(&format!("{label}: {name}"), "ms", Better::Lower, value_ms);
    }
    for (whose, cpu_s) in [("servers", loaded.servers_cpu_s), ("clients", loaded.own_cpu_s)] {
        let name = format!("{label}: CPU of {whose}");
        let each_us = cpu_s * 1e6 / answered.max(1.0);
        measured.round(&name, "us/operation", Better::Lower, each_us);
    }
    measured.latencies(label, &tally.latencies);
    measured.safety.failed_requests += tally.failed;
    measured.safety.lock_overlaps += tally.lock_overlaps;
    if let Some(error) = &tally.first_failure {
        measured.notes.push(format!("{label}: {} requests failed, first: {error}", tally.failed));
    }
}

/// How long an fsync of a little data takes where servers will write, in microseconds, each time.
fn fsync_us(folder: &Path) -> Result<Vec<f64>, LiveError> {
    let parent = folder.parent().unwrap_or(folder);
    let path = parent.join(format!(".fsync-{}", std::process::id()));
    let timed = || -> io::Result<Vec<f64>> {
        std::fs::create_dir_all(parent)?;
        let mut file = File::create(&path)?;
        (0..FSYNCS)
            .map(|_| {
                file.write_all(&[b'x'; 512])?;
                let from = Instant::now();
                file.sync_data()?;
                Ok(from.elapsed().as_secs_f64() * 1e6)
            })
            .collect()
    };
    let result = timed();
    // It is there unless it could not be created, which the result says.
    let _ = std::fs::remove_file(&path);
    result.map_err(|error| LiveError::Folder { path: parent.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LiveOptions {
        LiveOptions {
            keeperd: "/nowhere/keeperd".into(),
            folder: "/nowhere/data".into(),
            workloads: Workload::ALL.to_vec(),
            clients: 4,
            outstanding: 64,
            rate: None,
            payload_bytes: 100,
            duration: Duration::from_secs(5),
            rounds: 3,
            failovers: 10,
            tick_ms: 100,
        }
    }

    #[test]
    fn single_requests_are_measured_beside_many() {
        let labels: Vec<String> = options().loads().iter().map(Load::label).collect();
        assert_eq!(
            labels,
            [
                "create c4 d64",
                "set c1 d1",
                "set c4 d64",
                "get c1 d1",
                "get c4 d64",
                "mix c4 d64",
                "lock-own c4",
                "lock-shared c4"
            ]
        );
        let paced = LiveOptions { rate: Some(100), ..options() };
        assert_eq!(paced.loads().len(), Workload::ALL.len());
    }

    #[test]
    fn a_missing_program_ends_the_measurement_with_its_name() {
        let root = tempfile::tempdir().unwrap();
        let options = LiveOptions { folder: root.path().join("data"), ..options() };
        let mut measured = options.measured();
        let error = measure(&options, &mut measured, &|_| {}, &|| false).unwrap_err();
        assert!(error.to_string().contains("/nowhere/keeperd"), "{error}");
        assert!(measured.is_empty());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn whoever_wants_no_more_is_obeyed() {
        let mut measured = options().measured();
        let error = measure(&options(), &mut measured, &|_| {}, &|| true).unwrap_err();
        assert!(matches!(error, LiveError::Interrupted));
    }
}
