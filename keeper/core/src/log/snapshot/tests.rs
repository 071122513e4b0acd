//! Snapshots there and back, in today's form and in every older one, and what is no snapshot.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::jute::{put_count, put_string, to_bytes};
use crate::record::{Acl, StatPersisted};
use crate::tree::history::{Draw, draws, grow};
use crate::tree::{CONFIG, ROOT, ZOOKEEPER};

const ZXID: Zxid = Zxid(0x1_0000_0005);

fn sessions() -> BTreeMap<SessionId, i32> {
    BTreeMap::from([(SessionId(7), 4000), (SessionId(-3), 30_000)])
}

/// A seal over everything in `out`.
fn seal(out: &mut Vec<u8>) {
    put_long(out, i64::from(adler2::adler32_slice(out)));
    put_string(out, "/");
}

fn sealed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(part);
        seal(&mut out);
    }
    out
}

/// Header, sessions and tree.
fn body(tree: &Tree) -> Vec<u8> {
    let mut out = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    put_count(&mut out, 2);
    for (session, timeout_ms) in sessions() {
        put_long(&mut out, session.0);
        put_int(&mut out, timeout_ms);
    }
    tree.encode(&mut out);
    out
}

fn digest_part(zxid: Zxid, tree: &Tree) -> Vec<u8> {
    to_bytes(&SnapshotDigest { zxid, digest: tree.digest() })
}

fn zxid_part(zxid: Zxid) -> [u8; 8] {
    zxid.0.to_be_bytes()
}

fn grown(draws: &[Draw]) -> Tree {
    let mut tree = Tree::new();
    grow(&mut tree, draws);
    tree
}

fn read(bytes: &[u8], zxid: Zxid) -> Result<SnapshotData, SnapshotError> {
    let mut reader = SnapshotReader::file();
    reader.push(bytes)?;
    reader.finish(zxid)
}

fn write(tree: &mut Tree, max_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = SnapshotWriter::file(tree, &sessions(), &mut out);
    while !writer.chunk(tree, max_bytes, &mut out) {}
    out
}

#[test]
fn the_file_is_apaches() {
    let mut tree = Tree::new();
    let written = write(&mut tree, 50);
    let body = body(&tree);
    let digest = digest_part(Zxid(0), &tree);
    assert_eq!(written, sealed(&[&body, &digest, &zxid_part(Zxid(0))]));
    let mut nodes = Vec::new();
    put_count(&mut nodes, 1);
    put_long(&mut nodes, 1);
    crate::jute::put_vector(&mut nodes, &Acl::read());
    for (path, acl, aversion) in
        [("", -1, 0), (ZOOKEEPER, -1, 0), (CONFIG, 1, -1), ("/zookeeper/quota", -1, 0)]
    {
        put_string(&mut nodes, path);
        put_count(&mut nodes, 0);
        put_long(&mut nodes, acl);
        StatPersisted { aversion, ..StatPersisted::default() }.encode(&mut nodes);
    }
    put_string(&mut nodes, "/");
    assert_eq!(body[16 + 4 + 2 * 12..], nodes);
}

#[test]
fn an_exact_snapshot_is_told_from_one_that_may_be_ahead() {
    let tree = Tree::new();
    let body = body(&tree);
    let exact = |parts: &[&[u8]]| read(&sealed(parts), ZXID).unwrap().exact;
    let digest = |zxid| digest_part(zxid, &tree);
    let later = Zxid(ZXID.0 + 1);
    assert!(exact(&[&body, &digest(ZXID)]));
    assert!(exact(&[&body, &digest(ZXID), &zxid_part(ZXID)]));
    assert!(!exact(&[&body]));
    assert!(!exact(&[&body, &zxid_part(ZXID)]));
    assert!(!exact(&[&body, &digest(later)]));
    assert!(!exact(&[&body, &digest(ZXID), &zxid_part(later)]));
    let pending = read(&sealed(&[&body, &digest(later)]), ZXID).unwrap().digest.unwrap();
    assert_eq!((pending.zxid, pending.digest), (later, tree.digest()));
}

