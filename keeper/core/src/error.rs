//! Result codes of the client protocol: `KeeperException.Code` of ZooKeeper's Java client.

use std::fmt;

/// How a request ended. Errors of the server and of the connection are above -100, errors of the
/// API from -100 down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// 0: done.
    #[default]
    Ok,
    /// -1: the server failed in a way that no other code describes.
    SystemError,
    /// -2: an operation of a multi that did not run because an earlier one failed.
    RuntimeInconsistency,
    /// -3: data were found inconsistent.
    DataInconsistency,
    /// -4: the connection was lost; the outcome is unknown.
    ConnectionLoss,
    /// -5: the request or the reply could not be decoded.
    MarshallingError,
    /// -6: the operation is not offered.
    Unimplemented,
    /// -7: the operation took too long.
    OperationTimeout,
    /// -8: invalid arguments.
    BadArguments,
    /// -12: the session is unknown.
    UnknownSession,
    /// -13: no quorum of the new configuration is connected.
    NewConfigNoQuorum,
    /// -14: another reconfiguration is under way.
    ReconfigInProgress,
    /// -100: the boundary between server errors and API errors.
    ApiError,
    /// -101: the node does not exist.
    NoNode,
    /// -102: not allowed.
    NoAuth,
    /// -103: the version asked for is not the node's.
    BadVersion,
    /// -108: an ephemeral node may not have children.
    NoChildrenForEphemerals,
    /// -110: the node exists already.
    NodeExists,
    /// -111: the node has children.
    NotEmpty,
    /// -112: the server has ended the session.
    SessionExpired,
    /// -113: invalid callback.
    InvalidCallback,
    /// -114: an empty or otherwise invalid ACL.
    InvalidAcl,
    /// -115: authentication failed.
    AuthFailed,
    /// -118: the session has moved to another server.
    SessionMoved,
    /// -119: a write was sent to a read-only server.
    NotReadOnly,
    /// -120: an ephemeral node was asked for on a local session.
    EphemeralOnLocalSession,
    /// -121: there is no such watcher.
    NoWatcher,
    /// -122: the request waited too long.
    RequestTimeout,
    /// -123: reconfiguration is switched off.
    ReconfigDisabled,
    /// -124: the session was closed because it did not authenticate by SASL.
    SessionClosedRequireSaslAuth,
    /// -125: a hard quota is exceeded.
    QuotaExceeded,
    /// -127: refused because of load.
    ThrottledOp,
    /// A code that this list does not know. Never one of the codes above.
    Other(i32),
}

/// Code, number and ZooKeeper's name, in one place so that no direction is forgotten.
const CODES: [(Code, i32, &str); 32] = [
    (Code::Ok, 0, "Ok"),
    (Code::SystemError, -1, "SystemError"),
    (Code::RuntimeInconsistency, -2, "RuntimeInconsistency"),
    (Code::DataInconsistency, -3, "DataInconsistency"),
    (Code::ConnectionLoss, -4, "ConnectionLoss"),
    (Code::MarshallingError, -5, "MarshallingError"),
    (Code::Unimplemented, -6, "Unimplemented"),
    (Code::OperationTimeout, -7, "OperationTimeout"),
    (Code::BadArguments, -8, "BadArguments"),
    (Code::UnknownSession, -12, "UnknownSession"),
    (Code::NewConfigNoQuorum, -13, "NewConfigNoQuorum"),
    (Code::ReconfigInProgress, -14, "ReconfigInProgress"),
    (Code::ApiError, -100, "APIError"),
    (Code::NoNode, -101, "NoNode"),
    (Code::NoAuth, -102, "NoAuth"),
    (Code::BadVersion, -103, "BadVersion"),
    (Code::NoChildrenForEphemerals, -108, "NoChildrenForEphemerals"),
    (Code::NodeExists, -110, "NodeExists"),
    (Code::NotEmpty, -111, "NotEmpty"),
    (Code::SessionExpired, -112, "SessionExpired"),
    (Code::InvalidCallback, -113, "InvalidCallback"),
    (Code::InvalidAcl, -114, "InvalidACL"),
    (Code::AuthFailed, -115, "AuthFailed"),
    (Code::SessionMoved, -118, "SessionMoved"),
    (Code::NotReadOnly, -119, "NotReadOnly"),
    (Code::EphemeralOnLocalSession, -120, "EphemeralOnLocalSession"),
    (Code::NoWatcher, -121, "NoWatcher"),
    (Code::RequestTimeout, -122, "RequestTimeout"),
    (Code::ReconfigDisabled, -123, "ReconfigDisabled"),
    (Code::SessionClosedRequireSaslAuth, -124, "SessionClosedRequireSaslAuth"),
    (Code::QuotaExceeded, -125, "QuotaExceeded"),
    (Code::ThrottledOp, -127, "ThrottledOp"),
];

impl Code {
    /// From the wire or the log; an unknown number is kept as [`Code::Other`].
    pub fn from_wire(value: i32) -> Code {
        CODES
            .iter()
            .find(|(_, number, _)| *number == value)
            .map_or(Code::Other(value), |(code, _, _)| *code)
    }

    /// As the wire and the log carry it.
    pub fn to_wire(self) -> i32 {
        match self {
            Code::Other(value) => value,
            known => Code::entry(known).1,
        }
    }

    /// Whether the request succeeded.
    pub fn is_ok(self) -> bool {
        self == Code::Ok
    }

    fn entry(code: Code) -> &'static (Code, i32, &'static str) {
        CODES
            .iter()
            .find(|(known, _, _)| *known == code)
            .expect("the table names every code but Other")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Other(value) => write!(f, "Other({value})"),
            known => f.write_str(Code::entry(*known).2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_way_through_the_enum() {
        for number in -200..=10 {
            assert_eq!(Code::from_wire(number).to_wire(), number);
        }
    }

    #[test]
    fn the_codes_that_clients_depend_on_have_their_numbers() {
        assert_eq!(Code::NoNode.to_wire(), -101);
        assert_eq!(Code::NodeExists.to_wire(), -110);
        assert_eq!(Code::SessionExpired.to_wire(), -112);
        assert_eq!(Code::from_wire(-122), Code::RequestTimeout);
        assert_eq!(Code::from_wire(-116), Code::Other(-116));
    }

    #[test]
    fn names_are_zookeepers() {
        assert_eq!(Code::NoNode.to_string(), "NoNode");
        assert_eq!(Code::InvalidAcl.to_string(), "InvalidACL");
        assert_eq!(Code::Other(-42).to_string(), "Other(-42)");
    }
}
