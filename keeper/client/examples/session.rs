//! The session as a machine, told by hand what befalls it: one server cannot be reached, the next one says
//! nothing. `squall-keeper-server` has an example with a real server.
//!
//!     cargo run -p squall-keeper-client --example session

use keeper_client::session::{Effect, Event, SessionConfig, SessionCore, Ticket};
use keeper_core::time::Now;
use keeper_core::wire::client::Request;

fn main() {
    let mut session = SessionCore::new(SessionConfig::new(3, 7));
    let request = Request::GetData { path: "/motd".to_owned(), watch: false };
    let mut out = Vec::new();

    println!("the caller asks, and nothing is connected yet:");
    session.step(at(0), Event::Submit { ticket: Ticket(1), request }, &mut out);
    session.step(at(0), Event::Tick, &mut out);
    let connection = out.iter().find_map(|effect| match effect {
        Effect::Connect { connection, .. } => Some(*connection),
        _ => None,
    });
    show(&mut out);

    println!("the first server cannot be reached:");
    let connection = connection.expect("a session looks for a server");
    session.step(at(5), Event::Ended(connection), &mut out);
    show(&mut out);

    let deadline_ms = session.deadline().expect("an attempt has its time");
    println!("the second says nothing, and at {deadline_ms} ms its time is up:");
    session.step(at(deadline_ms), Event::Tick, &mut out);
    show(&mut out);
}

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_ms: 0 }
}

fn show(out: &mut Vec<Effect>) {
    for effect in out.drain(..) {
        println!("  {effect:?}");
    }
}
