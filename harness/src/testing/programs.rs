//! What the hosts of the store run. Requests and answers are lines of text.

use std::collections::BTreeMap;
use std::io;

use platform::{File, Files, Listener, Stream};
use probe::{Probe, hash_bytes};
use serde::{Deserialize, Serialize};
use sim::Host;
use sim::fault::HostOwnFaults;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

use super::{LEADER, Mark, Plant, SLOW_ANSWERS, Step, Store, StoreSetup};
use crate::calls::{Client, Outcome};
use crate::model::{Model, RegisterAnswer, RegisterOperation, Registers};
use crate::stage::Server;

const PORT: u16 = 700;
const LOG: &str = "log";
/// How long a connection may take.
const CONNECT_MS: u64 = 300;
/// How long an answer may take.
const ANSWER_MS: u64 = 1_000;
/// A server that could not use its disk tries again after this time.
const REST_MS: u64 = 50;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    Call(RegisterOperation),
    Copy,
}

/// What the leader holds, and how many writes that took.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Held {
    position: u64,
    values: BTreeMap<String, String>,
    /// What the values were before.
    old: BTreeMap<String, String>,
}

/// A record of the log: the whole, or one write.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entry {
    All(Held),
    Write(u64, RegisterOperation),
}

type Asked = (Request, oneshot::Sender<String>);

/// A server, for as long as it runs.
pub(super) async fn server<H: Host>(
    server: Server<H, Store>,
    setup: StoreSetup,
) -> Result<(), io::Error> {
    let probe = server.recording.probe(&server.platform, server.number);
    let compact_count =
        server.upgraded.get("compact_count").copied().unwrap_or(setup.compact_count);
    let setup = StoreSetup { compact_count, ..setup };
    match server.number {
        LEADER => lead(server.platform, probe, setup, server.own_faults).await,
        _ => copy(server.platform, probe, setup).await,
    }
}

async fn lead<H: Host, I: Probe<Step>>(
    host: H,
    mut probe: I,
    setup: StoreSetup,
    own_faults: HostOwnFaults,
) -> Result<(), io::Error> {
    let (ask, mut asked) = mpsc::unbounded_channel::<Asked>();
    let mut listener = host.listen("0.0.0.0", PORT).await?;
    let own = host.clone();
    drop(host.spawn(async move {
        while let Ok(stream) = listener.accept().await {
            drop(own.spawn(connection::<H>(stream, ask.clone())));
        }
    }));
    loop {
        // A disk that failed may hold anything: what is known of it is read and written anew.
        if serve(&host, &mut probe, &setup, &mut asked, &own_faults).await.is_err() {
            host.sleep_ms(REST_MS).await;
        }
    }
}

