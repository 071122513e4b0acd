//! Durations, moments and counts in words, the same wherever evidence is told.

use std::collections::BTreeMap;

/// A duration: `0.4 s`, `4 m 05 s` or `3 h 12 m`.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{} s", milliseconds % 1_000 / 100),
        60..3_600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A simulated moment in seconds, to the millisecond: `5.802 s`.
pub fn moment(nanoseconds: u64) -> String {
    format!("{}.{:03} s", nanoseconds / 1_000_000_000, nanoseconds / 1_000_000 % 1_000)
}

/// Milliseconds, with as many digits as matter: `0.4 ms`, `210 ms` or `4.2 s`.
pub fn milliseconds(value: f64) -> String {
    match value {
        value if value < 10.0 && value.fract() > 0.05 => format!("{value:.1} ms"),
        value if value < 1_000.0 => format!("{value:.0} ms"),
        value => format!("{:.1} s", value / 1e3),
    }
}

/// A count with its noun, which gets an s unless it is one.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Counts by kind, the most frequent first: `12 crash, 7 partition`.
pub fn by_kind(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().filter(|(_, count)| **count > 0).collect();
    sorted.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), *kind));
    if sorted.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<String> = sorted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    words.join(", ")
}

/// A word of a command, as a shell takes it for one: in quotes, if it has anything in it that means
/// something to a shell.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A text for people, with control characters spelt out: raw they would change lines, or a terminal. Line
/// ends and tabs stay.
pub fn visible(text: &str) -> String {
    let is_raw = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_raw) {
        return text.to_owned();
    }
    let spelt = |c: char| if is_raw(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spelt).collect()
}

/// A time of day, given in seconds since 1970, in UTC: `2026-11-20T16:42:07Z`.
pub fn utc(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian; Howard Hinnant, "chrono-
/// compatible low-level date algorithms": eras of 400 years that begin in March).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_are_quoted_where_a_shell_would_take_them_apart() {
        for (word, quoted) in [
            ("out/20261120T164207Z-42/plan.json", "out/20261120T164207Z-42/plan.json"),
            ("my runs/plan.json", "'my runs/plan.json'"),
            ("$(date)", "'$(date)'"),
            ("it's", r"'it'\''s'"),
            ("é", "'é'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }

    #[test]
    fn control_characters_are_spelt_out() {
        assert_eq!(visible("a\tb\n"), "a\tb\n");
        assert_eq!(visible("\u{1b}[2Jé\r\u{0}\u{9b}"), "\\u{1b}[2Jé\\r\\u{0}\\u{9b}");
    }

    #[test]
    fn durations_and_moments() {
        assert_eq!(duration(0), "0.0 s");
        assert_eq!(duration(449), "0.4 s");
        assert_eq!(duration(245_000), "4 m 05 s");
        assert_eq!(duration(11_520_000), "3 h 12 m");
        assert_eq!(moment(5_802_900_000), "5.802 s");
        let texts = [0.0, 0.44, 3.0, 210.4, 4_230.0].map(milliseconds);
        assert_eq!(texts, ["0 ms", "0.4 ms", "3 ms", "210 ms", "4.2 s"]);
    }

    #[test]
    fn counts_have_their_noun() {
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count(0, "run"), "0 runs");
        let counts = [("b", 2), ("a", 2), ("c", 9), ("d", 0)];
        let counts = counts.map(|(kind, count)| (kind.to_owned(), count)).into();
        assert_eq!(by_kind(&counts), "9 c, 2 a, 2 b");
        assert_eq!(by_kind(&BTreeMap::new()), "none");
    }

    #[test]
    fn times_of_day_agree_with_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_795_192_927, "2026-11-20T16:42:07Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
