//! A turmoil stream behind the table of links.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::network::Gate;
use super::shared::Shared;
use crate::connected::Connected;
use crate::tap::ConnId;

/// ECONNRESET of Linux.
const CONNECTION_RESET: i32 = 104;
/// EPIPE of Linux.
const BROKEN_PIPE: i32 = 32;

/// A connection between two hosts.
pub type TurmoilStream = Connected<TurmoilRead, TurmoilWrite>;

impl TurmoilStream {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: ConnId,
        stream: turmoil::net::TcpStream,
    ) -> TurmoilStream {
        let peer = stream.peer_addr().expect("a simulated stream knows its peer");
        let (read, write) = stream.into_split();
        let half = |shared| Half { shared, id };
        let read = TurmoilRead { inner: read, half: half(Arc::clone(&shared)) };
        let write = TurmoilWrite { inner: write, half: half(shared) };
        Connected::of(read, write, peer)
    }
}

/// The reading half of a [`TurmoilStream`].
pub struct TurmoilRead {
    // Dropped first: the engine sends its last segment before the table forgets the end.
    inner: OwnedReadHalf,
    half: Half,
}

/// The writing half of a [`TurmoilStream`]. Dropping it ends the peer's reading.
pub struct TurmoilWrite {
    inner: OwnedWriteHalf,
    half: Half,
}

/// Keeps the table's entry of one end alive.
struct Half {
    shared: Arc<Shared>,
    id: ConnId,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.shared.with(|state| state.drop_half(self.id));
    }
}

impl AsyncRead for TurmoilRead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let TurmoilRead { inner, half: Half { shared, id } } = &mut *self;
        match shared.with(|state| state.reading_gate(*id, cx.waker())) {
            Gate::Open(_) => {}
            Gate::Reset => return Poll::Ready(Err(os_error(CONNECTION_RESET))),
            Gate::Wait | Gate::Void => return Poll::Pending,
        }
        let before = buf.filled().len();
        let result = ready!(Pin::new(inner).poll_read(cx, buf));
        let received = &buf.filled()[before..];
        if result.is_ok() && !received.is_empty() {
            shared.with(|state| state.was_read(*id, received));
            return Poll::Ready(Ok(()));
        }
        if !shared.with(|state| state.may_end(*id)) {
            return Poll::Pending;
        }
        Poll::Ready(result.map_err(|_| os_error(CONNECTION_RESET)))
    }
}

impl AsyncWrite for TurmoilWrite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let TurmoilWrite { inner, half: Half { shared, id } } = &mut *self;
        let limit = match shared.with(|state| state.writing_gate(*id, cx.waker())) {
            Gate::Open(limit) => limit,
            Gate::Wait => return Poll::Pending,
            Gate::Reset => return Poll::Ready(Err(os_error(BROKEN_PIPE))),
            Gate::Void => {
                shared.with(|state| state.was_sent_into_void(*id, buf));
                return Poll::Ready(Ok(buf.len()));
            }
        };
        let buf = &buf[..buf.len().min(limit)];
        match ready!(Pin::new(inner).poll_write(cx, buf)) {
            Ok(sent) => {
                shared.with(|state| state.was_sent(*id, &buf[..sent]));
                Poll::Ready(Ok(sent))
            }
            Err(_) => Poll::Ready(shared.with(|state| {
                if state.hides_reset(*id) {
                    state.was_sent_into_void(*id, buf);
                    Ok(buf.len())
                } else {
                    Err(os_error(BROKEN_PIPE))
                }
            })),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let TurmoilWrite { inner, half: Half { shared, id } } = &mut *self;
        match ready!(Pin::new(inner).poll_shutdown(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            // A second shutdown, or one of a connection that is gone: whether the program may know
            // that is the table's decision.
            Err(_) if shared.with(|state| state.hides_reset(*id)) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

/// The error of Linux with its errno.
pub(crate) fn os_error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
