//! The service and its client for real, on this machine.

use std::io;
use std::time::Duration;

use example_http::{Client, ClientConfig, Payment, ServerConfig, server};
use probe::Off;
use squall_runtime::{fs, spawn, time};

const ADDRESS: &str = "127.0.0.1:8787";

async fn run() -> io::Result<()> {
    let dir = std::env::temp_dir().join(format!("squall-example-http-{}", std::process::id()));
    let service = spawn(server(ServerConfig { address: ADDRESS.into(), dir: dir.clone() }, Off));
    time::sleep(Duration::from_millis(100)).await;
    if service.is_finished() {
        return service.await.map_err(io::Error::other)?;
    }
    let config = ClientConfig {
        server: ADDRESS.into(),
        timeout: Duration::from_secs(1),
        backoff: Duration::from_millis(50),
        backoff_max: Duration::from_secs(1),
        attempts: 5,
    };
    let mut client = Client::new(config, Off);
    for amount in 1..=5 {
        let reference = format!("invoice-{amount}");
        let payment = Payment { account: "alice".into(), amount, reference };
        println!("{amount} to alice for {}: {:?}", payment.reference, client.pay(&payment).await?);
    }
    println!("alice has {:?}", client.balance("alice").await?);
    service.abort();
    fs::remove_dir_all(dir).await
}

fn main() -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}
