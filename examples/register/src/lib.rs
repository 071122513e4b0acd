//! A register that is kept by a primary and a backup: the smallest system that squall tests whole.
//!
//! `n1` is the primary: it answers reads, and writes when its log and that of the backup `n2` are synced. One
//! bug can be planted: an answer before the sync. `docs/your-own-system.md` builds this file step by step.

use std::collections::BTreeMap;
use std::io;

use squall::calls::{self, Calls, Client, Outcome};
use squall::generate::{self, SomeRegisters};
use squall::model::{RegisterAnswer, RegisterOperation, Registers};
use squall::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// What this program tests.
pub static SYSTEMS: &SystemList = &[&Replicated];

const PORT: u16 = 7000;
const TIMEOUT_MS: u64 = 1_000;

squall::probe::plants! {
    /// A write is answered before it is synced.
    AnswersBeforeSync = "answers-before-sync",
}

squall::probe::marks! {
    /// A record is in the file and not yet synced.
    Reachable LogUnsynced = "log-unsynced",
}

/// A step of a server: properties judge these.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Records up to this number are synced.
    Synced(usize),
    /// The primary answers that the record of this number is kept.
    Answers(usize),
}

/// A log of lines, each with a checksum: a loss of power leaves anything behind the last sync.
struct Log<H: Host, I> {
    file: <H::Files as Files>::File,
    records: usize,
    values: BTreeMap<String, String>,
    probe: I,
}

impl<H: Host, I: Probe<Step>> Log<H, I> {
    /// Reads the log back and writes it out anew: what reads well need not have been synced.
    async fn recover(host: &H, mut probe: I) -> io::Result<Log<H, I>> {
        let files = host.files();
        files.create_dir_all("/data").await?;
        files.sync_dir("/").await?;
        let bytes = match files.read("/data/log").await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let (mut good, mut records, mut values) = (0, 0, BTreeMap::new());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some((key, value)) = std::str::from_utf8(line).ok().and_then(unsealed) else {
                break;
            };
            values.insert(key.to_owned(), value.to_owned());
            (good, records) = (good + line.len(), records + 1);
        }
        let mut file = files.create("/data/log.new").await?;
        file.append(bytes[..good].to_vec());
        file.sync().await?;
        files.rename("/data/log.new", "/data/log").await?;
        files.sync_dir("/data").await?;
        probe.observe(Step::Synced(records));
        Ok(Log { file, records, values, probe })
    }

    /// Appends a record and syncs it.
    async fn append(&mut self, key: &str, value: &str) -> io::Result<()> {
        let text = format!("{key} {value}");
        self.file.append(format!("{:016x} {text}\n", hash_bytes(text.as_bytes())).into_bytes());
        self.file.flush().await?;
        self.records += 1;
        self.values.insert(key.to_owned(), value.to_owned());
        reachable!(I, self.probe, Mark::LogUnsynced);
        if !planted!(I, self.probe, Plant::AnswersBeforeSync) {
            self.file.sync().await?;
            self.probe.observe(Step::Synced(self.records));
        }
        Ok(())
    }
}

fn unsealed(line: &str) -> Option<(&str, &str)> {
    let (seal, text) = line.strip_suffix('\n')?.split_once(' ')?;
    (seal == format!("{:016x}", hash_bytes(text.as_bytes()))).then(|| text.split_once(' '))?
}

/// Life after life: an error of the disk ends one, and the next reads back what there is.
async fn server<H: Host>(server: Server<H, Replicated>) -> io::Result<()> {
    let Server { platform: host, number, recording, .. } = server;
    while live(&host, number, recording.probe(&host, number)).await.is_err() {
        host.sleep_ms(50).await;
    }
    Ok(())
}

/// One request after the other. Whoever connects has a second to say what it wants.
async fn live<H: Host, I: Probe<Step>>(host: &H, number: u32, probe: I) -> io::Result<()> {
    let mut log = Log::recover(host, probe).await?;
    let mut listener = host.listen("0.0.0.0", PORT).await?;
    loop {
        let (read, mut write) = listener.accept().await?.into_split();
        let mut lines = BufReader::new(read).lines();
        let Ok(Ok(Some(line))) = host.timeout(TIMEOUT_MS, lines.next_line()).await else {
            continue;
        };
        let answer = answer(host, &mut log, number == 1, &line).await? + "\n";
        // Who has gone away does not want to know.
        let _ = host.timeout(TIMEOUT_MS, write.write_all(answer.as_bytes())).await;
    }
}

