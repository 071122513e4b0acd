//! Every bound on what a peer or client can make a server hold, in one place.

/// The largest client request, in bytes (`jute.maxbuffer`).
pub const PACKET_BYTES_MAX: usize = 0xf_ffff;

/// The largest packet between servers, in bytes: a proposal adds its headers to a client's request,
/// and a closeSession lists paths.
pub const QUORUM_PACKET_BYTES_MAX: usize = 64 << 20;

/// Requests of one connection that may wait for their answers; beyond it the connection is not read.
pub const CONNECTION_REQUESTS_MAX: usize = 1_000;

/// Reading goes on once this few requests wait.
pub const CONNECTION_REQUESTS_LOW: usize = 500;

/// Proposals that a leader holds uncommitted; beyond it client connections are not read
/// (`globalOutstandingLimit`).
pub const OUTSTANDING_MAX: usize = 10_000;

/// Client connections of one server.
pub const CONNECTIONS_MAX: usize = 100_000;

/// How long a connection may take to open a session, in milliseconds (Apache's default for
/// `zookeeper.nio.sessionlessCnxnTimeout`).
pub const HANDSHAKE_MS_MAX: u64 = 10_000;

/// Watches of one connection.
pub const WATCHES_MAX: usize = 1_000_000;

/// Bytes of paths that a closeSession lists; a session with more ephemerals leaves the list out.
pub const CLOSE_SESSION_LIST_BYTES_MAX: usize = 1 << 20;

/// Bytes of one chunk of a snapshot, on disk and towards a learner, and of a history towards a learner.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 << 10;

/// Transactions of the history that a server begins to serve with that are applied in one step: a few milliseconds, of
/// which `tickTime` has many.
pub const APPLY_MAX: usize = 1_000;

const _: () = assert!(CONNECTION_REQUESTS_LOW < CONNECTION_REQUESTS_MAX);
const _: () = assert!(PACKET_BYTES_MAX < QUORUM_PACKET_BYTES_MAX);
