//! Election connections between servers (ZooKeeper's `QuorumCnxManager`).
//!
//! Between two servers there is one connection, made by the one with the larger number. The other
//! one connects only to make itself known: it is hung up on and called back. A vote that has not
//! left yet is replaced by a later one.
//!
//! A connection that a firewall has silently forgotten looks alive for as long as TCP tries, which
//! may be a quarter of an hour; ZooKeeper leaves that to `tcpKeepAlive`. Whoever looks for a leader
//! asks again and again, and every server answers. So a connection over which votes are sent and none
//! come is given up, and made anew.

use std::collections::BTreeMap;

use keeper_core::ids::ServerId;
use keeper_core::jute::Encode;
use keeper_core::wire::election::{ElectionDecoder, ElectionMessage, InitialMessage, Notification};
use platform::{Mono, Platform, Stream, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// How long connecting and introducing oneself may take (`cnxTimeout`).
const CONNECT_MS: u64 = 5_000;

/// How long a connection may be silent after a vote was sent. Servers that look for a leader repeat
/// theirs more often.
const SILENT_MS: u64 = 5_000;

/// Where another server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// A name or an address.
    pub host: String,
    /// Where learners connect.
    pub quorum_port: u16,
    /// Where votes are exchanged.
    pub election_port: u16,
}

/// What happened on the election port.
pub(crate) enum ElectionArrival<P: Platform> {
    /// Somebody connected and said who it is.
    Introduced { peer: ServerId, stream: P::Stream, decoder: ElectionDecoder },
    /// A call ended: the peer was reached or not, and the connection is to be kept or not.
    Called { peer: ServerId, reached: bool, stream: Option<P::Stream> },
    /// A vote came.
    Vote { peer: ServerId, link: u64, notification: Notification },
    /// A connection ended.
    Ended { peer: ServerId, link: u64 },
}

/// A change that the machine must know of.
pub(crate) enum ElectionChange {
    /// A vote came.
    Vote(ServerId, Notification),
    /// A peer can be reached, or no more.
    Peer(ServerId, bool),
}

/// One standing connection.
struct Link<T: Task> {
    id: u64,
    votes: watch::Sender<Option<Notification>>,
    /// When the first vote was sent of those that nothing has come after.
    asked: Option<Mono>,
    reader: T,
    writer: T,
}

impl<T: Task> Drop for Link<T> {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

impl<T: Task> Link<T> {
    fn is_silent(&self, now: Mono) -> bool {
        self.asked.is_some_and(|asked| now >= asked.after_ms(SILENT_MS))
    }
}

struct Peer<T: Task> {
    address: PeerAddress,
    link: Option<Link<T>>,
    call: Option<T>,
    /// The vote to send once there is a connection.
    unsent: Option<Notification>,
}

/// All election connections of a server.
pub(crate) struct Elections<P: Platform> {
    platform: P,
    me: ServerId,
    my_address: String,
    peers: BTreeMap<ServerId, Peer<P::Task>>,
    arrivals: UnboundedSender<ElectionArrival<P>>,
    next_link: u64,
}

impl<P: Platform> Drop for Elections<P> {
    fn drop(&mut self) {
        for call in self.peers.values().filter_map(|peer| peer.call.as_ref()) {
            call.abort();
        }
    }
}

impl<P: Platform> Elections<P> {
    pub(crate) fn new(
        platform: P,
        me: ServerId,
        servers: &BTreeMap<ServerId, PeerAddress>,
        arrivals: UnboundedSender<ElectionArrival<P>>,
    ) -> Elections<P> {
        let my_address = servers
            .get(&me)
            .map(|own| format!("{}:{}", own.host, own.election_port))
            .unwrap_or_default();
        let peers = servers
            .iter()
            .filter(|(server, _)| **server != me)
            .map(|(server, address)| {
                let address = address.clone();
                (*server, Peer { address, link: None, call: None, unsent: None })
            })
            .collect();
        Elections { platform, me, my_address, peers, arrivals, next_link: 0 }
    }

    /// Somebody connected to the election port: it must say who it is.
    pub(crate) fn accept(&mut self, stream: P::Stream) {
        let (platform, arrivals) = (self.platform.clone(), self.arrivals.clone());
        self.platform.spawn(async move {
            let introduced = platform.timeout(CONNECT_MS, introduction(stream)).await;
            if let Ok(Some((peer, stream, decoder))) = introduced {
                let _ = arrivals.send(ElectionArrival::Introduced { peer, stream, decoder });
            }
        });
    }

    /// Sends a vote as soon as there is a connection.
    pub(crate) fn notify(&mut self, to: ServerId, notification: Notification) {
        let now = self.platform.now();
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if peer.link.as_ref().is_some_and(|link| link.is_silent(now)) {
            tracing::warn!(server = to.0, "gives up an election connection that is silent");
            peer.link = None;
        }
        match &mut peer.link {
            Some(link) => {
                link.asked.get_or_insert(now);
                link.votes.send_replace(Some(notification));
            }
            None => {
                peer.unsent = Some(notification);
                self.call(to);
            }
        }
    }