#[test]
fn digests_that_say_nothing_are_not_compared() {
    let body = body(&Tree::new());
    let zeros = [&[0; 8][..], &[0, 0, 0, 2], &[0; 8]].concat();
    let data = read(&sealed(&[&body, &zeros, &zxid_part(Zxid(0))]), Zxid(0)).unwrap();
    assert_eq!((data.digest, data.exact), (None, false));
    let mut first_version = zxid_part(ZXID).to_vec();
    put_int(&mut first_version, 1);
    put_string(&mut first_version, "-1f");
    let data = read(&sealed(&[&body, &first_version]), ZXID).unwrap();
    assert_eq!((data.digest, data.exact), (None, false));
}

#[test]
fn another_trees_digest_is_refused() {
    let tree = Tree::new();
    let mut other = digest_part(ZXID, &tree);
    other[19] ^= 1;
    let told = tree.digest().tree_digest ^ 1;
    let error = SnapshotError::Digest { zxid: ZXID, told, actual: tree.digest().tree_digest };
    assert_eq!(read(&sealed(&[&body(&tree), &other]), ZXID), Err(error));
}

#[test]
fn a_list_that_is_not_there_grants_nothing() {
    let mut tree = TreeOnDisk::default();
    tree.node("", -1);
    tree.node("/a", 9);
    let data = read(&sealed(&[&tree.body()]), ZXID).unwrap();
    assert_eq!(data.unknown_acls, 1);
    assert!(data.tree.acl("/a").unwrap().iter().all(|acl| acl.perms == 0));
}

