//! Being told to stop. In a world that happens when the harness asks the host to stop
//! (`EngineWorld::ask_to_stop`), and otherwise never.

use std::io;

/// Ends when the program is to stop: on control-C, or when its simulated host is asked to stop.
///
/// # Errors
/// As tokio's.
pub async fn ctrl_c() -> io::Result<()> {
    match super::here() {
        Some(here) => here.asked_to_stop().await,
        None => tokio::signal::ctrl_c().await?,
    }
    Ok(())
}

/// Signals by their kind.
#[cfg(unix)]
pub mod unix {
    use std::io;

    pub use tokio::signal::unix::SignalKind;

    use crate::simulated;

    /// A stream of signals of one kind. In a world SIGINT and SIGTERM come once, when the host is asked
    /// to stop, and no other signal ever comes.
    #[derive(Debug)]
    pub struct Signal(Kind);

    #[derive(Debug)]
    enum Kind {
        Simulated { is_stop: bool, has_come: bool },
        Real(tokio::signal::unix::Signal),
    }

    /// Listens for signals of a kind.
    ///
    /// # Errors
    /// As tokio's.
    pub fn signal(kind: SignalKind) -> io::Result<Signal> {
        if simulated::here().is_none() {
            return tokio::signal::unix::signal(kind).map(|signal| Signal(Kind::Real(signal)));
        }
        let is_stop = kind == SignalKind::interrupt() || kind == SignalKind::terminate();
        Ok(Signal(Kind::Simulated { is_stop, has_come: false }))
    }

    impl Signal {
        /// Ends when the next one comes. Cancel safe.
        pub async fn recv(&mut self) -> Option<()> {
            match &mut self.0 {
                Kind::Real(signal) => signal.recv().await,
                Kind::Simulated { is_stop, has_come } => {
                    let here = simulated::here();
                    let Some(here) = here.filter(|_| *is_stop && !*has_come) else {
                        return std::future::pending().await;
                    };
                    here.asked_to_stop().await;
                    *has_come = true;
                    Some(())
                }
            }
        }
    }
}
