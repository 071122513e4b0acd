//! Plain data of a system inside of what the harness holds: the harness keeps, compares and writes it,
//! and only the system knows its type.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What setups and operations are: plain data that is stored in plans.
pub trait Data:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<T> Data for T where
    T: Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// Data of a type that only its system knows. Cloning is cheap: nothing is copied.
#[derive(Clone)]
pub struct Opaque(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn to_json(&self) -> Value;
    fn is_equal(&self, other: &dyn Erased) -> bool;
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Data> Erased for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("plain data with text keys is JSON")
    }

    fn is_equal(&self, other: &dyn Erased) -> bool {
        other.as_any().downcast_ref::<T>().is_some_and(|other| other == self)
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Opaque {
    /// Hides the type.
    pub fn new<T: Data>(data: T) -> Opaque {
        Opaque(Arc::new(data))
    }

    /// The data, by the system that it belongs to.
    ///
    /// # Panics
    /// If it is another system's: a plan is only ever shown to the system that it names.
    pub fn get<T: Data>(&self) -> &T {
        self.0.as_any().downcast_ref().expect("a plan is shown to its own system only")
    }

    /// As plans write it.
    pub fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

impl PartialEq for Opaque {
    fn eq(&self, other: &Opaque) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.is_equal(&*other.0)
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f)
    }
}

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_equal_by_what_it_is_and_comes_back_as_its_own_type() {
        let (one, same, other) = (Opaque::new(3u32), Opaque::new(3u32), Opaque::new(4u32));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_ne!(one, Opaque::new(3u64), "of another type");
        assert_eq!(*one.get::<u32>(), 3);
        assert_eq!(serde_json::to_string(&one).unwrap(), "3");
    }

    #[test]
    #[should_panic(expected = "its own system")]
    fn another_systems_data_is_not_mistaken_for_ones_own() {
        Opaque::new(3u32).get::<u64>();
    }
}
