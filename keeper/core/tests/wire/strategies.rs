//! Arbitrary records.

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::{Epoch, ServerId, SessionId, Zxid};
use keeper_core::record::{Acl, Data, Id, Stat, StatPersisted};
use keeper_core::txn::{AskedAs, CreateTxn, Txn, TxnBody, TxnDigest, TxnHeader};
use keeper_core::wire::client::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn text() -> impl Strategy<Value = String> {
    ".{0,9}"
}

pub(crate) fn path() -> impl Strategy<Value = String> {
    "(/[a-zé]{1,4}){1,3}"
}

pub(crate) fn paths() -> impl Strategy<Value = Vec<String>> {
    vec(path(), 0..4)
}

pub(crate) fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

pub(crate) fn data() -> impl Strategy<Value = Data> {
    option::of(bytes())
}

pub(crate) fn zxid() -> impl Strategy<Value = Zxid> {
    any::<u64>().prop_map(Zxid)
}

pub(crate) fn session() -> impl Strategy<Value = SessionId> {
    any::<i64>().prop_map(SessionId)
}

pub(crate) fn server() -> impl Strategy<Value = ServerId> {
    any::<u64>().prop_map(ServerId)
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u32>().prop_map(Epoch)
}

pub(crate) fn code() -> impl Strategy<Value = Code> {
    prop_oneof![-130..=0, any::<i32>()].prop_map(Code::from_wire)
}

pub(crate) fn op() -> impl Strategy<Value = OpCode> {
    prop_oneof![-12..=25, 99..=110, any::<i32>()].prop_map(OpCode::from_wire)
}

pub(crate) fn id() -> impl Strategy<Value = Id> {
    (text(), text()).prop_map(|(scheme, id)| Id { scheme, id })
}

pub(crate) fn acl() -> impl Strategy<Value = Acl> {
    (any::<i32>(), id()).prop_map(|(perms, id)| Acl { perms, id })
}

pub(crate) fn acls() -> impl Strategy<Value = Vec<Acl>> {
    vec(acl(), 0..3)
}

pub(crate) fn stat() -> impl Strategy<Value = Stat> {
    (any::<[u64; 6]>(), any::<[i32; 5]>()).prop_map(|(longs, ints)| Stat {
        czxid: Zxid(longs[0]),
        mzxid: Zxid(longs[1]),
        ctime_ms: longs[2] as i64,
        mtime_ms: longs[3] as i64,
        version: ints[0],
        cversion: ints[1],
        aversion: ints[2],
        ephemeral_owner: longs[4] as i64,
        data_length: ints[3],
        num_children: ints[4],
        pzxid: Zxid(longs[5]),
    })
}

pub(crate) fn stat_persisted() -> impl Strategy<Value = StatPersisted> {
    stat().prop_map(|stat| StatPersisted {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        ctime_ms: stat.ctime_ms,
        mtime_ms: stat.mtime_ms,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeral_owner: stat.ephemeral_owner,
        pzxid: stat.pzxid,
    })
}

pub(crate) fn create(want_stat: bool) -> impl Strategy<Value = CreateRequest> {
    (path(), data(), acls(), any::<i32>()).prop_map(move |(path, data, acl, flags)| CreateRequest {
        path,
        data,
        acl,
        flags,
        want_stat,
    })
}

pub(crate) fn any_create() -> impl Strategy<Value = CreateRequest> {
    any::<bool>().prop_flat_map(create)
}

pub(crate) fn multi_op() -> impl Strategy<Value = MultiOp> {
    prop_oneof![
        any_create().prop_map(MultiOp::Create),
        create(true).prop_map(MultiOp::CreateContainer),
        (create(true), any::<i64>())
            .prop_map(|(create, ttl_ms)| MultiOp::CreateTtl { create, ttl_ms }),
        (path(), any::<i32>()).prop_map(|(path, version)| MultiOp::Delete { path, version }),
        (path(), data(), any::<i32>()).prop_map(|(path, data, version)| MultiOp::SetData {
            path,
            data,
            version
        }),
        (path(), any::<i32>()).prop_map(|(path, version)| MultiOp::Check { path, version }),
    ]
}

