//! The ranges of the numbers that faults are made of, in one table. What a person may write into a plan by
//! mistake ends here and not in the arithmetic of a world; what is generated lies far within.

use super::Target;
use crate::fault::MarkTarget;

/// A day, the longest that a plan may be, in milliseconds.
const DAY_MS: i128 = 86_400_000;
/// A year in milliseconds: a clock that is further off tells nothing new.
const YEAR_MS: i128 = 365 * DAY_MS;

/// Declares ranges: `name: low to high`. Each becomes a check for the fields of faults.
macro_rules! ranges {
    ($($(#[doc = $doc:literal])+ $name:ident: $low:expr, to $high:expr;)*) => {
        $(
            $(#[doc = $doc])+
            pub(super) fn $name(number: &impl Number) -> Result<(), String> {
                let Some(number) = number.number() else { return Ok(()) };
                let (low, high): (i128, i128) = ($low, $high);
                match (low..=high).contains(&number) {
                    true => Ok(()),
                    false => Err(format!("{number}, expected {low} to {high}")),
                }
            }
        )*
    };
}

ranges! {
    /// How long something lasts, or when it comes, in milliseconds.
    day: 0, to DAY_MS;
    /// How much longer bytes are under way, in milliseconds: an hour is longer than any time-out.
    delay: 0, to 3_600_000;
    /// Between two events of a kind, in milliseconds.
    interval: 1, to DAY_MS;
    /// How long after a hit, in microseconds.
    after: 0, to DAY_MS * 1_000;
    /// Which of many, from 1.
    nth: 1, to 1_000_000_000;
    /// Which of those who play a role, from 0: no group has more hosts.
    player: 0, to 98;
    /// How many sectors of a file.
    sectors: 1, to 1_000_000;
    /// How much a link carries in a second.
    bandwidth: 1, to 1_000_000_000_000;
    /// By how much a disk's latencies are multiplied; 0 is a stall.
    slowness: 0, to 1_000_000;
    /// By how much a clock is set wrong, in milliseconds.
    offset: -YEAR_MS, to YEAR_MS;
    /// By how much a clock's rate is off, in millionths: from a tenth of the true rate to ten times that.
    drift: -900_000, to 9_000_000;
}

/// A number that there may be.
pub(super) trait Number {
    /// It, if it is there.
    fn number(&self) -> Option<i128>;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn number(&self) -> Option<i128> {
                Some(i128::from(*self))
            }
        })*
    };
}

numbers!(u32, u64, i64);

impl<T: Number> Number for Option<T> {
    fn number(&self) -> Option<i128> {
        self.as_ref()?.number()
    }
}

/// The numbers of a target: which player of a role, since when, which hit of a mark, how long after it.
pub(super) fn whom(target: &Target) -> Result<(), String> {
    let told = |message| format!("{target}: {message}");
    match target {
        Target::Nth(_, index) => player(index).map_err(told),
        Target::Since(_, since_ms) => day(since_ms).map_err(told),
        Target::Mark(target) => place(target),
        Target::Named(_) | Target::Here => Ok(()),
    }
}

/// The numbers of a place in the code.
pub(super) fn place(target: &MarkTarget) -> Result<(), String> {
    let told = |message| format!("{target}: {message}");
    nth(&target.nth).and_then(|()| after(&target.after_us)).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::super::TimedFault;

    fn complaint(rest: &str) -> Option<(&'static str, String)> {
        let fault: TimedFault = serde_json::from_str(&format!(r#"{{"at_ms":1,{rest}}}"#)).unwrap();
        fault.check().err()
    }

    /// Every number of every kind with the first value that it may not have.
    #[test]
    fn every_number_has_a_range() {
        let max = u64::MAX;
        for (rest, field, message) in [
            (r#""until_ms":86400001,"kind":"crash","target":"a""#, "until_ms", "86400001"),
            (
                r#""kind":"restart","targets":["a"],"down_ms":86400001,"gap_ms":1"#,
                "down_ms",
                "8640",
            ),
            (
                r#""kind":"restart","targets":["a"],"down_ms":1,"gap_ms":18446744073709551615"#,
                "gap_ms",
                "18446744073709551615, expected 0 to 86400000",
            ),
            (
                r#""kind":"slow_disk","target":"a","factor":1000001"#,
                "factor",
                "1000001, expected 0",
            ),
            (r#""kind":"eio","target":"a","op":"sync","nth":0"#, "nth", "0, expected 1 to"),
            (r#""kind":"lost_write","target":"a","down_ms":86400001"#, "down_ms", "86400001"),
            (
                r#""kind":"misdirected_write","target":"a","onto":"b","nth":0,"down_ms":1"#,
                "nth",
                "0, expected 1",
            ),
            (r#""kind":"rot","target":"a","file":"f","sectors":0"#, "sectors", "0, expected 1"),
            (r#""kind":"restore","target":"a","taken_ms":86400001"#, "taken_ms", "86400001"),
            (r#""kind":"bandwidth","from":["a"],"to":["b"],"bytes_per_s":0"#, "bytes_per_s", "0"),
            (r#""kind":"slow_link","from":["a"],"to":["b"],"extra_ms":3600001"#, "extra_ms", "360"),
            (r#""kind":"clock_offset","target":"a","offset_ms":31536000001"#, "offset_ms", "3153"),
            (r#""kind":"clock_jump","target":"a","by_ms":-31536000001"#, "by_ms", "-31536000001"),
            (r#""kind":"clock_jump","target":"a","by_ms":1,"every_ms":0"#, "every_ms", "0"),
            (r#""kind":"clock_drift","target":"a","ppm":-900001"#, "ppm", "-900001, expected -9"),
            (r#""kind":"crash","target":"b:99""#, "target", "b:99: 99, expected 0 to 98"),
            (r#""kind":"isolate","who":"b+86400001""#, "who", "b+86400001: 86400001, expected 0"),
            (r#""kind":"reset","from":["a:99"],"to":["b"]"#, "from", "a:99: 99, expected 0 to 98"),
            (r#""kind":"partition","sides":[["a"],["b:99"]]"#, "sides", "b:99: 99, expected 0"),
            (
                r#""kind":"crash","target":"mark:m+86400000001us""#,
                "target",
                "mark:m+86400000001us: 86400000001, expected 0 to 86400000000",
            ),
            (
                r#""when":"mark:m#1000000001","kind":"crash","target":"here""#,
                "when",
                "mark:m#1000000001: 1000000001, expected 1 to 1000000000",
            ),
        ] {
            let (at, told) = complaint(rest).unwrap_or_else(|| panic!("{rest} is within a range"));
            assert!(at == field && told.starts_with(message), "{rest}: {at}: {told}");
        }
        let widest = format!(
            r#""until_ms":86400000,"kind":"own","name":"n","target":"b:98","amount":{max}"#
        );
        assert_eq!(complaint(&widest), None, "what an amount may be says the system");
    }
}
