//! The client protocol (ZooKeeper Programmer's Guide; `zookeeper.jute`, module proto).
//!
//! Both directions are frames: a length and a record. A connection begins with [`ConnectRequest`]
//! and [`ConnectResponse`]; from then on every request is a [`RequestHeader`] and a [`Request`]
//! body, every answer a [`ReplyHeader`] and, if it says that all went well, a [`Response`]. Answers
//! come in the order of the requests. Watch events come between them, as a reply with the xid
//! [`NOTIFICATION_XID`] and a [`WatcherEvent`].

mod connect;
mod create_mode;
mod event;
mod frame;
mod header;
mod multi;
mod opcode;
mod request;
mod response;

pub use connect::{ConnectRequest, ConnectResponse};
pub use create_mode::CreateMode;
pub use event::{AddWatchMode, EventType, KeeperState, WatcherEvent, WatcherType};
pub use frame::{FrameError, Frames, frame, frame_into};
pub use header::{ReplyHeader, RequestHeader, encode_event, encode_reply, encode_request};
pub use multi::{MultiOp, MultiResult, ReadOp};
pub use opcode::OpCode;
pub use request::{CreateRequest, Request};
pub use response::{ClientInfo, Response};

/// The xid of a watch event.
pub const NOTIFICATION_XID: i32 = -1;
/// The xid of a ping and of its answer.
pub const PING_XID: i32 = -2;
/// The xid of an authentication packet and of its answer.
pub const AUTH_XID: i32 = -4;
/// The xid of a setWatches and of its answer.
pub const SET_WATCHES_XID: i32 = -8;
