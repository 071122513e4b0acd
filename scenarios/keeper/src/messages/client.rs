//! The client protocol: a handshake, then requests one way and replies and watch events the other.

use std::collections::BTreeMap;

use crate::znode::Data;
use bytes::Bytes;
use keeper_core::jute::{Decode, Reader, from_bytes};
use keeper_core::wire::client::{
    ConnectRequest, ConnectResponse, CreateRequest, MultiOp, NOTIFICATION_XID, OpCode, PING_XID,
    ReplyHeader, Request, RequestHeader, Response, WatcherEvent,
};

use super::{Said, frames};

/// What was asked, by xid: the operation and how to call it.
pub(super) type Asked = BTreeMap<i32, (OpCode, String)>;

/// What a client says.
pub(super) fn requests(bytes: &[u8]) -> (Vec<Said>, Asked) {
    let (mut said, mut asked) = (Vec::new(), Asked::new());
    for frame in frames(bytes, 0) {
        let (content, end) = match frame {
            Ok(frame) => frame,
            Err(at) => {
                said.push(Said::unreadable(bytes, at, "a negative length"));
                break;
            }
        };
        said.push(match said.is_empty() {
            true => hello(content, end),
            false => request(content, end, &mut asked),
        });
    }
    (said, asked)
}

fn hello(content: &[u8], end: usize) -> Said {
    match from_bytes::<ConnectRequest>(content) {
        Ok(hello) if hello.session.0 == 0 => Said::new(end, "connect")
            .with(format!("a new session, time-out {} ms", hello.timeout_ms)),
        Ok(hello) => Said::new(end, format!("connect {}", hello.session))
            .with(format!("has seen {}", hello.last_zxid_seen)),
        Err(error) => Said::new(end, "unreadable handshake").with(error.to_string()),
    }
}

fn request(content: &[u8], end: usize, asked: &mut Asked) -> Said {
    let mut reader = Reader::new(content);
    let decoded = RequestHeader::decode(&mut reader).and_then(|header| {
        let request = Request::decode_body(header.op, &mut reader)?;
        Ok((header, request))
    });
    match decoded {
        Ok((header, Request::Ping)) if header.xid == PING_XID => Said::new(end, "ping").ping(),
        Ok((header, request)) => {
            let name = name(&request);
            let said = Said::new(end, name.clone()).with(format!("xid {}", header.xid));
            asked.insert(header.xid, (header.op, name));
            said
        }
        Err(error) => Said::new(end, "unreadable request").with(error.to_string()),
    }
}

/// What a server answers to what was asked.
pub(super) fn replies(bytes: &[u8], asked: &Asked) -> Vec<Said> {
    let mut said = Vec::new();
    for frame in frames(bytes, 0) {
        let (content, end) = match frame {
            Ok(frame) => frame,
            Err(at) => {
                said.push(Said::unreadable(bytes, at, "a negative length"));
                break;
            }
        };
        said.push(match said.is_empty() {
            true => welcome(content, end),
            false => reply(content, end, asked),
        });
    }
    said
}

fn welcome(content: &[u8], end: usize) -> Said {
    match from_bytes::<ConnectResponse>(content) {
        Ok(welcome) if welcome.timeout_ms <= 0 => Said::new(end, "session expired"),
        Ok(welcome) => Said::new(end, format!("session {}", welcome.session))
            .with(format!("time-out {} ms", welcome.timeout_ms)),
        Err(error) => Said::new(end, "unreadable handshake").with(error.to_string()),
    }
}

fn reply(content: &[u8], end: usize, asked: &Asked) -> Said {
    let mut reader = Reader::new(content);
    let header = match ReplyHeader::decode(&mut reader) {
        Ok(header) => header,
        Err(error) => return Said::new(end, "unreadable reply").with(error.to_string()),
    };
    let ReplyHeader { xid, zxid, code } = header;
    match xid {
        PING_XID => return Said::new(end, "ping answered").ping(),
        NOTIFICATION_XID => {
            return match WatcherEvent::decode(&mut reader) {
                Ok(event) => Said::new(end, format!("event {:?} {}", event.kind, event.path)),
                Err(error) => Said::new(end, "unreadable event").with(error.to_string()),
            };
        }
        _ => {}
    }
    let (op, question) = match asked.get(&xid) {
        Some((op, question)) => (Some(*op), question.as_str()),
        None => (None, "an unknown request"),
    };
    let answer = match code.is_ok() {
        false => code.to_string(),
        true => op
            .and_then(|op| Response::decode(op, &mut reader).ok())
            .map_or_else(|| "ok".to_owned(), |response| answer(&response)),
    };
    Said::new(end, format!("reply {answer}")).with(format!("to {question}, xid {xid}, at {zxid}"))
}

