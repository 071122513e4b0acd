//! What the register does without: a model and a workload of one's own, roles that faults are aimed at,
//! and a corpus. `docs/your-own-system.md` quotes this file.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use squall::calls::{self, Calls, Client, Outcome};
use squall::generate::{self, Asks, Workload};
use squall::model::Model;
use squall::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

static SYSTEMS: &SystemList = &[&Tickets];

const PORT: u16 = 7000;
const TIMEOUT_MS: u64 = 1_000;

/// What is asked of a dispenser of tickets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Ask {
    /// The next number, which nobody else gets.
    Take,
    /// The number that was taken last.
    Read,
}

#[derive(Clone, Copy, Debug, Default)]
struct Dispenser;

impl Model for Dispenser {
    type Operation = Ask;
    type Answer = u64;
    type State = u64;

    fn name(&self) -> &'static str {
        "dispenser"
    }

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, last: &u64, operation: &Ask, answer: Option<&u64>) -> Option<u64> {
        let after = match operation {
            Ask::Take => last + 1,
            Ask::Read => *last,
        };
        answer.is_none_or(|answer| *answer == after).then_some(after)
    }

    fn key(&self, _operation: &Ask) -> String {
        "tickets".to_owned()
    }

    fn kind(&self, operation: &Ask) -> &'static str {
        match operation {
            Ask::Take => "take",
            Ask::Read => "read",
        }
    }

    fn is_read(&self, operation: &Ask) -> bool {
        *operation == Ask::Read
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["take", "read"]
    }
}

struct MostlyTake;

impl Workload for MostlyTake {
    type Operation = Ask;

    fn draw(&self, asks: &mut Asks) -> Ask {
        if asks.draws.chance(0.7) { Ask::Take } else { Ask::Read }
    }
}

/// A server serves, as leader or as follower.
#[derive(Clone, Debug, PartialEq)]
struct Serves {
    leads: bool,
}

async fn server<H: Host>(server: Server<H, Tickets>) -> io::Result<()> {
    let Server { platform: host, number, recording, .. } = server;
    while live(&host, number == 1, recording.probe(&host, number)).await.is_err() {
        host.sleep_ms(50).await;
    }
    Ok(())
}

async fn live<H: Host>(host: &H, leads: bool, mut probe: impl Probe<Serves>) -> io::Result<()> {
    let files = host.files();
    files.create_dir_all("/data").await?;
    files.sync_dir("/").await?;
    let mut last = match files.read("/data/last").await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        read => String::from_utf8_lossy(&read?).parse().map_err(io::Error::other)?,
    };
    keep(&files, last).await?;
    let mut listener = host.listen("0.0.0.0", PORT).await?;
    probe.observe(Serves { leads });
    loop {
        let (read, mut write) = listener.accept().await?.into_split();
        let mut lines = BufReader::new(read).lines();
        let Ok(Ok(Some(line))) = host.timeout(TIMEOUT_MS, lines.next_line()).await else {
            continue;
        };
        if line == "take" {
            last += 1;
            keep(&files, last).await?;
            while ask(host, "n2", &format!("keep {last}")).await.is_err() {
                host.sleep_ms(20).await;
            }
        } else if let Some(number) = line.strip_prefix("keep ").and_then(|n| n.parse().ok()) {
            last = number;
            keep(&files, last).await?;
        }
        let answer = format!("{last}\n");
        let _ = host.timeout(TIMEOUT_MS, write.write_all(answer.as_bytes())).await;
    }
}

/// Replaces the number: a loss of power leaves the old one or the new one.
async fn keep(files: &impl Files, last: u64) -> io::Result<()> {
    let mut file = files.create("/data/last.new").await?;
    file.append(last.to_string().into_bytes());
    file.sync().await?;
    files.rename("/data/last.new", "/data/last").await?;
    files.sync_dir("/data").await
}