    /// Takes what happened; the changes are for the machine, in order.
    pub(crate) fn take(&mut self, arrival: ElectionArrival<P>) -> Vec<ElectionChange> {
        match arrival {
            ElectionArrival::Introduced { peer, stream, decoder } => {
                if !self.peers.contains_key(&peer) {
                    return Vec::new();
                }
                // The caller may have lost a connection that still looks alive from here.
                let mut changes = self.unlink(peer);
                if peer < self.me {
                    drop(stream);
                    self.call(peer);
                } else {
                    changes.extend(self.link(peer, stream, decoder));
                }
                changes
            }
            ElectionArrival::Called { peer, reached, stream } => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.call = None;
                }
                match stream {
                    Some(stream) => {
                        let mut changes = self.unlink(peer);
                        changes.extend(self.link(peer, stream, ElectionDecoder::connected()));
                        changes
                    }
                    None if !reached && self.current_link(peer).is_none() => {
                        vec![ElectionChange::Peer(peer, false)]
                    }
                    None => Vec::new(),
                }
            }
            ElectionArrival::Vote { peer, link, notification } => {
                let known = self.peers.get_mut(&peer).and_then(|known| known.link.as_mut());
                let Some(link) = known.filter(|known| known.id == link) else { return Vec::new() };
                link.asked = None;
                vec![ElectionChange::Vote(peer, notification)]
            }
            ElectionArrival::Ended { peer, link } => {
                if self.current_link(peer) == Some(link) {
                    self.unlink(peer)
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn current_link(&self, peer: ServerId) -> Option<u64> {
        self.peers.get(&peer)?.link.as_ref().map(|link| link.id)
    }

    fn unlink(&mut self, peer: ServerId) -> Vec<ElectionChange> {
        let link = self.peers.get_mut(&peer).and_then(|known| known.link.take());
        link.map(|_| ElectionChange::Peer(peer, false)).into_iter().collect()
    }

    fn link(
        &mut self,
        peer: ServerId,
        stream: P::Stream,
        decoder: ElectionDecoder,
    ) -> Option<ElectionChange> {
        self.next_link += 1;
        let id = self.next_link;
        let arrivals = self.arrivals.clone();
        let known = self.peers.get_mut(&peer)?;
        let (votes, queue) = watch::channel(None);
        let (input, output) = stream.into_split();
        let reader = self.platform.spawn(read_votes(peer, id, input, decoder, arrivals));
        let writer = self.platform.spawn(write_votes(output, queue));
        let mut asked = None;
        if let Some(unsent) = known.unsent.take() {
            votes.send_replace(Some(unsent));
            asked = Some(self.platform.now());
        }
        known.link = Some(Link { id, votes, asked, reader, writer });
        Some(ElectionChange::Peer(peer, true))
    }

    fn call(&mut self, peer: ServerId) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.call.is_some() {
            return;
        }
        let (platform, arrivals) = (self.platform.clone(), self.arrivals.clone());
        let address = known.address.clone();
        let keep = self.me > peer;
        let introduction =
            InitialMessage { server: self.me, addresses: vec![self.my_address.clone()] };
        known.call = Some(self.platform.spawn(async move {
            let mut hello = Vec::new();
            introduction.encode(&mut hello);
            let calling = async {
                let mut stream =
                    platform.connect(&address.host, address.election_port).await.ok()?;
                stream.write_all(&hello).await.ok()?;
                stream.flush().await.ok()?;
                Some(stream)
            };
            let stream = platform.timeout(CONNECT_MS, calling).await.ok().flatten();
            let reached = stream.is_some();
            let stream = stream.filter(|_| keep);
            let _ = arrivals.send(ElectionArrival::Called { peer, reached, stream });
        }));
    }
}

async fn introduction<S: Stream>(mut stream: S) -> Option<(ServerId, S, ElectionDecoder)> {
    let mut decoder = ElectionDecoder::accepted();
    let mut buffer = [0; 512];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        decoder.push(&buffer[..read]);
        match decoder.next_message() {
            Ok(Some(ElectionMessage::Initial(initial))) => {
                return Some((initial.server, stream, decoder));
            }
            Ok(Some(_)) | Err(_) => return None,
            Ok(None) => {}
        }
    }
}

async fn read_votes<P: Platform, R: tokio::io::AsyncRead + Unpin>(
    peer: ServerId,
    link: u64,
    mut input: R,
    mut decoder: ElectionDecoder,
    arrivals: UnboundedSender<ElectionArrival<P>>,
) {
    let mut buffer = vec![0; 4 << 10];
    'stream: loop {
        loop {
            match decoder.next_message() {
                Ok(Some(ElectionMessage::Notification(notification))) => {
                    let vote = ElectionArrival::Vote { peer, link, notification };
                    if arrivals.send(vote).is_err() {
                        return;
                    }
                }
                Ok(Some(ElectionMessage::Skipped(error))) => {
                    tracing::warn!(server = peer.0, %error, "skipped a notification");
                }
                Ok(Some(ElectionMessage::Initial(_))) | Err(_) => break 'stream,
                Ok(None) => break,
            }
        }
        match input.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => decoder.push(&buffer[..read]),
        }
    }
    let _ = arrivals.send(ElectionArrival::Ended { peer, link });
}

async fn write_votes<W: tokio::io::AsyncWrite + Unpin>(
    mut output: W,
    mut votes: watch::Receiver<Option<Notification>>,
) {
    loop {
        let vote = votes.borrow_and_update().clone();
        if let Some(vote) = vote {
            let mut frame = Vec::new();
            vote.encode_frame(&mut frame);
            if output.write_all(&frame).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
        if votes.changed().await.is_err() {
            return;
        }
    }
}
