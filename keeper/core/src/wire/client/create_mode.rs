//! Kinds of znodes as a create asks for them (`CreateMode`).

/// What kind of node a create makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CreateMode {
    /// 0: lives until it is deleted.
    #[default]
    Persistent,
    /// 1: ends with its session.
    Ephemeral,
    /// 2: persistent, with a number appended to its name.
    PersistentSequential,
    /// 3: ephemeral, with a number appended to its name.
    EphemeralSequential,
    /// 4: deleted by the server some time after its last child.
    Container,
    /// 5: deleted by the server when it has no children and was not changed for long.
    PersistentWithTtl,
    /// 6: both a time to live and a number.
    PersistentSequentialWithTtl,
}

impl CreateMode {
    const ALL: [CreateMode; 7] = [
        CreateMode::Persistent,
        CreateMode::Ephemeral,
        CreateMode::PersistentSequential,
        CreateMode::EphemeralSequential,
        CreateMode::Container,
        CreateMode::PersistentWithTtl,
        CreateMode::PersistentSequentialWithTtl,
    ];

    /// From a create request's flags; `None` if they name no mode.
    pub fn from_flags(flags: i32) -> Option<CreateMode> {
        CreateMode::ALL.get(usize::try_from(flags).ok()?).copied()
    }

    /// As a create request's flags carry it.
    pub fn to_flags(self) -> i32 {
        self as i32
    }

    /// Whether the node ends with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Whether a number is appended to the name.
    pub fn is_sequential(self) -> bool {
        matches!(
            self,
            CreateMode::PersistentSequential
                | CreateMode::EphemeralSequential
                | CreateMode::PersistentSequentialWithTtl
        )
    }

    /// Whether the node is a container.
    pub fn is_container(self) -> bool {
        self == CreateMode::Container
    }

    /// Whether the node has a time to live.
    pub fn is_ttl(self) -> bool {
        matches!(self, CreateMode::PersistentWithTtl | CreateMode::PersistentSequentialWithTtl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_zookeepers() {
        for flags in 0..7 {
            assert_eq!(CreateMode::from_flags(flags).map(CreateMode::to_flags), Some(flags));
        }
        assert_eq!(CreateMode::from_flags(7), None);
        assert_eq!(CreateMode::from_flags(-1), None);
        assert_eq!(CreateMode::from_flags(3), Some(CreateMode::EphemeralSequential));
        assert_eq!(CreateMode::from_flags(6), Some(CreateMode::PersistentSequentialWithTtl));
    }

    #[test]
    fn each_property_belongs_to_its_modes() {
        let of = |holds: fn(CreateMode) -> bool| -> Vec<i32> {
            CreateMode::ALL
                .into_iter()
                .filter(|mode| holds(*mode))
                .map(CreateMode::to_flags)
                .collect()
        };
        assert_eq!(of(CreateMode::is_ephemeral), [1, 3]);
        assert_eq!(of(CreateMode::is_sequential), [2, 3, 6]);
        assert_eq!(of(CreateMode::is_container), [4]);
        assert_eq!(of(CreateMode::is_ttl), [5, 6]);
    }
}
