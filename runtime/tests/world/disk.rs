//! What a kill and a loss of power leave of a program's files.

use std::collections::BTreeSet;
use std::path::Path;

use sim::World as _;
use sim::disk::{DiskFault, EIO, ENOSPC, OpKind};
use sim::engine::EngineWorld;
use squall_runtime::fs::{self, File, OpenOptions};
use squall_runtime::io::AsyncWriteExt;

use super::world;

/// Writes a file that is synced and named durably, one that is synced only, and one that is only
/// written.
async fn write_three() {
    fs::create_dir_all("/data").await.unwrap();
    File::open("/").await.unwrap().sync_all().await.unwrap();
    let mut durable = File::create("/data/durable").await.unwrap();
    durable.write_all(b"kept").await.unwrap();
    durable.sync_all().await.unwrap();
    File::open("/data").await.unwrap().sync_all().await.unwrap();
    let mut unnamed = File::create("/data/unnamed").await.unwrap();
    unnamed.write_all(b"kept if its name is").await.unwrap();
    unnamed.sync_all().await.unwrap();
    durable.write_all(b", and more").await.unwrap();
    durable.flush().await.unwrap();
    std::future::pending::<()>().await;
}

fn after(seed: u64, strike: impl FnOnce(&mut EngineWorld, sim::HostId)) -> [Option<String>; 2] {
    let mut world = world(seed);
    let host = world.host("host", |_| write_three());
    world.run_until_ms(1_000).unwrap();
    strike(&mut world, host);
    world.run_until_ms(2_000).unwrap();
    ["data/durable", "data/unnamed"].map(|path| {
        let content = world.with_disk(host, |disk| disk.peek(path).map(<[u8]>::to_vec));
        content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    })
}

#[test]
fn kill_keeps_all_that_was_written() {
    for seed in 0..20 {
        let [durable, unnamed] = after(seed, |world, host| world.crash(host).unwrap());
        assert_eq!(durable.as_deref(), Some("kept, and more"));
        assert_eq!(unnamed.as_deref(), Some("kept if its name is"));
    }
}

#[test]
fn loss_of_power_keeps_what_was_synced_and_any_part_of_the_rest() {
    let (mut grown, mut named) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let [durable, unnamed] = after(seed, |world, host| world.power_loss(host).unwrap());
        let durable = durable.expect("its name was made durable");
        assert!(durable.starts_with("kept"), "{durable:?}");
        grown.insert(durable.len());
        // A file whose name survived has the content that was synced.
        assert!(unnamed.as_deref().is_none_or(|text| text == "kept if its name is"));
        named.insert(unnamed.is_some());
    }
    assert!(grown.contains(&4) && grown.contains(&14) && grown.len() > 3, "{grown:?}");
    assert_eq!(named.len(), 2, "the name survives now and then");
}

#[test]
fn write_that_fails_is_told_by_the_flush_and_not_for_ever() {
    let mut world = world(1);
    let host = world.host("host", |_| async {
        let mut file = File::create("/log").await.unwrap();
        file.write_all(b"lost").await.unwrap();
        let error = file.flush().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ENOSPC.0));
        file.flush().await.unwrap();
        let error = file.sync_all().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EIO.0));
        file.sync_all().await.unwrap();
        fs::write("/done", "").await.unwrap();
    });
    let fault = |kind, errno| DiskFault::Error { kinds: vec![kind], errno, nth: Some(1) };
    world.add_disk_fault(host, fault(OpKind::Write, ENOSPC));
    world.add_disk_fault(host, fault(OpKind::Sync, EIO));
    world.run_until_ms(1_000).unwrap();
    assert!(world.with_disk(host, |disk| disk.peek("done").is_some()));
}

#[test]
fn program_goes_on_with_what_is_left() {
    let mut world = world(5);
    let host = world.host("host", |_| async {
        let path = Path::new("/counter");
        let count = match fs::read_to_string(path).await {
            Ok(text) => text.len(),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                0
            }
        };
        let mut file = OpenOptions::new().append(true).create(true).open(path).await.unwrap();
        file.write_all(b"x").await.unwrap();
        file.sync_all().await.unwrap();
        File::open("/").await.unwrap().sync_all().await.unwrap();
        assert_eq!(fs::metadata(path).await.unwrap().len(), count as u64 + 1);
    });
    for turn in 1..=5 {
        world.run_until_ms(turn * 100).unwrap();
        world.power_loss(host).unwrap();
        assert_eq!(world.with_disk(host, |disk| disk.peek("counter").unwrap().len()) as u64, turn);
        world.restart(host).unwrap();
    }
}
