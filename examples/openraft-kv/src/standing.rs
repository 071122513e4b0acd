//! Who is what at a moment, and what is missing until the store has healed.

use std::collections::{BTreeMap, BTreeSet};

use squall::harness::system::{Part, Role, Seen};
use squall::sim::HostId;
use squall::sim::fault::{Casting, Standing};

use crate::server::FIRST_VOTERS;
use crate::step::{Being, Position, Step};

/// The roles.
pub const ROLES: &[Role] = &[
    Role {
        name: "leader",
        about: "leads as far as it knows, in the highest term of those who do",
        may_forget: false,
        part: Part::Leads,
    },
    Role {
        name: "follower",
        about: "votes, and follows a leader",
        may_forget: false,
        part: Part::Follows,
    },
    Role {
        name: "learner",
        about: "is being brought up to date before it votes",
        may_forget: false,
        part: Part::Learns,
    },
];

/// What is known of the servers.
#[derive(Debug, Default)]
pub struct State {
    servers: BTreeMap<u32, Notes>,
    /// The last membership in any log, by the index of its entry.
    voters: (u64, BTreeSet<u64>),
    learners: BTreeSet<u64>,
    /// Who was ever a member.
    members: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
struct Notes {
    is_up: bool,
    refuses: bool,
    being: Option<(Being, u64)>,
    since_ns: u64,
    applied: Option<(Position, u64)>,
}

impl State {
    /// Follows what happens to a server.
    pub fn follow(&mut self, server: u32, at_ns: u64, seen: &Seen<'_, Step>) {
        let notes = self.servers.entry(server).or_default();
        match seen {
            Seen::Starts => *notes = Notes { is_up: true, ..Notes::default() },
            Seen::GoesDown => *notes = Notes::default(),
            Seen::GivesUp => *notes = Notes { refuses: true, ..Notes::default() },
            Seen::Observes(Step::Ended) => {
                *notes = Notes { is_up: true, ..Notes::default() };
            }
            Seen::Observes(Step::Is(being, term)) => {
                notes.being = Some((*being, *term));
                notes.since_ns = at_ns;
            }
            Seen::Observes(
                Step::Applied { position, hash } | Step::SnapshotInstalled { position, hash },
            ) => notes.applied = Some((*position, *hash)),
            Seen::Observes(Step::Members { index, voters, learners }) => {
                let voters: BTreeSet<u64> = voters.iter().flatten().copied().collect();
                self.members.extend(voters.iter().chain(learners));
                if *index >= self.voters.0 {
                    self.voters = (*index, voters);
                    self.learners = learners.iter().copied().collect();
                }
            }
            Seen::Observes(_) => {}
        }
    }

    fn leader(&self) -> Option<u32> {
        let leads = |notes: &Notes| match notes.being {
            Some((Being::Leader, term)) => Some(term),
            _ => None,
        };
        let leaders =
            self.servers.iter().filter_map(|(server, notes)| Some((leads(notes)?, *server)));
        leaders.max().map(|(_, server)| server)
    }

    fn those(&self, is_wanted: impl Fn(u32, &Notes) -> bool) -> Vec<u32> {
        let wanted = self.servers.iter().filter(|(server, notes)| is_wanted(**server, notes));
        wanted.map(|(server, _)| *server).collect()
    }

    fn is_learner(&self, server: u32) -> bool {
        self.learners.contains(&u64::from(server))
    }

    fn is_voter(&self, server: u32) -> bool {
        self.voters.1.contains(&u64::from(server))
    }

    fn follows(&self, server: u32, notes: &Notes) -> bool {
        self.is_voter(server) && matches!(notes.being, Some((Being::Follower, _)))
    }

    /// Who is who.
    ///
    /// Nobody who was ever a member may be made to forget: Raft needs every vote and every entry that was
    /// acknowledged, and a leader of openraft's panics if the log of one of its servers goes back. Who was
    /// never a member has nothing to forget.
    pub fn standing(&self, servers: &[HostId], now_ns: u64) -> Standing {
        let host = |server: u32| servers[server as usize - 1];
        let players = |those: Vec<u32>| {
            let since = |server: u32| {
                let since_ns = self.servers.get(&server).map_or(now_ns, |notes| notes.since_ns);
                now_ns.saturating_sub(since_ns) / 1_000_000
            };
            those.into_iter().map(|server| (host(server), since(server))).collect()
        };
        let leader: Vec<u32> = self.leader().into_iter().collect();
        let followers = self.those(|server, notes| self.follows(server, notes));
        let learners = self.those(|server, notes| notes.is_up && self.is_learner(server));
        let strangers = self.those(|server, notes| {
            notes.is_up && !self.members.is_empty() && !self.members.contains(&u64::from(server))
        });
        let hosts = |those: &[u32]| those.iter().map(|server| host(*server)).collect::<Vec<_>>();
        Standing {
            copies: None,
            servers: servers.to_vec(),
            serving: [hosts(&leader), hosts(&followers), hosts(&strangers)].concat(),
            replaceable: hosts(&strangers),
            expendable: hosts(&strangers),
            refusing: hosts(&self.those(|_, notes| notes.refuses)),
            castings: vec![
                Casting { role: "leader", players: players(leader) },
                Casting { role: "follower", players: players(followers) },
                Casting { role: "learner", players: players(learners) },
            ],
        }
    }

    /// Whether a server plays a role.
    pub fn plays(&self, server: u32, role: &str) -> bool {
        let Some(notes) = self.servers.get(&server) else { return false };
        match role {
            "leader" => matches!(notes.being, Some((Being::Leader, _))),
            "follower" => self.follows(server, notes),
            "learner" => self.is_learner(server),
            _ => false,
        }
    }

    /// What is missing until the store has healed: a leader, and voters that have applied the same.
    pub fn missing(&self) -> Option<String> {
        let Some(leader) = self.leader() else { return Some("nobody leads".to_owned()) };
        let voters = &self.voters.1;
        if (voters.len() as u64) < FIRST_VOTERS {
            return Some("there are too few voters".to_owned());
        }
        let applied = |server: u32| self.servers.get(&server).and_then(|notes| notes.applied);
        let expected = applied(leader);
        for voter in voters {
            let server = *voter as u32;
            if applied(server) != expected {
                let (has, wanted) = (applied(server), expected);
                return Some(format!("n{server} has applied {has:?}, and n{leader} {wanted:?}"));
            }
        }
        None
    }
}
