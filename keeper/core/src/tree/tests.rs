//! The tree against Apache's rules, one by one, and against itself over random histories.

mod fuzzy;
mod random;

use bytes::Bytes;

use super::*;
use crate::error::Code;
use crate::ids::ConnectionId;
use crate::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use crate::wire::client::EventType;

const SESSION: SessionId = SessionId(0x77);

fn txn(tree: &Tree, body: TxnBody) -> Txn {
    let zxid = Zxid(tree.last_zxid().0 + 1);
    Txn { header: TxnHeader { session: SESSION, cxid: 1, zxid, time_ms: 1000 }, body }
}

fn create(path: &str, ephemeral: bool, parent_cversion: i32) -> TxnBody {
    let data = Some(Bytes::from_static(b"x"));
    TxnBody::Create(CreateTxn {
        path: path.into(),
        data,
        acl: Acl::open(),
        ephemeral,
        parent_cversion,
    })
}

fn delete(path: &str) -> TxnBody {
    TxnBody::Delete { path: path.into() }
}

fn set_data(path: &str, version: i32) -> TxnBody {
    TxnBody::SetData { path: path.into(), data: None, version }
}

fn run(tree: &mut Tree, body: TxnBody) -> Applied {
    tree.apply(&txn(tree, body))
}

fn fired(applied: &Applied) -> Vec<(EventType, &str)> {
    applied.triggers.iter().map(|trigger| (trigger.kind, trigger.path.as_ref())).collect()
}

fn stat(tree: &Tree, path: &str) -> Stat {
    tree.get(path).unwrap().stat()
}

#[test]
fn a_new_tree_is_apaches() {
    let tree = Tree::new();
    assert_eq!(tree.paths().collect::<Vec<_>>(), [ROOT, ZOOKEEPER, CONFIG, QUOTA]);
    let children: Vec<_> = tree.children(ZOOKEEPER).unwrap().collect();
    assert_eq!(children, ["config", "quota"]);
    let living = |children| Stat { num_children: children, cversion: -children, ..Stat::default() };
    assert_eq!(stat(&tree, ROOT), living(1));
    assert_eq!(stat(&tree, ZOOKEEPER), living(2));
    assert_eq!(stat(&tree, CONFIG), Stat { aversion: -1, ..Stat::default() });
    assert_eq!(tree.get(ROOT).unwrap().data(), &Some(Bytes::new()));
    assert_eq!(tree.acl(ROOT).unwrap().as_ref(), Acl::open());
    assert_eq!(tree.acl(CONFIG).unwrap().as_ref(), Acl::read());
    assert_eq!((tree.node_count(), tree.descendants(ROOT), tree.descendants(ZOOKEEPER)), (4, 3, 2));
    let digest = |path: &[u8]| i64::from(crc32fast::hash(&[path, &[0; 60]].concat()));
    assert_eq!(tree.digest().tree_digest, digest(b"") + digest(b"/zookeeper"));
}

#[test]
fn creating_and_deleting_moves_the_parents_counts() {
    let mut tree = Tree::new();
    let applied = run(&mut tree, create("/a", false, 1));
    let created = Stat {
        czxid: Zxid(1),
        mzxid: Zxid(1),
        pzxid: Zxid(1),
        ctime_ms: 1000,
        mtime_ms: 1000,
        data_length: 1,
        ..Stat::default()
    };
    assert_eq!(applied.result, TxnResult::Created { path: "/a".into(), stat: created });
    let expected = [(EventType::NodeCreated, "/a"), (EventType::NodeChildrenChanged, "/")];
    assert_eq!(fired(&applied), expected);
    let root = stat(&tree, ROOT);
    assert_eq!((root.cversion, root.num_children, root.pzxid), (0, 2, Zxid(1)));

    run(&mut tree, create("/a/b", false, -1));
    assert_eq!(stat(&tree, "/a").cversion, 1);
    let applied = run(&mut tree, delete("/a/b"));
    assert_eq!(applied.result, TxnResult::Deleted);
    let expected = [(EventType::NodeDeleted, "/a/b"), (EventType::NodeChildrenChanged, "/a")];
    assert_eq!(fired(&applied), expected);
    let a = stat(&tree, "/a");
    assert_eq!((a.cversion, a.num_children, a.pzxid), (2, 0, Zxid(3)));
    assert_eq!(tree.last_zxid(), Zxid(3));
}

#[test]
fn setting_data_keeps_null_and_empty_apart() {
    let mut tree = Tree::new();
    run(&mut tree, create("/a", false, 1));
    let applied = run(&mut tree, set_data("/a", 1));
    let TxnResult::DataSet(stat) = applied.result else { panic!("{:?}", applied.result) };
    assert_eq!((stat.version, stat.mzxid, stat.data_length), (1, Zxid(2), 0));
    assert_eq!(fired(&applied), [(EventType::NodeDataChanged, "/a")]);
    assert_eq!(tree.get("/a").unwrap().data(), &None);
}

