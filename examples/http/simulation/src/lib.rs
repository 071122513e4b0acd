//! The payment service of `examples/http` as a system under test: its own, unchanged programs in a
//! world that loses power, cuts connections and fails disks.

mod model;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use example_http::{Client, ClientConfig, Mark, Paid, Payment, Plant, ServerConfig, Step, server};
use squall::calls::{self, Calls, Outcome};
use squall::generate;
use squall::harness::Recording;
use squall::prelude::*;
use squall::probe::PlantId;
use squall_runtime::time;

pub use model::{AccountAnswer, AccountOperation, Accounts, SomePayments};

/// What this program tests.
pub static SYSTEMS: &SystemList = &[&Payments];

const PORT: u16 = 80;

/// The payment service, one server of it, and clients that retry.
pub struct Payments;

/// The probe of a client: it carries the plants that are a client's mistakes.
#[derive(Clone)]
struct ClientProbe<H> {
    host: H,
    recording: Recording<Payments>,
}

impl<H: Host> Probe<Step> for ClientProbe<H> {
    const PLANTS: bool = true;
    const EVENTS: bool = false;

    fn has(&self, plant: PlantId, site: &'static str) -> bool {
        let has = self.recording.plant() == Some(plant);
        if has {
            self.recording.reach_plant(&self.host, 0, site);
        }
        has
    }
}

struct Caller<H>(Client<ClientProbe<H>>);

impl<H: Host> calls::Client<Accounts> for Caller<H> {
    async fn call(&mut self, operation: &AccountOperation) -> Outcome<AccountAnswer> {
        let answer = match operation.clone() {
            AccountOperation::Pay { account, amount, reference } => {
                let paid = self.0.pay(&Payment { account, amount, reference }).await;
                paid.map(|paid| (paid == Paid::Yes).then_some(AccountAnswer::Paid))
            }
            AccountOperation::Balance { account } => {
                let told = self.0.balance(&account).await;
                told.map(|told| told.map(AccountAnswer::Balance))
            }
        };
        match answer {
            Ok(Some(answer)) => Outcome::Answered(answer),
            Ok(None) => Outcome::Unknown("no answer".to_owned()),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

/// Life after life: when the service ends with an error, it is started again, as a supervisor would.
async fn supervised<H: Host>(server_of: Server<H, Payments>) -> io::Result<()> {
    let Server { platform: host, number, recording, .. } = server_of;
    loop {
        let config = ServerConfig { address: format!("0.0.0.0:{PORT}"), dir: "/data".into() };
        if server(config, recording.probe(&host, number)).await.is_ok() {
            return Ok(());
        }
        time::sleep(Duration::from_millis(50)).await;
    }
}

impl System for Payments {
    type Setup = NoSetup;
    type Operation = AccountOperation;
    type Observation = Step;
    type History = Calls<Accounts>;
    type State = ();

    squall::common_case! {
        model: Accounts,
        name: "payments",
        about: "an HTTP service that pays once however often it is asked",
        groups: [Group::servers("servers", "pay", "service"), Group::CLIENTS],
        marks: Mark,
        plants: Plant,
    }

    fn scenarios(&self) -> &'static [Scenario] {
        const ALL: &[Scenario] = &[Scenario {
            name: "payments/retries",
            description: "payments and balances of two accounts by clients that retry",
            promises: &[Mark::RecordUnsynced.id(), Mark::RecordUntold.id(), Mark::AskedAgain.id()],
            plan: |seed| {
                let (hosts, asks) =
                    ([("servers", 1), ("clients", 3)], SomePayments(&["alice", "bob"]));
                generate::plan(&Payments, "payments/retries", seed, &hosts, NoSetup {}, &asks)
            },
        }];
        ALL
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Payments>) {
        stage.server("pay1", supervised);
        let recording = stage.recording();
        let probe = AccountOperation::Balance { account: "alice".to_owned() };
        calls::clients(plan, stage, probe, move |host, _| {
            let config = ClientConfig {
                server: format!("pay1:{PORT}"),
                // A slow disk is slower: what has not been answered yet is asked again.
                timeout: Duration::from_millis(100),
                backoff: Duration::from_millis(50),
                backoff_max: Duration::from_secs(1),
                attempts: 40,
            };
            Caller(Client::new(config, ClientProbe { host, recording: recording.clone() }))
        });
    }

    fn properties(&self) -> &'static [Property<Payments>] {
        const ALL: &[Property<Payments>] = &[
            property::no_panic(),
            Property::new(
                "paid once",
                "draft-ietf-httpapi-idempotency-key-header, section 2",
                paid_once,
            ),
            property::healing("the service comes back and every client gets through"),
        ];
        ALL
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        const fn bug(name: &'static str, source: &'static str, what: &'static str) -> PlantedBug {
            PlantedBug {
                name,
                source,
                what,
                scenario: "payments/retries",
                expected: &["paid once"],
                consequence: Some(calls::LINEARIZABILITY),
                budget_seeds: 20,
            }
        }
        const ALL: &[PlantedBug] = &[
            bug(
                "key-not-checked",
                "draft-ietf-httpapi-idempotency-key-header, section 2.6",
                "the server does not look whether it knows the key of a request",
            ),
            bug(
                "key-kept-later",
                "every outbox that is not in the transaction",
                "the payment is durable before its key is, so that a crash between loses the key",
            ),
            bug(
                "retry-has-new-key",
                "draft-ietf-httpapi-idempotency-key-header, section 2.5",
                "the client makes a new key for each attempt",
            ),
        ];
        ALL
    }
}

/// No payment is made twice, whatever its key.
fn paid_once(_plan: &Plan, record: &Record<Payments>) -> PropertyVerdict {
    let mut first = BTreeMap::new();
    for observed in &record.observations {
        let Step::Paid(payment) = &observed.observation else { continue };
        let Payment { account, amount, reference } = payment;
        let Some(before) = first.insert(reference, observed) else { continue };
        let did = format!("pays {amount} to {account} for {reference}");
        return Contradiction::new("a payment was made twice")
            .did(record, before, did.clone(), "")
            .did(record, observed, did, "paid before")
            .violated(observed.at_ns);
    }
    PropertyVerdict::Holds
}