/// A request in a few words.
pub(super) fn name(request: &Request) -> String {
    match request {
        Request::Create(create) => created(create),
        Request::Delete { path, .. } => format!("delete {path}"),
        Request::SetData { path, data, version } => set(path, data.as_ref(), *version),
        Request::GetData { path, .. } => format!("get {path}"),
        Request::Exists { path, .. } => format!("exists {path}"),
        Request::GetChildren { path, .. } | Request::GetChildren2 { path, .. } => {
            format!("children {path}")
        }
        Request::Sync { path } => format!("sync {path}"),
        Request::Check { path, version } => format!("check {path} version {version}"),
        Request::Multi(parts) => {
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!("multi [{}]", parts.join("; "))
        }
        other => word(other.op()),
    }
}

/// An operation's name as ZooKeeper's manual spells it, for those without arguments of interest.
pub(super) fn word(op: OpCode) -> String {
    let name = format!("{op:?}");
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

fn part(part: &MultiOp) -> String {
    match part {
        MultiOp::Create(create) | MultiOp::CreateContainer(create) => created(create),
        MultiOp::CreateTtl { create, .. } => created(create),
        MultiOp::Delete { path, .. } => format!("delete {path}"),
        MultiOp::SetData { path, data, version } => set(path, data.as_ref(), *version),
        MultiOp::Check { path, version } => format!("check {path} version {version}"),
    }
}

fn created(create: &CreateRequest) -> String {
    format!("create {}{}", create.path, text(create.data.as_ref()))
}

fn set(path: &str, data: Option<&Bytes>, version: i32) -> String {
    let condition = if version < 0 { String::new() } else { format!(" if version {version}") };
    format!("set {path}{}{condition}", text(data))
}

fn text(data: Option<&Bytes>) -> String {
    match data.filter(|data| !data.is_empty()) {
        Some(data) => format!(" {}", Data(data.to_vec())),
        None => String::new(),
    }
}

fn answer(response: &Response) -> String {
    match response {
        Response::Path(path) | Response::PathStat { path, .. } => path.clone(),
        Response::Stat(stat) => format!("version {}", stat.version),
        Response::DataStat { data, stat } => {
            format!("{} version {}", text(data.as_ref()).trim_start(), stat.version)
        }
        Response::Children(names) | Response::ChildrenStat { children: names, .. } => {
            format!("[{}]", names.join(" "))
        }
        _ => "ok".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use keeper_core::error::Code;
    use keeper_core::ids::{SessionId, Zxid};
    use keeper_core::jute::Encode;
    use keeper_core::record::Stat;
    use keeper_core::wire::client::{
        EventType, encode_event, encode_reply, encode_request, frame_into,
    };

    use super::*;

    fn labels(said: &[Said]) -> Vec<&str> {
        said.iter().map(|said| said.label.as_str()).collect()
    }

    #[test]
    fn a_session_is_told_in_words() {
        let hello = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid(0),
            timeout_ms: 4_000,
            session: SessionId(0),
            password: vec![0; 16],
            read_only: None,
        };
        let mut there = Vec::new();
        frame_into(&mut there, |out| hello.encode(out));
        let data = Some(Bytes::from_static(b"v1"));
        let set = Request::SetData { path: "/k".to_owned(), data, version: 3 };
        encode_request(1, &set, &mut there);
        encode_request(PING_XID, &Request::Ping, &mut there);
        encode_request(2, &Request::GetData { path: "/k".to_owned(), watch: true }, &mut there);
        let whole = there.len();
        encode_request(3, &Request::Sync { path: "/k".to_owned() }, &mut there);
        there.truncate(whole + 9);
        let (said, asked) = requests(&there);
        let expected = ["connect", "set /k \"v1\" if version 3", "ping", "get /k"];
        assert_eq!(labels(&said), expected, "what is not whole is no message");
        assert_eq!(said[3].end as usize, whole);
        assert_eq!(said.iter().filter(|said| said.is_ping).count(), 1);

        let mut back = Vec::new();
        let welcome = ConnectResponse {
            protocol_version: 0,
            timeout_ms: 4_000,
            session: SessionId(0x77),
            password: vec![0; 16],
            read_only: None,
        };
        frame_into(&mut back, |out| welcome.encode(out));
        let refused = ReplyHeader { xid: 1, zxid: Zxid(0x1_0000_0002), code: Code::BadVersion };
        encode_reply(&refused, &Response::Empty, &mut back);
        let event = WatcherEvent::new(EventType::NodeDataChanged, "/k");
        encode_event(Zxid(9), &event, &mut back);
        let stat = Stat { version: 4, ..Stat::default() };
        let data = Response::DataStat { data: Some(Bytes::from_static(b"v2")), stat };
        encode_reply(&ReplyHeader { xid: 2, zxid: Zxid(9), code: Code::Ok }, &data, &mut back);
        let said = replies(&back, &asked);
        let expected = [
            "session 0x77",
            "reply BadVersion",
            "event NodeDataChanged /k",
            "reply \"v2\" version 4",
        ];
        assert_eq!(labels(&said), expected);
        assert_eq!(said[3].detail, "to get /k, xid 2, at 0x9");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let (said, _) = requests(&[0, 0, 0, 2, 1, 2, 0xff, 0, 0, 0, 5]);
        assert_eq!(labels(&said), ["unreadable handshake", "5 unreadable bytes"]);
    }
}
