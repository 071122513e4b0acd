//! The task behind a client: it owns the session machine and the stream and performs the machine's
//! effects.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use keeper_core::time::Now;
use keeper_core::wire::client::{Request, Response};
use platform::{Mono, Platform, Stream, Timer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::reply::Reply;
use crate::session::{
    Connection, Effect, Event, ServerAddress, SessionCore, SessionHandle, Ticket,
};
use crate::tap::Tap;

/// How many bytes one read may bring.
const READ_BYTES: usize = 64 << 10;

/// What handles ask of the task.
pub(crate) enum Command {
    /// A request and where its answer goes.
    Request { request: Request, owed: Owed },
    /// Somebody wants to hear of all events from now on.
    Listen(mpsc::UnboundedSender<ClientEvent>),
}

/// Where an answer goes, and who takes notes of it under which name.
pub(crate) struct Owed {
    pub(crate) answer: oneshot::Sender<Result<Reply<Response>, ClientError>>,
    pub(crate) tap: Option<(Arc<dyn Tap>, u64)>,
}

/// The client's end of the world.
pub(crate) struct Shell<P: Platform> {
    platform: P,
    servers: Vec<ServerAddress>,
    core: SessionCore,
    timer: P::Timer,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<ClientEvent>,
    /// Further listeners; those that are gone are forgotten with the next event.
    listeners: Vec<mpsc::UnboundedSender<ClientEvent>>,
    session: watch::Sender<Option<SessionHandle>>,
    /// Where the answers go that the machine still owes.
    owed: BTreeMap<Ticket, Owed>,
    last_ticket: u64,
    link: Link<P>,
}

type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// What there is of a connection.
enum Link<P: Platform> {
    Down,
    Connecting(Connection, Connecting<P::Stream>),
    Up(Box<Wire<P::Stream>>),
}

/// A stream with what is still to be written to it.
struct Wire<S: Stream> {
    connection: Connection,
    read: S::Read,
    write: S::Write,
    /// Room for reading, kept so that it is not allocated for each read.
    buffer: BytesMut,
    unwritten: BytesMut,
    unflushed: bool,
}

/// What a turn of the loop brought.
enum Turn {
    Command(Command),
    /// Every handle of the client is gone.
    Abandoned,
    Core(Event),
    /// Something was written; the machine does not care.
    Progress,
}

impl<P: Platform> Shell<P> {
    pub(crate) fn new(
        platform: P,
        servers: Vec<ServerAddress>,
        core: SessionCore,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::UnboundedSender<ClientEvent>,
        session: watch::Sender<Option<SessionHandle>>,
    ) -> Shell<P> {
        let timer = platform.timer();
        Shell {
            platform,
            servers,
            core,
            timer,
            commands,
            events,
            listeners: Vec::new(),
            session,
            owed: BTreeMap::new(),
            last_ticket: 0,
            link: Link::Down,
        }
    }

    /// Runs until the session has ended or every handle is dropped. In the second case the server
    /// learns nothing: the session expires there in its own time.
    pub(crate) async fn run(mut self) {
        self.step(Event::Tick);
        while !self.core.has_ended() {
            let at = self.core.deadline().map(|ms| Mono(ms.saturating_mul(1_000_000)));
            self.timer.set(at);
            match self.turn().await {
                Turn::Command(command) => self.obey(command),
                Turn::Core(event) => self.step(event),
                Turn::Progress => {}
                Turn::Abandoned => return,
            }
        }
        // Nobody may wait for an answer that cannot come.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command);
        }
    }

    /// Waits for the next thing to happen. Every branch may be dropped without losing anything.
    async fn turn(&mut self) -> Turn {
        tokio::select! {
            biased;
            command = self.commands.recv() => match command {
                Some(command) => Turn::Command(command),
                None => Turn::Abandoned,
            },
            turn = self.link.turn() => turn,
            () = self.timer.fired() => Turn::Core(Event::Tick),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Request { request, owed } => {
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                self.owed.insert(ticket, owed);
                self.step(Event::Submit { ticket, request });
            }
            Command::Listen(listener) => self.listeners.push(listener),
        }
    }

    fn step(&mut self, event: Event) {
        if let Event::Ended(connection) = event {
            self.link.disconnect(connection);
        }
        let now = Now {
            mono_ms: self.platform.now().0 / 1_000_000,
            wall_ms: (self.platform.wall_ns() / 1_000_000) as i64,
        };
        let mut effects = Vec::new();
        self.core.step(now, event, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { connection, server } => {
                let platform = self.platform.clone();
                let ServerAddress { host, port } = self.servers[server].clone();
                tracing::debug!(%host, port, "connecting");
                let connecting = async move { platform.connect(&host, port).await };
                self.link = Link::Connecting(connection, Box::pin(connecting));
            }
            Effect::Send(connection, bytes) => match &mut self.link {
                Link::Up(wire) if wire.connection == connection => {
                    wire.unwritten.extend_from_slice(&bytes);
                }
                _ => {}
            },
            Effect::Disconnect(connection) => self.link.disconnect(connection),
            Effect::Complete(ticket, result) => {
                let Owed { answer, tap } =
                    self.owed.remove(&ticket).expect("each ticket is completed once");
                if let Some((tap, note)) = tap {
                    tap.answered(note, &result);
                }
                // The caller may have stopped waiting.
                let _ = answer.send(result);
            }
            Effect::Notify(event) => {
                tracing::debug!(?event, "session event");
                self.session.send_if_modified(|known| {
                    let changed = known.as_ref() != self.core.session();
                    if changed {
                        *known = self.core.session().cloned();
                    }
                    changed
                });
                self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
                // The caller may not care for events.
                let _ = self.events.send(event);
            }
        }
    }
}

