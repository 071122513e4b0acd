//! One stream of bytes between the machine and a client, a learner or the leader: a task that reads
//! and a task that writes.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use keeper_core::event::Event;
use keeper_core::ids::ConnectionId;
use platform::{Platform, Stream, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::unread::{Account, Share, Unread};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Reads of one connection that may wait for the machine.
const READS_IN_FLIGHT: usize = 4;
/// How long a closing connection may take to send what it still holds.
const LINGER_MS: u64 = 1_000;

/// An event with what it holds until the machine has taken it.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// For the machine.
    pub(crate) event: Event,
    /// The reader's credit.
    pub(crate) _credit: Option<OwnedSemaphorePermit>,
}

impl From<Event> for Arrival {
    fn from(event: Event) -> Arrival {
        Arrival { event, _credit: None }
    }
}

#[derive(Debug)]
enum Outgoing {
    Bytes(Bytes, Share),
    ReportDrained,
    Close,
}

/// The machine's end of a connection. Dropping it ends the connection at once.
#[derive(Debug)]
pub(crate) struct Connection<T: Task> {
    outgoing: UnboundedSender<Outgoing>,
    /// What was given to the writer and the peer has not taken yet.
    unread: Arc<Account>,
    unread_bytes_max: usize,
    reading: watch::Sender<bool>,
    /// Set when the connection is to end; dropping it says the same.
    closing: watch::Sender<bool>,
    reader: T,
    writer: T,
}

impl<T: Task> Drop for Connection<T> {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The peer does not take what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl<T: Task> Connection<T> {
    /// Starts the two tasks of a stream. What its peer leaves unread counts towards `all`.
    pub(crate) fn start<P: Platform<Task = T>>(
        platform: &P,
        id: ConnectionId,
        stream: P::Stream,
        arrivals: UnboundedSender<Arrival>,
        unread_bytes_max: usize,
        all: Arc<Unread>,
    ) -> Connection<T> {
        let (input, output) = stream.into_split();
        let (outgoing, queue) = unbounded_channel();
        let (reading, may_read) = watch::channel(true);
        let (closing, is_closing) = watch::channel(false);
        let unread = Arc::new(Account::new(all));
        let reader = platform.spawn(read(id, input, may_read, arrivals.clone()));
        let writer = Writer { platform: platform.clone(), id, output, arrivals, is_closing };
        let writer = platform.spawn(writer.run(queue));
        Connection { outgoing, unread, unread_bytes_max, reading, closing, reader, writer }
    }

    /// Queues bytes. However many there are, they pass if not too much was unread before.
    pub(crate) fn send(&self, bytes: Bytes) -> Result<(), Overflow> {
        let is_behind = self.unread.bytes() > self.unread_bytes_max;
        let share = Share::of(&self.unread, bytes.len());
        // The writer ends by itself on an error, which the reader reports.
        let _ = self.outgoing.send(Outgoing::Bytes(bytes, share));
        if is_behind { Err(Overflow) } else { Ok(()) }
    }

    /// What the peer has not taken of what was sent.
    pub(crate) fn unread(&self) -> &Account {
        &self.unread
    }

    /// Asks for [`Event::Drained`] behind what was queued.
    pub(crate) fn report_drained(&self) {
        let _ = self.outgoing.send(Outgoing::ReportDrained);
    }

    /// Reads on or stops reading.
    pub(crate) fn set_reading(&self, on: bool) {
        self.reading.send_replace(on);
    }

    /// Ends the connection at once, with what was queued.
    pub(crate) fn hang_up(self) {
        self.writer.abort();
    }

    /// Ends the connection behind what was queued.
    pub(crate) fn close(self) {
        let _ = self.outgoing.send(Outgoing::Close);
        self.closing.send_replace(true);
    }
}

async fn read<R: tokio::io::AsyncRead + Unpin>(
    id: ConnectionId,
    mut input: R,
    mut may_read: watch::Receiver<bool>,
    arrivals: UnboundedSender<Arrival>,
) {
    let credits = Arc::new(Semaphore::new(READS_IN_FLIGHT));
    let mut buffer = BytesMut::new();
    loop {
        if may_read.wait_for(|on| *on).await.is_err() {
            return;
        }
        let credit = credits.clone().acquire_owned().await.expect("the semaphore is never closed");
        buffer.reserve(READ_BYTES.min(4 << 10));
        match input.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let bytes = buffer.split().freeze();
                let event = Event::Bytes { connection: id, bytes };
                if arrivals.send(Arrival { event, _credit: Some(credit) }).is_err() {
                    return;
                }
            }
        }
    }
    let _ = arrivals.send(Event::Closed { connection: id }.into());
}

/// The task that writes.
struct Writer<P: Platform, W> {
    platform: P,
    id: ConnectionId,
    output: W,
    arrivals: UnboundedSender<Arrival>,
    is_closing: watch::Receiver<bool>,
}

impl<P: Platform, W: tokio::io::AsyncWrite + Send + Unpin> Writer<P, W> {
    async fn run(mut self, mut queue: UnboundedReceiver<Outgoing>) {
        let mut batch = Vec::new();
        let mut bytes = BytesMut::new();
        let mut share: Option<Share> = None;
        while queue.recv_many(&mut batch, 256).await > 0 {
            let mut closing = false;
            for item in batch.drain(..) {
                match item {
                    Outgoing::Bytes(more, its_share) => {
                        bytes.extend_from_slice(&more);
                        match &mut share {
                            Some(share) => share.join(its_share),
                            None => share = Some(its_share),
                        }
                    }
                    Outgoing::ReportDrained => {
                        if self.flush(&mut bytes, share.take()).await.is_err() {
                            return self.report_end();
                        }
                        let _ = self.arrivals.send(Event::Drained { connection: self.id }.into());
                    }
                    Outgoing::Close => closing = true,
                }
            }
            if self.flush(&mut bytes, share.take()).await.is_err() {
                // A half that cannot be written may still be readable for long: tell the machine.
                return self.report_end();
            }
            if closing {
                let _ = self.platform.timeout(LINGER_MS, self.output.shutdown()).await;
                return;
            }
        }
    }

    fn report_end(&self) {
        let _ = self.arrivals.send(Event::Closed { connection: self.id }.into());
    }

    /// Writes everything. A peer that does not read holds this up for ever, unless the connection is
    /// to end: then only for a while.
    async fn flush(&mut self, bytes: &mut BytesMut, mut share: Option<Share>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let whole = bytes.split().freeze();
        let output = &mut self.output;
        let mut work = std::pin::pin!(async {
            let mut left = &whole[..];
            while !left.is_empty() {
                let written = output.write(left).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                left = &left[written..];
                if let Some(share) = &mut share {
                    share.taken(written);
                }
            }
            output.flush().await
        });
        tokio::select! {
            biased;
            done = &mut work => done,
            () = ended(&mut self.is_closing) => {
                let limited = self.platform.timeout(LINGER_MS, work).await;
                limited.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// Ends when the connection is to end.
async fn ended(is_closing: &mut watch::Receiver<bool>) {
    let _ = is_closing.wait_for(|closing| *closing).await;
}
