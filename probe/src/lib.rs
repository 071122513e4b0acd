//! How code is seen and broken by a harness, and how nothing of that is left in production.
//!
//! A machine takes a type parameter `I: Probe<Observation> = Off` and keeps a value of it in a field
//! named `probe`. Through it the machine *observes* (tells a step of its protocol), hits *marks*
//! ([`marks!`]) and asks whether it carries a *plant* ([`plants!`]), a bug that is planted to prove that
//! a harness would find it. [`Off`] is zero-sized, its two constants are false, and whatever hangs on
//! them is gone from the program.
//!
//! A type parameter and not a cargo feature: features unify over a workspace, so that building a
//! harness beside a server would put the plants into the server.
//!
//! ```
//! use probe::{Off, Probe};
//!
//! probe::plants! {
//!     /// A deposit is counted twice.
//!     CountsTwice = "counts-twice",
//! }
//!
//! probe::marks! {
//!     /// An account is empty again.
//!     Sometimes Emptied = "emptied",
//! }
//!
//! #[derive(Clone, Debug, PartialEq)]
//! enum Observation {
//!     Deposited(u64),
//! }
//!
//! struct Account<I: Probe<Observation> = Off> {
//!     balance: u64,
//!     probe: I,
//! }
//!
//! impl<I: Probe<Observation>> Account<I> {
//!     fn deposit(&mut self, amount: u64) {
//!         self.balance += amount;
//!         if probe::planted!(I, self.probe, Plant::CountsTwice) {
//!             self.balance += amount;
//!         }
//!         self.probe.observe(Observation::Deposited(amount));
//!     }
//!
//!     fn withdraw(&mut self) -> u64 {
//!         let all = std::mem::take(&mut self.balance);
//!         probe::sometimes!(I, self.probe, Mark::Emptied, all > 0);
//!         all
//!     }
//! }
//!
//! let mut account = Account { balance: 0, probe: Off };
//! account.deposit(3);
//! assert_eq!(account.withdraw(), 3);
//! ```

mod mark;
mod plant;

pub use mark::{MarkDeclaration, MarkId, MarkKind, SITE_PREFIX};
pub use plant::{PLANT_PREFIX, PlantDeclaration, PlantId};

/// A harness's access to one machine, whose observations are of type `O`.
///
/// Every method has a body that does nothing, so that an implementer says only what it hears of.
pub trait Probe<O>: Clone + Send + 'static {
    /// Whether a plant may be in force. False removes the code of every [`planted!`].
    const PLANTS: bool;

    /// Whether observations and marks are heard. False removes their code.
    const EVENTS: bool;

    /// Whether this machine carries the plant. Asked by [`planted!`] alone, last of all conditions: true
    /// means that the machine now leaves the right path, at `site`.
    fn has(&self, plant: PlantId, site: &'static str) -> bool {
        let _ = (plant, site);
        false
    }

    /// Something that properties are judged by has happened.
    fn observe(&mut self, observation: O) {
        drop(observation);
    }

    /// A mark was hit at `site`, in the midst of the step whose effects have not left yet. Told by the
    /// macros alone.
    fn mark(&self, mark: MarkId, site: &'static str) {
        let _ = (mark, site);
    }

    /// What an [`always!`] claims does not hold; `message` says what is instead.
    fn broken(&self, mark: MarkId, message: String) {
        let _ = (mark, message);
    }
}

/// Nobody looks and nothing is planted: production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Off;

impl<O> Probe<O> for Off {
    const PLANTS: bool = false;
    const EVENTS: bool = false;
}

/// A hash of bytes that is the same in every run and build (FNV-1a, 64 bits): for comparing what two
/// machines hold, and for names that are made of content.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::hash_bytes;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the FNV reference.
        assert_eq!(hash_bytes(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash_bytes(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash_bytes(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
