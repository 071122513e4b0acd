//! `#inst`: moments, spelled in one way each.
//!
//! After `clojure.instant`: RFC 3339 with parts left out from the right, and an offset from UTC. Two
//! are equal if they are the same millisecond, as `java.util.Date` has it.

/// The text of a moment as Clojure prints it, in UTC; `None` if it is none.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let mut date = date.split('-');
    let year = number(date.next()?, 4)?;
    let month = date.next().map_or(Some(1), |part| number(part, 2))?;
    let day = date.next().map_or(Some(1), |part| number(part, 2))?;
    if date.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (time, offset_min) = offset(time)?;
    let (time, part) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.split(':').filter(|part| !part.is_empty());
    let mut next = || time.next().map_or(Some(0), |part| number(part, 2));
    let (hour, minute, second) = (next()?, next()?, next()?);
    if hour > 23 || minute > 59 || second > 60 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let milliseconds: String = part.chars().chain("000".chars()).take(3).collect();
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - offset_min;
    let (year, month, day) = civil(minutes.div_euclid(1440));
    let (hour, minute) = (minutes.rem_euclid(1440) / 60, minutes.rem_euclid(60));
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds}-00:00"
    ))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// A time without its offset, and the offset in minutes.
fn offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let minutes = number(hours, 2)? * 60 + number(minutes, 2)?;
    Some((&time[..at], if time[at..].starts_with('-') { -minutes } else { minutes }))
}

/// Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of so many days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_moment_are_one_text() {
        let midnight = Some("2020-03-01T00:00:00.000-00:00".to_owned());
        for text in [
            "2020-03",
            "2020-03-01",
            "2020-03-01T00:00Z",
            "2020-02-29T23:30:00-00:30",
            "2020-03-01T05:30:00.0+05:30",
            "2020-03-01T00:00:00.000999-00:00",
        ] {
            assert_eq!(canonical(text), midnight, "{text}");
        }
        let new_year = "1969-12-31T23:59:59.500-00:00";
        assert_eq!(canonical(new_year).as_deref(), Some(new_year));
        assert_eq!(canonical("2000").as_deref(), Some("2000-01-01T00:00:00.000-00:00"));
        for text in ["", "20", "2020-13", "2020-01-01T25", "2020-01-01T00:00+1", "soon"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