async fn ask<H: Host>(host: &H, server: &str, line: &str) -> io::Result<u64> {
    let asked = host.timeout(TIMEOUT_MS, async {
        let (read, mut write) = host.connect(server, PORT).await?.into_split();
        write.write_all(format!("{line}\n").as_bytes()).await?;
        let answer = BufReader::new(read).lines().next_line().await?;
        answer.unwrap_or_default().parse().map_err(io::Error::other)
    });
    asked.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

struct Caller<H>(H);

impl<H: Host> Client<Dispenser> for Caller<H> {
    async fn call(&mut self, operation: &Ask) -> Outcome<u64> {
        match ask(&self.0, "n1", Dispenser.kind(operation)).await {
            Ok(number) => Outcome::Answered(number),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }
}

struct Tickets;

impl System for Tickets {
    type Setup = NoSetup;
    type Operation = Ask;
    type Observation = Serves;
    type History = Calls<Dispenser>;
    /// The servers that serve, and whether they lead.
    type State = BTreeMap<u32, bool>;

    squall::common_case!(Dispenser);

    fn name(&self) -> &'static str {
        "tickets"
    }

    fn about(&self) -> &'static str {
        "numbers that are given out once, by a leader with a follower"
    }

    fn groups(&self) -> &'static [Group] {
        const GROUPS: &[Group] = &[Group::servers("servers", "n", "server"), Group::CLIENTS];
        GROUPS
    }

    fn roles(&self) -> &'static [Role] {
        const LEADER: Role = Role {
            name: "leader",
            about: "gives out numbers",
            may_forget: false,
            part: Part::Leads,
        };
        const FOLLOWER: Role = Role {
            name: "follower",
            about: "keeps a copy",
            may_forget: false,
            part: Part::Follows,
        };
        &[LEADER, FOLLOWER]
    }

    fn follow(
        &self,
        state: &mut BTreeMap<u32, bool>,
        server: u32,
        _at_ns: u64,
        seen: Seen<'_, Serves>,
    ) -> Option<u64> {
        match seen {
            Seen::Observes(Serves { leads }) => state.insert(server, *leads),
            Seen::Starts | Seen::GoesDown | Seen::GivesUp => state.remove(&server),
        };
        None
    }

    fn standing(&self, state: &BTreeMap<u32, bool>, servers: &[HostId], _now_ns: u64) -> Standing {
        let cast = |role, leads: bool| {
            let players = state.iter().filter(|(_, is_leader)| **is_leader == leads);
            let host = |server: &u32| servers[*server as usize - 1];
            Casting { role, players: players.map(|(server, _)| (host(server), 0)).collect() }
        };
        let castings = vec![cast("leader", true), cast("follower", false)];
        Standing { castings, servers: servers.to_vec(), ..Standing::default() }
    }

    fn plays(&self, state: &BTreeMap<u32, bool>, server: u32, role: &str) -> bool {
        state.get(&server).is_some_and(|leads| *leads == (role == "leader"))
    }

    fn scenarios(&self) -> &'static [Scenario] {
        const ALL: &[Scenario] = &[Scenario {
            name: "tickets/take",
            description: "numbers are taken and read",
            promises: &[],
            plan: |seed| {
                let hosts = [("servers", 2), ("clients", 3)];
                generate::plan(&Tickets, "tickets/take", seed, &hosts, NoSetup {}, &MostlyTake)
            },
        }];
        ALL
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Tickets>) {
        stage.server("n1", server);
        stage.server("n2", server);
        calls::clients(plan, stage, Ask::Read, |host, _| Caller(host));
    }

    fn properties(&self) -> &'static [Property<Tickets>] {
        const ALL: &[Property<Tickets>] =
            &[property::no_panic(), property::healing("both servers come back in the end")];
        ALL
    }

    fn corpus(&self) -> &'static [(&'static str, &'static str)] {
        squall::stored_plans!("tests/corpus": "tickets/leader-without-power.json")
    }
}

#[test]
fn a_short_campaign_is_clean() {
    let out = tempfile::tempdir().expect("a temporary folder");
    squall::testing::campaign_into(SYSTEMS, 1, 10, out.path());
    let runs = std::fs::read_to_string(out.path().join("latest/seeds.jsonl")).expect("its runs");
    assert_eq!(runs.lines().count(), 11, "the corpus has one plan");
}

#[test]
fn faults_are_aimed_at_roles() {
    let plans = || (1..50).map(System::scenarios(&Tickets)[0].plan);
    for role in ["leader", "follower"] {
        let aims = |plan: &Plan| plan.to_text().contains(&format!("\"{role}"));
        assert!(plans().any(|plan| aims(&plan)), "no fault is aimed at the {role}");
    }
}
