//! What was paid: a log of records, each with its length and checksum, and what it says.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use probe::{Probe, planted, reachable};
use squall_runtime::fs::{self, File};
use squall_runtime::io::AsyncWriteExt;

use crate::{Mark, Plant, Step};

/// A record begins with its length and its checksum.
const HEADER_BYTES: usize = 8;

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// To whom: one word.
    pub account: String,
    /// How much.
    pub amount: u64,
    /// What it is for: one word, by which people tell payments apart.
    pub reference: String,
}

/// One entry of the log.
enum Record {
    /// A payment and the key of its request.
    Payment(String, Payment),
    /// A payment whose key has a record of its own: for [`Plant::KeyKeptLater`].
    Apart(String, Payment),
    /// That record.
    Key(String),
}

/// The log, and what it holds.
pub(crate) struct Ledger<I> {
    file: File,
    payments: Vec<(String, Payment)>,
    /// Which payment answers a key.
    known: BTreeMap<String, Payment>,
    /// The disk failed: nobody knows what it holds until it is read back.
    is_broken: bool,
    pub(crate) probe: I,
}

impl<I: Probe<Step>> Ledger<I> {
    /// Opens the log in a folder. What a loss of power left of an unfinished record is left out: nobody
    /// was answered for it. The rest is written anew, since what can be read need not be durable.
    pub(crate) async fn open(dir: &Path, mut probe: I) -> io::Result<Ledger<I>> {
        fs::create_dir_all(dir).await?;
        if let Some(parent) = dir.parent() {
            File::open(parent).await?.sync_all().await?;
        }
        let (path, unfinished) = (dir.join("payments.log"), dir.join("payments.new"));
        let bytes = match fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (records, whole) = decode(&bytes);
        let mut file = File::create(&unfinished).await?;
        file.write_all(&bytes[..whole]).await?;
        file.flush().await?;
        file.sync_all().await?;
        fs::rename(&unfinished, &path).await?;
        File::open(dir).await?.sync_all().await?;
        probe.observe(Step::Recovered(records.len()));
        let (payments, known) = (Vec::new(), BTreeMap::new());
        let mut ledger = Ledger { file, payments, known, is_broken: false, probe };
        for record in records {
            ledger.apply(record);
        }
        Ok(ledger)
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Payment(key, payment) => {
                self.known.insert(key.clone(), payment.clone());
                self.payments.push((key, payment));
            }
            Record::Apart(key, payment) => self.payments.push((key, payment)),
            Record::Key(key) => {
                let payment = self.payments.iter().rev().find(|(paid, _)| *paid == key);
                self.known.extend(payment.cloned());
            }
        }
    }

    /// What was paid for a key.
    pub(crate) fn known(&self, key: &str) -> Option<&Payment> {
        self.known.get(key)
    }

    /// What was paid to an account.
    pub(crate) fn balance(&self, account: &str) -> u64 {
        let payments = self.payments.iter().filter(|(_, payment)| payment.account == account);
        payments.map(|(_, payment)| payment.amount).sum()
    }

    /// Pays, durably; the key is known from then on.
    ///
    /// # Errors
    /// The disk failed, now or before: the ledger has to be opened again.
    pub(crate) async fn pay(&mut self, key: String, payment: Payment) -> io::Result<()> {
        if planted!(I, self.probe, Plant::KeyKeptLater) {
            self.append(Record::Apart(key.clone(), payment.clone())).await?;
            self.probe.observe(Step::Paid(payment));
            return self.append(Record::Key(key)).await;
        }
        self.append(Record::Payment(key, payment.clone())).await?;
        self.probe.observe(Step::Paid(payment));
        Ok(())
    }

    async fn append(&mut self, record: Record) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("the log failed before"));
        }
        // A request that is given up in the middle leaves the file in a state that nobody knows.
        self.is_broken = true;
        self.file.write_all(&encode(&record)).await?;
        self.file.flush().await?;
        reachable!(I, self.probe, Mark::RecordUnsynced);
        self.file.sync_all().await?;
        reachable!(I, self.probe, Mark::RecordUntold);
        self.is_broken = false;
        self.apply(record);
        Ok(())
    }
}

fn encode(record: &Record) -> Vec<u8> {
    let pays = |kind: &str, key: &str, payment: &Payment| {
        let Payment { account, amount, reference } = payment;
        format!("{kind} {key} {account} {amount} {reference}")
    };
    let text = match record {
        Record::Payment(key, payment) => pays("P", key, payment),
        Record::Apart(key, payment) => pays("A", key, payment),
        Record::Key(key) => format!("K {key}"),
    };
    let len = u32::try_from(text.len()).expect("a record is short");
    let sum = crc32fast::hash(text.as_bytes());
    [&len.to_be_bytes()[..], &sum.to_be_bytes(), text.as_bytes()].concat()
}

/// The whole records at the beginning of a log, and how many bytes they are.
fn decode(bytes: &[u8]) -> (Vec<Record>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some((record, len)) = decode_one(&bytes[at..]) {
        records.push(record);
        at += len;
    }
    (records, at)
}

fn decode_one(bytes: &[u8]) -> Option<(Record, usize)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let end = HEADER_BYTES.checked_add(usize::try_from(number(0)?).ok()?)?;
    let text = bytes.get(HEADER_BYTES..end)?;
    if text.is_empty() || crc32fast::hash(text) != number(4)? {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let record = match text.split(' ').collect::<Vec<_>>()[..] {
        ["K", key] => Record::Key(key.to_owned()),
        [kind @ ("P" | "A"), key, account, amount, reference] => {
            let (account, reference) = (account.to_owned(), reference.to_owned());
            let payment = Payment { account, amount: amount.parse().ok()?, reference };
            match kind {
                "P" => Record::Payment(key.to_owned(), payment),
                _ => Record::Apart(key.to_owned(), payment),
            }
        }
        _ => return None,
    };
    Some((record, end))
}
