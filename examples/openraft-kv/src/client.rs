//! A client: it asks a server of its own first, as behind a balancer, which sends it to the one that leads,
//! and asks another one where that is safe. So a leader that the others gave up is still asked, by those
//! whose own server it is: only then is it seen whether it answers reads that it must not. Where servers come
//! and go, it begins with the one that answered last, since its own may be no member.
//!
//! Safe is what had no effect: a server that was not reached, a read, and what a server says that it has
//! not done. A write that was sent and not answered may have an effect now or later.

use std::io;

use squall::calls::{Client, Outcome};
use squall::model::{RegisterAnswer, RegisterOperation};
use squall::prelude::*;

use crate::model::{Answer, Members, Operation};
use crate::network::{Called, PORT, Request, Response, receive, send};
use crate::server::name;

/// How long a call is tried for.
const CALL_MS: u64 = 3_000;
/// How long a server that is asked may be silent.
const ASK_MS: u64 = 1_500;
/// The pause before the next server is asked.
const PAUSE_MS: u64 = 40;

/// A client on its host.
pub struct Caller<H> {
    host: H,
    servers: u64,
    /// Who is asked first; none for who was asked last.
    own: Option<u64>,
    /// Who is asked next.
    asked: u64,
}

/// What came of asking one server.
enum Asked {
    /// This.
    Answered(Called),
    /// It was not reached.
    NotSent,
    /// It was, and nobody knows what it did.
    Lost(io::Error),
}

impl<H: Host> Caller<H> {
    /// A client of so many servers. Clients begin with different ones, each time if the servers stay the same.
    pub fn new(host: H, servers: u64, number: u32, servers_stay: bool) -> Caller<H> {
        let own = u64::from(number) % servers + 1;
        Caller { host, servers, own: servers_stay.then_some(own), asked: own }
    }

    fn next(&mut self) {
        self.asked = self.asked % self.servers + 1;
    }

    async fn ask(&self, operation: &Operation) -> Asked {
        let connected = self.host.timeout(ASK_MS, self.host.connect(&name(self.asked), PORT)).await;
        let Ok(Ok(mut stream)) = connected else { return Asked::NotSent };
        let asked = self.host.timeout(ASK_MS, async {
            send(&mut stream, &Request::Call(operation.clone())).await?;
            match receive(&mut stream).await? {
                Response::Call(called) => Ok(called),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        });
        match asked.await {
            Ok(Ok(called)) => Asked::Answered(called),
            Ok(Err(error)) => Asked::Lost(error),
            Err(_) => Asked::Lost(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl<H: Host> Client<Members> for Caller<H> {
    async fn call(&mut self, operation: &Operation) -> Outcome<Answer> {
        let until = self.host.now().after_ms(CALL_MS);
        let is_read = matches!(operation, Operation::Register(RegisterOperation::Get { .. }));
        self.asked = self.own.unwrap_or(self.asked);
        loop {
            let why = match self.ask(operation).await {
                Asked::Answered(Called::Elsewhere(leader)) => {
                    match leader.filter(|leader| *leader != self.asked) {
                        Some(leader) => self.asked = leader,
                        None => self.next(),
                    }
                    "no server led".to_owned()
                }
                Asked::Answered(Called::Refused(why)) => {
                    self.next();
                    why
                }
                Asked::Answered(Called::Unknown(why)) => return Outcome::Unknown(why),
                Asked::Answered(called) => return Outcome::Answered(answer(called)),
                Asked::NotSent => {
                    self.next();
                    "no server was reached".to_owned()
                }
                Asked::Lost(error) => {
                    self.next();
                    if !is_read {
                        return Outcome::Unknown(error.to_string());
                    }
                    error.to_string()
                }
            };
            if self.host.now() >= until {
                return Outcome::Refused(why);
            }
            self.host.sleep_ms(PAUSE_MS).await;
        }
    }
}

/// What a client makes of an answer that is one.
fn answer(called: Called) -> Answer {
    match called {
        Called::Value(value) => Answer::Register(RegisterAnswer::Value(value)),
        Called::Written => Answer::Register(RegisterAnswer::Written),
        Called::Differs => Answer::Register(RegisterAnswer::Differs),
        Called::Changed => Answer::Changed,
        Called::Elsewhere(_) | Called::Refused(_) | Called::Unknown(_) => {
            unreachable!("{called:?} is no answer, and was looked at before")
        }
    }
}
