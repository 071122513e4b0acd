//! What a system puts its programs on: the world before anything has happened.

use std::future::Future;

use probe::PlantId;
use sim::HostId;
use sim::fault::{HostOwnFaults, OwnFaults, Settings, Upgrades};
use sim::{Host, World};

use crate::record::HostName;
use crate::recording::Recording;
use crate::sabotage::Sabotage;
use crate::system::System;

/// The stage of one run.
pub struct Stage<'a, W, S: System> {
    pub(crate) world: &'a mut W,
    pub(crate) recording: Recording<S>,
    pub(crate) upgrades: Upgrades,
    pub(crate) own_faults: OwnFaults,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) is_unobserved: bool,
    pub(crate) servers: Vec<HostId>,
    pub(crate) clients: u32,
}

/// A server of a stage, as its program sees it at a start.
pub struct Server<H, S: System> {
    /// The host's platform.
    pub platform: H,
    /// The server's number, from 1, among all servers.
    pub number: u32,
    /// The settings that differ from the plan's since an upgrade.
    pub upgraded: Settings,
    /// The faults of the system's own kinds that are in force on the host: [`System::own_faults`].
    pub own_faults: HostOwnFaults,
    /// Where the server writes down what it does.
    pub recording: Recording<S>,
}

impl<W: World, S: System> Stage<'_, W, S> {
    /// Adds a server. `program` is run now and after each restart; if it ends with an error, the server
    /// has given up and stays down until it is started again.
    ///
    /// # Panics
    /// If clients were added before: servers come first.
    pub fn server<F, Fut, E>(&mut self, name: &str, program: F) -> HostId
    where
        F: Fn(Server<W::Host, S>) -> Fut + 'static,
        Fut: Future<Output = Result<(), E>> + 'static,
        E: std::fmt::Display,
    {
        assert!(self.clients == 0, "servers come before clients");
        let number = self.servers.len() as u32 + 1;
        let recording = self.recording.clone();
        let (upgrades, sabotage) = (self.upgrades.clone(), self.sabotage);
        let own_faults = self.own_faults.clone();
        let host = self.world.host(name, move |platform: W::Host| {
            let upgraded = upgrades.of(platform.host());
            recording.starts(number, platform.world_ns());
            let (recording, own) = (recording.clone(), platform.clone());
            let own_faults = own_faults.of(platform.host());
            let server =
                Server { platform, number, upgraded, own_faults, recording: recording.clone() };
            // Before the first step: nothing of the program runs until the sabotage is through.
            let program = program(server);
            async move {
                if let Some(sabotage) = sabotage {
                    sabotage.delay(&own, &recording, number).await;
                }
                if let Err(error) = program.await {
                    recording.give_up(number, own.world_ns(), error.to_string());
                }
            }
        });
        self.servers.push(host);
        self.note(host, name, number, false);
        host
    }

    /// Adds a client. `program` is run now and after each restart.
    pub fn client<F, Fut>(&mut self, name: &str, program: F) -> HostId
    where
        F: Fn(W::Host, Recording<S>) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.clients += 1;
        let recording = self.recording.clone();
        let host = self.world.host(name, move |platform| program(platform, recording.clone()));
        self.note(host, name, self.clients, true);
        host
    }

    /// The faults of the system's own kinds, by host: for clients, whose programs are told of them, too.
    pub fn own_faults(&self) -> OwnFaults {
        self.own_faults.clone()
    }

    /// The bug that the run's plan plants into the system.
    pub fn plant(&self) -> Option<PlantId> {
        self.recording.plant()
    }

    /// Whether the run measures what the world costs by itself: programs then run without a probe.
    pub fn is_unobserved(&self) -> bool {
        self.is_unobserved
    }

    /// Where everybody writes down what happens.
    pub fn recording(&self) -> Recording<S> {
        self.recording.clone()
    }

    fn note(&self, host: HostId, name: &str, number: u32, is_client: bool) {
        let name = HostName { host, name: name.to_owned(), number, is_client };
        self.recording.notes().record.hosts.push(name);
    }
}
