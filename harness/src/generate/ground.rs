//! What faults are drawn on: who there is, which parts they play, and where the code has marks.

use probe::{MarkDeclaration, MarkKind};
use sim::fault::{Settings, Target};
use sim::seed::Draws;

use crate::any::AnySystem;
use crate::plan::Topology;
use crate::system::{Group, OwnFault, Part, Role};

/// A system's hosts and what may befall them.
#[derive(Clone)]
pub struct Ground {
    /// The names of the servers, by number from 1.
    pub servers: Vec<String>,
    /// The names of the clients, by number from 1.
    pub clients: Vec<String>,
    roles: &'static [Role],
    marks: Vec<&'static MarkDeclaration>,
    pub(super) crash_points: &'static [&'static str],
    pub(super) files: &'static [&'static str],
    pub(super) upgrade: Option<fn(&mut Draws) -> Settings>,
    pub(super) own: &'static [OwnFault],
    pub(super) tells_damage: bool,
    pub(super) sends_datagrams: bool,
    groups: Vec<(&'static Group, Vec<String>)>,
}

impl Ground {
    /// The ground of a system with so many hosts.
    pub fn of(system: &dyn AnySystem, topology: &Topology) -> Ground {
        let groups: Vec<(&'static Group, Vec<String>)> = system
            .groups()
            .iter()
            .map(|group| {
                let count = topology.get(group.name).copied().unwrap_or(0);
                (group, (1..=count).map(|number| group.host(number)).collect())
            })
            .collect();
        let hosts = |is_client: bool| {
            let those = groups.iter().filter(move |(group, _)| group.is_client == is_client);
            those.flat_map(|(_, hosts)| hosts.iter().cloned()).collect()
        };
        let marks = system.marks().iter().filter(|mark| mark.kind != MarkKind::Always);
        Ground {
            servers: hosts(false),
            clients: hosts(true),
            roles: system.roles(),
            marks: marks.collect(),
            crash_points: system.crash_points(),
            files: system.checked_files(),
            upgrade: system.upgrade(),
            own: system.own_faults(),
            tells_damage: system.tells_damage(),
            sends_datagrams: system.sends_datagrams(),
            groups,
        }
    }

    /// The names of a group's hosts, by number from 1.
    pub(super) fn hosts_of(&self, group: &str) -> &[String] {
        self.groups.iter().find(|(of, _)| of.name == group).map_or(&[], |(_, hosts)| hosts)
    }

    /// The role of that part, if the system has one.
    pub fn role(&self, part: Part) -> Option<&'static str> {
        self.roles.iter().find(|role| role.part == part).map(|role| role.name)
    }

    /// Whether a target is a client.
    pub fn is_client(&self, target: &Target) -> bool {
        matches!(target, Target::Named(name) if self.clients.contains(name))
    }

    /// Whether a target stands for a role that may not be made to forget.
    pub fn must_remember(&self, target: &Target) -> bool {
        let name = match target {
            Target::Named(name) => Some(name.as_str()),
            other => other.role(),
        };
        self.roles.iter().any(|role| Some(role.name) == name && !role.may_forget)
    }

    /// Whether a target is a host, whatever it does.
    pub(super) fn is_host(&self, target: &Target) -> bool {
        let name = match target {
            Target::Named(name) => name,
            _ => return false,
        };
        self.servers.contains(name) || self.clients.contains(name)
    }

    /// The marks at which faults can strike.
    pub(super) fn marks(&self) -> &[&'static MarkDeclaration] {
        &self.marks
    }
}
