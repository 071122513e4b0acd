//! An ordinary program, an echo service and its client, run twice: for real on this machine, and in a
//! simulated world in which its server's machine loses its power.
//!
//!     cargo run -p squall-runtime --example echo_in_a_world --features simulated

use std::time::Duration;

use sim::World as _;
use squall_runtime::io::{AsyncReadExt, AsyncWriteExt};
use squall_runtime::net::{TcpListener, TcpStream};
use squall_runtime::{io, task, time};

/// Sends back whatever arrives.
async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        task::spawn(async move {
            let (mut read, mut write) = stream.split();
            // A peer that goes away ends its connection.
            let _ = io::copy(&mut read, &mut write).await;
        });
    }
}

/// Asks for an echo, with a time limit.
async fn ask(server: &str, question: &str) -> io::Result<String> {
    time::timeout(Duration::from_secs(1), async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(question.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    })
    .await?
}

fn for_real() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        task::spawn(serve(listener));
        println!("for real: {:?}", ask(&address, "hello").await?);
        Ok(())
    })
}

fn in_a_world() {
    let mut world = sim::engine::EngineWorld::new(7, sim::engine::EngineSettings::default());
    let server = world.host("server", |_| async {
        let listener = TcpListener::bind("0.0.0.0:7").await.expect("the port is free");
        serve(listener).await.expect("a listener goes on");
    });
    world.host("client", |_| async {
        loop {
            let answer = ask("server:7", "hello").await;
            println!("in a world: {answer:?}");
            time::sleep(Duration::from_secs(1)).await;
        }
    });
    world.run_until_ms(1_500).expect("nothing panics");
    world.power_loss(server).expect("nothing panics");
    world.run_until_ms(4_500).expect("nothing panics");
    println!("hash of what happened: {:016x}", world.trace_hash());
}

fn main() -> io::Result<()> {
    for_real()?;
    in_a_world();
    Ok(())
}
