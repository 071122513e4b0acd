//! A register that is kept in memory alone: the harness draws plans, runs them until one fails, and says
//! what contradicts what.
//!
//!     cargo run -p squall-harness --example forgetful

use std::collections::BTreeMap;
use std::io;

use harness::calls::{self, Calls, Client, Outcome};
use harness::generate::{self, SomeRegisters};
use harness::judge::Verdict;
use harness::model::{RegisterAnswer, RegisterOperation, Registers};
use harness::plan::NoSetup;
use harness::stage::Server;
use harness::system::{Group, Scenario};
use harness::{AnySystem, Plan, Property, RunOptions, Stage, System, Systems, property};
use platform::{Listener, Stream};
use sim::{Host, World};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const SYSTEMS: Systems = Systems(&[&Forgetful]);
const PORT: u16 = 7000;
const TIMEOUT_MS: u64 = 1_000;

/// One request on each connection.
async fn server<H: Host>(server: Server<H, Forgetful>) -> io::Result<()> {
    let host = server.platform;
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut listener = host.listen("0.0.0.0", PORT).await?;
    loop {
        let (read, mut write) = listener.accept().await?.into_split();
        let mut lines = BufReader::new(read).lines();
        let Ok(Ok(Some(line))) = host.timeout(TIMEOUT_MS, lines.next_line()).await else {
            continue;
        };
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["get", key] => values.get(key).cloned().unwrap_or("none".to_owned()),
            ["cas", key, old, _] if values.get(key).is_none_or(|held| held != old) => {
                "differs".to_owned()
            }
            ["cas", key, _, value] | ["set", key, value] => {
                values.insert(key.to_owned(), value.to_owned());
                "ok".to_owned()
            }
            _ => "what?".to_owned(),
        };
        // Who has gone away does not want to know.
        let _ = host.timeout(TIMEOUT_MS, write.write_all((answer + "\n").as_bytes())).await;
    }
}

struct Caller<H>(H);

impl<H: Host> Caller<H> {
    async fn ask(&self, line: String) -> io::Result<String> {
        let asked = self.0.timeout(TIMEOUT_MS, async {
            let (read, mut write) = self.0.connect("n1", PORT).await?.into_split();
            write.write_all((line + "\n").as_bytes()).await?;
            let answer = BufReader::new(read).lines().next_line().await?;
            answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        });
        asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<H: Host> Client<Registers> for Caller<H> {
    async fn call(&mut self, operation: &RegisterOperation) -> Outcome<RegisterAnswer> {
        match self.ask(operation.to_string()).await.as_deref() {
            Ok("ok") => Outcome::Answered(RegisterAnswer::Written),
            Ok("differs") => Outcome::Answered(RegisterAnswer::Differs),
            Ok("none") => Outcome::Answered(RegisterAnswer::Value(None)),
            Ok(value) => Outcome::Answered(RegisterAnswer::Value(Some(value.to_owned()))),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

struct Forgetful;

impl System for Forgetful {
    type Setup = NoSetup;
    type Operation = RegisterOperation;
    type Observation = ();
    type History = Calls<Registers>;
    type State = ();

    harness::common_case!(Registers);

    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn about(&self) -> &'static str {
        "a register in memory"
    }

    fn groups(&self) -> &'static [Group] {
        const GROUPS: &[Group] = &[Group::servers("servers", "n", "server"), Group::CLIENTS];
        GROUPS
    }

    fn scenarios(&self) -> &'static [Scenario] {
        const ALL: &[Scenario] = &[Scenario {
            name: "forgetful/kv",
            description: "get, set and compare-and-set of one key",
            promises: &[],
            plan: |seed| {
                let (hosts, asks) = ([("servers", 1), ("clients", 2)], SomeRegisters(&["x"]));
                generate::plan(&Forgetful, "forgetful/kv", seed, &hosts, NoSetup {}, &asks)
            },
        }];
        ALL
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Forgetful>) {
        stage.server("n1", server);
        let probe = RegisterOperation::Get { key: "x".to_owned() };
        calls::clients(plan, stage, probe, |host, _| Caller(host));
    }

    fn properties(&self) -> &'static [Property<Forgetful>] {
        const ALL: &[Property<Forgetful>] = &[property::no_panic()];
        ALL
    }
}

fn main() {
    let scenario = &AnySystem::scenarios(&Forgetful)[0];
    for seed in 1..20 {
        let plan = (scenario.plan)(seed);
        let outcome = SYSTEMS.perform(&plan, &RunOptions::default());
        let (asked, faults) = (plan.operations.len(), plan.faults.len());
        print!("seed {seed}: {asked} operations, {faults} faults: ");
        match outcome.verdict {
            Verdict::Pass => println!("passes, trace {:016x}", outcome.trace_hash),
            Verdict::Undecided(why) => println!("undecided: {why}"),
            Verdict::Fail(failures) => {
                println!("fails");
                let first = &failures[0];
                println!("{}: {}", first.property, first.headline);
                for line in &first.lines {
                    let at =
                        line.from_ns.map_or(String::new(), |ns| format!("{} ms", ns / 1_000_000));
                    println!("  {at:>8}  {}  {}  {}", line.client, line.text, line.note);
                }
                return;
            }
        }
    }
}
