//! A server in this process, on a free port of loopback, and a client that creates a znode and reads it.
//!
//!     cargo run -p squall-keeper-server --example in_process

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::ids::ServerId;
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use keeper_core::zab::ensemble::{Ensemble, Settings};
use keeper_server::{Bounds, Directories, NodeConfig, run};
use platform::tokio_platform::TokioPlatform;
use platform::{Listener, Platform};
use probe::Off;

/// A server that stands alone.
fn config(port: u16, folder: &str) -> NodeConfig {
    let me = ServerId(1);
    NodeConfig {
        bounds: Bounds::default(),
        ensemble: Ensemble {
            me,
            voters: BTreeSet::from([me]),
            config_text: String::new(),
            config_version: 0,
        },
        settings: Settings::default(),
        directories: Directories { data: folder.to_owned(), log: folder.to_owned() },
        client_address: "127.0.0.1".to_owned(),
        client_port: port,
        servers: BTreeMap::new(),
        accepts_loss: false,
        listen_on_all_addresses: false,
        max_client_connections: None,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("version-2").display().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let platform = TokioPlatform::new()?;
        // The port is free a moment later, too.
        let port = platform.listen("127.0.0.1", 0).await?.port();
        let (host, config) = (platform.clone(), config(port, &path));
        platform.spawn(async move {
            if let Err(error) = run(host, config, || Off).await {
                println!("the server ends: {error}");
            }
        });

        let servers = vec![ServerAddress { host: "127.0.0.1".to_owned(), port }];
        let (client, _events) = Client::connect(platform, servers, ClientOptions::default());
        let created = client.create("/motd", "hello", Acl::open(), CreateMode::Persistent).await?;
        println!("created {} at zxid {}", created.value, created.zxid);
        let read = client.get_data("/motd", false).await?;
        let (data, stat) = read.value;
        println!("it holds {data:?}, version {}", stat.version);
        client.close().await?;
        Ok(())
    })
}
