//! A lock: one client at a time holds a path.

use bytes::Bytes;
use platform::Platform;

use super::RecipeError;
use super::contender::join;
use super::hold::Hold;
use super::line::Line;
use crate::client::Client;

/// A lock by its path. Clients that use one path, wherever they are, exclude one another; so do the
/// holds of one client. It is fair: who asked first gets it first.
#[derive(Clone, Debug)]
pub struct Lock<P: Platform> {
    client: Client<P>,
    line: Line,
}

impl<P: Platform> Lock<P> {
    /// The lock at `path`, a znode that is made if it is not there and must be used for nothing
    /// else.
    pub fn new(client: &Client<P>, path: impl Into<String>) -> Lock<P> {
        Lock { client: client.clone(), line: Line::new(path, "lock-") }
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.line.path
    }

    /// Waits until this client has the lock. Lost connections are waited out; to wait for a limited
    /// time, wrap it in [`Platform::timeout`]. A future that is dropped leaves the line, in the
    /// background.
    ///
    /// ```no_run
    /// # use keeper_client::{Client, recipe::{Lock, RecipeError}};
    /// # use platform::Platform;
    /// # async fn example<P: Platform>(client: Client<P>) -> Result<(), RecipeError> {
    /// let lock = Lock::new(&client, "/locks/reports");
    /// let mut hold = lock.acquire().await?;
    /// let token = hold.token();
    /// tokio::select! {
    ///     biased;
    ///     reason = hold.ended() => return Err(reason),
    ///     () = write_the_report(token) => {}
    /// }
    /// hold.release().await
    /// # }
    /// # async fn write_the_report(token: keeper_client::recipe::FencingToken) {}
    /// ```
    ///
    /// # Errors
    /// The session ended, the client was closed, somebody deleted the znode that stood in line, or
    /// a server refused.
    pub async fn acquire(&self) -> Result<Hold, RecipeError> {
        join(&self.client, &self.line, Bytes::new()).granted().await
    }
}
