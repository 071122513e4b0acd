//! `--engine`: which simulated world performs runs.

use clap::{Args, ValueEnum};
use harness::EngineKind;

/// The option.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct EngineArgs {
    /// Which simulated world performs the runs: our own event-driven engine, or turmoil, which is
    /// slower and has fewer faults, as a second opinion. Plans of the corpus name their own.
    #[arg(long, value_enum, value_name = "ENGINE", default_value = "engine")]
    engine: EngineName,
}

/// A simulated world by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// Our own.
    Engine,
    /// tokio-rs's.
    Turmoil,
}

impl EngineArgs {
    /// The world that was asked for.
    pub(crate) fn kind(self) -> EngineKind {
        self.engine.kind()
    }
}

impl EngineName {
    /// The world of that name.
    pub(crate) fn kind(self) -> EngineKind {
        match self {
            EngineName::Engine => EngineKind::Engine,
            EngineName::Turmoil => EngineKind::Turmoil,
        }
    }
}

/// What a command line needs to ask for the same world again.
pub(crate) fn flag(engine: EngineKind) -> String {
    harness::tell::named(engine).map_or_else(String::new, |name| format!(" --engine {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_plans() {
        for kind in EngineKind::ALL {
            let name = EngineName::from_str(kind.name(), false).unwrap();
            assert_eq!(name.kind(), kind);
        }
        assert_eq!(flag(EngineKind::Engine), "");
        assert_eq!(flag(EngineKind::Turmoil), " --engine turmoil");
    }
}
