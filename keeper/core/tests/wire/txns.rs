//! Transactions, there and back, and their older forms.

use keeper_core::jute::{put_bool, put_buffer, put_int, put_long, put_string, to_bytes};
use keeper_core::txn::{
    AskedAs, Txn, TxnBody, TxnDigest, decode_txn, encode_txn, encode_txn_asked, peek_txn_header,
    txn_type,
};
use keeper_core::wire::client::OpCode;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::strategies::*;

fn encoded(txn: &Txn, digest: Option<TxnDigest>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_txn(txn, digest, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn transactions(txn in txn(), digest in option::of(digest())) {
        let bytes = encoded(&txn, digest);
        prop_assert_eq!(decode_txn(&bytes), Ok((txn.clone(), digest)));
        prop_assert_eq!(peek_txn_header(&bytes), Ok((txn.header, txn_type(&txn.body))));
        for len in 0..bytes.len() {
            prop_assert_ne!(decode_txn(&bytes[..len]), Ok((txn.clone(), digest)));
        }
    }

    #[test]
    fn how_a_create_was_asked_for_changes_its_type_only(txn in txn(), asked in asked()) {
        let plain = encoded(&txn, None);
        let mut bytes = Vec::new();
        encode_txn_asked(&txn, None, &asked, &mut bytes);
        prop_assert_eq!(bytes.len(), plain.len());
        prop_assert_eq!(decode_txn(&bytes), Ok((txn.clone(), None)));
        let creates = match &txn.body {
            TxnBody::Multi(parts) => parts.iter().collect(),
            body => vec![body],
        };
        let with_stat = creates.iter().zip(&asked);
        let with_stat = with_stat
            .filter(|(body, asked)| {
                matches!(body, TxnBody::Create(_)) && **asked == AskedAs::Create2
            })
            .count();
        let differing = plain.iter().zip(&bytes).filter(|(a, b)| a != b).count();
        prop_assert_eq!(differing, with_stat);
    }

    #[test]
    fn any_bytes_leave_the_decoder_standing(
        session: i64,
        op in op(),
        rest in vec(prop_oneof![0..4u8, any::<u8>()], 0..90),
    ) {
        let mut bytes = Vec::new();
        put_long(&mut bytes, session);
        put_int(&mut bytes, 1);
        put_long(&mut bytes, 2);
        put_long(&mut bytes, 3);
        put_int(&mut bytes, op.to_wire());
        bytes.extend(rest);
        if let Ok((txn, digest)) = decode_txn(&bytes) {
            prop_assert_eq!(decode_txn(&encoded(&txn, digest)), Ok((txn, digest)));
        }
    }

    #[test]
    fn a_flipped_byte_leaves_the_decoder_standing(txn in txn(), at: usize, flip in 1..=255u8) {
        let mut bytes = encoded(&txn, None);
        let index = at % bytes.len();
        bytes[index] ^= flip;
        let _ = decode_txn(&bytes);
    }
}

/// A header of the given type, and what follows it.
fn with_header(op: i32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_long(&mut bytes, 7);
    put_int(&mut bytes, 1);
    put_long(&mut bytes, 0x1_0000_0002);
    put_long(&mut bytes, 3);
    put_int(&mut bytes, op);
    bytes.extend_from_slice(rest);
    bytes
}

fn body_of(op: i32, rest: &[u8]) -> (TxnBody, Option<TxnDigest>) {
    let (txn, digest) = decode_txn(&with_header(op, rest)).unwrap();
    (txn.body, digest)
}

#[test]
fn the_oldest_create_has_no_parent_cversion() {
    let mut rest = Vec::new();
    put_string(&mut rest, "/a");
    put_buffer(&mut rest, Some(b"x"));
    put_int(&mut rest, -1);
    put_bool(&mut rest, true);
    let (TxnBody::Create(create), None) = body_of(1, &rest) else { panic!("a create") };
    assert_eq!((create.ephemeral, create.parent_cversion), (true, -1));
    put_int(&mut rest, 5);
    let (TxnBody::Create(create), None) = body_of(15, &rest) else { panic!("a create") };
    assert_eq!((create.ephemeral, create.parent_cversion), (true, 5));
}

#[test]
fn a_close_session_without_paths_is_told_from_one_with_any() {
    let digest = TxnDigest { version: 2, tree_digest: 0x0000_0000_0000_0000 };
    let digest_bytes = to_bytes(&digest);
    let none = TxnBody::CloseSession { paths: None };
    assert_eq!(body_of(-11, &[]), (none.clone(), None));
    assert_eq!(body_of(-11, &digest_bytes), (none, Some(digest)));

    let empty = TxnBody::CloseSession { paths: Some(Vec::new()) };
    assert_eq!(body_of(-11, &[0; 4]), (empty.clone(), None));
    let both = [&[0; 4][..], &digest_bytes].concat();
    assert_eq!(body_of(-11, &both), (empty, Some(digest)));

    // As long as a digest, but a list: one path of four bytes.
    let mut list = Vec::new();
    put_int(&mut list, 1);
    put_string(&mut list, "/abc");
    assert_eq!(list.len(), digest_bytes.len());
    let one = TxnBody::CloseSession { paths: Some(vec!["/abc".into()]) };
    assert_eq!(body_of(-11, &list), (one, None));
}

#[test]
fn types_that_share_a_body_read_alike() {
    let mut delete = Vec::new();
    put_string(&mut delete, "/a");
    assert_eq!(body_of(20, &delete), body_of(2, &delete));
    let mut set = Vec::new();
    put_string(&mut set, "/zookeeper/config");
    put_buffer(&mut set, None);
    put_int(&mut set, 4);
    assert_eq!(body_of(16, &set), body_of(5, &set));
}

#[test]
fn what_no_log_holds_is_refused() {
    for op in [0, 3, 9, 10, 100, 107] {
        assert!(decode_txn(&with_header(op, &[0; 40])).is_err());
    }
    let mut nested = Vec::new();
    put_int(&mut nested, 1);
    put_int(&mut nested, OpCode::Multi.to_wire());
    put_buffer(&mut nested, Some(&[0; 4]));
    let error = decode_txn(&with_header(14, &nested)).unwrap_err();
    assert_eq!(error.to_string(), "at byte 36: unknown transaction type 14");
    let trailing = decode_txn(&with_header(-10, &[0; 5])).unwrap_err();
    assert_eq!(trailing.to_string(), "at byte 36: 1 bytes behind the record");
}

#[test]
fn a_part_that_ends_early_is_wrong_even_if_bytes_follow_it() {
    let mut short = Vec::new();
    put_int(&mut short, 1);
    put_int(&mut short, OpCode::Delete.to_wire());
    put_buffer(&mut short, Some(&[0, 0, 0, 9, b'/']));
    short.extend_from_slice(&[0; 12]);
    let error = decode_txn(&with_header(14, &short)).unwrap_err();
    let expected = "at byte 48: buffer ends inside the record that it holds";
    assert_eq!(error.to_string(), expected);
}
