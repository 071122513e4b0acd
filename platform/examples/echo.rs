//! An echo service and its client, written over any platform and run on real sockets.
//!
//!     cargo run -p squall-platform --example echo

use std::io;

use platform::tokio_platform::TokioPlatform;
use platform::{Listener, Platform, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends back whatever arrives, each connection in a task of its own.
async fn serve<P: Platform>(platform: P, mut listener: P::Listener) -> io::Result<()> {
    loop {
        let (mut read, mut write) = listener.accept().await?.into_split();
        platform.spawn(async move {
            // A peer that goes away ends its connection; dropping the half closes ours.
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

/// Asks for an echo. The network's own time-out is minutes, so there is a limit.
async fn ask(platform: &impl Platform, port: u16, question: &str) -> io::Result<String> {
    let asked = platform.timeout(1_000, async {
        let (mut read, mut write) = platform.connect("127.0.0.1", port).await?.into_split();
        write.write_all(question.as_bytes()).await?;
        drop(write);
        let mut answer = String::new();
        read.read_to_string(&mut answer).await?;
        Ok(answer)
    });
    asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let platform = TokioPlatform::new()?;
        let listener = platform.listen("127.0.0.1", 0).await?;
        let port = listener.port();
        let server = platform.clone();
        platform.spawn(async move {
            if let Err(error) = serve(server, listener).await {
                println!("the server ends: {error}");
            }
        });
        let before = platform.now();
        let answer = ask(&platform, port, "hello").await?;
        println!("port {port} says {answer:?} after {} ms", platform.now().ms_since(before));
        Ok(())
    })
}