async fn connection<H: Host>(stream: H::Stream, ask: mpsc::UnboundedSender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (reply, answer) = oneshot::channel();
        let Ok(request) = serde_json::from_str(&line) else { return };
        if ask.send((request, reply)).is_err() {
            return;
        }
        // Nobody answers if the disk failed.
        let Ok(answer) = answer.await else { return };
        if write.write_all((answer + "\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn serve<H: Host, I: Probe<Step>>(
    host: &H,
    probe: &mut I,
    setup: &StoreSetup,
    asked: &mut mpsc::UnboundedReceiver<Asked>,
    own_faults: &HostOwnFaults,
) -> io::Result<()> {
    let files = host.files();
    let (mut held, is_torn) = recover(&files).await?;
    probe::sometimes!(I, *probe, Mark::TailCut, is_torn);
    probe.observe(Step::Recovered { position: held.position });
    let mut log = rewrite(&files, &held).await?;
    probe.observe(Step::Leads);
    let mut written = 0;
    while let Some((request, reply)) = asked.recv().await {
        let answer = match request {
            Request::Copy => serde_json::to_string(&held).expect("plain data"),
            Request::Call(operation) => {
                let (answer, is_change) = apply(&mut held, &operation, probe);
                if is_change {
                    let before = held.position;
                    held.position += 1;
                    let entry = Entry::Write(held.position, operation);
                    log.append(line(&entry, setup.value_bytes));
                    probe::always!(
                        I,
                        *probe,
                        Mark::LogInOrder,
                        before + 1 == held.position,
                        "{} after {before}",
                        held.position
                    );
                    probe::reachable!(I, *probe, Mark::LogUnsynced);
                    if probe::planted!(I, *probe, Plant::AcksBeforeSync) {
                        log.flush().await?;
                    } else {
                        log.sync().await?;
                    }
                    probe::reachable!(I, *probe, Mark::LogSynced);
                    probe.observe(Step::Logged { position: held.position });
                    written += 1;
                }
                answer
            }
        };
        if let Some(late_ms) = own_faults.amount(SLOW_ANSWERS) {
            host.sleep_ms(late_ms).await;
        }
        let _ = reply.send(answer);
        if written >= setup.compact_count {
            log = rewrite(&files, &held).await?;
            written = 0;
        }
    }
    Ok(())
}

/// What an operation answers, and whether it changes anything.
fn apply<I: Probe<Step>>(
    held: &mut Held,
    operation: &RegisterOperation,
    probe: &I,
) -> (String, bool) {
    let key = operation.key();
    let now = held.values.get(key).cloned();
    let new = match operation {
        RegisterOperation::Get { .. } => {
            let mut value = now;
            if let Some(old) = held.old.get(key)
                && Some(old) != value.as_ref()
                && probe::planted!(I, *probe, Plant::ReadsOld)
            {
                value = Some(old.clone());
            }
            return (serde_json::to_string(&value).expect("plain data"), false);
        }
        RegisterOperation::Cas { old, .. } if now.as_ref() != Some(old) => {
            return ("differs".to_owned(), false);
        }
        RegisterOperation::Cas { new, .. } | RegisterOperation::Set { value: new, .. } => new,
    };
    if let Some(old) = held.values.insert(key.to_owned(), new.clone()) {
        held.old.insert(key.to_owned(), old);
    }
    ("written".to_owned(), true)
}

/// A record with its hash in front, so that a torn one is told from a whole one.
fn line(entry: &Entry, bytes_min: u64) -> Vec<u8> {
    let text = serde_json::to_string(entry).expect("plain data");
    let padded = format!("{text:bytes_min$}", bytes_min = bytes_min as usize);
    format!("{:016x} {padded}\n", hash_bytes(padded.as_bytes())).into_bytes()
}

/// The whole records of the log, in order, and whether something else follows them.
async fn recover(files: &impl Files) -> io::Result<(Held, bool)> {
    let bytes = match files.read(LOG).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut held = Held::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(entry) = whole(line) else { return Ok((held, true)) };
        match entry {
            Entry::All(all) => held = all,
            Entry::Write(position, operation) => {
                apply(&mut held, &operation, &probe::Off);
                held.position = position;
            }
        }
    }
    Ok((held, false))
}

fn whole(line: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (hash, text) = text.split_once(' ')?;
    let is_whole = u64::from_str_radix(hash, 16).ok()? == hash_bytes(text.as_bytes());
    if is_whole { serde_json::from_str(text.trim_end()).ok() } else { None }
}

/// Begins the log anew, with all that there is.
async fn rewrite<F: Files>(files: &F, held: &Held) -> io::Result<F::File> {
    let mut file = files.create("new").await?;
    file.append(line(&Entry::All(held.clone()), 0));
    file.sync().await?;
    drop(file);
    files.rename("new", LOG).await?;
    files.sync_dir("").await?;
    files.open_append(LOG).await
}

async fn copy<H: Host, I: Probe<Step>>(
    host: H,
    mut probe: I,
    setup: StoreSetup,
) -> Result<(), io::Error> {
    let request = serde_json::to_string(&Request::Copy).expect("plain data");
    let mut stream = None;
    loop {
        if let Some((open, line)) = asked(&host, stream.take(), &request).await.ok()
            && let Ok(held) = serde_json::from_str::<Held>(&line)
        {
            // A copy that is not written is as good while the server runs.
            let _ = rewrite(&host.files(), &held).await;
            stream = Some(open);
            probe::reachable!(I, probe, Mark::Copies);
            probe.observe(Step::Copied { position: held.position });
        }
        host.sleep_ms(setup.copy_ms).await;
    }
}

/// Why there is no answer.
enum Unanswered {
    /// Nothing was sent.
    NotSent(String),
    /// It was sent, perhaps.
    Lost(String),
}

type Answer<S> = (BufReader<S>, String);

/// Asks the leader, on a connection that is open already or on a new one.
async fn asked<H: Host>(
    host: &H,
    open: Option<BufReader<H::Stream>>,
    request: &str,
) -> Result<Answer<H::Stream>, Unanswered> {
    let mut stream = match open {
        Some(stream) => stream,
        None => match host.timeout(CONNECT_MS, host.connect("n1", PORT)).await {
            Ok(Ok(stream)) => BufReader::new(stream),
            Ok(Err(error)) => return Err(Unanswered::NotSent(error.to_string())),
            Err(late) => return Err(Unanswered::NotSent(late.to_string())),
        },
    };
    let request = format!("{request}\n");
    let exchange = async {
        stream.get_mut().write_all(request.as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.pop() {
            Some('\n') => Ok(line),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    match host.timeout(ANSWER_MS, exchange).await {
        Ok(Ok(line)) => Ok((stream, line)),
        Ok(Err(error)) => Err(Unanswered::Lost(error.to_string())),
        Err(late) => Err(Unanswered::Lost(late.to_string())),
    }
}

/// A client's connection.
pub(super) struct Caller<H: Host> {
    host: H,
    stream: Option<BufReader<H::Stream>>,
}

impl<H: Host> Caller<H> {
    pub(super) fn new(host: H) -> Caller<H> {
        Caller { host, stream: None }
    }
}

impl<H: Host> Client<Registers> for Caller<H> {
    async fn call(&mut self, operation: &RegisterOperation) -> Outcome<RegisterAnswer> {
        let request = serde_json::to_string(&Request::Call(operation.clone()));
        let request = request.expect("plain data");
        match asked(&self.host, self.stream.take(), &request).await {
            Ok((stream, line)) => {
                self.stream = Some(stream);
                Outcome::Answered(match line.as_str() {
                    "written" => RegisterAnswer::Written,
                    "differs" => RegisterAnswer::Differs,
                    value => match Registers.is_read(operation) {
                        true => RegisterAnswer::Value(
                            serde_json::from_str(value).expect("the leader writes values as JSON"),
                        ),
                        false => return Outcome::Unknown(format!("`{value}` is no answer")),
                    },
                })
            }
            Err(Unanswered::NotSent(why)) => Outcome::Refused(why),
            Err(Unanswered::Lost(why)) => Outcome::Unknown(why),
        }
    }
}
