//! Reading the data directory back at a start, again and again while there is hope.

use keeper_core::observation::Observation;
use keeper_core::reachable;
use platform::{Files, Platform};
use probe::Probe;

use crate::bounds::Patience;
use crate::disk::Directories;
use crate::node::{NodeConfig, NodeError};
use crate::recover::{Found, RecoverError, Recoverer};

/// For how long a file is tried to be read before it counts as damaged, in milliseconds.
const READ_MS_MAX: u64 = 10_000;

/// What the data directory holds. One that cannot be read is tried again until it can, as long as there is
/// hope; a file of it that cannot be read is damaged at last.
pub(crate) async fn read_back<P: Platform, I: Probe<Observation>>(
    platform: &P,
    config: &NodeConfig,
    probe: I,
    patience: &mut Patience,
) -> Result<FoundOn<P>, NodeError> {
    let (ensemble, directories) = (&config.ensemble, &config.directories);
    let mut recoverer = Recoverer {
        files: platform.files(),
        directories,
        probe,
        server: Some(ensemble.me).filter(|_| ensemble.voters.len() > 1),
        accepts_loss: config.accepts_loss,
        is_last_try: false,
    };
    let last_try = platform.now().after_ms(READ_MS_MAX);
    loop {
        recoverer.is_last_try = platform.now() >= last_try;
        let recovered = match is_there(&recoverer.files, directories, patience).await {
            Ok(()) => recoverer.recover().await,
            Err(gone) => Err(gone),
        };
        match recovered {
            Ok(found) => return Ok(found),
            Err(RecoverError::Io { path, source: error }) => {
                reachable!(recoverer, RecoveryFails);
                tracing::warn!(path, %error, "the data directory cannot be read; trying again");
                patience.failed(&path, error)?;
                platform.sleep_ms(patience.pause_ms(config.settings.tick_ms)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What was found in files of a platform.
pub(crate) type FoundOn<P> = Found<<<P as Platform>::Files as Files>::File>;

/// Recovering makes directories that are missing, as a first start must. After a failure that looks as if they
/// were gone it may not: the server would go on with nothing, as if it had never acknowledged anything.
async fn is_there<F: Files>(
    files: &F,
    directories: &Directories,
    patience: &Patience,
) -> Result<(), RecoverError> {
    if patience.is_missing() {
        for directory in [&directories.data, &directories.log] {
            let wrong = |source| RecoverError::Io { path: directory.clone(), source };
            files.list(directory).await.map_err(wrong)?;
        }
    }
    Ok(())
}
