//! Marks: places in the code that say what a run has seen, or what must hold there.
//!
//! A mark is no part of a run's trace, so that a new one changes no stored run.

/// What the text of every marked place begins with. A production binary does not contain it.
pub const SITE_PREFIX: &str = "squall mark ";

/// A mark of one system: its place in the system's declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkId(pub u16);

impl MarkId {
    /// Its place in the system's declarations.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a system says of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkDeclaration {
    /// Its name, as plans and reports spell it.
    pub name: &'static str,
    /// What it claims.
    pub kind: MarkKind,
    /// What has been seen when it is hit; of an `Always` one, what holds there.
    pub about: &'static str,
}

/// What a mark claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// The line is executed in some run.
    Reachable,
    /// The condition is true there in some run.
    Sometimes,
    /// The condition is true there every time.
    Always,
}

impl MarkKind {
    /// `reachable`, `sometimes` or `always`.
    pub const fn name(self) -> &'static str {
        match self {
            MarkKind::Reachable => "reachable",
            MarkKind::Sometimes => "sometimes",
            MarkKind::Always => "always",
        }
    }
}

/// This line was executed: the type of the probe, the probe, the mark.
#[macro_export]
macro_rules! reachable {
    ($probe_type:ty, $probe:expr, $mark:path) => {
        $crate::mark_here!($probe_type, $probe, Reachable, $mark)
    };
}

/// The condition was true here. It is evaluated for harnesses only.
#[macro_export]
macro_rules! sometimes {
    ($probe_type:ty, $probe:expr, $mark:path, $condition:expr $(,)?) => {
        if <$probe_type>::EVENTS && $condition {
            $crate::mark_here!($probe_type, $probe, Sometimes, $mark);
        }
    };
}

/// The condition is true here, always. A false one is a violation that the run reports; the program
/// goes on, for what follows is worth seeing. It is evaluated for harnesses only.
#[macro_export]
macro_rules! always {
    ($probe_type:ty, $probe:expr, $mark:path, $condition:expr, $($message:tt)+) => {
        if <$probe_type>::EVENTS {
            $crate::mark_here!($probe_type, $probe, Always, $mark);
            if !$condition {
                $crate::Probe::broken(&$probe, $mark.id(), format!($($message)+));
            }
        }
    };
}

/// What the three have in common. A mark of another kind than its declaration says does not compile.
#[doc(hidden)]
#[macro_export]
macro_rules! mark_here {
    ($probe_type:ty, $probe:expr, $kind:ident, $mark:path) => {
        if <$probe_type>::EVENTS {
            const {
                assert!(
                    matches!($mark.kind(), $crate::MarkKind::$kind),
                    "the mark is declared as another kind"
                );
            }
            $crate::Probe::mark(
                &$probe,
                $mark.id(),
                concat!("squall mark ", stringify!($mark), " at ", file!(), ":", line!()),
            );
        }
    };
}

