//! Seeds, durations and sizes, as they are written on a command line.

use std::process::Command;
use std::time::Duration;

/// A seed as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedArgument {
    /// The number itself, as it was given.
    Number(u64),
    /// That of the commit checked out here.
    Auto,
}

/// Reads a number, 40 hexadecimal digits or `auto`.
pub fn parse_seed(text: &str) -> Result<SeedArgument, String> {
    if text == "auto" {
        return Ok(SeedArgument::Auto);
    }
    let number = commit_seed(text).or_else(|| {
        text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    });
    number.map(SeedArgument::Number).ok_or_else(|| {
        "expected a number below 2^64, the 40 hexadecimal digits of a commit, or auto".to_owned()
    })
}

/// The seed of a commit: its first 16 digits.
fn commit_seed(text: &str) -> Option<u64> {
    let is_commit = text.len() == 40 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_commit { u64::from_str_radix(&text[..16], 16).ok() } else { None }
}

impl SeedArgument {
    /// The number.
    ///
    /// # Errors
    /// When it is to be that of a commit and there is none here.
    pub fn resolve(self) -> Result<u64, String> {
        match self {
            SeedArgument::Number(seed) => Ok(seed),
            SeedArgument::Auto => {
                let output = Command::new("git").args(["rev-parse", "HEAD"]).output();
                let head = output.ok().filter(|output| output.status.success());
                let head = head.and_then(|output| String::from_utf8(output.stdout).ok());
                head.and_then(|commit| commit_seed(commit.trim())).ok_or_else(|| {
                    "--seed auto: there is no git commit here; give a number instead".to_owned()
                })
            }
        }
    }
}

/// Reads `500ms`, `60s`, `10m`, `1h` or seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds_per_unit = match unit {
        "ms" => Some(1),
        "s" | "" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let milliseconds = number.zip(milliseconds_per_unit).and_then(|(n, unit)| n.checked_mul(unit));
    match milliseconds {
        Some(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        Some(_) | None => Err("expected a time like 500ms, 60s, 10m or 1h".to_owned()),
    }
}

/// Reads a number as `900`, `500K`, `40M` or `2G`, in thousands.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let each = match unit {
        "" => Some(1),
        "K" => Some(1_000),
        "M" => Some(1_000_000),
        "G" => Some(1_000_000_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let count = number.zip(each).and_then(|(number, each)| number.checked_mul(each));
    count
        .filter(|count| *count > 0)
        .ok_or_else(|| "expected a number like 500K, 40M or 2G".to_owned())
}

/// Reads `500K`, `100M`, `2G` or bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let bytes_per_unit = match unit {
        "" => Some(1),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.zip(bytes_per_unit).and_then(|(n, unit): (u64, u64)| n.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size like 500K, 100M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_or_commits() {
        let number = |text: &str| match parse_seed(text) {
            Ok(SeedArgument::Number(seed)) => Some(seed),
            Ok(SeedArgument::Auto) | Err(_) => None,
        };
        assert_eq!(number("1234"), Some(1234));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(&format!("{}{}", "00000000000000ff", "0".repeat(24))), Some(255));
        assert_eq!(number(&"1".repeat(40)), Some(0x1111_1111_1111_1111));
        assert_eq!(parse_seed("auto"), Ok(SeedArgument::Auto));
        for bad in ["", "-1", "+1", "x", "18446744073709551616", "0x10", &"g".repeat(40)] {
            assert!(parse_seed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("3"), Ok(3));
        assert_eq!(parse_size("500K"), Ok(512_000));
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        for bad in ["", "G", "0", "2g", "1.5M", "-1", "99999999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_units() {
        let milliseconds = |text: &str| parse_duration(text).map(|time| time.as_millis());
        assert_eq!(milliseconds("500ms"), Ok(500));
        assert_eq!(milliseconds("60s"), Ok(60_000));
        assert_eq!(milliseconds("60"), Ok(60_000));
        assert_eq!(milliseconds("10m"), Ok(600_000));
        assert_eq!(milliseconds("1h"), Ok(3_600_000));
        for bad in
            ["", "s", "0s", "1.5s", "-1s", "1d", "99999999999999999999h", "9999999999999999h"]
        {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
    }
}
