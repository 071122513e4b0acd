//! Two hosts in a world: a server that keeps what it is told, and a client. The server's machine loses
//! its power, and what was synced is still there.
//!
//!     cargo run -p squall-sim --example power_loss

use std::io;

use platform::{File, Files, Listener, Stream};
use sim::engine::EngineWorld;
use sim::{Host, RunPanic, Settings, World};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const PORT: u16 = 7;

/// Appends each line to a file, syncs it, and answers how many bytes are kept.
async fn server<H: Host>(host: H) -> io::Result<()> {
    let files = host.files();
    files.create_dir_all("/data").await?;
    files.sync_dir("/").await?;
    let mut kept = files.read("/data/log").await.unwrap_or_default().len();
    println!("{}  server: starts with {kept} bytes", host.world_time());
    let mut file = match kept {
        0 => files.create("/data/log").await?,
        _ => files.open_append("/data/log").await?,
    };
    files.sync_dir("/data").await?;
    let mut listener = host.listen("0.0.0.0", PORT).await?;
    loop {
        let (read, mut write) = listener.accept().await?.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            kept += line.len();
            file.append(line.into_bytes());
            file.sync().await?;
            if write.write_all(format!("{kept}\n").as_bytes()).await.is_err() {
                break;
            }
        }
    }
}

/// Sends a line every 200 ms and says what came of it.
async fn client<H: Host>(host: H) {
    loop {
        let asked = host.timeout(400, async {
            let (read, mut write) = host.connect("server", PORT).await?.into_split();
            write.write_all(b"0123456789\n").await?;
            let answer = BufReader::new(read).lines().next_line().await?;
            answer.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
        });
        let said = match asked.await {
            Ok(Ok(kept)) => format!("{kept} bytes are kept"),
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        println!("{}  client: {said}", host.world_time());
        host.sleep_ms(200).await;
    }
}

fn main() -> Result<(), RunPanic> {
    let mut world = EngineWorld::build(7, Settings::default());
    let machine = world.host("server", |host| async move {
        if let Err(error) = server(host).await {
            println!("the server gives up: {error}");
        }
    });
    world.host("client", client);

    world.run_until_ms(500)?;
    println!("{}  the power goes", world.now());
    world.power_loss(machine)?;
    world.run_until_ms(1_500)?;
    println!("{}  the power is back", world.now());
    world.restart(machine)?;
    world.run_until_ms(2_500)?;
    println!("{} events, hash {:016x}", world.trace_count(), world.trace_hash());
    Ok(())
}
