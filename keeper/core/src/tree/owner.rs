//! What a node's `ephemeralOwner` says: a session, or the kind of node (Apache's `EphemeralType`).

use crate::ids::SessionId;

/// What ends a node without anybody deleting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nothing: the node is persistent.
    None,
    /// The end of this session.
    Session(SessionId),
    /// The leader's reaper, some time after the last child is gone.
    Container,
    /// The leader's reaper, this many milliseconds after the last change, if there are no children.
    Ttl(i64),
}

/// All containers have this owner.
const CONTAINER: i64 = i64::MIN;
/// A TTL node has these bits set as in [`TTL`]; the rest is the time to live.
const KIND_MASK: i64 = !TTL_MAX_MS;
const TTL: i64 = 0xff00_0000_0000_0000_u64 as i64;
/// A time to live has 40 bits.
const TTL_MAX_MS: i64 = (1 << 40) - 1;

impl Owner {
    /// Reads the number. A session of server 255 could in principle look like a TTL node, but its
    /// bits 40 to 55 hold the clock's time and are zero in a few minutes of 1970 only.
    pub const fn of(ephemeral_owner: i64) -> Owner {
        match ephemeral_owner {
            0 => Owner::None,
            CONTAINER => Owner::Container,
            ttl if ttl & KIND_MASK == TTL => Owner::Ttl(ttl & TTL_MAX_MS),
            session => Owner::Session(SessionId(session)),
        }
    }

    /// Writes the number. A time to live keeps its low 40 bits.
    pub const fn to_wire(self) -> i64 {
        match self {
            Owner::None => 0,
            Owner::Session(session) => session.0,
            Owner::Container => CONTAINER,
            Owner::Ttl(ttl_ms) => TTL | (ttl_ms & TTL_MAX_MS),
        }
    }

    /// The number that clients are shown: kinds are not theirs to see.
    pub const fn to_client(self) -> i64 {
        match self {
            Owner::Session(session) => session.0,
            Owner::None | Owner::Container | Owner::Ttl(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_survive_the_wire() {
        let session = Owner::Session(SessionId(0x0100_0123_4567_89ab));
        for owner in [Owner::None, session, Owner::Container, Owner::Ttl(1), Owner::Ttl(TTL_MAX_MS)]
        {
            assert_eq!(Owner::of(owner.to_wire()), owner);
        }
        assert_eq!(Owner::Container.to_wire() as u64, 0x8000_0000_0000_0000);
        assert_eq!(Owner::Ttl(5000).to_wire() as u64, 0xff00_0000_0000_1388);
    }

    #[test]
    fn sessions_of_high_servers_are_sessions() {
        let id = 0xfe00_0199_0000_0001_u64 as i64;
        assert_eq!(Owner::of(id), Owner::Session(SessionId(id)));
        assert_eq!(Owner::of(id).to_client(), id);
    }

    #[test]
    fn clients_see_sessions_only() {
        assert_eq!(Owner::Container.to_client(), 0);
        assert_eq!(Owner::Ttl(9).to_client(), 0);
        assert_eq!(Owner::Session(SessionId(7)).to_client(), 7);
    }
}