async fn answer<H: Host, I: Probe<Step>>(
    host: &H,
    log: &mut Log<H, I>,
    is_primary: bool,
    line: &str,
) -> io::Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (key, value) = match words[..] {
        ["get", key] => return Ok(log.values.get(key).cloned().unwrap_or("none".to_owned())),
        ["cas", key, old, _] if log.values.get(key).is_none_or(|held| held != old) => {
            return Ok("differs".to_owned());
        }
        ["cas", key, _, value] | ["set", key, value] => (key, value),
        _ => return Ok("what?".to_owned()),
    };
    log.append(key, value).await?;
    if is_primary {
        // The backup may be away: nothing is answered until it is back.
        let copy = format!("set {key} {value}");
        while !ask(host, "n2", &copy).await.is_ok_and(|answer| answer == "ok") {
            host.sleep_ms(20).await;
        }
        log.probe.observe(Step::Answers(log.records));
    }
    Ok("ok".to_owned())
}

/// Asks a server on a connection of its own, which may hang, so that there is a limit.
async fn ask<H: Host>(host: &H, server: &str, line: &str) -> io::Result<String> {
    let asked = host.timeout(TIMEOUT_MS, async {
        let (read, mut write) = host.connect(server, PORT).await?.into_split();
        write.write_all(format!("{line}\n").as_bytes()).await?;
        let answer = BufReader::new(read).lines().next_line().await?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    });
    asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

struct Caller<H>(H);

impl<H: Host> Client<Registers> for Caller<H> {
    async fn call(&mut self, operation: &RegisterOperation) -> Outcome<RegisterAnswer> {
        match ask(&self.0, "n1", &operation.to_string()).await.as_deref() {
            Ok("ok") => Outcome::Answered(RegisterAnswer::Written),
            Ok("differs") => Outcome::Answered(RegisterAnswer::Differs),
            Ok("none") => Outcome::Answered(RegisterAnswer::Value(None)),
            Ok(value) => Outcome::Answered(RegisterAnswer::Value(Some(value.to_owned()))),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

/// The system under test.
pub struct Replicated;

impl System for Replicated {
    type Setup = NoSetup;
    type Operation = RegisterOperation;
    type Observation = Step;
    type History = Calls<Registers>;
    type State = ();

    squall::common_case! {
        model: Registers,
        name: "register",
        about: "a register kept by a primary and a backup",
        groups: [Group::servers("servers", "n", "server").at_least(2), Group::CLIENTS],
        marks: Mark,
        plants: Plant,
    }

    fn scenarios(&self) -> &'static [Scenario] {
        const ALL: &[Scenario] = &[Scenario {
            name: "register/kv",
            description: "get, set and compare-and-set of two keys",
            promises: &[Mark::LogUnsynced.id()],
            plan: |seed| {
                let (hosts, asks) = ([("servers", 2), ("clients", 3)], SomeRegisters(&["x", "y"]));
                generate::plan(&Replicated, "register/kv", seed, &hosts, NoSetup {}, &asks)
            },
        }];
        ALL
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Replicated>) {
        for number in 1..=plan.count("servers") {
            stage.server(&format!("n{number}"), server);
        }
        let probe = RegisterOperation::Get { key: "x".to_owned() };
        calls::clients(plan, stage, probe, |host, _| Caller(host));
    }

    fn properties(&self) -> &'static [Property<Replicated>] {
        const ALL: &[Property<Replicated>] = &[
            property::no_panic(),
            Property::new("answered is synced", "the rule of this example", answered_is_synced),
            property::healing("both servers come back in the end"),
        ];
        ALL
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        &[PlantedBug {
            name: "answers-before-sync",
            source: "every database once",
            what: "a write is answered before it is synced",
            scenario: "register/kv",
            expected: &["answered is synced"],
            consequence: Some(calls::LINEARIZABILITY),
            budget_seeds: 20,
        }]
    }
}

/// The primary answers only what it has synced.
fn answered_is_synced(_plan: &Plan, record: &Record<Replicated>) -> PropertyVerdict {
    let mut synced = 0;
    for observed in record.observations.iter().filter(|observed| observed.server == 1) {
        match observed.observation {
            Step::Synced(records) => synced = records,
            Step::Answers(number) if number <= synced => {}
            Step::Answers(number) => {
                return Contradiction::new("a write was answered that is not synced")
                    .did(record, observed, format!("answers record {number}"), "not synced")
                    .violated(observed.at_ns);
            }
        }
    }
    PropertyVerdict::Holds
}