pub(crate) fn read_op() -> impl Strategy<Value = ReadOp> {
    prop_oneof![
        path().prop_map(|path| ReadOp::GetData { path }),
        path().prop_map(|path| ReadOp::GetChildren { path }),
    ]
}

fn about_nodes() -> BoxedStrategy<Request> {
    let versioned = || (path(), any::<i32>());
    let watched = || (path(), any::<bool>());
    prop_oneof![
        any_create().prop_map(Request::Create),
        create(true).prop_map(Request::CreateContainer),
        (create(true), any::<i64>())
            .prop_map(|(create, ttl_ms)| Request::CreateTtl { create, ttl_ms }),
        versioned().prop_map(|(path, version)| Request::Delete { path, version }),
        versioned().prop_map(|(path, version)| Request::Check { path, version }),
        watched().prop_map(|(path, watch)| Request::Exists { path, watch }),
        watched().prop_map(|(path, watch)| Request::GetData { path, watch }),
        watched().prop_map(|(path, watch)| Request::GetChildren { path, watch }),
        watched().prop_map(|(path, watch)| Request::GetChildren2 { path, watch }),
        (path(), data(), any::<i32>()).prop_map(|(path, data, version)| Request::SetData {
            path,
            data,
            version
        }),
        path().prop_map(|path| Request::GetAcl { path }),
        (path(), acls(), any::<i32>()).prop_map(|(path, acl, version)| Request::SetAcl {
            path,
            acl,
            version
        }),
        path().prop_map(|path| Request::Sync { path }),
        vec(multi_op(), 0..4).prop_map(Request::Multi),
        vec(read_op(), 0..4).prop_map(Request::MultiRead),
        path().prop_map(|path| Request::GetAllChildrenNumber { path }),
    ]
    .boxed()
}

fn about_the_session() -> BoxedStrategy<Request> {
    let watcher = (1..=5).prop_map(|kind| WatcherType::from_wire(kind).unwrap()).boxed();
    let mode = (0..=1).prop_map(|mode| AddWatchMode::from_wire(mode).unwrap());
    prop_oneof![
        Just(Request::Ping),
        Just(Request::WhoAmI),
        Just(Request::CloseSession),
        (any::<i32>(), text(), data()).prop_map(|(kind, scheme, auth)| Request::Auth {
            kind,
            scheme,
            auth
        }),
        (zxid(), paths(), paths(), paths()).prop_map(|(relative_zxid, data, exist, child)| {
            Request::SetWatches { relative_zxid, data, exist, child }
        }),
        (zxid(), [paths(), paths(), paths(), paths(), paths()]).prop_map(|(zxid, lists)| {
            let [data, exist, child, persistent, persistent_recursive] = lists;
            let relative_zxid = zxid;
            Request::SetWatches2 {
                relative_zxid,
                data,
                exist,
                child,
                persistent,
                persistent_recursive,
            }
        }),
        (path(), mode).prop_map(|(path, mode)| Request::AddWatch { path, mode }),
        (path(), watcher.clone()).prop_map(|(path, kind)| Request::CheckWatches { path, kind }),
        (path(), watcher).prop_map(|(path, kind)| Request::RemoveWatches { path, kind }),
        text().prop_map(|prefix| Request::GetEphemerals { prefix }),
        (option::of(text()), option::of(text()), option::of(text()), any::<i64>()).prop_map(
            |(joining, leaving, new_members, current_config)| Request::Reconfig {
                joining,
                leaving,
                new_members,
                current_config,
            }
        ),
        data().prop_map(|token| Request::Sasl { token }),
        any::<i32>().prop_map(|timeout_ms| Request::CreateSession { timeout_ms }),
    ]
    .boxed()
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![about_nodes(), about_the_session()]
}

pub(crate) fn multi_result() -> impl Strategy<Value = MultiResult> {
    prop_oneof![
        path().prop_map(|path| MultiResult::Create { path }),
        (path(), stat()).prop_map(|(path, stat)| MultiResult::Create2 { path, stat }),
        stat().prop_map(|stat| MultiResult::SetData { stat }),
        Just(MultiResult::Delete),
        Just(MultiResult::Check),
        code().prop_map(MultiResult::Error),
        (data(), stat()).prop_map(|(data, stat)| MultiResult::Data { data, stat }),
        paths().prop_map(|children| MultiResult::Children { children }),
    ]
}

