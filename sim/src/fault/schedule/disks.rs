//! Faults of disks that last for a while.

use crate::HostId;
use crate::World;
use crate::disk::{Disk, DiskFault, DiskFaultId, EIO, ENOSPC, Errno, Gone, OpKind};
use crate::fault::Fault;

/// What a fault does to a disk.
pub(super) fn begin(fault: &Fault) -> DiskFault {
    let error = |kinds: &[OpKind], errno: Errno, nth| DiskFault::Error {
        kinds: kinds.to_vec(),
        errno,
        nth,
    };
    match fault {
        Fault::SlowDisk { factor: 0, .. } => DiskFault::Stall,
        Fault::SlowDisk { factor, .. } => DiskFault::Slow { factor: *factor },
        Fault::Eio { op, nth, .. } => error(&[*op], EIO, *nth),
        Fault::Enospc { .. } => error(&[OpKind::Write, OpKind::Create], ENOSPC, None),
        Fault::FsyncFail { .. } => error(&[OpKind::Sync], EIO, Some(1)),
        Fault::LostWrite { nth, .. } => DiskFault::BadWrite { gone: Gone::Lost, nth: *nth },
        Fault::MisdirectedWrite { nth, onto, .. } => {
            DiskFault::BadWrite { gone: Gone::Misdirected { onto: onto.clone() }, nth: *nth }
        }
        other => unreachable!("{other:?} is no fault of a disk that lasts"),
    }
}

/// Ends writes that go wrong, and lets those that went wrong not have gone wrong.
pub(super) fn disarm<S: World>(world: &mut S, host: HostId, id: DiskFaultId) {
    world.remove_disk_fault(host, id);
    world.with_disk(host, Disk::make_good);
}
