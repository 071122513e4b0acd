//! Hand-made records for the properties' tests: a script of what servers did, one step a
//! millisecond.

use crate::record::{ClientOperation, ClientOutcome, FinalState, Observed, RunRecord};
use harness::plan::Plan;
use harness::record::{Amnesia, HostName, LinkFault};
use keeper_core::ids::{Epoch, ServerId, SessionId, Zxid};
use keeper_core::observation::{Observation, SyncKind};
use keeper_core::record::Acl;
use keeper_core::wire::client::{CreateRequest, Request, Response};
use sim::fault::Forgot;

use super::{Property, PropertyVerdict};
use crate::system::KEEPER;
use harness::Systems;
use harness::property::Violation;
use sim::HostId;

/// The list of systems with this one.
pub(crate) const SYSTEMS: Systems = Systems(&[&KEEPER]);

/// The plan of a scenario's seed.
pub(crate) fn planned(scenario: &str, seed: u64) -> Plan {
    (crate::registry::scenario(scenario).unwrap().plan)(seed)
}

/// Five servers and so many clients.
fn hosts() -> Vec<HostName> {
    let name = |prefix: &str, number: u32, is_client| HostName {
        host: HostId(number - 1 + if is_client { 5 } else { 0 }),
        name: format!("{prefix}{number}"),
        number,
        is_client,
    };
    let servers = (1..=5).map(|number| name("n", number, false));
    servers.chain((1..=5).map(|number| name("c", number, true))).collect()
}

/// A plan that no property finds fault with.
pub(crate) fn plan() -> Plan {
    planned("keeper/register", 1)
}

/// Five servers of which nobody serves; so many milliseconds pass.
pub(crate) fn silent(ms: u64) -> RunRecord {
    let mut record = Script::new().recover(1, zxid(1, 0), zxid(1, 0)).record();
    record.end_ns = ms * 1_000_000;
    record
}

/// What one server sends does not arrive at another, from the start on.
pub(crate) fn cut(from: u32, to: u32) -> LinkFault {
    LinkFault {
        planned: 0,
        from: HostId(from - 1),
        to: HostId(to - 1),
        is_cut: true,
        from_ns: 0,
        to_ns: None,
    }
}

/// Position `counter` of `epoch`.
pub(crate) fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// A record under construction.
#[derive(Default)]
pub(crate) struct Script {
    record: RunRecord,
    incarnations: std::collections::BTreeMap<u32, u32>,
}

impl Script {
    pub(crate) fn new() -> Script {
        let mut script = Script::default();
        script.record.healed_after_ms = Some(10);
        script.record.hosts = hosts();
        script
    }

    pub(crate) fn see(mut self, server: u32, observation: Observation) -> Script {
        self.record.end_ns += 1_000_000;
        let incarnation = self.incarnations.entry(server).or_default();
        if matches!(observation, Observation::Recovered { .. }) {
            *incarnation += 1;
        }
        self.record.observations.push(Observed {
            at_ns: self.record.end_ns,
            server,
            incarnation: *incarnation,
            observation,
        });
        self
    }

    /// A fault makes the server forget.
    pub(crate) fn forget(mut self, server: u32, how: Forgot) -> Script {
        self.record.end_ns += 1_000_000;
        let at_ns = self.record.end_ns;
        self.record.amnesias.push(Amnesia { server, at_ns, how });
        self
    }

    /// The server starts with a snapshot and the log behind it.
    pub(crate) fn recover(self, server: u32, snapshot: Zxid, last: Zxid) -> Script {
        let digest = digest_at(snapshot);
        self.see(server, Observation::Recovered { snapshot, last, digest })
            .see(server, Observation::Looking)
    }

    /// The server becomes the leader of an epoch.
    pub(crate) fn lead(self, server: u32, epoch: u32, history: Zxid) -> Script {
        let epoch = Epoch(epoch);
        self.see(server, Observation::Leading)
            .see(server, Observation::EpochEstablished { epoch, history })
    }

    /// The leader begins to broadcast.
    pub(crate) fn serve(self, server: u32, epoch: u32) -> Script {
        self.see(server, Observation::Serving { epoch: Epoch(epoch) })
    }

    /// The server follows and is synchronised by DIFF with nothing to send.
    pub(crate) fn follow(self, server: u32, leader: u32, last: Zxid) -> Script {
        let (leader_id, kind) = (ServerId(leader.into()), SyncKind::Diff);
        self.see(server, Observation::Following { leader: leader_id })
            .see(leader, Observation::SyncChosen { learner: ServerId(server.into()), kind })
            .see(server, Observation::SyncBegun { kind })
            .see(server, Observation::Acknowledged { zxid: last, durable: last })
            .see(server, Observation::SyncEnded)
    }

