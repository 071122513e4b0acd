//! How programs begin and end on turmoil.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::platform::TurmoilPlatform;
use super::shared::{Shared, State};
use super::task::{Gated, inside_a_run};
use super::world::TurmoilWorld;
use crate::host::HostId;
use crate::panics::RunPanic;
use crate::tap::Change;
use crate::trace::Kind;
use crate::world::World;

impl TurmoilWorld {
    /// Ends a host's program, and does `and` to its machine.
    pub(super) fn take_down(
        &mut self,
        host: HostId,
        how: &[u8],
        and: impl FnOnce(&mut State),
    ) -> Result<(), RunPanic> {
        let dropped = self.shared.with(|state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.running = false;
            host_state.incarnation += 1;
            host_state.pauses = 0;
            host_state.paused.store(false, Ordering::Relaxed);
            host_state.disk.advance(now_ns);
            host_state.disk.kill_process();
            let frozen = std::mem::take(&mut host_state.frozen);
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            and(state);
            state.record(Some(host), Kind::Died, how);
            let has_power = state.host(host).powered;
            state
                .overhear_change(host, if has_power { Change::Crashed } else { Change::LostPower });
            (frozen, waiters)
        });
        // Wakers own tasks, and a task's drop may call back.
        drop(dropped);
        self.bounce(host)
    }

    /// Drops all of a host's tasks and begins its program, which does nothing while the host is
    /// down. A killed program's host must stay in the simulation, because its kernel answers.
    pub(super) fn bounce(&mut self, host: HostId) -> Result<(), RunPanic> {
        let name = self.name(host);
        let sim = &mut self.sim;
        inside_a_run(&self.shared, || sim.bounce(name));
        self.check()
    }

    /// Whether the run goes on.
    pub(super) fn check(&self) -> Result<(), RunPanic> {
        self.shared.with(|state| state.panic.clone()).map_or(Ok(()), Err)
    }
}

/// A host's program from start to kill. It never ends, because turmoil forgets a host whose program
/// has ended, and with it the tasks that it spawned.
pub(super) async fn program<F, Fut>(
    shared: Arc<Shared>,
    host: HostId,
    software: Rc<F>,
) -> turmoil::Result
where
    F: Fn(TurmoilPlatform) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let incarnation = shared.with(|state| {
        let host_state = state.host(host);
        let incarnation = host_state.running.then_some(host_state.incarnation);
        if incarnation.is_some() {
            state.record(Some(host), Kind::Started, b"");
            state.overhear_change(host, Change::Started);
        }
        incarnation
    });
    if let Some(incarnation) = incarnation {
        let platform = TurmoilPlatform { shared: Arc::clone(&shared), host, incarnation };
        // The program is built inside the gate too, so that its panics are the run's.
        Gated::new(shared, host, async move { software(platform).await }).await;
    }
    std::future::pending().await
}
