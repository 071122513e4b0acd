//! The worlds that there are, by name, and what each of them lacks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::EngineWorld;
use crate::world::World;

/// Which world performs a plan.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Our own event-driven engine: [`EngineWorld`].
    #[default]
    Engine,
    /// turmoil, with our wrapper around it: `TurmoilWorld`, if this build has it.
    Turmoil,
}

/// Something that not every world can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Links lose segments, which are sent again: [`World::flaky_link`].
    FlakyLinks,
    /// Links carry only so many bytes per second: [`World::narrow_link`].
    NarrowLinks,
    /// Datagrams are lost, arrive twice and out of order: [`World::trouble_datagrams`].
    Datagrams,
    /// Time passes from event to event, to the nanosecond; otherwise in steps of a millisecond, and
    /// alarms are rounded up to it.
    ExactTime,
    /// A program can be stopped between two of its statements, before it is killed:
    /// [`Host::doom`](crate::Host::doom). Otherwise it is killed within the millisecond.
    InstantKills,
}

impl Capability {
    /// Every capability, in the order of lists.
    pub const ALL: [Capability; 5] = [
        Capability::FlakyLinks,
        Capability::NarrowLinks,
        Capability::Datagrams,
        Capability::ExactTime,
        Capability::InstantKills,
    ];
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::FlakyLinks => "flaky links",
            Capability::NarrowLinks => "limits of bandwidth",
            Capability::Datagrams => "trouble of datagrams",
            Capability::ExactTime => "time to the nanosecond",
            Capability::InstantKills => "kills in the midst of an instant",
        })
    }
}

/// This build does not have that world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no {0}: build with feature `{0}`")]
pub struct NotBuiltIn(pub EngineKind);

/// What can be done on any world: a function over worlds, since closures cannot be generic.
pub trait OnWorld {
    /// What comes of it.
    type Output;

    /// Does it on worlds of this type.
    fn on<W: World>(self) -> Self::Output;
}

impl EngineKind {
    /// Every one, the default first, whether it is built in or not.
    pub const ALL: [EngineKind; 2] = [EngineKind::Engine, EngineKind::Turmoil];

    /// Its name, as plans and the command line spell it.
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Engine => "engine",
            EngineKind::Turmoil => "turmoil",
        }
    }

    /// Whether it is the default, which plans leave out.
    pub fn is_default(&self) -> bool {
        *self == EngineKind::default()
    }

    /// What it can do of what not every world can, whether it is built in or not.
    pub const fn capabilities(self) -> &'static [Capability] {
        match self {
            EngineKind::Engine => &Capability::ALL,
            // turmoil sends nothing again, does not count bytes, and ticks.
            EngineKind::Turmoil => &[],
        }
    }

    /// Whether it can do that, whether it is built in or not.
    pub fn has(self, capability: Capability) -> bool {
        self.capabilities().contains(&capability)
    }

    /// Whether this build can perform anything on it. Plans that name the others can be read,
    /// shown and shrunk, but not run.
    pub const fn is_built_in(self) -> bool {
        match self {
            EngineKind::Engine => true,
            EngineKind::Turmoil => cfg!(feature = "turmoil"),
        }
    }

    /// Does `work` on this kind of world.
    ///
    /// # Errors
    /// This build has no such world, which [`EngineKind::is_built_in`] says beforehand.
    pub fn perform<T: OnWorld>(self, work: T) -> Result<T::Output, NotBuiltIn> {
        match self {
            EngineKind::Engine => Ok(work.on::<EngineWorld>()),
            #[cfg(feature = "turmoil")]
            EngineKind::Turmoil => Ok(work.on::<crate::turmoil::TurmoilWorld>()),
            #[cfg(not(feature = "turmoil"))]
            EngineKind::Turmoil => Err(NotBuiltIn(self)),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl OnWorld for Name {
        type Output = u64;

        fn on<W: World>(self) -> u64 {
            W::build(7, crate::settings::Settings::default()).seed()
        }
    }

    #[test]
    fn worlds_that_are_built_in_perform_and_others_say_what_to_do() {
        for kind in EngineKind::ALL {
            match kind.perform(Name) {
                Ok(seed) => assert_eq!((seed, kind.is_built_in()), (7, true)),
                Err(error) => {
                    assert!(!kind.is_built_in());
                    let expected = "this build has no turmoil: build with feature `turmoil`";
                    assert_eq!(error.to_string(), expected);
                }
            }
        }
    }

    #[test]
    fn every_world_is_read_from_its_name_whether_built_in_or_not() {
        for kind in EngineKind::ALL {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<EngineKind>(&text).unwrap(), kind);
        }
    }
}
