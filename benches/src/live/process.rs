//! A server's process that does not outlive this program, however this program ends.
//!
//! Dropping the guard kills the process by its id. If this program ends without dropping anything
//! (SIGKILL, abort, a second Ctrl-C), a small shell beside each server sees its input close, and
//! kills the server.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A running server.
#[derive(Debug)]
pub(super) struct Guarded {
    child: Child,
    watcher: Child,
}

impl Guarded {
    /// Starts a server in a process group of its own, so that a terminal's Ctrl-C reaches this
    /// program only.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Guarded> {
        let mut child = command.process_group(0).spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", "read _; kill -9 \"$0\"", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match watcher {
            Ok(watcher) => Ok(Guarded { child, watcher }),
            Err(error) => {
                // Both can only fail for a process that has ended.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends SIGKILL; the process may need a moment to end.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Stops the process (SIGSTOP) or lets it go on (SIGCONT).
    pub(super) fn set_stopped(&self, stopped: bool) -> io::Result<()> {
        let signal = if stopped { "-STOP" } else { "-CONT" };
        let status = Command::new("sh")
            .args(["-c", "kill \"$1\" \"$0\"", &self.id().to_string(), signal])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("kill {signal} failed")))
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The watcher goes before the server's id can be anybody else's: the id is free only after
        // the wait. Errors here mean that the process is gone.
        let _ = self.child.kill();
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn sleeper() -> Guarded {
        Guarded::spawn(Command::new("sleep").arg("600")).unwrap()
    }

    fn state(pid: u32) -> Option<char> {
        let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    #[test]
    fn a_dropped_guard_leaves_nothing_behind_even_of_a_stopped_process() {
        let mut guard = sleeper();
        let (child, watcher) = (guard.id(), guard.watcher.id());
        assert!(!guard.has_ended());
        guard.set_stopped(true).unwrap();
        while state(child) != Some('T') {
            std::thread::yield_now();
        }
        drop(guard);
        assert_eq!((state(child), state(watcher)), (None, None));
    }

    #[test]
    fn the_watcher_kills_when_its_input_closes() {
        let mut guard = sleeper();
        // What the end of this program does.
        drop(guard.watcher.stdin.take());
        guard.watcher.wait().unwrap();
        assert!(!guard.child.wait().unwrap().success());
    }

    #[test]
    fn a_process_that_goes_on_runs_again() {
        let guard = sleeper();
        guard.set_stopped(true).unwrap();
        guard.set_stopped(false).unwrap();
        while state(guard.id()) == Some('T') {
            std::thread::yield_now();
        }
        assert!(state(guard.id()).is_some());
    }
}
