//! The witness: a small file of ours that says how far the log had been synced, and which the epochs were.
//!
//! Of what was written last nothing that follows in the log tells that it was synced; the witness does. It
//! holds one sector, which a disk writes whole or not at all, and is overwritten in place after each sync of the
//! log: that needs no space and leaves the old one or the new. What it says is a lower bound, so that one that
//! lags does no harm, and one that cannot be read says nothing.
//!
//! `acceptedEpoch` and `currentEpoch` are digits without a checksum (Apache's format): here they stand once more,
//! and come here first.

use crate::ids::{Epoch, ServerId, Zxid};

/// The length of the file: a sector.
pub const WITNESS_BYTES: usize = 512;
/// What the first line says.
const TITLE: &str = "keeperd witness 1";
/// What comes before the checksum.
const CHECKSUM: &str = "\nadler32 ";

/// What the witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Whose log it is; none of a server that stands alone, which needs no number.
    pub server: Option<ServerId>,
    /// Up to this transaction the history is durable: in the log, or in a snapshot.
    pub synced: Zxid,
    /// Whether what is behind it is being cut off the log: it may be there, in any part, and need not.
    pub is_cutting: bool,
    /// The file `acceptedEpoch`, or what it is about to hold.
    pub accepted: Epoch,
    /// The file `currentEpoch`, or what it is about to hold.
    pub current: Epoch,
}

impl Witness {
    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let Witness { server, synced, is_cutting, accepted, current } = self;
        let server = server.map_or_else(|| "-".to_owned(), |server| server.to_string());
        let mut text = format!(
            "{TITLE}\nserver {server}\nsynced {:x}\ncutting {is_cutting}\nacceptedEpoch {accepted}\n\
             currentEpoch {current}",
            synced.0
        );
        let checksum = adler2::adler32_slice(text.as_bytes());
        text += &format!("{CHECKSUM}{checksum:08x}\n");
        let mut bytes = text.into_bytes();
        bytes.resize(WITNESS_BYTES, b'\n');
        bytes
    }

    /// Reads the file; `None` unless it is exactly what [`Witness::encode`] makes of what it says.
    pub fn decode(bytes: &[u8]) -> Option<Witness> {
        let text = str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        value("keeperd")?;
        let server = match value("server")? {
            "-" => None,
            number => Some(ServerId(number.parse().ok()?)),
        };
        let synced = Zxid(u64::from_str_radix(value("synced")?, 16).ok()?);
        let is_cutting = value("cutting")?.parse().ok()?;
        let accepted = Epoch(value("acceptedEpoch")?.parse().ok()?);
        let current = Epoch(value("currentEpoch")?.parse().ok()?);
        let witness = Witness { server, synced, is_cutting, accepted, current };
        (witness.encode() == bytes).then_some(witness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn witness() -> impl Strategy<Value = Witness> {
        let server = prop::option::of(any::<u64>().prop_map(ServerId));
        (server, any::<u64>(), any::<bool>(), any::<u32>(), any::<u32>()).prop_map(
            |(server, synced, is_cutting, accepted, current)| Witness {
                server,
                synced: Zxid(synced),
                is_cutting,
                accepted: Epoch(accepted),
                current: Epoch(current),
            },
        )
    }

    proptest! {
        #[test]
        fn a_witness_fills_one_sector_and_is_read_as_it_was_written(witness in witness()) {
            let bytes = witness.encode();
            prop_assert_eq!(bytes.len(), WITNESS_BYTES);
            prop_assert_eq!(Witness::decode(&bytes), Some(witness));
        }

        #[test]
        fn a_witness_with_a_changed_byte_says_nothing(
            witness in witness(),
            at in any::<prop::sample::Index>(),
            flips in 1_u8..,
        ) {
            let mut bytes = witness.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= flips;
            prop_assert_eq!(Witness::decode(&bytes), None);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            prop_assert_eq!(Witness::decode(&bytes), None);
        }
    }
}