    pub(crate) fn propose(self, server: u32, zxid: Zxid, applied: Zxid) -> Script {
        let hash = hash_of(zxid);
        self.see(server, Observation::Proposed { zxid, hash, applied })
            .see(server, Observation::Logged { zxid, hash })
    }

    pub(crate) fn log(self, server: u32, zxid: Zxid) -> Script {
        self.see(server, Observation::Logged { zxid, hash: hash_of(zxid) })
            .see(server, Observation::Acknowledged { zxid, durable: zxid })
    }

    pub(crate) fn deliver(self, server: u32, zxid: Zxid) -> Script {
        self.deliver_as(server, zxid, hash_of(zxid), digest_at(zxid))
    }

    pub(crate) fn deliver_as(self, server: u32, zxid: Zxid, hash: u64, digest: u64) -> Script {
        let (session, cxid) = (SessionId(7), zxid.counter() as i32);
        self.see(
            server,
            Observation::Delivered { zxid, hash, digest, is_change: true, session, cxid },
        )
    }

    /// A client was told that its write took effect.
    pub(crate) fn acknowledge(self, client: u32, zxid: Zxid) -> Script {
        let path = format!("/x{:x}", zxid.0);
        let (data, acl, flags) = (None, Acl::open(), 0);
        let create = CreateRequest { path: path.clone(), data, acl, flags, want_stat: false };
        self.answered(client, Request::Create(create), zxid, Response::Path(path))
    }

    pub(crate) fn answered(
        mut self,
        client: u32,
        request: Request,
        zxid: Zxid,
        response: Response,
    ) -> Script {
        let sequence = self.record.history.operations.len() as u64 * 2;
        self.record.history.operations.push(ClientOperation {
            client,
            planned: 0,
            session: SessionId(client.into()),
            xid: sequence as i32 + 1,
            request,
            invoke_ns: self.record.end_ns,
            complete_ns: Some(self.record.end_ns + 1000),
            outcome: ClientOutcome::Ok { zxid, response },
            invoke_sequence: sequence,
            sequence: sequence + 1,
        });
        self
    }

    pub(crate) fn ends(mut self, server: u32, applied: Zxid, digest: u64) -> Script {
        self.record.history.finals.push(FinalState {
            server,
            serving: true,
            leading: server == 1,
            epoch: applied.epoch(),
            applied,
            digest,
        });
        self
    }

    pub(crate) fn record(self) -> RunRecord {
        self.record
    }

    /// Asserts that the property is silent.
    pub(crate) fn keeps(self, property: Property) {
        let verdict = (property.check)(&plan(), &self.record);
        assert_eq!(verdict, PropertyVerdict::Holds, "{}", property.name);
    }

    /// Asserts that the property fires, at the last step, with these words.
    pub(crate) fn breaks(self, property: Property, words: &str) -> Violation {
        let end_ns = self.record.end_ns;
        let verdict = (property.check)(&plan(), &self.record);
        let violation = verdict.violation().expect(property.name).clone();
        assert!(violation.headline.contains(words), "{violation:?}");
        assert_eq!(violation.at_ns, end_ns, "{violation:?}");
        assert!(!violation.lines.is_empty());
        violation
    }
}

pub(crate) fn hash_of(zxid: Zxid) -> u64 {
    zxid.0 * 31
}

pub(crate) fn digest_at(zxid: Zxid) -> u64 {
    zxid.0 * 17
}

/// Three servers in epoch 1 that delivered two transactions, before a crash and a second epoch.
pub(crate) fn two_epochs() -> Script {
    let (none, a, b, c) = (Zxid::ZERO, zxid(1, 1), zxid(1, 2), zxid(2, 1));
    let mut script = Script::new();
    for server in 1..=3 {
        script = script.recover(server, none, none);
    }
    script = script.lead(1, 1, none).serve(1, 1).follow(2, 1, none).follow(3, 1, none);
    for (position, before) in [(a, none), (b, a)] {
        script = script.propose(1, position, before);
        for server in [2, 3] {
            script = script.log(server, position);
        }
        for server in 1..=3 {
            script = script.deliver(server, position);
        }
    }
    script = script.acknowledge(1, a).acknowledge(2, b);
    script = script.recover(1, none, b).see(2, Observation::Looking).see(3, Observation::Looking);
    script = script.lead(2, 2, b).serve(2, 2).follow(3, 2, b).follow(1, 2, b);
    script = script.deliver(1, a).deliver(1, b).propose(2, c, b).log(1, c).log(3, c);
    for server in [2, 1, 3] {
        script = script.deliver(server, c);
    }
    script
}

/// A plan and a record with which everything is right.
pub(crate) fn honest_run() -> (Plan, RunRecord) {
    let c = zxid(2, 1);
    let script = two_epochs().acknowledge(3, c);
    let script = (1..=3).fold(script, |script, server| script.ends(server, c, digest_at(c)));
    (plan(), script.record())
}
