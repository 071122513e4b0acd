//! Exit codes, and which one counts when several apply.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything passed: 0.
    Passed,
    /// A property was violated.
    Violated,
    /// Not decided: a limit was reached, or nothing was checked.
    Undecided,
    /// The harness itself cannot be trusted.
    Untrusted,
    /// Nothing ran, because there was nothing to do: 4.
    NothingRan,
    /// Bad usage or unreadable input.
    Usage,
    /// The harness itself failed.
    Internal,
    /// Stopped by a signal; partial results were kept.
    Interrupted,
}

impl Exit {
    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::Violated => 1,
            Exit::Undecided => 2,
            Exit::Untrusted => 3,
            Exit::NothingRan => 4,
            Exit::Usage => 64,
            Exit::Internal => 70,
            Exit::Interrupted => 130,
        }
    }

    /// The more urgent of two.
    pub fn and(self, other: Exit) -> Exit {
        if other.urgency() > self.urgency() { other } else { self }
    }

    fn urgency(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::NothingRan => 1,
            Exit::Undecided => 2,
            Exit::Usage => 3,
            Exit::Violated => 4,
            Exit::Untrusted => 5,
            Exit::Interrupted => 6,
            Exit::Internal => 7,
        }
    }
}

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    everything passed
  1    a property was violated (the counter-example is written)
  2    undecided: a limit was reached, or nothing was checked
  3    the harness cannot be trusted: a replay differs, a run ended in two ways, the canary was
       not found, a campaign hardly saw anything, or a task never yields and holds its run up
  4    nothing ran
  64   bad usage or unreadable input
  70   internal error
  130  interrupted; partial results are kept
When several apply, the most urgent counts: 70, 130, 3, 1, 64, 2, 4, 0.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_counts_in_either_order() {
        let order = [
            Exit::Passed,
            Exit::NothingRan,
            Exit::Undecided,
            Exit::Usage,
            Exit::Violated,
            Exit::Untrusted,
            Exit::Interrupted,
            Exit::Internal,
        ];
        for (index, less) in order.iter().enumerate() {
            for more in &order[index..] {
                assert_eq!(less.and(*more), *more);
                assert_eq!(more.and(*less), *more);
            }
        }
    }
}
