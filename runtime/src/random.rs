//! Random sources, each with a purpose.

use rand_core::{Infallible, TryCryptoRng, TryRng};

/// A source of randomness: a seeded stream in a world, the operating system's outside. It is a
/// generator as crate `rand` expects one, too.
#[derive(Debug)]
pub struct Random(Source);

#[derive(Debug)]
enum Source {
    #[cfg(feature = "simulated")]
    Simulated(Box<sim::seed::Draws>),
    System,
}

/// A random source for `purpose`.
///
/// In a world it is a stream of the seed, the host, the purpose, and how often the program has asked
/// for that purpose since it started: what one part of a program draws moves nothing of another.
/// Outside it is the operating system's entropy, whatever the purpose.
pub fn random(purpose: &str) -> Random {
    #[cfg(feature = "simulated")]
    if let Some(here) = crate::simulated::here() {
        return Random(Source::Simulated(Box::new(here.random(purpose))));
    }
    let _ = purpose;
    Random(Source::System)
}

impl Random {
    /// Fills `bytes`.
    ///
    /// # Panics
    /// If the operating system has no entropy, which no supported one lets happen after its start.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        match &mut self.0 {
            #[cfg(feature = "simulated")]
            Source::Simulated(draws) => draws.fill(bytes),
            Source::System => getrandom::fill(bytes).expect("the system has entropy"),
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Each of `0..limit` as likely as any other.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "nothing lies below zero");
        // The largest multiple of the limit; what lies above it would favour some results.
        let end = u64::MAX - u64::MAX % limit;
        loop {
            let drawn = self.bits();
            if drawn < end {
                return drawn % limit;
            }
        }
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.bits() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

/// Both ChaCha8 and the system's generator are fit for keys, the former as long as nobody knows the
/// seed: in a world everybody does.
impl TryCryptoRng for Random {}
