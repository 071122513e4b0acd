//! The digest of one node (Apache's `DigestCalculator`, version 2).
//!
//! The tree's digest is the sum of its nodes' (AdHash: M. Bellare and D. Micciancio, "A New Paradigm
//! for Collision-Free Hashing: Incrementality at Reduced Cost", EUROCRYPT 1997), so a change costs
//! one subtraction and one addition.

use crate::record::{Data, StatPersisted};

/// Servers keep these nodes up to date each for itself.
const LOCAL_SUBTREE: &str = "/zookeeper/";

/// CRC-32 over path, data and stat; 0 for nodes below `/zookeeper`. The root's path counts as empty.
pub(super) fn of_node(path: &str, data: &Data, stat: &StatPersisted) -> u32 {
    if path.starts_with(LOCAL_SUBTREE) {
        return 0;
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(if path == super::ROOT { b"" } else { path.as_bytes() });
    if let Some(data) = data {
        crc.update(data);
    }
    crc.update(&stat_bytes(stat));
    crc.finalize()
}

/// The 60 bytes of a stat, `pzxid` in third place as the calculator has it and no record does.
fn stat_bytes(stat: &StatPersisted) -> [u8; 60] {
    let zxids = [stat.czxid, stat.mzxid, stat.pzxid].map(|zxid| zxid.0.to_be_bytes());
    let times = [stat.ctime_ms, stat.mtime_ms].map(i64::to_be_bytes);
    let versions = [stat.version, stat.cversion, stat.aversion].map(i32::to_be_bytes);
    let mut bytes = [0; 60];
    bytes[..24].copy_from_slice(zxids.as_flattened());
    bytes[24..40].copy_from_slice(times.as_flattened());
    bytes[40..52].copy_from_slice(versions.as_flattened());
    bytes[52..].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Zxid;
    use bytes::Bytes;

    #[test]
    fn the_fields_stand_in_the_calculators_order() {
        let stat = StatPersisted {
            czxid: Zxid(1),
            mzxid: Zxid(2),
            ctime_ms: 4,
            mtime_ms: 5,
            version: 6,
            cversion: 7,
            aversion: 8,
            ephemeral_owner: 9,
            pzxid: Zxid(3),
        };
        let longs =
            |values: &[u64]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
        let ints = |values: &[u32]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
        let expected = [longs(&[1, 2, 3, 4, 5]), ints(&[6, 7, 8]), longs(&[9])].concat();
        assert_eq!(stat_bytes(&stat)[..], expected);
        assert_eq!(expected.len(), 60);
    }

    #[test]
    fn path_and_data_count_and_local_nodes_do_not() {
        let stat = StatPersisted::default();
        let data = Some(Bytes::from_static(b"x"));
        assert_eq!(of_node("/", &None, &stat), crc32fast::hash(&[0; 60]));
        assert_eq!(of_node("/a", &data, &stat), crc32fast::hash(&[&b"/ax"[..], &[0; 60]].concat()));
        assert_eq!(of_node("/zookeeper/config", &data, &stat), 0);
        assert_ne!(of_node("/zookeeper", &None, &stat), 0);
    }
}
