//! Identifiers and positions of ZooKeeper histories, and the bytes that znodes hold.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A client of the test, which may have several sessions one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u32);

/// A session's identifier, as the server granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub i64);

/// A request's number on its session (the wire's `xid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cxid(pub i32);

/// A position in the order of commits: epoch in the upper half, counter in the lower.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Zxid(pub u64);

/// An error code of the client protocol (`KeeperException.Code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// No error: the results before the failing one of a multi.
    pub const OK: ErrorCode = ErrorCode(0);
    /// The results after the failing one of a multi.
    pub const RUNTIME_INCONSISTENCY: ErrorCode = ErrorCode(-2);
    /// The request itself makes no sense, as deleting the root.
    pub const BAD_ARGUMENTS: ErrorCode = ErrorCode(-8);
    /// The znode, or the parent of a new one, does not exist.
    pub const NO_NODE: ErrorCode = ErrorCode(-101);
    /// The version asked for is not the znode's.
    pub const BAD_VERSION: ErrorCode = ErrorCode(-103);
    /// An ephemeral znode cannot have children.
    pub const NO_CHILDREN_FOR_EPHEMERALS: ErrorCode = ErrorCode(-108);
    /// The znode exists.
    pub const NODE_EXISTS: ErrorCode = ErrorCode(-110);
    /// The znode has children.
    pub const NOT_EMPTY: ErrorCode = ErrorCode(-111);
    /// The session is over.
    pub const SESSION_EXPIRED: ErrorCode = ErrorCode(-112);

    /// Whether the state of the tree alone decides this error.
    pub fn depends_on_tree(self) -> bool {
        matches!(
            self,
            ErrorCode::NO_NODE
                | ErrorCode::BAD_VERSION
                | ErrorCode::NO_CHILDREN_FOR_EPHEMERALS
                | ErrorCode::NODE_EXISTS
                | ErrorCode::NOT_EMPTY
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "ok",
            -2 => "RuntimeInconsistency",
            -4 => "ConnectionLoss",
            -5 => "MarshallingError",
            -6 => "Unimplemented",
            -7 => "OperationTimeout",
            -8 => "BadArguments",
            -101 => "NoNode",
            -102 => "NoAuth",
            -103 => "BadVersion",
            -108 => "NoChildrenForEphemerals",
            -110 => "NodeExists",
            -111 => "NotEmpty",
            -112 => "SessionExpired",
            -114 => "InvalidACL",
            -118 => "SessionMoved",
            -119 => "NotReadOnly",
            -122 => "RequestTimeout",
            -125 => "QuotaExceeded",
            -127 => "ThrottledOp",
            other => return write!(f, "error {other}"),
        };
        f.write_str(name)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The bytes of a znode. Written as text when they are UTF-8, else as `{"hex": "…"}`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Data(pub Vec<u8>);

impl Data {
    /// Data of these characters.
    pub fn text(text: &str) -> Data {
        Data(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Data {
        Data(bytes)
    }
}

impl fmt::Display for Data {
    /// A quoted text or hexadecimal digits, cut to what fits in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 24;
        match std::str::from_utf8(&self.0) {
            Ok(text) if text.chars().count() <= SHOWN_MAX => write!(f, "{text:?}"),
            Ok(text) => {
                let head: String = text.chars().take(SHOWN_MAX).collect();
                write!(f, "{head:?}… ({} bytes)", self.0.len())
            }
            Err(_) if self.0.len() <= SHOWN_MAX => write!(f, "0x{}", to_hex(&self.0)),
            Err(_) => {
                let head = to_hex(&self.0[..SHOWN_MAX]);
                write!(f, "0x{head}… ({} bytes)", self.0.len())
            }
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DataOnPaper {
    Text(String),
    Hex { hex: String },
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let paper = match std::str::from_utf8(&self.0) {
            Ok(text) => DataOnPaper::Text(text.to_owned()),
            Err(_) => DataOnPaper::Hex { hex: to_hex(&self.0) },
        };
        paper.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Data, D::Error> {
        match DataOnPaper::deserialize(deserializer)? {
            DataOnPaper::Text(text) => Ok(Data(text.into_bytes())),
            DataOnPaper::Hex { hex } => match from_hex(&hex) {
                Some(bytes) => Ok(Data(bytes)),
                None => Err(D::Error::custom("expected pairs of hexadecimal digits")),
            },
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_survives_json_as_text_and_as_hex() {
        for bytes in [b"hello".to_vec(), vec![], vec![0xff, 0x00, 0x9c]] {
            let data = Data(bytes);
            let json = serde_json::to_string(&data).unwrap();
            assert_eq!(serde_json::from_str::<Data>(&json).unwrap(), data, "{json}");
        }
        assert!(serde_json::from_str::<Data>("{\"hex\":\"zz\"}").is_err());
        assert!(serde_json::from_str::<Data>("{\"hex\":\"abc\"}").is_err());
    }
}
