//! The service.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use probe::{Probe, planted, sometimes};
use squall_runtime::net::TcpListener;
use squall_runtime::signal;
use squall_runtime::sync::{Mutex, Notify};
use squall_runtime::task::JoinSet;

use crate::io::Io;
use crate::ledger::{Ledger, Payment};
use crate::{Mark, Plant, Step};

/// A request's body is short.
const BODY_BYTES_MAX: usize = 4_096;

/// How the service runs.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens, as `0.0.0.0:8080`.
    pub address: String,
    /// The folder of its log.
    pub dir: PathBuf,
}

/// What the connections have in common.
struct Shared<I> {
    ledger: Mutex<Ledger<I>>,
    log_failed: Notify,
}

/// Serves until it is told to stop. `probe` is [`probe::Off`] unless somebody tests it.
///
/// # Errors
/// The port is taken, or the log cannot be opened or written: whoever starts it again has it read back.
pub async fn server<I: Probe<Step>>(config: ServerConfig, probe: I) -> io::Result<()> {
    let ledger = Mutex::new(Ledger::open(&config.dir, probe).await?);
    let shared = Arc::new(Shared { ledger, log_failed: Notify::new() });
    let listener = TcpListener::bind(&config.address).await?;
    // They end with the service: none of them writes to a log that another life has opened.
    let mut connections = JoinSet::new();
    let end = loop {
        let (stream, _) = squall_runtime::select! {
            biased;
            stopped = signal::ctrl_c() => break stopped,
            () = shared.log_failed.notified() => break Err(io::Error::other("the log failed")),
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // No Date header: hyper would read the machine's clock for it.
            let mut server = http1::Builder::new();
            let connection = server.auto_date_header(false).serve_connection(Io(stream), service);
            // A client that goes away in the middle is its own affair: it asks again.
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    };
    connections.shutdown().await;
    end
}

type Answer = Response<Full<Bytes>>;

fn says(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
}

async fn answer<I: Probe<Step>>(
    shared: Arc<Shared<I>>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let account = request.uri().path().strip_prefix("/accounts/").map(str::to_owned);
    Ok(match (request.method(), request.uri().path(), account) {
        (&Method::POST, "/payments", _) => pay(&shared, request).await,
        (&Method::GET, _, Some(account)) => {
            says(StatusCode::OK, shared.ledger.lock().await.balance(&account).to_string())
        }
        _ => says(StatusCode::NOT_FOUND, "no such thing\n"),
    })
}

/// Pays once for each key.
async fn pay<I: Probe<Step>>(shared: &Shared<I>, request: Request<Incoming>) -> Answer {
    let (key, payment) = match read_payment(request).await {
        Ok(asked) => asked,
        Err(what) => return says(StatusCode::BAD_REQUEST, what),
    };
    // Held until the payment is durable: the same key may be asked for twice at once.
    let mut ledger = shared.ledger.lock().await;
    let known = ledger.known(&key);
    sometimes!(I, ledger.probe, Mark::AskedAgain, known.is_some());
    if let Some(known) = known
        && !planted!(I, ledger.probe, Plant::KeyNotChecked)
    {
        return match *known == payment {
            true => says(StatusCode::OK, "paid before\n"),
            false => says(StatusCode::UNPROCESSABLE_ENTITY, "the key is another payment's\n"),
        };
    }
    match ledger.pay(key, payment).await {
        Ok(()) => says(StatusCode::CREATED, "paid\n"),
        Err(_) => {
            shared.log_failed.notify_one();
            says(StatusCode::SERVICE_UNAVAILABLE, "the log failed\n")
        }
    }
}

async fn read_payment(request: Request<Incoming>) -> Result<(String, Payment), &'static str> {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.filter(|key| !key.is_empty() && !key.contains(' '));
    let key = key.ok_or("an Idempotency-Key of one word is needed\n")?.to_owned();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| "the body is too long or broken\n")?.to_bytes();
    let text = std::str::from_utf8(&body).map_err(|_| "the body is not UTF-8\n")?;
    let [account, amount, reference] = text.trim().split(' ').collect::<Vec<_>>()[..] else {
        return Err("the body is: ACCOUNT AMOUNT REFERENCE\n");
    };
    let amount = amount.parse().map_err(|_| "the amount is a number\n")?;
    let (account, reference) = (account.to_owned(), reference.to_owned());
    Ok((key, Payment { account, amount, reference }))
}
