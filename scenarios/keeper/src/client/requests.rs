//! From a plan's actions to requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use keeper_core::record::{Acl, Data};
use keeper_core::wire::client::{CreateRequest, MultiOp, Request};

use crate::action::{Action, Part};

/// The version of each node that a client saw last.
pub(crate) type Seen = BTreeMap<String, i32>;

/// The requests that an action makes, in order; none for those that concern the session itself and
/// for recipes, whose requests depend on their answers.
pub(crate) fn requests(action: &Action, seen: &Seen, value_bytes: u32) -> Vec<Request> {
    let value = |data: &String| value(data, value_bytes);
    let version = |path: &String| seen.get(path).copied().unwrap_or(0);
    match action {
        Action::Create { path, data, ephemeral, sequential } => {
            vec![Request::Create(create(path, value(data), *ephemeral, *sequential))]
        }
        Action::Delete { path } => vec![Request::Delete { path: path.clone(), version: -1 }],
        Action::Set { path, data } => vec![set(path, value(data), -1)],
        Action::Cas { path, data } => vec![set(path, value(data), version(path))],
        Action::Get { path, watch } => {
            vec![Request::GetData { path: path.clone(), watch: *watch }]
        }
        Action::SyncGet { path } => vec![
            Request::Sync { path: path.clone() },
            Request::GetData { path: path.clone(), watch: false },
        ],
        Action::Exists { path, watch } => {
            vec![Request::Exists { path: path.clone(), watch: *watch }]
        }
        Action::Children { path, watch } => {
            vec![Request::GetChildren2 { path: path.clone(), watch: *watch }]
        }
        Action::Multi { parts } => {
            vec![Request::Multi(parts.iter().map(|each| part(each, seen, &value)).collect())]
        }
        Action::Lock { .. } | Action::Lead { .. } | Action::NewSession | Action::Abandon { .. } => {
            Vec::new()
        }
    }
}

fn part(part: &Part, seen: &Seen, value: &dyn Fn(&String) -> Data) -> MultiOp {
    match part {
        Part::Create { path, data, ephemeral, sequential } => {
            MultiOp::Create(create(path, value(data), *ephemeral, *sequential))
        }
        Part::Delete { path } => MultiOp::Delete { path: path.clone(), version: -1 },
        Part::Set { path, data } => {
            MultiOp::SetData { path: path.clone(), data: value(data), version: -1 }
        }
        Part::Check { path, version } => {
            let seen = seen.get(path).copied().unwrap_or(0);
            MultiOp::Check { path: path.clone(), version: version.unwrap_or(seen) }
        }
    }
}

fn set(path: &str, data: Data, version: i32) -> Request {
    Request::SetData { path: path.to_owned(), data, version }
}

fn create(path: &str, data: Data, ephemeral: bool, sequential: bool) -> CreateRequest {
    CreateRequest {
        path: path.to_owned(),
        data,
        acl: Acl::open(),
        flags: i32::from(ephemeral) | i32::from(sequential) << 1,
        want_stat: true,
    }
}

/// A value as it is sent: an empty one stays empty.
fn value(data: &str, value_bytes: u32) -> Data {
    let mut bytes = data.as_bytes().to_vec();
    if !bytes.is_empty() && bytes.len() < value_bytes as usize {
        bytes.resize(value_bytes as usize, b'.');
    }
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_up_but_not_cut() {
        let sent = |data: &str, value_bytes| value(data, value_bytes).unwrap();
        assert_eq!(sent("c1-7", 0), "c1-7");
        assert_eq!(sent("c1-7", 3), "c1-7");
        assert_eq!(sent("c1-7", 7), "c1-7...");
        assert_eq!(sent("", 7), "");
        let parts = vec![Part::Set { path: "/a".to_owned(), data: "x".to_owned() }];
        let sent = requests(&Action::Multi { parts }, &Seen::new(), 2);
        let [Request::Multi(ops)] = &sent[..] else { panic!("{sent:?}") };
        assert!(matches!(&ops[..], [MultiOp::SetData { data: Some(data), .. }] if data == "x."));
    }
}
