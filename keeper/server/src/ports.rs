//! The ports of a server, and how long it waits for them.
//!
//! A name that does not resolve yet (a container's, at its start) or a port that is still taken (by the process
//! before) passes: so a port is tried as often as `electionPortBindRetry` says, a second apart, 3 times unless
//! given, and for ever with 0 (ZooKeeper Administrator's Guide, "electionPortBindRetry"; ZOOKEEPER-3320). Apache
//! does so for its election port; here it holds for every port.

use std::io;

use platform::{Listener, Platform};

use crate::node::{NodeConfig, NodeError};

/// The pause between two tries, in milliseconds: Apache's.
const BIND_RETRY_MS: u64 = 1_000;

/// The ports of a server. They stay open over a restart of the machine.
pub(crate) struct Listeners<P: Platform> {
    pub(crate) client: P::Listener,
    pub(crate) quorum: Option<P::Listener>,
    pub(crate) election: Option<P::Listener>,
}

impl<P: Platform> Listeners<P> {
    pub(crate) async fn open(platform: &P, config: &NodeConfig) -> Result<Listeners<P>, NodeError> {
        let tries_max = config.bounds.bind_tries_max;
        let client =
            listen(platform, &config.client_address, config.client_port, tries_max).await?;
        let (mut quorum, mut election) = (None, None);
        if let Some(own) = config.servers.get(&config.ensemble.me) {
            let every = "0.0.0.0".to_owned();
            let address = if config.listen_on_all_addresses { &every } else { &own.host };
            quorum = Some(listen(platform, address, own.quorum_port, tries_max).await?);
            election = Some(listen(platform, address, own.election_port, tries_max).await?);
        }
        Ok(Listeners { client, quorum, election })
    }
}

async fn listen<P: Platform>(
    platform: &P,
    address: &str,
    port: u16,
    tries_max: Option<u32>,
) -> Result<P::Listener, NodeError> {
    for tries in 1_u32.. {
        match platform.listen(address, port).await {
            Ok(listener) => return Ok(listener),
            Err(source) if tries_max.is_some_and(|max| tries >= max) => {
                return Err(NodeError::Listen { address: address.to_owned(), port, tries, source });
            }
            Err(error) => {
                tracing::warn!(address, port, %error, tries, "cannot listen; trying again");
                platform.sleep_ms(BIND_RETRY_MS).await;
            }
        }
    }
    unreachable!("four thousand million tries take longer than a century")
}

pub(crate) async fn accept<L: Listener>(listener: &mut Option<L>) -> io::Result<L::Stream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