#[test]
fn kinds_of_nodes_are_kept_and_not_shown() {
    let mut tree = Tree::new();
    let TxnBody::Create(template) = create("/a", false, 1) else { unreachable!() };
    run(&mut tree, TxnBody::CreateContainer(template.clone()));
    let ttl = CreateTxn { path: "/t".into(), parent_cversion: 2, ..template };
    run(&mut tree, TxnBody::CreateTtl { create: ttl, ttl_ms: 60_000 });
    assert_eq!(tree.get("/a").unwrap().owner(), Owner::Container);
    assert_eq!(tree.get("/t").unwrap().owner(), Owner::Ttl(60_000));
    assert_eq!((stat(&tree, "/a").ephemeral_owner, stat(&tree, "/t").ephemeral_owner), (0, 0));
    assert_eq!(tree.ephemeral_count(), 0);
}

#[test]
fn a_session_takes_all_its_ephemerals_along_under_one_zxid() {
    let mut tree = Tree::new();
    for (at, path) in (1..).zip(["/c", "/a", "/b"]) {
        run(&mut tree, create(path, true, at));
    }
    assert_eq!(tree.ephemerals(SESSION).collect::<Vec<_>>(), ["/a", "/b", "/c"]);
    assert_eq!(stat(&tree, "/a").ephemeral_owner, SESSION.0);
    let paths = Some(vec!["/c".to_owned(), "/a".to_owned()]);
    let applied = run(&mut tree, TxnBody::CloseSession { paths });
    let deleted = ["/c", "/a", "/b"].map(str::to_owned).to_vec();
    assert_eq!(applied.result, TxnResult::SessionClosed { deleted });
    assert!(applied.triggers.iter().all(|trigger| trigger.zxid == Zxid(4)));
    assert_eq!(applied.triggers.len(), 6);
    assert_eq!((tree.ephemeral_count(), tree.ephemeral_owners().count()), (0, 0));
    assert_eq!(stat(&tree, ROOT).pzxid, Zxid(4));
}

#[test]
fn a_multi_shares_its_zxid_and_tells_each_result() {
    let mut tree = Tree::new();
    let check = TxnBody::CheckVersion { path: "/a".into(), version: 0 };
    let parts = vec![create("/a", false, 1), check, set_data("/a", 1), delete("/a")];
    let applied = run(&mut tree, TxnBody::Multi(parts));
    let TxnResult::Multi(results) = &applied.result else { panic!("{:?}", applied.result) };
    assert!(matches!(results[0], TxnResult::Created { .. }));
    assert_eq!(results[1], TxnResult::Checked);
    assert!(matches!(results[2], TxnResult::DataSet(Stat { version: 1, mzxid: Zxid(1), .. })));
    assert_eq!(results[3], TxnResult::Deleted);
    assert_eq!(applied.result.code(), Code::Ok);
    assert_eq!(applied.triggers.len(), 5);
}

#[test]
fn a_failed_multi_changes_nothing_and_tells_where_it_failed() {
    let mut tree = Tree::new();
    let before = tree.digest();
    let error = |code| TxnBody::Error { code };
    let parts = vec![
        create("/a", false, 1),
        error(Code::BadVersion),
        error(Code::RuntimeInconsistency),
        set_data("/b", 1),
    ];
    let applied = run(&mut tree, TxnBody::Multi(parts));
    let codes =
        [Code::Ok, Code::BadVersion, Code::RuntimeInconsistency, Code::RuntimeInconsistency];
    assert_eq!(applied.result, TxnResult::Multi(codes.map(TxnResult::Error).to_vec()));
    assert_eq!(applied.result.code(), Code::BadVersion);
    assert_eq!((tree.digest(), tree.last_zxid()), (before, Zxid(1)));
    assert!(applied.triggers.is_empty());
}

#[test]
fn acls_are_replaced_and_watched_nodes_carry_theirs() {
    let mut tree = Tree::new();
    run(&mut tree, create("/a", false, 1));
    let set = TxnBody::SetAcl { path: "/a".into(), acl: Acl::read(), version: 1 };
    let applied = run(&mut tree, set);
    assert!(matches!(applied.result, TxnResult::AclSet(Stat { aversion: 1, .. })));
    assert!(applied.triggers.is_empty());
    assert_eq!(tree.acl("/a").unwrap().as_ref(), Acl::read());
    let applied = run(&mut tree, delete("/a"));
    assert_eq!(applied.triggers[0].acl.as_ref(), Acl::read());
    assert_eq!(applied.triggers[1].acl.as_ref(), Acl::open());
}