#[test]
fn what_is_no_snapshot_is_told() {
    let tree = Tree::new();
    let body = body(&tree);
    let whole = sealed(&[&body]);
    let error = |bytes: &[u8]| read(bytes, ZXID).unwrap_err();
    assert_eq!(error(b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"), SnapshotError::Header);
    assert_eq!(error(b""), SnapshotError::Unfinished { bytes: 0 });
    assert_eq!(error(&whole[..100]), SnapshotError::Unfinished { bytes: 100 });
    assert!(matches!(error(&body), SnapshotError::Format { .. }));
    let mut rotten = whole.clone();
    rotten[25] ^= 1;
    assert_eq!(error(&rotten), SnapshotError::Checksum);
    assert_eq!(error(&[&whole[..], &[0; 2000]].concat()), SnapshotError::Trailer);
    assert!(matches!(error(&[&whole[..], &[0; 9]].concat()), SnapshotError::Format { .. }));
    let counts = [&whole[..16], &[255; 4]].concat();
    assert_eq!(error(&counts), SnapshotError::Count { count: -1 });
    let mut orphan = TreeOnDisk::default();
    orphan.node("", -1);
    orphan.node("/a/b", -1);
    let no_parent = BuildError::NoParent { path: "/a/b".into() };
    assert_eq!(error(&orphan.body()), SnapshotError::Tree(no_parent));
    assert_eq!(error(&sealed(&[&TreeOnDisk::default().body()])), BuildError::NoRoot.into());
}

#[test]
fn a_length_beyond_all_reason_is_not_waited_for() {
    let mut tree = TreeOnDisk::default();
    tree.node("", -1);
    let mut bytes = tree.body();
    bytes.truncate(bytes.len() - 5);
    put_count(&mut bytes, 1 << 30);
    assert!(matches!(read(&bytes, ZXID), Err(SnapshotError::TooLarge { .. })));
}

#[test]
fn an_abandoned_snapshot_leaves_nothing() {
    let mut tree = Tree::new();
    let mut out = Vec::new();
    let writer = SnapshotWriter::file(&mut tree, &sessions(), &mut out);
    tree.set_config(Bytes::new(), ZXID, 0);
    assert_eq!((writer.zxid(), tree.frozen_images()), (Zxid(0), 1));
    writer.abandon(&mut tree);
    assert_eq!(tree.frozen_images(), 0);
}

/// Nodes written by hand, behind a header, no session and no list.
#[derive(Default)]
struct TreeOnDisk(Vec<u8>);

impl TreeOnDisk {
    fn node(&mut self, path: &str, acl: i64) {
        put_string(&mut self.0, path);
        put_int(&mut self.0, -1);
        put_long(&mut self.0, acl);
        StatPersisted::default().encode(&mut self.0);
    }

    fn body(&self) -> Vec<u8> {
        let mut out = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0".to_vec();
        out.extend_from_slice(&self.0);
        put_string(&mut out, ROOT);
        out
    }
}

proptest! {
    #[test]
    fn a_file_comes_back_whatever_the_pieces(
        draws in draws(0..60),
        chunk in 1_usize..500,
        piece in 1_usize..200,
    ) {
        let mut tree = grown(&draws);
        let bytes = write(&mut tree, chunk);
        let mut reader = SnapshotReader::file();
        for piece in bytes.chunks(piece) {
            reader.push(piece).unwrap();
        }
        let data = reader.finish(tree.last_zxid()).unwrap();
        prop_assert!(data.exact);
        prop_assert_eq!(data.unknown_acls, 0);
        prop_assert_eq!(data.sessions, sessions());
        prop_assert_eq!(data.last_zxid, tree.last_zxid());
        prop_assert_eq!(data.tree.last_zxid(), tree.last_zxid());
        prop_assert_eq!(data.tree.digest(), tree.digest());
        prop_assert_eq!(to_bytes(&data.tree), to_bytes(&tree));
    }

    #[test]
    fn every_older_form_is_read(draws in draws(0..40)) {
        let tree = grown(&draws);
        let body = body(&tree);
        let digest = digest_part(ZXID, &tree);
        let forms: [&[&[u8]]; 4] =
            [&[&body], &[&body, &digest], &[&body, &zxid_part(ZXID)], &[&body, &digest, &zxid_part(ZXID)]];
        for form in forms {
            let data = read(&sealed(form), ZXID).unwrap();
            prop_assert_eq!(to_bytes(&data.tree), to_bytes(&tree));
            prop_assert_eq!(data.sessions, sessions());
        }
    }

    #[test]
    fn a_stream_says_where_it_ends(draws in draws(0..40), piece in 1_usize..200) {
        let mut tree = grown(&draws);
        let mut bytes = Vec::new();
        let mut writer = SnapshotWriter::stream(&mut tree, &sessions(), &mut bytes);
        while !writer.chunk(&mut tree, 100, &mut bytes) {}
        let len = bytes.len();
        bytes.extend_from_slice(b"\0\0\0\nBenWasHere");
        let mut reader = SnapshotReader::stream();
        let mut pushed = 0;
        let mut pieces = bytes.chunks(piece);
        loop {
            let piece = pieces.next().unwrap();
            pushed += piece.len();
            if reader.push(piece).unwrap() == Progress::Complete {
                break;
            }
        }
        prop_assert_eq!(reader.consumed(), len as u64);
        prop_assert_eq!(reader.take_rest(), bytes[len..pushed].to_vec());
        let data = reader.finish(ZXID).unwrap();
        prop_assert!(!data.exact);
        prop_assert_eq!(to_bytes(&data.tree), to_bytes(&tree));
    }

    #[test]
    fn a_damaged_file_is_never_taken_for_whole(
        draws in draws(1..30),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut tree = grown(&draws);
        let bytes = write(&mut tree, 1000);
        let mut rotten = bytes.clone();
        // A seal's string is the only part that no checksum covers.
        let at = at.index(rotten.len() - 5);
        rotten[at] ^= flip;
        prop_assert!(read(&rotten, tree.last_zxid()).is_err());
        let cut = cut.index(bytes.len());
        let ends = [33 + 21, 21].map(|trailer| bytes.len() - trailer);
        prop_assert_eq!(read(&bytes[..cut], tree.last_zxid()).is_ok(), ends.contains(&cut));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, headed: bool, stream: bool) {
        let mut reader = if stream { SnapshotReader::stream() } else { SnapshotReader::file() };
        if headed {
            let _ = reader.push(&TreeOnDisk::default().body()[..24]);
        }
        if reader.push(&bytes).is_ok() {
            let _ = reader.finish(ZXID);
        }
    }
}
