//! Latencies in histograms: three significant digits, whatever the scale (HdrHistogram).

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2Serializer};
use reports::LatencyPoint;

/// The longest latency that is told from longer ones, in microseconds: ten minutes.
const MAX_US: u64 = 600_000_000;
/// Quantiles of a curve per halving of what is left above.
const TICKS_PER_HALVING: u32 = 4;

/// An empty histogram of microseconds.
pub fn new() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are right")
}

/// Records a latency; one beyond the range counts as its end.
pub fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MAX_US).max(1));
}

/// The curve: denser towards the top, up to the maximum; none of an empty histogram.
pub fn points(histogram: &Histogram<u64>) -> Vec<LatencyPoint> {
    let mut points: Vec<LatencyPoint> = Vec::new();
    if histogram.is_empty() {
        return points;
    }
    let mut named = [0.5, 0.9, 0.99, 0.999, 0.9999].iter().copied().peekable();
    let point = |quantile: f64| {
        let value_us = histogram.value_at_quantile(quantile);
        LatencyPoint { quantile, value_us, count: histogram.count_between(0, value_us) }
    };
    for step in histogram.iter_quantiles(TICKS_PER_HALVING) {
        let quantile = step.quantile_iterated_to();
        while let Some(exact) = named.next_if(|exact| *exact <= quantile) {
            points.push(point(exact));
        }
        if quantile < 1.0 && points.last().is_none_or(|last| last.quantile < quantile) {
            points.push(point(quantile));
        }
    }
    // Beyond one in as many as there are, quantiles say nothing that the maximum does not.
    let resolution = 1.0 - 1.0 / histogram.len() as f64;
    points.retain(|point| point.quantile <= resolution.max(0.5));
    points.push(LatencyPoint { quantile: 1.0, value_us: histogram.max(), count: histogram.len() });
    points
}

/// Named histograms in HdrHistogram's log format, which its own tools read. They carry no times: a
/// line for each, all at the start.
pub fn to_log(histograms: &[(String, Histogram<u64>)]) -> String {
    let mut text = Vec::new();
    let mut serializer = V2Serializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("latencies in microseconds")
        .begin_log_with(&mut text, &mut serializer)
        .expect("writing to memory does not fail");
    for (name, histogram) in histograms {
        let tag = name.replace([' ', ',', '\n', '\r'], "_");
        let tag = Tag::new(&tag).expect("separators were replaced");
        writer
            .write_histogram(histogram, Duration::ZERO, Duration::ZERO, Some(tag))
            .expect("writing to memory does not fail");
    }
    String::from_utf8(text).expect("the format is text")
}

/// Reads what [`to_log`] wrote, or any log of that format: names and histograms.
///
/// # Errors
/// A line that is none of that format, in words.
pub fn from_log(text: &str) -> Result<Vec<(String, Histogram<u64>)>, String> {
    let mut histograms = Vec::new();
    let mut deserializer = Deserializer::new();
    for (number, entry) in IntervalLogIterator::new(text.as_bytes()).enumerate() {
        let wrong = |what: &str| format!("entry {}: {what}", number + 1);
        let LogEntry::Interval(interval) = entry.map_err(|_| wrong("not of the log format"))?
        else {
            continue;
        };
        let bytes = decode_base64(interval.encoded_histogram())
            .ok_or_else(|| wrong("the histogram is not base 64"))?;
        let histogram = deserializer
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| wrong(&format!("no histogram: {error:?}")))?;
        let name = interval.tag().map_or_else(String::new, |tag| tag.as_str().to_owned());
        histograms.push((name, histogram));
    }
    Ok(histograms)
}

/// RFC 4648's standard alphabet, padded or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u64) -> Histogram<u64> {
        let mut histogram = new();
        for each in 1..=count {
            record(&mut histogram, Duration::from_micros(each));
        }
        histogram
    }

    #[test]
    fn a_log_gives_back_what_was_written() {
        let written = vec![("set c4 d64".to_owned(), sample(5_000)), ("get".to_owned(), sample(3))];
        let text = to_log(&written);
        assert!(text.contains("Tag=set_c4_d64,"), "{text}");
        let read = from_log(&text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], ("set_c4_d64".to_owned(), written[0].1.clone()));
        assert_eq!(read[1], written[1]);
        assert_eq!(from_log("").unwrap(), []);
        let broken = text.replace("Tag=get,", "Tag=get,x");
        assert!(from_log(&broken).is_err());
        assert_eq!(decode_base64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_base64("a!"), None);
    }

    #[test]
    fn a_curve_rises_to_the_maximum_and_counts() {
        let points = points(&sample(10_000));
        assert!(points.is_sorted_by(|a, b| a.quantile < b.quantile && a.value_us <= b.value_us));
        let at = |quantile: f64| points.iter().find(|point| point.quantile == quantile).unwrap();
        assert!((4_990..=5_010).contains(&at(0.5).value_us), "{:?}", at(0.5));
        assert!((9_890..=9_910).contains(&at(0.99).value_us), "{:?}", at(0.99));
        assert_eq!(at(0.5).count, 5_000 + at(0.5).value_us - 5_000);
        let last = points.last().unwrap();
        assert_eq!((last.quantile, last.count), (1.0, 10_000));
        assert!(points.len() < 80, "{}", points.len());
        assert_eq!(super::points(&new()), []);
        assert_eq!(super::points(&sample(1)).last().map(|point| point.value_us), Some(1));
    }

    #[test]
    fn what_is_beyond_the_range_counts_as_its_end() {
        let mut histogram = new();
        record(&mut histogram, Duration::from_secs(3_600));
        record(&mut histogram, Duration::ZERO);
        assert_eq!(histogram.len(), 2);
        assert!(histogram.max() >= MAX_US && histogram.min() == 1);
    }
}
