//! Writes snapshots piece by piece, while the tree goes on changing.

use std::collections::BTreeMap;

use adler2::Adler32;

use crate::ids::{SessionId, Zxid};
use crate::jute::{Encode, put_count, put_int, put_long, put_string};
use crate::tree::{FreezeId, Tree};
use crate::txn::TxnDigest;

use super::{DB_ID, MAGIC, SEAL, SnapshotDigest, VERSION};

/// One snapshot being written. It holds a freeze of the tree, which ends with the last chunk or by
/// [`SnapshotWriter::abandon`].
#[derive(Debug)]
#[must_use = "a writer holds a freeze until its last chunk"]
pub struct SnapshotWriter {
    freeze: FreezeId,
    zxid: Zxid,
    digest: SnapshotDigest,
    /// The checksum so far; `None` for a stream, which has no seals.
    adler: Option<Adler32>,
}

impl SnapshotWriter {
    /// Begins a file of the tree as it is now, to be named by [`SnapshotWriter::zxid`], and appends
    /// its first bytes to `out`. `sessions` are those of this moment, with time-outs in
    /// milliseconds.
    pub fn file(
        tree: &mut Tree,
        sessions: &BTreeMap<SessionId, i32>,
        out: &mut Vec<u8>,
    ) -> SnapshotWriter {
        let at = out.len();
        out.extend_from_slice(&MAGIC);
        put_int(out, VERSION);
        put_long(out, DB_ID);
        let mut writer = SnapshotWriter::stream(tree, sessions, out);
        let mut adler = Adler32::new();
        adler.write_slice(&out[at..]);
        writer.adler = Some(adler);
        writer
    }

    /// The file will not say that it is the tree at its zxid: parts may be ahead. Zeros are what Apache writes where
    /// it has no digest.
    pub fn without_digest(mut self) -> SnapshotWriter {
        let digest = TxnDigest { version: TxnDigest::VERSION, tree_digest: 0 };
        self.digest = SnapshotDigest { zxid: Zxid::ZERO, digest };
        self
    }

    /// Begins what a leader sends behind SNAP: no header, and no seals at the end.
    pub fn stream(
        tree: &mut Tree,
        sessions: &BTreeMap<SessionId, i32>,
        out: &mut Vec<u8>,
    ) -> SnapshotWriter {
        put_count(out, sessions.len());
        for (session, timeout_ms) in sessions {
            put_long(out, session.0);
            put_int(out, *timeout_ms);
        }
        let freeze = tree.freeze();
        let zxid = tree.freeze_zxid(freeze);
        let digest = SnapshotDigest { zxid, digest: tree.freeze_digest(freeze) };
        SnapshotWriter { freeze, zxid, digest, adler: None }
    }

    /// The last transaction that the snapshot covers.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Appends the next part to `out`, about `max_bytes` of it. Returns whether it was the last; the
    /// writer is of no more use then.
    pub fn chunk(&mut self, tree: &mut Tree, max_bytes: usize, out: &mut Vec<u8>) -> bool {
        let at = out.len();
        let done = tree.freeze_chunk(self.freeze, max_bytes, out);
        if let Some(adler) = &mut self.adler {
            adler.write_slice(&out[at..]);
        }
        if done {
            tree.thaw(self.freeze);
            self.write_trailer(out);
        }
        done
    }

    /// Gives up before the last chunk.
    pub fn abandon(self, tree: &mut Tree) {
        tree.thaw(self.freeze);
    }

    fn write_trailer(&self, out: &mut Vec<u8>) {
        let Some(mut adler) = self.adler else { return };
        seal(&mut adler, out);
        let at = out.len();
        self.digest.encode(out);
        adler.write_slice(&out[at..]);
        seal(&mut adler, out);
        let at = out.len();
        put_long(out, self.zxid.to_wire());
        adler.write_slice(&out[at..]);
        seal(&mut adler, out);
    }
}

/// A seal covers everything before it, earlier seals included.
fn seal(adler: &mut Adler32, out: &mut Vec<u8>) {
    let at = out.len();
    put_long(out, i64::from(adler.checksum()));
    put_string(out, SEAL);
    adler.write_slice(&out[at..]);
}
