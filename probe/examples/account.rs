//! A machine that is looked at by a probe and carries a plant, and in production does neither.

use std::sync::{Arc, Mutex};

use probe::{MarkId, Off, PlantId, Probe, planted, reachable};

probe::plants! {
    /// A deposit is counted twice.
    CountsTwice = "counts-twice",
}

probe::marks! {
    /// Somebody pays in.
    Reachable Deposits = "deposits",
}

/// What the machine tells after each step.
#[derive(Clone, Debug)]
struct Balance(u64);

struct Account<I: Probe<Balance> = Off> {
    balance: u64,
    probe: I,
}

impl<I: Probe<Balance>> Account<I> {
    fn deposit(&mut self, amount: u64) {
        reachable!(I, self.probe, Mark::Deposits);
        self.balance += amount;
        if planted!(I, self.probe, Plant::CountsTwice) {
            self.balance += amount;
        }
        self.probe.observe(Balance(self.balance));
    }
}

/// Writes down what it hears, and carries a plant.
#[derive(Clone)]
struct Notebook {
    plant: Plant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Notebook {
    fn note(&self, line: String) {
        self.lines.lock().expect("nobody panics under the lock").push(line);
    }
}

impl Probe<Balance> for Notebook {
    const PLANTS: bool = true;
    const EVENTS: bool = true;

    fn has(&self, plant: PlantId, site: &'static str) -> bool {
        let has = plant == self.plant.id();
        if has {
            self.note(format!("takes effect: {site}"));
        }
        has
    }

    fn observe(&mut self, Balance(balance): Balance) {
        self.note(format!("balance {balance}"));
    }

    fn mark(&self, mark: MarkId, _site: &'static str) {
        self.note(format!("hits {}", Mark::of(mark).name()));
    }
}

fn main() {
    let mut account = Account { balance: 0, probe: Off };
    account.deposit(5);
    println!("production: {}", account.balance);

    let probe = Notebook { plant: Plant::CountsTwice, lines: Arc::default() };
    let mut account = Account { balance: 0, probe: probe.clone() };
    account.deposit(5);
    for line in probe.lines.lock().expect("nobody panics under the lock").iter() {
        println!("harness: {line}");
    }
}
