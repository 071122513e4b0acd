//! The service for real, on this machine. What it does when the machine fails is tested in a world:
//! see `simulation/`.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use example_http::{Client, ClientConfig, Paid, Payment, ServerConfig, server};
use probe::Off;
use squall_runtime::net::{TcpListener, TcpStream};

#[test]
fn runs_for_real() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A port that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = ServerConfig { address: address.clone(), dir: dir.path().into() };
        let client = ClientConfig {
            server: address.clone(),
            timeout: Duration::from_secs(5),
            backoff: Duration::from_millis(20),
            backoff_max: Duration::from_secs(1),
            attempts: 10,
        };
        let mut client = Client::new(client, Off);
        // The second life reads back what the first has paid.
        for life in 1..=2 {
            let service = squall_runtime::spawn(server(config.clone(), Off));
            for amount in 1..=3 {
                let reference = format!("life-{life}-{amount}");
                let payment = Payment { account: "alice".into(), amount, reference };
                assert_eq!(client.pay(&payment).await.unwrap(), Paid::Yes);
            }
            assert_eq!(client.balance("alice").await.unwrap(), Some(6 * life));
            let odd = Payment { account: "al ice".into(), amount: 1, reference: "odd".into() };
            let refused = client.pay(&odd).await.unwrap_err().to_string();
            assert!(refused.contains("ACCOUNT AMOUNT REFERENCE"), "{refused}");
            service.abort();
            let _ = service.await;
            while TcpStream::connect(&address).await.is_ok() {}
        }
    });
}
