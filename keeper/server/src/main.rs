//! `keeperd`: a ZooKeeper-compatible coordination server.
//!
//! `keeperd [--accept-loss] CONFIG` runs one server from Apache's `zoo.cfg`. SIGHUP changes nothing. Exit codes: 0 after SIGINT or SIGTERM,
//! 1 when the server cannot go on, 64 for a wrong command line or configuration, 70 when the
//! operating system refuses what every program gets.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use keeper_core::log::purge::{LOGS_HELD_BACK, SNAPSHOTS_MIN};
use keeper_server::config::{self, Config};
use keeper_server::{Directories, DirectoryLock, NodeConfig, PeerAddress};
use platform::Platform;
use platform::tokio_platform::TokioPlatform;
use probe::Off;

/// Exit code for a wrong command line or configuration (sysexits' EX_USAGE).
const USAGE: u8 = 64;
/// Exit code for a failure outside the server's own doing (sysexits' EX_SOFTWARE).
const SOFTWARE: u8 = 70;
const HELP: &str = "\
A ZooKeeper-compatible coordination server.

Usage: keeperd [--accept-loss] CONFIG
       keeperd purge -n COUNT CONFIG

CONFIG is a zoo.cfg as Apache ZooKeeper reads it; the server's own number is in
the file myid in its dataDir. A key that is not known is warned of; one that
changes quorum, durability or security and is not implemented is refused.

purge removes all but the newest COUNT snapshots, at least 3, and the logs that
only older ones need; the server may run meanwhile. A server does so by itself
with autopurge.purgeInterval.

Files that are damaged, and not torn by a crash, are set aside in damaged-N in
the data directory; the server then counts for nothing until a leader has
brought it up to its history. One that stands alone does not start.

Options:
  --accept-loss  Go on with what is before the damage: what follows is lost.
                 The files as they are stay in damaged-N
  -h, --help     Print this help
  -V, --version  Print the version

Logs go to standard error; the variable KEEPERD_LOG sets their level
(error, warn, info, debug), info by default.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [only] if only == "-h" || only == "--help" => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        [only] if only == "-V" || only == "--version" => {
            println!("keeperd {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        [path] if !path.starts_with('-') => serve(Path::new(path), false),
        [option, path] if option == "--accept-loss" && !path.starts_with('-') => {
            serve(Path::new(path), true)
        }
        [verb, option, count, path] if verb == "purge" && option == "-n" => {
            purge(count, Path::new(path))
        }
        _ => usage("expected one argument, the path of a zoo.cfg (see keeperd --help)"),
    }
}

fn usage(message: impl fmt::Display) -> ExitCode {
    eprintln!("keeperd: {message}");
    ExitCode::from(USAGE)
}

fn serve(path: &Path, accepts_loss: bool) -> ExitCode {
    let (mut config, warnings) = match load(path) {
        Ok(loaded) => loaded,
        Err(message) => return usage(message),
    };
    config.accepts_loss = accepts_loss;
    for warning in &warnings {
        eprintln!("keeperd: warning: {warning}");
    }
    let level = std::env::var("KEEPERD_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::new(level);
    // What cannot be logged, because nobody reads it any more, is no reason to die: the default would panic.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("keeperd: no runtime: {error}");
            return ExitCode::from(SOFTWARE);
        }
    };
    let _lock = match DirectoryLock::take(&config.directories) {
        Ok(lock) => lock,
        Err(error) => {
            eprintln!("keeperd: {error}");
            return ExitCode::FAILURE;
        }
    };
    // The runtime is left without waiting for its tasks: what counts is on disk.
    let code = runtime.block_on(until_stopped(config));
    runtime.shutdown_background();
    code
}

/// Removes old files once, as Apache's zkCleanup.sh does.
fn purge(count: &str, path: &Path) -> ExitCode {
    let snapshots = match count.parse::<u32>() {
        Ok(count) if count >= SNAPSHOTS_MIN => count,
        Ok(_) | Err(_) => {
            return usage(format!("-n is `{count}`, but at least {SNAPSHOTS_MIN} snapshots stay"));
        }
    };
    let directories = match load(path) {
        Ok((config, _)) => config.directories,
        Err(message) => return usage(message),
    };
    let ended = tokio::runtime::Builder::new_current_thread().build().and_then(|runtime| {
        let files = TokioPlatform::new()?.files();
        runtime.block_on(keeper_server::purge(&files, &directories, snapshots, LOGS_HELD_BACK))
    });
    match ended {
        Ok(gone) => {
            gone.iter().for_each(|name| println!("removed {name}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("keeperd: {}: {error}", directories.data);
            ExitCode::FAILURE
        }
    }
}

/// Reads the configuration and, if there is one, the file `myid`.
fn load(path: &Path) -> Result<(NodeConfig, Vec<String>), String> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let text = config::decoded(bytes);
    let (config, warnings) = config::parse(&text, &name).map_err(|error| error.to_string())?;
    let myid_path = config.data_dir.join("myid");
    let myid_name = myid_path.display().to_string();
    let myid = match std::fs::read_to_string(&myid_path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{myid_name}: cannot be read: {error}")),
    };
    let node = node_config(&config, myid.as_deref(), &myid_name)?;
    Ok((node, warnings.iter().map(ToString::to_string).collect()))
}

fn node_config(config: &Config, myid: Option<&str>, myid_name: &str) -> Result<NodeConfig, String> {
    let me = config.with_myid(myid, myid_name).map_err(|error| error.to_string())?;
    let client = config.client(me);
    let directory = |path: &Path| {
        let path = path.join("version-2");
        path.to_str().map(str::to_owned).ok_or(format!("{}: not UTF-8", path.display()))
    };
    let servers = config
        .servers
        .iter()
        .map(|(server, address)| {
            let address = PeerAddress {
                host: address.host.clone(),
                quorum_port: address.quorum_port,
                election_port: address.election_port,
            };
            (*server, address)
        })
        .collect();
    Ok(NodeConfig {
        ensemble: config.ensemble(me),
        settings: config.settings.clone(),
        directories: Directories {
            data: directory(&config.data_dir)?,
            log: directory(&config.log_dir)?,
        },
        client_address: client.host,
        client_port: client.port,
        servers,
        listen_on_all_addresses: config.quorum_listen_on_all,
        accepts_loss: false,
        max_client_connections: config.max_client_connections,
        bounds: config.bounds,
    })
}

async fn until_stopped(config: NodeConfig) -> ExitCode {
    use tokio::signal::unix::{SignalKind, signal};
    let platform = match TokioPlatform::new() {
        Ok(platform) => platform,
        Err(error) => {
            eprintln!("keeperd: no disk thread: {error}");
            return ExitCode::from(SOFTWARE);
        }
    };
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hangup] = match kinds.map(signal) {
        [Ok(interrupt), Ok(terminate), Ok(hangup)] => [interrupt, terminate, hangup],
        [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
            eprintln!("keeperd: no signal handler: {error}");
            return ExitCode::from(SOFTWARE);
        }
    };
    let mut serving = Box::pin(keeper_server::run(platform, config, || Off));
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => return ExitCode::SUCCESS,
            _ = terminate.recv() => return ExitCode::SUCCESS,
            // A terminal that closes, or a supervisor that wants a file read anew: neither is a reason to end.
            _ = hangup.recv() => tracing::info!("SIGHUP: the configuration is read at the start alone"),
            ended = &mut serving => return match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("keeperd: {error}");
                    ExitCode::FAILURE
                }
            },
        }
    }
}
