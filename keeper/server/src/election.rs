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

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use keeper_core::ids::ServerId;
use keeper_core::jute::Encode;
use keeper_core::wire::election::{
    ElectionDecoder, ElectionMessage, InitialMessage, Notification, ServerState,
};
use platform::{Mono, Platform, Stream, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::newcomers::NEWCOMERS_MAX;

/// How long connecting and introducing oneself may take at most (`cnxTimeout`), and in ticks and at least: a
/// call that was made while a link was cut must not outlast the cut by much.
const CONNECT_MS: Limit = Limit { ticks: 2, least_ms: 200, most_ms: 5_000 };

/// How long a connection may be silent after a vote was sent. Servers that look for a leader repeat
/// theirs more often, and every server answers; what TCP has not brought through by then it tries again only
/// after a pause that has grown with the trouble, and a new connection is quicker.
const SILENT_MS: Limit = Limit { ticks: 2, least_ms: 200, most_ms: 5_000 };

/// A time limit that goes with `tickTime`, within bounds.
struct Limit {
    ticks: u64,
    least_ms: u64,
    most_ms: u64,
}

impl Limit {
    fn of(&self, tick_ms: u64) -> u64 {
        self.ticks.saturating_mul(tick_ms).clamp(self.least_ms, self.most_ms)
    }
}

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
    /// When the first vote was sent of those that want an answer and that nothing has come after.
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
    /// Only who looks for a leader is answered.
    fn sends(&mut self, vote: &Notification, now: Mono) {
        if vote.state == ServerState::Looking {
            self.asked.get_or_insert(now);
        } else {
            self.asked = None;
        }
    }

    fn is_silent(&self, now: Mono, tick_ms: u64) -> bool {
        self.asked.is_some_and(|asked| now >= asked.after_ms(SILENT_MS.of(tick_ms)))
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
    tick_ms: u64,
    peers: BTreeMap<ServerId, Peer<P::Task>>,
    arrivals: UnboundedSender<ElectionArrival<P>>,
    next_link: u64,
    /// Connections that have not said who they are, the oldest first: those under way are held by their task.
    unknown: VecDeque<(Weak<()>, P::Task)>,
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
        tick_ms: u64,
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
        let unknown = VecDeque::new();
        Elections { platform, me, my_address, tick_ms, peers, arrivals, next_link: 0, unknown }
    }

    /// Somebody connected to the election port: it must say who it is. The oldest of too many that have
    /// not is hung up on.
    pub(crate) fn accept(&mut self, stream: P::Stream) {
        self.unknown.retain(|(is_under_way, _)| is_under_way.strong_count() > 0);
        if self.unknown.len() >= NEWCOMERS_MAX
            && let Some((_, oldest)) = self.unknown.pop_front()
        {
            tracing::warn!("hangs up on an election connection that has not said who it is");
            oldest.abort();
        }
        let under_way = Arc::new(());
        let is_under_way = Arc::downgrade(&under_way);
        let (platform, arrivals) = (self.platform.clone(), self.arrivals.clone());
        let limit_ms = CONNECT_MS.of(self.tick_ms);
        let task = self.platform.spawn(async move {
            let _under_way = under_way;
            let introduced = platform.timeout(limit_ms, introduction(stream)).await;
            if let Ok(Some((peer, stream, decoder))) = introduced {
                let _ = arrivals.send(ElectionArrival::Introduced { peer, stream, decoder });
            }
        });
        self.unknown.push_back((is_under_way, task));
    }

    /// Sends a vote as soon as there is a connection.
    pub(crate) fn notify(&mut self, to: ServerId, notification: Notification) {
        let now = self.platform.now();
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if peer.link.as_ref().is_some_and(|link| link.is_silent(now, self.tick_ms)) {
            tracing::warn!(server = to.0, "gives up an election connection that is silent");
            peer.link = None;
        }
        match &mut peer.link {
            Some(link) => {
                link.sends(&notification, now);
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
                if self.current_link(peer) != Some(link) {
                    return Vec::new();
                }
                let unanswered = self.unanswered(peer);
                let changes = self.unlink(peer);
                // The peer may be there again, and have heard nothing of it. A call to one with a larger number
                // would end what that one is just calling with.
                if let (Some(vote), Some(known)) = (unanswered, self.peers.get_mut(&peer)) {
                    known.unsent = Some(vote);
                    if self.me > peer {
                        self.call(peer);
                    }
                }
                changes
            }
        }
    }

    fn current_link(&self, peer: ServerId) -> Option<u64> {
        self.peers.get(&peer)?.link.as_ref().map(|link| link.id)
    }

    /// The last vote that was sent to a peer, if nothing has come since it was.
    fn unanswered(&self, peer: ServerId) -> Option<Notification> {
        let link = self.peers.get(&peer)?.link.as_ref().filter(|link| link.asked.is_some())?;
        link.votes.borrow().clone()
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
        let mut link = Link { id, votes, asked: None, reader, writer };
        if let Some(unsent) = known.unsent.take() {
            link.sends(&unsent, self.platform.now());
            link.votes.send_replace(Some(unsent));
        }
        known.link = Some(link);
        Some(ElectionChange::Peer(peer, true))
    }

    fn call(&mut self, peer: ServerId) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.call.is_some() {
            return;
        }
        let (platform, arrivals) = (self.platform.clone(), self.arrivals.clone());
        let address = known.address.clone();
        let (keep, limit_ms) = (self.me > peer, CONNECT_MS.of(self.tick_ms));
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
            let stream = platform.timeout(limit_ms, calling).await.ok().flatten();
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
