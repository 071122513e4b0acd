//! What a script's clients do.

use keeper_core::event::{Event, Port};
use keeper_core::ids::SessionId;
use keeper_core::wire::client::Request;

use super::{Host, World};
use crate::client::Client;

impl World {
    /// A client connects and says which session it wants: a new one, or another client's.
    pub(crate) fn open(&mut self, client: u64, server: u64, resumes: Option<u64>) {
        let session = resumes.map_or(SessionId(0), |other| self.clients[&other].session);
        let connection = self.next_connection();
        let (state, said) = Client::new(server, connection, session);
        self.clients.insert(client, state);
        self.connect(server, connection, Host::Client(client), connection);
        let action = if resumes.is_some() { "resumes its session" } else { "connects" };
        self.note(format!("c{client} -> n{server} {action}"));
        self.step(server, Event::Accepted { connection, port: Port::Client });
        self.fly(Host::Client(client), server, Event::Bytes { connection, bytes: said });
        self.run();
    }

    /// A client asks for something.
    pub(crate) fn ask(&mut self, client: u64, request: &Request) {
        let state = self.clients.get_mut(&client).unwrap();
        let (server, connection) = (state.server, state.connection);
        let (bytes, text) = state.ask(request);
        self.note(format!("c{client} -> n{server} {text}"));
        self.fly(Host::Client(client), server, Event::Bytes { connection, bytes });
        self.run();
    }
}
