//! Faults between hosts.

use crate::HostId;
use crate::fault::{Fault, Target};
use crate::{DatagramTrouble, World};

/// What was done to which links, each a pair of hosts.
#[derive(Debug)]
pub(super) struct Undo {
    links: Vec<(HostId, HostId)>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Directions are blocked; with what probability connections are reset at the end.
    Cut(f64),
    Slow(u32),
    Flaky(f64),
    Narrow(u64),
    Datagrams(DatagramTrouble),
    HangConnects,
    HalfOpen(bool),
    Reset,
}

/// Begins a fault between hosts.
pub(super) fn begin<S: World>(
    fault: &Fault,
    world: &mut S,
    who: &mut dyn FnMut(&S, &[Target]) -> Vec<HostId>,
) -> Undo {
    let (links, what) = match fault {
        Fault::Partition { sides, reset_on_heal } => {
            let sides: Vec<Vec<HostId>> = sides.iter().map(|side| who(world, side)).collect();
            let mut links = Vec::new();
            for (n, side) in sides.iter().enumerate() {
                let others = sides.iter().enumerate().filter(|(other, _)| *other != n);
                others.for_each(|(_, other)| links.extend(pairs(side, other)));
            }
            (links, What::Cut(*reset_on_heal))
        }
        Fault::OneWay { from, to, reset_on_heal } => {
            (pairs(&who(world, from), &who(world, to)), What::Cut(*reset_on_heal))
        }
        Fault::Isolate { who: target, reset_on_heal } => {
            let lonely = who(world, std::slice::from_ref(target));
            let others: Vec<HostId> =
                world.hosts().into_iter().filter(|host| !lonely.contains(host)).collect();
            let mut links = pairs(&lonely, &others);
            links.extend(pairs(&others, &lonely));
            (links, What::Cut(*reset_on_heal))
        }
        Fault::SlowLink { from, to, extra_ms } => {
            (pairs(&who(world, from), &who(world, to)), What::Slow(*extra_ms))
        }
        Fault::FlakyLink { from, to, loss } => {
            (pairs(&who(world, from), &who(world, to)), What::Flaky(*loss))
        }
        Fault::Bandwidth { from, to, bytes_per_s } => {
            (pairs(&who(world, from), &who(world, to)), What::Narrow(*bytes_per_s))
        }
        Fault::Datagrams { from, to, loss, duplicate, reorder } => {
            let trouble = DatagramTrouble { loss: *loss, duplicate: *duplicate, reorder: *reorder };
            (pairs(&who(world, from), &who(world, to)), What::Datagrams(trouble))
        }
        Fault::ConnectHang { from, to } => {
            (pairs(&who(world, from), &who(world, to)), What::HangConnects)
        }
        Fault::HalfOpen { from, to, silent } => {
            (pairs(&who(world, from), &who(world, to)), What::HalfOpen(*silent))
        }
        Fault::Reset { from, to } => (pairs(&who(world, from), &who(world, to)), What::Reset),
        other => unreachable!("{other:?} is no fault between hosts"),
    };
    for &(a, b) in &links {
        match what {
            What::Cut(_) => world.one_way(&[a], &[b]),
            What::Slow(extra_ms) => world.slow_link(a, b, i64::from(extra_ms)),
            What::Flaky(loss) => world.flaky_link(a, b, loss),
            What::Narrow(bytes_per_s) => world.narrow_link(a, b, bytes_per_s),
            What::Datagrams(trouble) => world.trouble_datagrams(a, b, trouble),
            What::HangConnects => world.hang_connects(a, b),
            What::HalfOpen(silent) => world.half_open(a, b, silent),
            What::Reset => world.reset_all(a, b),
        }
    }
    Undo { links, what }
}

impl Undo {
    /// The directions, each from one host to another.
    pub(super) fn links(&self) -> &[(HostId, HostId)] {
        &self.links
    }

    /// The hosts at the ends of the links.
    pub(super) fn hosts(&self) -> Vec<HostId> {
        let mut hosts: Vec<HostId> = self.links.iter().flat_map(|&(a, b)| [a, b]).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Ends the fault, whose position in its schedule is `index`. Returns whom it struck.
    pub(super) fn end<S: World>(self, world: &mut S, index: usize) -> Vec<HostId> {
        for &(a, b) in &self.links {
            match self.what {
                What::Cut(_) => world.heal_one_way(&[a], &[b]),
                What::Slow(extra_ms) => world.slow_link(a, b, -i64::from(extra_ms)),
                What::Flaky(loss) => world.end_flaky_link(a, b, loss),
                What::Narrow(bytes_per_s) => world.end_narrow_link(a, b, bytes_per_s),
                What::Datagrams(trouble) => world.end_datagram_trouble(a, b, trouble),
                What::HangConnects => world.end_hang_connects(a, b),
                What::HalfOpen(_) | What::Reset => {}
            }
        }
        if let What::Cut(reset_on_heal) = self.what {
            reset_across(world, &self.links, reset_on_heal, index);
        }
        self.hosts()
    }
}

fn reset_across<S: World>(
    world: &mut S,
    links: &[(HostId, HostId)],
    probability: f64,
    index: usize,
) {
    if probability <= 0.0 {
        return;
    }
    let mut undirected: Vec<(HostId, HostId)> =
        links.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    undirected.sort_unstable();
    undirected.dedup();
    for (n, (a, b)) in undirected.into_iter().enumerate() {
        let stream = (index as u64) << 32 | n as u64;
        world.reset_connections(&[a], &[b], probability, stream);
    }
}

fn pairs(from: &[HostId], to: &[HostId]) -> Vec<(HostId, HostId)> {
    let all = from.iter().flat_map(|&from| to.iter().map(move |&to| (from, to)));
    all.filter(|(from, to)| from != to).collect()
}
