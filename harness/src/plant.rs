//! Planted bugs: what each is, where it really happened, what must catch it, and within how many seeds.

/// A bug that a harness worth its name finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// Its name, as plans and the command line spell it: that of the plant in the system's code.
    pub name: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// What goes wrong, and where it is a moral equivalent of its source, in what it differs.
    pub what: &'static str,
    /// The scenario that shows it soonest.
    pub scenario: &'static str,
    /// The properties of which at least one must fail, the closest to the cause first.
    pub expected: &'static [&'static str],
    /// The property that shows what it means to a client, if that is another one; it must fail
    /// within the budget too.
    pub consequence: Option<&'static str>,
    /// Within how many seeds one must fail.
    pub budget_seeds: u64,
}