#[test]
fn the_configuration_is_local() {
    let mut tree = Tree::new();
    let before = tree.digest();
    tree.set_config(Bytes::from_static(b"server.1=a"), Zxid(9), 5);
    let config = stat(&tree, CONFIG);
    assert_eq!((config.version, config.mzxid, config.mtime_ms), (-1, Zxid(9), 5));
    assert_eq!((tree.digest(), tree.last_zxid()), (before, Zxid::ZERO));

    let mut old = TreeBuilder::new();
    old.insert(ROOT, None, -1, StatPersisted::default()).unwrap();
    let mut old = old.finish(Zxid(1)).unwrap();
    old.set_config(Bytes::new(), Zxid::ZERO, 5);
    assert_eq!(old.paths().collect::<Vec<_>>(), [ROOT, ZOOKEEPER, CONFIG]);
    assert_eq!(old.acl(CONFIG).unwrap().as_ref(), Acl::read());
    assert_eq!(old.digest(), old.recompute_digest());
}

#[test]
fn a_transaction_that_does_not_fit_stops_a_strict_tree_and_not_a_tolerant_one() {
    let mut base = Tree::new();
    run(&mut base, create("/a", false, 1));
    run(&mut base, create("/a/b", false, 1));
    let misfits = [
        (create("/a", false, 3), Code::NodeExists),
        (create("/x/y", false, 1), Code::NoNode),
        (delete("/x"), Code::NoNode),
        (delete("/x/y"), Code::NoNode),
        (delete("/"), Code::NoNode),
        (set_data("/x", 1), Code::NoNode),
        (TxnBody::SetAcl { path: "/x".into(), acl: vec![], version: 1 }, Code::NoNode),
        (delete("/a"), Code::Ok),
        (TxnBody::CloseSession { paths: Some(vec!["/x".into()]) }, Code::Ok),
        (TxnBody::CloseSession { paths: Some(vec!["/a/b".into()]) }, Code::Ok),
    ];
    for (body, code) in misfits {
        let txn = txn(&base, body);
        let mut strict = base.clone();
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| strict.apply(&txn)));
        assert!(stopped.is_err(), "{txn:?}");
        let mut tolerant = base.clone();
        assert_eq!(tolerant.apply_tolerant(&txn).result.code(), code, "{txn:?}");
        assert_eq!(tolerant.digest(), tolerant.recompute_digest());
        assert_eq!(tolerant.last_zxid(), Zxid(3));
    }
}

#[test]
#[should_panic(expected = "follows")]
fn a_transaction_out_of_order_stops_the_tree() {
    let mut tree = Tree::new();
    let first = txn(&tree, create("/a", false, 1));
    tree.apply(&first);
    tree.apply(&first);
}

#[test]
fn a_returning_client_is_told_what_it_missed_and_watches_the_rest() {
    let mut tree = Tree::new();
    for (at, path) in (1..).zip(["/old", "/changed", "/parent"]) {
        run(&mut tree, create(path, false, at));
    }
    let seen = tree.last_zxid();
    run(&mut tree, set_data("/changed", 1));
    run(&mut tree, create("/parent/new", false, 1));
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let data = owned(&["/old", "/changed", "/gone"]);
    let exist = owned(&["/parent/new", "/later"]);
    let child = owned(&["/old", "/parent", "/gone"]);
    let paths = WatchedPaths { data: &data, exist: &exist, child: &child };
    let mut table = WatchTable::new();
    let connection = ConnectionId(4);
    let missed = table.set_watches(seen, paths, connection, &tree);
    let told: Vec<_> = missed.iter().map(|missed| (missed.kind, missed.path.as_str())).collect();
    let expected = [
        (EventType::NodeDataChanged, "/changed"),
        (EventType::NodeDeleted, "/gone"),
        (EventType::NodeCreated, "/parent/new"),
        (EventType::NodeChildrenChanged, "/parent"),
        (EventType::NodeDeleted, "/gone"),
    ];
    assert_eq!(told, expected);
    assert_eq!(table.len(), 3);
    for (kind, path) in
        [(WatchKind::Data, "/old"), (WatchKind::Exists, "/later"), (WatchKind::Child, "/old")]
    {
        assert!(table.contains(kind, path, connection), "{kind:?} {path}");
    }
}

#[test]
fn a_spoilt_pzxid_shows_in_the_digest() {
    let mut tree = Tree::new();
    run(&mut tree, create("/a", false, 1));
    run(&mut tree, create("/a/b", true, 1));
    let (told, digest) = (stat(&tree, "/a").pzxid, tree.digest());
    run(&mut tree, delete("/a/b"));
    let deleted = tree.digest();
    tree.set_pzxid("/a", told);
    assert_eq!(stat(&tree, "/a").pzxid, told);
    assert!(tree.digest() != deleted && tree.digest() != digest);
    assert_eq!(tree.digest(), tree.recompute_digest());
    tree.set_pzxid("/gone", told);
}
