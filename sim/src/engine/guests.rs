//! What programs that were written for a runtime ask of their machine, beyond the platform: random
//! sources by purpose, fair choices, the system's entropy, and to be told that they should stop.
//!
//! All of it has streams and tables of its own, so that a run without such programs is what it was.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::Poll;

use super::current::{self, Waiter};
use super::platform::EnginePlatform;
use super::state::State;
use super::world::EngineWorld;
use crate::host::HostId;
use crate::seed::Draws;
use crate::streams;
use crate::trace::Kind;

/// One life of a host's program.
type Life = (HostId, u32);

/// What is kept for such programs.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    /// How many sources of a purpose a host has had in this life.
    sources: BTreeMap<(Life, String), u64>,
    /// Decides which branch of a `select!` is looked at first.
    choices: BTreeMap<Life, Draws>,
    /// What the system's entropy is for those who ask for it behind everybody's back.
    system: BTreeMap<Life, Draws>,
    /// Who was asked to stop, and which of their tasks wait for that.
    stops: BTreeMap<Life, Stop>,
}

#[derive(Debug, Default)]
struct Stop {
    is_asked: bool,
    waiting: Vec<Waiter>,
}

impl EnginePlatform {
    fn life(&self) -> Life {
        (self.host, self.incarnation)
    }

    /// The index of the first stream of this life.
    fn first_index(&self) -> u64 {
        u64::from(self.incarnation) << 32
    }

    /// A fresh random source: another one each time, and after each restart, and the same ones for
    /// the same seed.
    pub fn random(&self, purpose: &str) -> Draws {
        current::with(self.world, |state| {
            let name = (self.life(), purpose.to_owned());
            let ordinal = state.guests.sources.entry(name).or_default();
            *ordinal += 1;
            let index = self.first_index() + *ordinal;
            // A program's words must not name a stream of the world.
            Draws::for_host(
                state.seed,
                &[streams::OF_A_PROGRAM, purpose].concat(),
                self.host.0,
                index,
            )
        })
    }

    /// One of `0..limit`, each as likely, from a stream of the host's choices.
    pub fn choose(&self, limit: u32) -> u32 {
        current::with(self.world, |state| {
            let (seed, index) = (state.seed, self.first_index());
            let fresh = || Draws::for_host(seed, streams::CHOICES, self.host.0, index);
            let draws = state.guests.choices.entry(self.life()).or_insert_with(fresh);
            draws.below(u64::from(limit)) as u32
        })
    }

    /// Fills `bytes` with what this host's system would give to a program that asks it directly.
    pub fn system_entropy(&self, bytes: &mut [u8]) {
        current::with(self.world, |state| {
            let (seed, index) = (state.seed, self.first_index());
            let fresh = || Draws::for_host(seed, streams::SYSTEM_ENTROPY, self.host.0, index);
            state.guests.system.entry(self.life()).or_insert_with(fresh).fill(bytes);
        });
    }

    /// Ends when this host's program is asked to stop, at once if it was.
    pub fn asked_to_stop(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let of = *self;
        std::future::poll_fn(move |cx| {
            current::with(of.world, |state| {
                let stop = state.guests.stops.entry(of.life()).or_default();
                if stop.is_asked {
                    return Poll::Ready(());
                }
                let mut waiter = Waiter::Nobody;
                waiter.remember(cx.waker());
                stop.waiting.push(waiter);
                Poll::Pending
            })
        })
    }
}

impl State {
    /// Asks a host's program to stop.
    fn ask_to_stop(&mut self, host: HostId) {
        let life = (host, self.host(host).incarnation);
        let stop = self.guests.stops.entry(life).or_default();
        stop.is_asked = true;
        self.wakes.append(&mut stop.waiting);
        self.record(Some(host), Kind::Fault, b"ask to stop");
    }
}

impl EngineWorld {
    /// Asks a host's program to stop, as SIGTERM and an operator's control-C do. A program that does
    /// not listen goes on; a restart forgets it.
    pub fn ask_to_stop(&mut self, host: HostId) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| state.ask_to_stop(host));
    }
}
