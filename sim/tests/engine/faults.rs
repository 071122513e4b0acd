//! What kills leave behind.

use sim::{HostId, World};

use crate::common::echo_world;

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

#[test]
fn kills_leave_nothing_behind() {
    let (mut world, _) = echo_world(9);
    world.run_until_ms(1_000).unwrap();
    let calm = world.census();
    for round in 0..100 {
        world.run_for_ms(20).unwrap();
        let host = [SERVER, CLIENT][round % 2];
        world.crash(host).unwrap();
        world.run_for_ms(3).unwrap();
        world.restart(host).unwrap();
        if host == SERVER {
            world.run_for_ms(10).unwrap();
            world.crash(CLIENT).unwrap();
            world.restart(CLIENT).unwrap();
        }
    }
    world.run_for_ms(1_000).unwrap();
    let after = world.census();
    let what = |census: sim::engine::Census| {
        (census.tasks, census.connection_ends, census.connections, census.timers, census.ports)
    };
    assert_eq!(what(after), what(calm));
}
