//! Plants: bugs that a harness plants to prove that it would find them.

/// What the text of every planted site begins with. A production binary does not contain it.
pub const PLANT_PREFIX: &str = "squall plant ";

/// A plant of one system: its place in the system's declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlantId(pub u16);

/// What a system says of a plant where its code carries it. What it means, and which property must
/// catch it, is the harness's side's knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantDeclaration {
    /// Its name, as plans and the command line spell it.
    pub name: &'static str,
    /// What goes wrong, in one line.
    pub about: &'static str,
}

/// Declares the plants of a system with their names, once: an enum `Plant` whose `ALL`, `name`, `named`,
/// `id` and `DECLARATIONS` are what a harness needs of it.
#[macro_export]
macro_rules! plants {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// A bug that a harness can plant to prove that it would be found. What each means, and
        /// which property must catch it, is the harness's knowledge.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Plant {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Plant {
            /// Every plant, in the order of its declaration.
            pub const ALL: &[Plant] = &[$(Plant::$variant,)*];

            /// What they are called, in the order of [`Plant::ALL`].
            pub const DECLARATIONS: &[$crate::PlantDeclaration] = &[$($crate::PlantDeclaration {
                name: $name,
                about: concat!($($doc),+).trim_ascii(),
            },)*];

            /// Its name, as plans and the command line spell it.
            pub fn name(self) -> &'static str {
                Plant::DECLARATIONS[self as usize].name
            }

            /// The plant of that name.
            pub fn named(name: &str) -> Option<Plant> {
                Plant::ALL.iter().copied().find(|plant| plant.name() == name)
            }

            /// Its place among the plants of its system.
            pub const fn id(self) -> $crate::PlantId {
                $crate::PlantId(self as u16)
            }
        }
    };
}

/// Whether a plant takes effect here: the type of the probe, the probe, the plant. False at compile time
/// where the probe's `PLANTS` is. Ask it last: `condition && planted!(I, self.probe, Plant::Zk1234)`, so
/// that being asked is being reached.
#[macro_export]
macro_rules! planted {
    ($probe_type:ty, $probe:expr, $plant:expr) => {
        <$probe_type>::PLANTS
            && $crate::Probe::has(
                &$probe,
                $plant.id(),
                concat!("squall plant ", stringify!($plant), " at ", file!(), ":", line!()),
            )
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares what a system makes public")]
mod tests {
    plants! {
        /// One goes wrong.
        One = "one",
        /// Another goes
        /// wrong.
        Another = "another",
    }

    #[test]
    fn plants_are_found_by_their_names() {
        for (index, plant) in Plant::ALL.iter().enumerate() {
            assert_eq!(Plant::named(plant.name()), Some(*plant));
            assert_eq!(usize::from(plant.id().0), index);
        }
        assert_eq!(Plant::named("none"), None);
        assert_eq!(Plant::DECLARATIONS[1].about, "Another goes wrong.");
    }
}