/// An operation and an answer to it.
pub(crate) fn answer() -> impl Strategy<Value = (OpCode, Response)> {
    use Response as R;
    prop_oneof![
        Just((OpCode::Delete, R::Empty)),
        path().prop_map(|path| (OpCode::Create, R::Path(path))),
        path().prop_map(|path| (OpCode::Sync, R::Path(path))),
        (path(), stat()).prop_map(|(path, stat)| (OpCode::Create2, R::PathStat { path, stat })),
        stat().prop_map(|stat| (OpCode::Exists, R::Stat(stat))),
        (data(), stat()).prop_map(|(data, stat)| (OpCode::GetData, R::DataStat { data, stat })),
        paths().prop_map(|names| (OpCode::GetChildren, R::Children(names))),
        (paths(), stat()).prop_map(|(children, stat)| {
            (OpCode::GetChildren2, R::ChildrenStat { children, stat })
        }),
        (acls(), stat()).prop_map(|(acl, stat)| (OpCode::GetAcl, R::AclStat { acl, stat })),
        vec(multi_result(), 0..4).prop_map(|results| (OpCode::Multi, R::Multi(results))),
        any::<i32>().prop_map(|count| (OpCode::GetAllChildrenNumber, R::Count(count))),
        paths().prop_map(|paths| (OpCode::GetEphemerals, R::Paths(paths))),
        vec(id(), 0..3).prop_map(|ids| {
            let info = |id: Id| ClientInfo { scheme: id.scheme, user: id.id };
            (OpCode::WhoAmI, R::ClientInfos(ids.into_iter().map(info).collect()))
        }),
        code().prop_map(|code| (OpCode::AddWatch, R::Status(code))),
        data().prop_map(|token| (OpCode::Sasl, R::Token(token))),
    ]
}

fn create_txn(ephemeral: bool) -> impl Strategy<Value = CreateTxn> {
    (path(), data(), acls(), any::<i32>()).prop_map(move |(path, data, acl, parent_cversion)| {
        CreateTxn { path, data, acl, ephemeral, parent_cversion }
    })
}

/// A body that may stand inside a multi.
pub(crate) fn part() -> impl Strategy<Value = TxnBody> {
    prop_oneof![
        any::<bool>().prop_flat_map(create_txn).prop_map(TxnBody::Create),
        create_txn(false).prop_map(TxnBody::CreateContainer),
        (create_txn(false), any::<i64>())
            .prop_map(|(create, ttl_ms)| TxnBody::CreateTtl { create, ttl_ms }),
        path().prop_map(|path| TxnBody::Delete { path }),
        (path(), data(), any::<i32>()).prop_map(|(path, data, version)| TxnBody::SetData {
            path,
            data,
            version
        }),
        (path(), any::<i32>()).prop_map(|(path, version)| TxnBody::CheckVersion { path, version }),
        code().prop_map(|code| TxnBody::Error { code }),
    ]
}

pub(crate) fn body() -> impl Strategy<Value = TxnBody> {
    prop_oneof![
        4 => part(),
        1 => (path(), acls(), any::<i32>())
            .prop_map(|(path, acl, version)| TxnBody::SetAcl { path, acl, version }),
        1 => any::<i32>().prop_map(|timeout_ms| TxnBody::CreateSession { timeout_ms }),
        2 => option::of(paths()).prop_map(|paths| TxnBody::CloseSession { paths }),
        2 => vec(part(), 0..5).prop_map(TxnBody::Multi),
    ]
}

pub(crate) fn txn() -> impl Strategy<Value = Txn> {
    (session(), any::<i32>(), zxid(), any::<i64>(), body()).prop_map(
        |(session, cxid, zxid, time_ms, body)| Txn {
            header: TxnHeader { session, cxid, zxid, time_ms },
            body,
        },
    )
}

pub(crate) fn digest() -> impl Strategy<Value = TxnDigest> {
    any::<i64>().prop_map(|tree_digest| TxnDigest { version: TxnDigest::VERSION, tree_digest })
}

pub(crate) fn asked() -> impl Strategy<Value = Vec<AskedAs>> {
    vec(prop_oneof![Just(AskedAs::Create), Just(AskedAs::Create2)], 0..6)
}