impl<P: Platform> Link<P> {
    fn disconnect(&mut self, gone: Connection) {
        let is_it = match self {
            Link::Down => false,
            Link::Connecting(connection, _) => *connection == gone,
            Link::Up(wire) => wire.connection == gone,
        };
        if is_it {
            *self = Link::Down;
        }
    }

    async fn turn(&mut self) -> Turn {
        match self {
            Link::Down => pending().await,
            Link::Connecting(connection, connecting) => {
                let connection = *connection;
                match connecting.await {
                    Err(error) => {
                        tracing::debug!(%error, "no connection");
                        Turn::Core(Event::Ended(connection))
                    }
                    Ok(stream) => {
                        *self = Link::Up(Box::new(Wire::new(connection, stream)));
                        Turn::Core(Event::Connected(connection))
                    }
                }
            }
            Link::Up(wire) => wire.turn().await,
        }
    }
}

impl<S: Stream> Wire<S> {
    fn new(connection: Connection, stream: S) -> Wire<S> {
        let (read, write) = stream.into_split();
        let (buffer, unwritten) = (BytesMut::new(), BytesMut::new());
        Wire { connection, read, write, buffer, unwritten, unflushed: false }
    }

    async fn turn(&mut self) -> Turn {
        let ended = Turn::Core(Event::Ended(self.connection));
        let busy = self.unflushed || !self.unwritten.is_empty();
        tokio::select! {
            biased;
            written = write_or_flush(&mut self.write, &self.unwritten), if busy => match written {
                Ok(len) => {
                    self.unflushed = len > 0;
                    self.unwritten.advance(len);
                    Turn::Progress
                }
                Err(_) => ended,
            },
            read = read_some(&mut self.read, &mut self.buffer) => match read {
                Ok(bytes) if !bytes.is_empty() => {
                    Turn::Core(Event::Bytes(self.connection, bytes))
                }
                _ => ended,
            },
        }
    }
}

/// Writes some of `bytes` and says how many, or flushes if there are none.
async fn write_or_flush(
    write: &mut (impl AsyncWriteExt + Unpin),
    bytes: &[u8],
) -> io::Result<usize> {
    if bytes.is_empty() {
        return write.flush().await.map(|()| 0);
    }
    match write.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        len => Ok(len),
    }
}

/// The stream's next bytes; none at its end.
async fn read_some(
    read: &mut (impl AsyncReadExt + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Bytes> {
    buffer.reserve(READ_BYTES);
    read.read_buf(buffer).await?;
    Ok(buffer.split().freeze())
}
