//! Records of the files: what is torn or damaged is none.

use openraft_kv::disk::{sealed, unsealed};

/// The bytes of a record's length and checksum.
const HEAD: usize = 12;

#[test]
fn records_end_at_the_first_torn_one() {
    let whole = [sealed(b"one"), sealed(b""), sealed(b"three")].concat();
    assert_eq!(unsealed(&whole), [&b"one"[..], b"", b"three"]);
    assert_eq!(unsealed(&whole[..whole.len() - 1]).len(), 2, "the last one is cut");
    let mut flipped = whole.clone();
    flipped[HEAD] ^= 1;
    assert!(unsealed(&flipped).is_empty(), "the first one is damaged");
    assert!(unsealed(&[0; 64]).is_empty(), "zeros are what a lost write leaves");
}
