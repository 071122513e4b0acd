//! Scripted conversations of the session machine with servers, and what holds for any.

mod any_events;
mod script;

use expect_test::expect;
use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use keeper_core::wire::client::{EventType, Request, Response, WatcherEvent};
use script::{Script, create, exists, get};

use super::{Resume, SessionConfig};

fn config(servers: usize) -> SessionConfig {
    SessionConfig { timeout_ms: 9_000, ..SessionConfig::new(servers, 1) }
}

#[test]
fn connects_asks_and_is_answered() {
    let mut script = Script::new(config(3));
    script.submit(create("/a"));
    script.tick();
    script.connected();
    script.welcome(0x77, 6_000);
    script.submit(get("/a", false));
    script.reply(1, 10, Code::Ok, Response::Path("/a".into()));
    script.reply(2, 10, Code::NoNode, Response::Empty);
    script.expect(expect![[r#"
        0 CONNECT server 0
        0 SEND hello, session 0x0, password 0.., seen 0x0
        0 EVENT #1 connected to server 0, 0x77, 6000 ms, resumed false
        0 SEND xid 1 create /a
        0 SEND xid 2 getData /a false
        0 DONE 1 #2 xid 1 zxid 0xa: Path("/a")
        0 DONE 2: server answered NoNode at zxid 0xa
    "#]]);
}

#[test]
fn what_is_in_flight_is_lost_with_the_connection_and_what_is_not_sent_waits() {
    let mut script = Script::new(SessionConfig { max_in_flight: 2, ..config(3) });
    script.online();
    script.submit(create("/a"));
    script.submit(create("/b"));
    script.submit(create("/c"));
    script.reply(1, 10, Code::Ok, Response::Path("/a".into()));
    script.note("the server closes");
    script.ended();
    script.submit(create("/d"));
    script.connected();
    script.welcome(0x77, 6_000);
    script.expect(expect![[r#"
        0 SEND xid 1 create /a
        0 SEND xid 2 create /b
        0 DONE 1 #2 xid 1 zxid 0xa: Path("/a")
        0 SEND xid 3 create /c
        -- the server closes
        0 DISCONNECT 1
        0 DONE 2: connection lost with the request in flight, its outcome is unknown: stream ended
        0 DONE 3: connection lost with the request in flight, its outcome is unknown: stream ended
        0 EVENT #5 disconnected from server 0: stream ended
        0 CONNECT server 2
        0 SEND hello, session 0x77, password 3.., seen 0xa
        0 EVENT #6 connected to server 2, 0x77, 6000 ms, resumed true
        0 SEND xid 4 create /d
    "#]]);
}

#[test]
fn an_answer_out_of_order_ends_the_connection() {
    let mut script = Script::new(config(3));
    script.online();
    script.submit(create("/a"));
    script.submit(create("/b"));
    script.reply(2, 10, Code::Ok, Response::Path("/b".into()));
    script.expect(expect![[r#"
        0 SEND xid 1 create /a
        0 SEND xid 2 create /b
        0 DISCONNECT 1
        0 DONE 1: connection lost with the request in flight, its outcome is unknown: protocol error: answer to xid 2 where 1 is due
        0 DONE 2: connection lost with the request in flight, its outcome is unknown: protocol error: answer to xid 2 where 1 is due
        0 EVENT #4 disconnected from server 0: protocol error: answer to xid 2 where 1 is due
        0 CONNECT server 2
    "#]]);
}

#[test]
fn an_answer_that_cannot_be_read_ends_the_connection() {
    let mut script = Script::new(config(3));
    script.online();
    script.submit(get("/a", false));
    script.reply(1, 10, Code::Ok, Response::Empty);
    script.expect(expect![[r#"
        0 SEND xid 1 getData /a false
        0 DISCONNECT 1
        0 DONE 1: connection lost with the request in flight, its outcome is unknown: protocol error: at byte 16: at least 4 more bytes are needed
        0 EVENT #3 disconnected from server 0: protocol error: at byte 16: at least 4 more bytes are needed
        0 CONNECT server 2
    "#]]);
}

#[test]
fn silence_is_answered_by_a_ping_and_then_by_another_server() {
    let mut script = Script::new(config(2));
    script.online();
    script.run_to(1_999);
    script.note("a third of 6000 ms");
    script.run_to(2_000);
    script.pong();
    script.run_to(3_999);
    script.run_to(4_000);
    script.note("two thirds of 6000 ms after the pong");
    script.run_to(5_999);
    script.run_to(6_000);
    script.expect(expect![[r#"
        -- a third of 6000 ms
        2000 SEND xid -2 Ping
        4000 SEND xid -2 Ping
        -- two thirds of 6000 ms after the pong
        6000 DISCONNECT 1
        6000 EVENT #2 disconnected from server 0: server silent
        6000 CONNECT server 1
    "#]]);
}

#[test]
fn a_client_that_only_listens_pings_all_the_same() {
    let mut script = Script::new(config(2));
    script.online();
    for at_ms in (500..=4_500).step_by(500) {
        script.run_to(at_ms);
        script.watch(at_ms, EventType::NodeDataChanged, "/other");
    }
    script.expect_only(
        "SEND",
        expect![[r#"
        2000 SEND xid -2 Ping
        4000 SEND xid -2 Ping
    "#]],
    );
}

#[test]
fn watches_are_set_again_from_the_last_answer() {
    let mut script = Script::new(config(2));
    script.online();
    script.submit(get("/data", true));
    script.submit(exists("/missing", true));
    script.submit(exists("/there", true));
    script.submit(get("/fired", true));
    script.reply(1, 10, Code::Ok, script::data());
    script.reply(2, 10, Code::NoNode, Response::Empty);
    script.reply(3, 11, Code::Ok, script::stat());
    script.reply(4, 11, Code::Ok, script::data());
    script.note("the event's position counts as seen, but other events of it may be missing");
    script.watch(20, EventType::NodeDataChanged, "/fired");
    script.ended();
    script.connected();
    script.submit(create("/waits"));
    script.welcome(0x77, 6_000);
    script.restored(Code::Ok);
    script.expect(expect![[r#"
        0 SEND xid 1 getData /data true
        0 SEND xid 2 exists /missing true
        0 SEND xid 3 exists /there true
        0 SEND xid 4 getData /fired true
        0 DONE 1 #2 xid 1 zxid 0xa: data
        0 DONE 2: server answered NoNode at zxid 0xa
        0 DONE 3 #4 xid 3 zxid 0xb: stat
        0 DONE 4 #5 xid 4 zxid 0xb: data
        -- the event's position counts as seen, but other events of it may be missing
        0 EVENT #6 NodeDataChanged /fired at Some(0x14) from server 0
        0 DISCONNECT 1
        0 EVENT #7 disconnected from server 0: stream ended
        0 CONNECT server 1
        0 SEND hello, session 0x77, password 3.., seen 0x14
        0 SEND xid -8 SetWatches { relative_zxid: 0xb, data: ["/data", "/there"], exist: ["/missing"], child: [] }
        0 EVENT #8 connected to server 1, 0x77, 6000 ms, resumed true
        0 SEND xid 5 create /waits
    "#]]);
}

#[test]
fn a_watch_event_keeps_its_place_among_the_answers() {
    let mut script = Script::new(config(1));
    script.online();
    script.submit(get("/a", false));
    script.submit(get("/a", false));
    let event = WatcherEvent::new(EventType::NodeDataChanged, "/a");
    let stream = [
        script::reply_bytes(1, 10, Code::Ok, &script::data()),
        script::event_bytes(11, &event),
        script::reply_bytes(2, 11, Code::Ok, &script::data()),
    ]
    .concat();
    script.note("all in one piece");
    script.bytes(&stream);
    script.expect(expect![[r#"
        0 SEND xid 1 getData /a false
        0 SEND xid 2 getData /a false
        -- all in one piece
        0 DONE 1 #2 xid 1 zxid 0xa: data
        0 EVENT #3 NodeDataChanged /a at Some(0xb) from server 0
        0 DONE 2 #4 xid 2 zxid 0xb: data
    "#]]);
}

#[test]
fn only_a_server_says_that_a_session_has_expired() {
    let mut script = Script::new(config(2));
    script.online();
    script.ended();
    script.submit(create("/a"));
    script.note("an hour later, still no server");
    script.run_to(3_600_000);
    script.forget_log();
    script.connected();
    script.welcome(0, 0);
    script.submit(create("/b"));
    script.expect(expect![[r#"
        3600000 SEND hello, session 0x77, password 3.., seen 0x0
        3600000 DISCONNECT 1038
        3600000 DONE 1: session expired before the request was sent
        3600000 EVENT #3 expired
        3600000 DONE 2: session expired before the request was sent
    "#]]);
    assert!(script.core.has_ended());
    assert_eq!(script.core.deadline(), None);
}

#[test]
fn attempts_come_at_once_and_then_ever_more_slowly() {
    let mut script = Script::new(config(3));
    script.tick();
    for _ in 0..8 {
        script.ended();
        script.run_to_connect();
    }
    script.expect_only(
        "server",
        expect![[r#"
            0 CONNECT server 0
            0 CONNECT server 2
            50 CONNECT server 1
            122 CONNECT server 0
            266 CONNECT server 2
            619 CONNECT server 1
            1370 CONNECT server 0
            2588 CONNECT server 2
            3873 CONNECT server 1
        "#]],
    );
}

#[test]
fn an_attempt_that_hangs_is_given_up() {
    let mut script = Script::new(config(3));
    script.tick();
    script.run_to(2_000);
    script.connected();
    script.note("the handshake counts too");
    script.run_to(4_000);
    script.expect(expect![[r#"
        0 CONNECT server 0
        2000 DISCONNECT 1
        2000 CONNECT server 2
        2000 SEND hello, session 0x0, password 0.., seen 0x0
        -- the handshake counts too
        4000 DISCONNECT 2
    "#]]);
}

#[test]
fn a_session_is_resumed_with_what_it_has_seen() {
    let resume =
        Resume { id: script::session(0x99), password: vec![7; 16], last_zxid_seen: Zxid(50) };
    let mut script = Script::new(SessionConfig { resume: Some(resume), ..config(1) });
    script.tick();
    script.connected();
    script.note("another session than the one asked for");
    script.welcome(0x98, 6_000);
    script.connected();
    script.welcome(0x99, 6_000);
    script.expect(expect![[r#"
        0 CONNECT server 0
        0 SEND hello, session 0x99, password 7.., seen 0x32
        -- another session than the one asked for
        0 DISCONNECT 1
        0 CONNECT server 0
        0 SEND hello, session 0x99, password 7.., seen 0x32
        0 EVENT #1 connected to server 0, 0x99, 6000 ms, resumed true
    "#]]);
}

#[test]
fn closing_answers_what_was_asked_before_and_refuses_what_comes_after() {
    let mut script = Script::new(SessionConfig { max_in_flight: 1, ..config(1) });
    script.online();
    script.submit(create("/a"));
    script.submit(Request::CloseSession);
    script.submit(create("/b"));
    script.reply(1, 10, Code::Ok, Response::Path("/a".into()));
    script.reply(2, 11, Code::Ok, Response::Empty);
    script.submit(create("/c"));
    script.expect(expect![[r#"
        0 SEND xid 1 create /a
        0 DONE 3: client closed before the request was sent
        0 DONE 1 #2 xid 1 zxid 0xa: Path("/a")
        0 SEND xid 2 CloseSession
        0 DONE 2 #3 xid 2 zxid 0xb: Empty
        0 DISCONNECT 1
        0 EVENT #4 closed
        0 DONE 4: client closed before the request was sent
    "#]]);
    assert!(script.core.has_ended());
}

#[test]
fn a_close_in_flight_at_a_loss_is_the_end_with_an_unknown_outcome() {
    let mut script = Script::new(config(1));
    script.online();
    script.submit(Request::CloseSession);
    script.ended();
    script.expect(expect![[r#"
        0 SEND xid 1 CloseSession
        0 DISCONNECT 1
        0 DONE 1: connection lost with the request in flight, its outcome is unknown: stream ended
        0 EVENT #3 disconnected from server 0: stream ended
        0 EVENT #4 closed
    "#]]);
    assert!(script.core.has_ended());
}

#[test]
fn a_close_that_cannot_be_sent_in_time_is_the_end_all_the_same() {
    let mut script = Script::new(SessionConfig {
        request_timeout_ms: Some(1_500),
        connect_timeout_ms: 10_000,
        ..config(1)
    });
    script.online();
    script.ended();
    script.forget_log();
    script.submit(Request::CloseSession);
    script.submit(create("/refused"));
    script.run_to(1_500);
    script.expect(expect![[r#"
        0 DONE 2: client closed before the request was sent
        1500 DONE 1: no connection within the request time-out, the request was not sent
        1500 DISCONNECT 2
        1500 EVENT #3 closed
    "#]]);
    assert!(script.core.has_ended());
}

#[test]
fn requests_have_a_limit_before_and_after_they_are_sent() {
    let mut script = Script::new(SessionConfig {
        request_timeout_ms: Some(1_500),
        connect_timeout_ms: 10_000,
        ..config(1)
    });
    script.submit(create("/never-sent"));
    script.run_to(1_500);
    script.connected();
    script.welcome(0x77, 6_000);
    script.submit(create("/unanswered"));
    script.run_to(3_000);
    script.expect(expect![[r#"
        0 CONNECT server 0
        1500 DONE 1: no connection within the request time-out, the request was not sent
        1500 SEND hello, session 0x0, password 0.., seen 0x0
        1500 EVENT #1 connected to server 0, 0x77, 6000 ms, resumed false
        1500 SEND xid 1 create /unanswered
        3000 DISCONNECT 1
        3000 DONE 2: connection lost with the request in flight, its outcome is unknown: request unanswered
        3000 EVENT #3 disconnected from server 0: request unanswered
        3000 CONNECT server 0
    "#]]);
}

#[test]
fn identities_are_told_to_every_server() {
    let mut script = Script::new(config(1));
    script.online();
    let auth = |who: &str| Request::Auth {
        kind: 0,
        scheme: "digest".into(),
        auth: Some(who.to_owned().into()),
    };
    script.submit(auth("a:pw"));
    script.submit(create("/a"));
    script.submit(auth("wrong"));
    script.reply(1, 9, Code::Ok, Response::Path("/a".into()));
    script.reply(-4, 9, Code::Ok, Response::Empty);
    script.reply(-4, 9, Code::AuthFailed, Response::Empty);
    script.ended();
    script.connected();
    script.welcome(0x77, 6_000);
    script.submit(create("/b"));
    script.reply(-4, 9, Code::Ok, Response::Empty);
    script.reply(2, 10, Code::Ok, Response::Path("/b".into()));
    script.expect(expect![[r#"
        0 SEND xid -4 Auth { kind: 0, scheme: "digest", auth: Some(b"a:pw") }
        0 SEND xid 1 create /a
        0 SEND xid -4 Auth { kind: 0, scheme: "digest", auth: Some(b"wrong") }
        0 DONE 2 #2 xid 1 zxid 0x9: Path("/a")
        0 DONE 1 #3 xid -4 zxid 0x9: Empty
        0 DONE 3: server answered AuthFailed at zxid 0x9
        0 DISCONNECT 1
        0 EVENT #5 disconnected from server 0: stream ended
        0 CONNECT server 0
        0 SEND hello, session 0x77, password 3.., seen 0x9
        0 SEND xid -4 Auth { kind: 0, scheme: "digest", auth: Some(b"a:pw") }
        0 EVENT #6 connected to server 0, 0x77, 6000 ms, resumed true
        0 SEND xid 2 create /b
        0 DONE 4 #7 xid 2 zxid 0xa: Path("/b")
    "#]]);
}

#[test]
fn what_is_not_for_callers_is_refused() {
    let mut script = Script::new(config(1));
    for request in [Request::Ping, Request::CreateSession { timeout_ms: 1 }] {
        script.submit(request);
    }
    script.expect_only(
        "DONE",
        expect![[r#"
        0 DONE 1: Ping cannot be submitted
        0 DONE 2: CreateSession cannot be submitted
    "#]],
    );
}

#[test]
fn events_of_a_connection_given_up_are_ignored() {
    let mut script = Script::new(config(2));
    script.online();
    let old = script.connection;
    script.submit(create("/a"));
    script.ended();
    script.connected();
    script.welcome(0x77, 6_000);
    script.submit(create("/b"));
    script.forget_log();
    script.note("the first connection is heard of once more");
    script.bytes_from(old, &script::reply_bytes(2, 10, Code::Ok, &Response::Path("/x".into())));
    script.ended_of(old);
    script.reply(2, 11, Code::Ok, Response::Path("/b".into()));
    script.expect(expect![[r#"
        -- the first connection is heard of once more
        0 DONE 2 #5 xid 2 zxid 0xb: Path("/b")
    "#]]);
}
