//! How a simulated program stops the passing of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag by which a simulated program interrupts the passing of time, because the harness has to
/// act at once. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Attention(Arc<AtomicBool>);

impl Attention {
    /// Asks for attention.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether attention was asked for since it was last taken.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes notice. Whether attention had been asked for.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