/// Declares the marks of a system with their kinds, names and descriptions, once: an enum `Mark` whose
/// `ALL`, `name`, `named`, `id` and `DECLARATIONS` are what a harness needs of it.
#[macro_export]
macro_rules! marks {
    ($($(#[doc = $doc:literal])+ $kind:ident $variant:ident = $name:literal,)*) => {
        /// A mark. Its description says what has been seen when it is hit; that of an `Always` one,
        /// what holds there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mark {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Mark {
            /// Every one, in the order of their indices.
            pub const ALL: &[Mark] = &[$(Mark::$variant,)*];

            /// What they say, in the order of [`Mark::ALL`].
            pub const DECLARATIONS: &[$crate::MarkDeclaration] = &[$($crate::MarkDeclaration {
                name: $name,
                kind: $crate::MarkKind::$kind,
                about: concat!($($doc),+).trim_ascii(),
            },)*];

            /// Its name, as plans and reports spell it.
            pub fn name(self) -> &'static str {
                Mark::DECLARATIONS[self as usize].name
            }

            /// What it claims.
            pub const fn kind(self) -> $crate::MarkKind {
                match self {
                    $(Mark::$variant => $crate::MarkKind::$kind,)*
                }
            }

            /// What it says, in one line.
            pub fn description(self) -> &'static str {
                Mark::DECLARATIONS[self as usize].about
            }

            /// The mark of that name.
            pub fn named(name: &str) -> Option<Mark> {
                Mark::ALL.iter().copied().find(|mark| mark.name() == name)
            }

            /// Its place in [`Mark::ALL`].
            pub fn index(self) -> usize {
                self as usize
            }

            /// Its place among the marks of its system.
            pub const fn id(self) -> $crate::MarkId {
                $crate::MarkId(self as u16)
            }

            /// The mark in that place.
            ///
            /// # Panics
            /// If the system has none there: the identifier is another system's.
            pub fn of(id: $crate::MarkId) -> Mark {
                Mark::ALL[id.index()]
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares what a system makes public")]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};

    use super::{MarkId, SITE_PREFIX};
    use crate::{Off, Probe};

    marks! {
        /// A value arrives.
        Reachable Arrives = "arrives",
        /// Several arrive.
        Sometimes Several = "several",
        /// There are few.
        Always Few = "few",
    }

    /// A probe that remembers marks.
    #[derive(Clone, Default)]
    struct Notebook {
        marks: Arc<Mutex<Vec<(MarkId, &'static str)>>>,
        broken: Arc<Mutex<Vec<(MarkId, String)>>>,
    }

    impl Probe<()> for Notebook {
        const PLANTS: bool = false;
        const EVENTS: bool = true;

        fn mark(&self, mark: MarkId, site: &'static str) {
            self.marks.lock().unwrap().push((mark, site));
        }

        fn broken(&self, mark: MarkId, message: String) {
            self.broken.lock().unwrap().push((mark, message));
        }
    }

    struct Machine<I: Probe<()>> {
        probe: I,
        asked: Rc<RefCell<u32>>,
    }

    impl<I: Probe<()>> Machine<I> {
        fn step(&self, value: u32) {
            reachable!(I, self.probe, Mark::Arrives);
            sometimes!(I, self.probe, Mark::Several, self.ask(value) > 1);
            always!(I, self.probe, Mark::Few, self.ask(value) < 3, "{value}, expected less than 3");
        }

        fn ask(&self, value: u32) -> u32 {
            *self.asked.borrow_mut() += 1;
            value
        }
    }

    fn step(value: u32) -> (Vec<Mark>, Vec<(Mark, String)>) {
        let probe = Notebook::default();
        let machine = Machine { probe: probe.clone(), asked: Rc::default() };
        machine.step(value);
        let marks = probe.marks.lock().unwrap();
        assert!(marks.iter().all(|(_, site)| site.starts_with(SITE_PREFIX)), "{marks:?}");
        let broken = probe.broken.lock().unwrap().clone();
        let broken = broken.into_iter().map(|(mark, message)| (Mark::of(mark), message));
        (marks.iter().map(|(mark, _)| Mark::of(*mark)).collect(), broken.collect())
    }

    #[test]
    fn marks_are_hit_when_their_conditions_hold_and_broken_when_they_must_not() {
        assert_eq!(step(1), (vec![Mark::Arrives, Mark::Few], vec![]));
        assert_eq!(step(2), (vec![Mark::Arrives, Mark::Several, Mark::Few], vec![]));
        let (marks, broken) = step(3);
        assert_eq!(marks, [Mark::Arrives, Mark::Several, Mark::Few]);
        assert_eq!(broken, [(Mark::Few, "3, expected less than 3".to_owned())]);
    }

    #[test]
    fn conditions_are_not_even_asked_without_a_probe() {
        let machine = Machine { probe: Off, asked: Rc::default() };
        machine.step(3);
        assert_eq!(*machine.asked.borrow(), 0);
    }

    #[test]
    fn marks_are_found_by_their_names_and_say_what_they_are() {
        let names: BTreeSet<&str> = Mark::ALL.iter().map(|mark| mark.name()).collect();
        assert_eq!(names.len(), Mark::ALL.len());
        for (index, mark) in Mark::ALL.iter().enumerate() {
            assert_eq!(Mark::named(mark.name()), Some(*mark));
            assert_eq!((mark.index(), Mark::of(mark.id())), (index, *mark));
            assert_eq!(mark.kind(), Mark::DECLARATIONS[index].kind);
            assert!(mark.description().ends_with('.'), "{}", mark.description());
        }
        assert_eq!(Mark::named("none"), None);
    }
}
