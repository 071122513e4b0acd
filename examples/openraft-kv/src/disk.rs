//! Files of one life of a server: records with checksums, and files that are replaced whole.
//!
//! A loss of power leaves any part of what was not synced, of contents as of names. So a file is replaced
//! by writing another, syncing it, renaming it, and syncing the directory.

use std::io;
use std::sync::Arc;

use squall::prelude::*;
use tokio::sync::{Mutex, MutexGuard};

/// The length and the checksum before each record.
const HEAD: usize = 4 + 8;

/// A server's disk, for as long as one life of its program lasts. Tasks of openraft outlive the `Raft` that
/// has failed: what they still want to write must not meet what the next life writes.
pub struct Disk<H> {
    host: H,
    is_over: Arc<Mutex<bool>>,
}

impl<H: Host> Clone for Disk<H> {
    fn clone(&self) -> Disk<H> {
        Disk { host: self.host.clone(), is_over: Arc::clone(&self.is_over) }
    }
}

/// The right to write. One holds it at a time.
pub struct Turn<'a>(#[expect(dead_code, reason = "held, not looked at")] MutexGuard<'a, bool>);

impl<H: Host> Disk<H> {
    /// The disk for a new life.
    pub fn new(host: H) -> Disk<H> {
        Disk { host, is_over: Arc::new(Mutex::new(false)) }
    }

    /// This life is over: nothing of it is written any more.
    pub async fn end(&self) {
        *self.is_over.lock().await = true;
    }

    /// Waits for one's turn to write.
    ///
    /// # Errors
    /// This life is over.
    pub async fn turn(&self) -> io::Result<Turn<'_>> {
        let is_over = self.is_over.lock().await;
        if *is_over {
            return Err(io::Error::other("this life of the server is over"));
        }
        Ok(Turn(is_over))
    }

    /// Makes a directory that survives a loss of power; its parent does already.
    ///
    /// # Errors
    /// The host's.
    pub async fn make_dir(&self, parent: &str, dir: &str) -> io::Result<()> {
        let files = self.host.files();
        files.create_dir_all(dir).await?;
        files.sync_dir(parent).await
    }

    /// The records of a file, up to the first that is not whole; none if there is no file.
    ///
    /// # Errors
    /// The host's.
    pub async fn records(&self, path: &str) -> io::Result<Option<Vec<Vec<u8>>>> {
        match self.host.files().read(path).await {
            Ok(bytes) => Ok(Some(unsealed(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file anew under the name of another. The caller still has to sync the directory.
    ///
    /// # Errors
    /// The host's.
    pub async fn replace(
        &self,
        _turn: &Turn<'_>,
        path: &str,
        bytes: Vec<u8>,
    ) -> io::Result<<H::Files as Files>::File> {
        let files = self.host.files();
        let new = format!("{path}.new");
        let mut file = files.create(&new).await?;
        file.append(bytes);
        file.sync().await?;
        files.rename(&new, path).await?;
        Ok(file)
    }

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The host's.
    pub async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.host.files().sync_dir(dir).await
    }
}

/// A record with its length and checksum.
pub fn sealed(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).expect("a record is far below 4 GiB");
    let mut bytes = Vec::with_capacity(HEAD + record.len());
    bytes.extend(length.to_be_bytes());
    bytes.extend(hash_bytes(record).to_be_bytes());
    bytes.extend(record);
    bytes
}

/// The records before the first that is torn.
pub fn unsealed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>()
        && let Some((hash, rest)) = rest.split_first_chunk::<8>()
        && let Some((record, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        && hash_bytes(record) == u64::from_be_bytes(*hash)
    {
        // A length of zeros with a checksum of zeros is no record: an empty one has another checksum.
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

/// Something as a record's bytes.
pub fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is kept is plain data with text keys")
}

/// A record's bytes as what they were.
///
/// # Errors
/// They are of another type, although their checksum is right.
pub fn decoded<T: serde::de::DeserializeOwned>(record: &[u8]) -> io::Result<T> {
    serde_json::from_slice(record)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
