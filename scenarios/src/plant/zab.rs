//! Planted bugs of the protocol between servers: election, synchronisation, broadcast, recovery.

use keeper_core::instruments::Plant;

use super::PlantedBug;

/// The list.
pub(super) const BUGS: &[PlantedBug] = &[PlantedBug {
    name: "ack-before-fsync",
    plant: Plant::AckBeforeFsync,
    source: "ZOOKEEPER-4646",
    what: "a follower acknowledges what it has not made durable: a loss of power loses writes \
           that clients were told of",
    scenario: "keeper/register",
    expected: &["acknowledged is durable"],
    consequence: Some("acknowledged writes survive"),
    budget_seeds: 200,
}];
