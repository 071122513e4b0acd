//! Operation numbers (`ZooDefs.OpCode`), shared by requests, forwarded requests and transactions.

/// What a request or a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpCode {
    /// 0: a watch event; sent by servers only.
    Notification,
    /// 1: create a node, answered by its path.
    Create,
    /// 2: delete a node.
    Delete,
    /// 3: a node's stat, with a watch also where there is no node.
    Exists,
    /// 4: a node's data and stat.
    GetData,
    /// 5: replace a node's data.
    SetData,
    /// 6: a node's ACL and stat.
    GetAcl,
    /// 7: replace a node's ACL.
    SetAcl,
    /// 8: the names of a node's children.
    GetChildren,
    /// 9: bring this server up to the leader.
    Sync,
    /// 11: keep the session alive.
    Ping,
    /// 12: children and stat.
    GetChildren2,
    /// 13: check a node's version.
    Check,
    /// 14: several writes, all or nothing.
    Multi,
    /// 15: create a node, answered by path and stat.
    Create2,
    /// 16: change the ensemble.
    Reconfig,
    /// 17: ask whether a watch is set.
    CheckWatches,
    /// 18: remove watches.
    RemoveWatches,
    /// 19: create a container node.
    CreateContainer,
    /// 20: delete an empty container; servers among themselves only.
    DeleteContainer,
    /// 21: create a node with a time to live.
    CreateTtl,
    /// 22: several reads.
    MultiRead,
    /// 100: add an identity to the session.
    Auth,
    /// 101: set watches again after a reconnection.
    SetWatches,
    /// 102: a step of SASL.
    Sasl,
    /// 103: the session's own ephemeral nodes.
    GetEphemerals,
    /// 104: the number of a node's descendants.
    GetAllChildrenNumber,
    /// 105: [`OpCode::SetWatches`] with persistent watches.
    SetWatches2,
    /// 106: add a persistent watch.
    AddWatch,
    /// 107: the identities of the session.
    WhoAmI,
    /// -10: begin a session; servers among themselves only.
    CreateSession,
    /// -11: end the session.
    CloseSession,
    /// -1: a failed request's transaction.
    Error,
    /// A number that this list does not know. Never one of the numbers above.
    Other(i32),
}

const OPS: [(OpCode, i32); 33] = [
    (OpCode::Notification, 0),
    (OpCode::Create, 1),
    (OpCode::Delete, 2),
    (OpCode::Exists, 3),
    (OpCode::GetData, 4),
    (OpCode::SetData, 5),
    (OpCode::GetAcl, 6),
    (OpCode::SetAcl, 7),
    (OpCode::GetChildren, 8),
    (OpCode::Sync, 9),
    (OpCode::Ping, 11),
    (OpCode::GetChildren2, 12),
    (OpCode::Check, 13),
    (OpCode::Multi, 14),
    (OpCode::Create2, 15),
    (OpCode::Reconfig, 16),
    (OpCode::CheckWatches, 17),
    (OpCode::RemoveWatches, 18),
    (OpCode::CreateContainer, 19),
    (OpCode::DeleteContainer, 20),
    (OpCode::CreateTtl, 21),
    (OpCode::MultiRead, 22),
    (OpCode::Auth, 100),
    (OpCode::SetWatches, 101),
    (OpCode::Sasl, 102),
    (OpCode::GetEphemerals, 103),
    (OpCode::GetAllChildrenNumber, 104),
    (OpCode::SetWatches2, 105),
    (OpCode::AddWatch, 106),
    (OpCode::WhoAmI, 107),
    (OpCode::CreateSession, -10),
    (OpCode::CloseSession, -11),
    (OpCode::Error, -1),
];

impl OpCode {
    /// From the wire or the log; an unknown number is kept as [`OpCode::Other`].
    pub fn from_wire(value: i32) -> OpCode {
        OPS.iter().find(|(_, number)| *number == value).map_or(OpCode::Other(value), |(op, _)| *op)
    }

    /// As the wire and the log carry it.
    pub fn to_wire(self) -> i32 {
        match self {
            OpCode::Other(value) => value,
            known => {
                OPS.iter()
                    .find(|(op, _)| *op == known)
                    .expect("the table names every operation but Other")
                    .1
            }
        }
    }

    /// Whether the operation goes through the leader and takes a place in the order of
    /// transactions. `sync` goes to the leader too but takes no place.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            OpCode::Create
                | OpCode::Create2
                | OpCode::CreateContainer
                | OpCode::CreateTtl
                | OpCode::Delete
                | OpCode::DeleteContainer
                | OpCode::SetData
                | OpCode::SetAcl
                | OpCode::Check
                | OpCode::Multi
                | OpCode::Reconfig
                | OpCode::CreateSession
                | OpCode::CloseSession
                | OpCode::Error
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_way_through_the_enum() {
        for number in -20..=120 {
            assert_eq!(OpCode::from_wire(number).to_wire(), number);
        }
        assert_eq!(OpCode::from_wire(10), OpCode::Other(10));
        assert_eq!(OpCode::from_wire(-11), OpCode::CloseSession);
    }
}
