//! From a plan's actions to requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use keeper_core::record::Acl;
use keeper_core::wire::client::{CreateRequest, MultiOp, Request};

use super::plan::{Action, Part};

/// The version of each node that a client saw last.
pub(crate) type Seen = BTreeMap<String, i32>;

/// The requests that an action makes, in order; none for those that concern the session itself and
/// for recipes, whose requests depend on their answers.
pub(crate) fn requests(action: &Action, seen: &Seen) -> Vec<Request> {
    let version = |path: &String| seen.get(path).copied().unwrap_or(0);
    match action {
        Action::Create { path, data, ephemeral, sequential } => {
            vec![Request::Create(create(path, data, *ephemeral, *sequential))]
        }
        Action::Delete { path } => vec![Request::Delete { path: path.clone(), version: -1 }],
        Action::Set { path, data } => vec![set(path, data, -1)],
        Action::Cas { path, data } => vec![set(path, data, version(path))],
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
            vec![Request::Multi(parts.iter().map(|each| part(each, seen)).collect())]
        }
        Action::Lock { .. } | Action::Lead { .. } | Action::NewSession | Action::Abandon { .. } => {
            Vec::new()
        }
    }
}

fn part(part: &Part, seen: &Seen) -> MultiOp {
    match part {
        Part::Create { path, data, ephemeral, sequential } => {
            MultiOp::Create(create(path, data, *ephemeral, *sequential))
        }
        Part::Delete { path } => MultiOp::Delete { path: path.clone(), version: -1 },
        Part::Set { path, data } => {
            MultiOp::SetData { path: path.clone(), data: bytes(data), version: -1 }
        }
        Part::Check { path, version } => {
            let seen = seen.get(path).copied().unwrap_or(0);
            MultiOp::Check { path: path.clone(), version: version.unwrap_or(seen) }
        }
    }
}

fn set(path: &str, data: &str, version: i32) -> Request {
    Request::SetData { path: path.to_owned(), data: bytes(data), version }
}

fn create(path: &str, data: &str, ephemeral: bool, sequential: bool) -> CreateRequest {
    CreateRequest {
        path: path.to_owned(),
        data: bytes(data),
        acl: Acl::open(),
        flags: i32::from(ephemeral) | i32::from(sequential) << 1,
        want_stat: true,
    }
}

fn bytes(data: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(data.as_bytes()))
}
