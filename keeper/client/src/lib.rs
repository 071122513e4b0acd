//! A client of the coordination service: one session, kept across connections and servers.
//!
//! [`session::SessionCore`] is the session as a pure machine; [`Client`] is the handle that
//! programs use, and a task behind it performs the machine's effects on a [`platform::Platform`].
//!
//! What a caller gets is what ZooKeeper promises (Programmer's Guide, "Consistency Guarantees"):
//! requests of one client take effect in the order in which they were submitted; nothing that was
//! seen is unseen after a reconnection; a watch event comes before the data that it announces. A
//! lost connection is not an expired session, and a write in flight at that moment has an unknown
//! outcome. [`recipe`] builds on that: locks and leader election.

mod client;
mod error;
mod event;
pub mod recipe;
mod reply;
pub mod session;
mod shell;
mod tap;

pub use client::{Client, ClientOptions, multi_failure};
pub use error::{ClientError, Loss, ProtocolError};
pub use event::{ClientEvent, ClientEventKind};
pub use reply::{Origin, Reply};
pub use session::{Resume, ServerAddress, SessionHandle};
pub use tap::Tap;
