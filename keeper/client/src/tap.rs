//! A look at what goes through a client: for recorders, traces and metrics.

use std::fmt;

use keeper_core::wire::client::{Request, Response};

use crate::error::ClientError;
use crate::reply::Reply;

/// Is told of the requests of the handles that [`crate::Client::tapped`] gives out, those of the
/// recipes among them. It must not wait for anything.
pub trait Tap: fmt::Debug + Send + Sync + 'static {
    /// A request is about to be submitted. What is returned names it.
    fn submitted(&self, request: &Request) -> u64;

    /// How a request ended. A client that is dropped before says nothing of it.
    fn answered(&self, note: u64, answer: &Result<Reply<Response>, ClientError>);
}
