//! What fields of faults are made of: which targets they name, what milder values there are, and what
//! may be written into them.

use super::{Settings, Target};
use crate::clock::Clock;
use crate::disk::OpKind;

pub(super) use super::range::*;

/// A value of a field.
pub(super) trait Field: Sized {
    /// Shows every target in it.
    fn targets<'a>(&'a self, see: &mut dyn FnMut(&'a Target)) {
        let _ = see;
    }

    /// The value with other targets; none if nobody is left.
    fn map_targets(&self, change: &mut dyn FnMut(&Target) -> Option<Target>) -> Option<Self>;

    /// Milder values.
    fn milder(&self) -> Vec<Self> {
        Vec::new()
    }
}

impl Field for Target {
    fn targets<'a>(&'a self, see: &mut dyn FnMut(&'a Target)) {
        see(self);
    }

    fn map_targets(&self, change: &mut dyn FnMut(&Target) -> Option<Target>) -> Option<Target> {
        change(self)
    }
}

impl<T: Field + Clone> Field for Vec<T> {
    fn targets<'a>(&'a self, see: &mut dyn FnMut(&'a Target)) {
        self.iter().for_each(|item| item.targets(see));
    }

    fn map_targets(&self, change: &mut dyn FnMut(&Target) -> Option<Target>) -> Option<Vec<T>> {
        let left: Vec<T> = self.iter().filter_map(|item| item.map_targets(change)).collect();
        (!left.is_empty()).then_some(left)
    }

    fn milder(&self) -> Vec<Vec<T>> {
        if self.len() < 2 {
            return Vec::new();
        }
        let without = |gone: usize| {
            let kept = self.iter().enumerate().filter(|(index, _)| *index != gone);
            kept.map(|(_, item)| item.clone()).collect()
        };
        (0..self.len()).map(without).collect()
    }
}

impl<T: Field + Clone> Field for Option<T> {
    fn map_targets(&self, _change: &mut dyn FnMut(&Target) -> Option<Target>) -> Option<Option<T>> {
        Some(self.clone())
    }

    fn milder(&self) -> Vec<Option<T>> {
        let milder = self.iter().flat_map(Field::milder);
        milder.map(Some).collect()
    }
}

/// Values that name nobody.
macro_rules! plain {
    ($($type:ty: $milder:expr;)*) => {
        $(impl Field for $type {
            fn map_targets(
                &self,
                _change: &mut dyn FnMut(&Target) -> Option<Target>,
            ) -> Option<$type> {
                Some(self.clone())
            }

            fn milder(&self) -> Vec<$type> {
                let milder: fn(&$type) -> Option<$type> = $milder;
                milder(self).into_iter().collect()
            }
        })*
    };
}

plain! {
    u32: |value| (*value > 1).then_some(value / 2);
    u64: |value| (*value > 1).then_some(value / 2);
    i64: |value| (value.abs() > 1).then_some(value / 2);
    f64: |value| (*value > 0.0).then_some(0.0);
    bool: |_| None;
    String: |_| None;
    Clock: |_| None;
    OpKind: |_| None;
}

impl Field for Settings {
    fn map_targets(&self, _change: &mut dyn FnMut(&Target) -> Option<Target>) -> Option<Settings> {
        Some(self.clone())
    }

    fn milder(&self) -> Vec<Settings> {
        let halved = self.iter().filter(|(_, value)| **value > 1).map(|(name, value)| {
            let mut settings = self.clone();
            settings.insert(name.clone(), value / 2);
            settings
        });
        halved.collect()
    }
}

/// Every value of the type may be.
#[allow(clippy::unnecessary_wraps, reason = "it stands where others check")]
pub(super) fn any<T>(_value: &T) -> Result<(), String> {
    Ok(())
}

/// A name, as a system declares it.
pub(super) fn word(value: &str) -> Result<(), String> {
    if value.is_empty() { Err("nothing, expected a name".to_owned()) } else { Ok(()) }
}

/// From 0 to 1.
pub(super) fn probability(value: &f64) -> Result<(), String> {
    match (0.0..=1.0).contains(value) {
        true => Ok(()),
        false => Err(format!("{value}, expected a probability from 0 to 1")),
    }
}

/// At least one host, and none of them by a mark: a list has no one who hits it.
pub(super) fn hosts(targets: &[Target]) -> Result<(), String> {
    if targets.is_empty() {
        return Err("nobody, expected at least one host".to_owned());
    }
    if let Some(mark) = targets.iter().find(|target| matches!(target, Target::Mark(_))) {
        return Err(format!("`{mark}`, expected here, and the mark as the fault's `when`"));
    }
    targets.iter().try_for_each(whom)
}

/// Two sides or more, each of at least one host.
pub(super) fn sides(sides: &[Vec<Target>]) -> Result<(), String> {
    if sides.len() < 2 {
        return Err(format!("{} of them, expected two or more", sides.len()));
    }
    sides.iter().try_for_each(|side| hosts(side))
}
