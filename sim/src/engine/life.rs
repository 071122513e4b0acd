//! How time passes on an engine, and how programs begin and end.

use super::current;
use super::executor;
use super::platform::EnginePlatform;
use super::state::{self, State};
use super::world::EngineWorld;
use crate::attention::Attention;
use crate::host::HostId;
use crate::panics::{RunPanic, catching};
use crate::tap::Change;
use crate::trace::Kind;

impl EngineWorld {
    /// Begins a life of a host's program.
    pub(super) fn start(&mut self, host: HostId) {
        let incarnation = self.state.borrow().host(host).incarnation;
        let platform = EnginePlatform { world: self.id, host, incarnation };
        let work = self.programs[host.0 as usize](platform);
        let mut state = self.state.borrow_mut();
        state.record(Some(host), Kind::Started, b"");
        state.overhear_change(host, Change::Started);
        state.spawn(host, work);
    }

    /// Runs to a limit (none: to the next event), or there and through one instant only, or until
    /// somebody asks for attention.
    pub(super) fn advance(
        &mut self,
        limit_ns: Option<u64>,
        is_step: bool,
        attention: Option<&Attention>,
    ) -> Result<(), RunPanic> {
        self.check()?;
        assert!(
            tokio::runtime::Handle::try_current().is_err(),
            "the engine runs outside of tokio's runtimes: inside, tokio makes tasks wait unseen"
        );
        let entered = current::enter(self.id, &self.state);
        let state = &self.state;
        let caught = catching(|| {
            state.borrow_mut().take_late_wakes();
            // Whom a fault or the harness woke runs at the present instant.
            let was_ready = !state.borrow().busy.is_empty();
            executor::run_ready(state);
            if was_ready && is_step {
                return;
            }
            let is_asked = || attention.is_some_and(Attention::is_asked);
            let limit_ns = limit_ns.unwrap_or_else(|| state.borrow().next_ns());
            while !is_asked()
                && state.borrow().panic.is_none()
                && state::next_instant(state, limit_ns)
            {
                executor::run_ready(state);
                if is_step {
                    break;
                }
            }
        });
        drop(entered);
        if let Err(message) = caught {
            self.state.borrow_mut().fail(None, message);
        }
        self.check()
    }

    /// Ends a host's program, and does `and` to its machine.
    pub(super) fn take_down(
        &mut self,
        host: HostId,
        how: &[u8],
        and: impl FnOnce(&mut State),
    ) -> Result<(), RunPanic> {
        let _entered = current::enter(self.id, &self.state);
        let (bodies, waiters) = {
            let mut state = self.state.borrow_mut();
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.running = false;
            host_state.is_doomed = false;
            host_state.incarnation += 1;
            host_state.pauses = 0;
            host_state.frozen.clear();
            host_state.disk.advance(now_ns);
            host_state.disk.kill_process();
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            and(&mut state);
            state.record(Some(host), Kind::Died, how);
            let has_power = state.host(host).powered;
            let change = if has_power { Change::Crashed } else { Change::LostPower };
            state.overhear_change(host, change);
            (state.take_tasks(Some(host)), waiters)
        };
        drop(waiters);
        for (host, body) in bodies {
            executor::drop_body(&self.state, host, body);
        }
        current::with(self.id, |state| state.close_all(host));
        self.check()
    }

    /// Whether the run goes on.
    pub(super) fn check(&self) -> Result<(), RunPanic> {
        self.state.borrow().panic.clone().map_or(Ok(()), Err)
    }
}

impl Drop for EngineWorld {
    /// Programs end with their world, the oldest task first, while their handles still work.
    fn drop(&mut self) {
        let _entered = current::enter(self.id, &self.state);
        let bodies = self.state.borrow_mut().take_tasks(None);
        for (host, body) in bodies {
            executor::drop_body(&self.state, host, body);
        }
    }
}
