//! A payment service with idempotency keys, and a client that retries: an ordinary service, written
//! with tokio's names (by way of `squall_runtime`) and hyper.
//!
//! `POST /payments` with a header `Idempotency-Key` and a body `ACCOUNT AMOUNT REFERENCE` pays once,
//! however often it is sent: a client that hears nothing sends it again. The key and the payment are
//! one record of a log, which is durable before anybody is answered. `GET /accounts/ACCOUNT` tells
//! what was paid to an account in all. [`Plant`] has what services get wrong about that.

mod client;
mod io;
mod ledger;
mod server;

pub use client::{Client, ClientConfig, Paid};
pub use ledger::Payment;
pub use server::{ServerConfig, server};

probe::plants! {
    /// The server does not look whether it knows the key.
    KeyNotChecked = "key-not-checked",
    /// The server pays first and keeps the key afterwards: a crash between the two loses the key.
    KeyKeptLater = "key-kept-later",
    /// The client makes a new key for each attempt: to the server each is another payment.
    RetryHasNewKey = "retry-has-new-key",
}

probe::marks! {
    /// A record is in the file and not yet durable.
    Reachable RecordUnsynced = "record-unsynced",
    /// A record is durable, and nobody has been told.
    Reachable RecordUntold = "record-untold",
    /// A payment is asked for that was made before.
    Sometimes AskedAgain = "asked-again",
}

/// What the service does: properties judge these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The log was read back, with so many payments.
    Recovered(usize),
    /// A payment is durable.
    Paid(Payment),
}
