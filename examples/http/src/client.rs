//! A client that makes payments and asks again when it hears nothing.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use probe::{Off, Probe, planted};
use squall_runtime::net::TcpStream;
use squall_runtime::task::JoinSet;
use squall_runtime::{Random, random, time};

use crate::io::Io;
use crate::ledger::Payment;
use crate::{Plant, Step};

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the service is, as `server:8080`.
    pub server: String,
    /// How long it waits for an answer.
    pub timeout: Duration,
    /// How long it waits after an attempt without an answer, and twice that after the next.
    pub backoff: Duration,
    /// The longest that it waits so.
    pub backoff_max: Duration,
    /// How often it asks for one thing.
    pub attempts: u32,
}

/// What came of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// It was made.
    Yes,
    /// Nobody answered: nobody knows whether it is made, now or later.
    Unknown,
}

/// A client of the service.
#[derive(Debug)]
pub struct Client<I = Off> {
    config: ClientConfig,
    keys: Random,
    probe: I,
}

impl<I: Probe<Step>> Client<I> {
    /// A client. `probe` is [`Off`] unless somebody tests it.
    pub fn new(config: ClientConfig, probe: I) -> Client<I> {
        Client { config, keys: random("idempotency keys"), probe }
    }

    /// Pays once, and asks until there is an answer.
    ///
    /// # Errors
    /// The service refused the payment, which no retry mends.
    pub async fn pay(&mut self, payment: &Payment) -> io::Result<Paid> {
        let mut key = self.new_key();
        let Payment { account, amount, reference } = payment;
        let body = format!("{account} {amount} {reference}");
        for attempt in 1..=self.config.attempts {
            if attempt > 1 && planted!(I, self.probe, Plant::RetryHasNewKey) {
                key = self.new_key();
            }
            let pays = self.ask(Method::POST, "/payments", Some(&key), &body).await;
            if self.is_answer(attempt, pays).await?.is_some() {
                return Ok(Paid::Yes);
            }
        }
        Ok(Paid::Unknown)
    }

    /// What was paid to an account; nothing if nobody answered.
    ///
    /// # Errors
    /// The answer is no number, or a refusal.
    pub async fn balance(&mut self, account: &str) -> io::Result<Option<u64>> {
        let path = format!("/accounts/{account}");
        for attempt in 1..=self.config.attempts {
            let asked = self.ask(Method::GET, &path, None, "").await;
            if let Some(text) = self.is_answer(attempt, asked).await? {
                return text.parse().map(Some).map_err(io::Error::other);
            }
        }
        Ok(None)
    }

    fn new_key(&mut self) -> String {
        format!("{:016x}{:016x}", self.keys.bits(), self.keys.bits())
    }

    /// The text of an answer. If there is none it waits a while: the key makes it safe to ask again.
    async fn is_answer(
        &self,
        attempt: u32,
        asked: io::Result<(StatusCode, String)>,
    ) -> io::Result<Option<String>> {
        match asked {
            Ok((StatusCode::CREATED | StatusCode::OK, text)) => return Ok(Some(text)),
            Ok((status, text)) if status.is_client_error() => {
                return Err(io::Error::other(format!("the service refused: {status}: {text}")));
            }
            Ok(_) | Err(_) => {}
        }
        if attempt < self.config.attempts {
            let doubled = self.config.backoff * 2_u32.saturating_pow(attempt - 1).min(1 << 16);
            time::sleep(doubled.min(self.config.backoff_max)).await;
        }
        Ok(None)
    }

    /// One request on a connection of its own, with a limit of time.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> io::Result<(StatusCode, String)> {
        let asked = time::timeout(self.config.timeout, async {
            let stream = TcpStream::connect(&self.config.server).await?;
            let (mut sender, connection) =
                http1::handshake(Io(stream)).await.map_err(io::Error::other)?;
            // It ends with this attempt, however that ends.
            let mut tasks = JoinSet::new();
            tasks.spawn(connection);
            let mut request =
                Request::builder().method(method).uri(path).header("host", &self.config.server);
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
            let request = request.body(body).map_err(io::Error::other)?;
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        });
        asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
