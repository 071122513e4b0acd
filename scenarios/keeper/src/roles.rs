//! Who is who at a moment, and who may be lost.

use harness::system::{Part, Role};
use sim::HostId;
use sim::fault::{Casting, Standing};

use crate::state::{KeeperState, ServerNotes};

/// The roles that servers of an ensemble play.
pub(crate) const ROLES: [Role; 3] = [
    Role {
        name: "leader",
        about: "leads and serves; of several, the one of the highest epoch",
        may_forget: false,
        part: Part::Leads,
    },
    Role {
        name: "follower",
        about: "serves under a leader",
        may_forget: true,
        part: Part::Follows,
    },
    Role {
        name: "learner",
        about: "is being synchronised by a leader",
        may_forget: false,
        part: Part::Learns,
    },
];

/// How the leader of an epoch is spelled, before the epoch's number.
pub(crate) const LEADER_OF: &str = "leader-of-epoch-";

/// Who is who at a moment. `servers` are the servers' hosts, by number.
pub(crate) fn standing(state: &KeeperState, servers: &[HostId], now_ns: u64) -> Standing {
    let host = |server: u32| servers[server as usize - 1];
    let those = |is_wanted: &dyn Fn(u32, &ServerNotes) -> bool| {
        let wanted = state.servers.iter().filter(|(server, notes)| is_wanted(**server, notes));
        wanted.map(|(server, _)| host(*server)).collect::<Vec<HostId>>()
    };
    let leader = state.leader();
    let learners = state
        .servers
        .iter()
        .filter_map(|(server, notes)| Some((host(*server), notes.synchronising_since_ns?)))
        .map(|(host, since_ns)| (host, (now_ns - since_ns) / 1_000_000))
        .collect();
    let followers = those(&|server, notes| notes.serving && Some(server) != leader);
    let now = |hosts: &[HostId]| hosts.iter().map(|host| (*host, 0)).collect();
    let leaders: Vec<HostId> = leader.map(host).into_iter().collect();
    Standing {
        castings: vec![
            Casting { role: "leader", players: now(&leaders) },
            Casting { role: "follower", players: now(&followers) },
            Casting { role: "learner", players: learners },
        ],
        servers: servers.to_vec(),
        serving: leaders.iter().chain(&followers).copied().collect(),
        // Two make a majority only together: of them neither can be done without.
        replaceable: if servers.len() > 2 { followers } else { Vec::new() },
        expendable: those(&|server, _| {
            servers.len() > 2 && is_expendable(state, server, servers.len() as u32)
        }),
        refusing: those(&|_, notes| notes.refuses),
        copies: Some(those(&|server, _| state.holds_everything(server))),
    }
}

/// Whether a server plays a role at the moment when it hits a mark. It need not serve yet.
pub(crate) fn plays(state: &KeeperState, server: u32, role: &str) -> bool {
    let notes = state.servers.get(&server).copied().unwrap_or_default();
    match role {
        "leader" => notes.leading,
        "follower" => !notes.leading,
        other => {
            let epoch = other.strip_prefix(LEADER_OF).and_then(|epoch| epoch.parse().ok());
            notes.leading && epoch == Some(notes.epoch.0)
        }
    }
}

/// Whether nothing would be lost with a server: whoever else there is serves in the leader's epoch,
/// and has applied all that this one ever logged.
fn is_expendable(notes: &KeeperState, server: u32, servers: u32) -> bool {
    let Some(leader) = notes.leader().filter(|leader| *leader != server) else { return false };
    let epoch = notes.servers[&leader].epoch;
    let logged = notes.servers[&server].logged;
    (1..=servers).filter(|other| *other != server).all(|other| {
        let other = notes.servers.get(&other).copied().unwrap_or_default();
        other.serving && other.epoch == epoch && other.applied >= logged
    })
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::{Epoch, Zxid};

    use super::*;

    const HOSTS: [HostId; 3] = [HostId(0), HostId(1), HostId(2)];

    /// Three servers that serve in one epoch and are at one position; the first leads.
    fn calm() -> KeeperState {
        let mut notes = KeeperState::default();
        for server in 1..=3 {
            let zxid = Zxid::new(Epoch(2), 5);
            let mut entry =
                ServerNotes { serving: true, leading: server == 1, ..Default::default() };
            (entry.epoch, entry.applied, entry.logged) = (Epoch(2), zxid, zxid);
            notes.servers.insert(server, entry);
        }
        notes
    }

    fn expendable(change: impl FnOnce(&mut KeeperState)) -> Vec<HostId> {
        let mut notes = calm();
        change(&mut notes);
        standing(&notes, &HOSTS, 0).expendable
    }

    #[test]
    fn followers_of_a_calm_ensemble_are_expendable_and_the_leader_is_not() {
        assert_eq!(expendable(|_| {}), HOSTS[1..]);
    }

    #[test]
    fn nobody_is_expendable_while_another_server_does_not_serve_with_the_leader() {
        let of = |server: u32, change: fn(&mut ServerNotes)| {
            expendable(|notes| change(notes.servers.get_mut(&server).unwrap()))
        };
        assert_eq!(of(3, |notes| notes.serving = false), [HOSTS[2]], "itself may be down");
        assert_eq!(of(3, |notes| notes.epoch = Epoch(1)), [HOSTS[2]]);
        assert_eq!(of(1, |notes| notes.serving = false), []);
        let without = |notes: &mut KeeperState| {
            notes.servers.remove(&2);
        };
        assert_eq!(expendable(without), [], "of a server that was never heard of nothing is known");
    }

    #[test]
    fn who_holds_what_another_server_has_not_applied_is_not_expendable() {
        let ahead = |notes: &mut KeeperState| {
            notes.servers.get_mut(&2).unwrap().logged = Zxid::new(Epoch(2), 6);
        };
        assert_eq!(expendable(ahead), [HOSTS[2]]);
    }
}
