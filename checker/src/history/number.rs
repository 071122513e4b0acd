//! Numbers, spelled in one way each, so that equal numbers are equal values.
//!
//! After Clojure's `=` (`clojure.lang.Numbers.equal`): integers of every spelling are one kind,
//! with or without the suffix `N`; ratios, floating point numbers and decimals (`M`) are three
//! more, and numbers of different kinds are never equal. JSON (RFC 8259) has one kind only, so
//! there `1`, `1.0` and `10e-1` are the same. One thing differs: `##NaN` is equal to itself, since
//! a register that holds it and is read as it does nothing wrong.

use super::Value;

/// Digits up to which a power of ten is written out.
const WRITTEN_OUT_MAX: i64 = 30;

/// The number that an EDN token is; `None` if it is none.
pub(crate) fn from_edn(token: &str) -> Option<Value> {
    let (is_negative, digits) = sign(token);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let integer = |digits: &str, radix| integer(is_negative, digits, radix);
    if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        return integer(hex.strip_suffix('N').unwrap_or(hex), 16);
    }
    if let Some((radix, rest)) = digits.split_once(['r', 'R']) {
        let radix = radix.parse().ok().filter(|radix| (2..=36).contains(radix))?;
        return integer(rest, radix);
    }
    if let Some((over, under)) = digits.split_once('/') {
        return ratio(is_negative, over, under);
    }
    if let Some(decimal_digits) = digits.strip_suffix('M') {
        return Some(Value::Number(decimal(is_negative, decimal_digits)? + "M"));
    }
    let whole = digits.strip_suffix('N').unwrap_or(digits);
    if whole.bytes().all(|b| b.is_ascii_digit()) {
        let is_octal = whole.len() > 1 && whole.starts_with('0');
        return integer(whole, if is_octal { 8 } else { 10 });
    }
    let number: f64 = token.parse().ok()?;
    Some(floating(number))
}

/// The number that a JSON token is; `None` if it is none.
pub(crate) fn from_json(token: &str) -> Option<Value> {
    let (is_negative, digits) = sign(token);
    if token.starts_with('+') || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let spelled = decimal(is_negative, digits)?;
    Some(spelled.parse().map_or(Value::Number(spelled), Value::Int))
}

/// A floating point number, as Clojure prints it where that is not a plain one.
fn floating(number: f64) -> Value {
    Value::Number(match number {
        _ if number == f64::INFINITY => "##Inf".to_owned(),
        _ if number == f64::NEG_INFINITY => "##-Inf".to_owned(),
        // The two zeros are equal.
        0.0 => "0.0".to_owned(),
        number => format!("{number:?}"),
    })
}

fn sign(token: &str) -> (bool, &str) {
    match token.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, token.strip_prefix('+').unwrap_or(token)),
    }
}

fn integer(is_negative: bool, digits: &str, radix: u32) -> Option<Value> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let spelled = match u128::from_str_radix(digits, radix) {
        Ok(number) => number.to_string(),
        Err(_) if radix == 10 => digits.trim_start_matches('0').to_owned(),
        Err(_) => in_decimal(digits, radix),
    };
    let is_zero = spelled == "0";
    let signed = if is_negative && !is_zero { format!("-{spelled}") } else { spelled };
    Some(signed.parse().map_or(Value::Number(signed), Value::Int))
}

/// The digits in base ten, by long multiplication.
fn in_decimal(digits: &str, radix: u32) -> String {
    let mut decimal: Vec<u32> = vec![0];
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        let mut carry = digit;
        for place in &mut decimal {
            let sum = *place * radix + carry;
            *place = sum % 10;
            carry = sum / 10;
        }
        while carry > 0 {
            decimal.push(carry % 10);
            carry /= 10;
        }
    }
    let high_first = decimal.iter().rev().filter_map(|digit| char::from_digit(*digit, 10));
    high_first.collect()
}

/// A ratio in lowest terms; an integer, if it is one.
fn ratio(is_negative: bool, over: &str, under: &str) -> Option<Value> {
    let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_whole(over) || !is_whole(under) {
        return None;
    }
    let (over, under): (u128, u128) = (over.parse().ok()?, under.parse().ok()?);
    let divisor = greatest_common_divisor(over, under);
    if under == 0 {
        return None;
    }
    let (over, under) = (over / divisor, under / divisor);
    if under == 1 {
        return integer(is_negative, &over.to_string(), 10);
    }
    let sign = if is_negative { "-" } else { "" };
    Some(Value::Number(format!("{sign}{over}/{under}")))
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A decimal number without leading and trailing zeros: written out where that is short, and with
/// an exponent elsewhere.
fn decimal(is_negative: bool, text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?)
        }
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = digits.trim_end_matches('0');
    let cut = i64::try_from(digits.len() - kept.len()).ok()?;
    let exponent = exponent.checked_sub(i64::try_from(part.len()).ok()?)?.checked_add(cut)?;
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return Some("0".to_owned());
    }
    let sign = if is_negative { "-" } else { "" };
    Some(format!("{sign}{}", place_point(kept, exponent)))
}

/// `digits` times ten to the `exponent`.
fn place_point(digits: &str, exponent: i64) -> String {
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if (0..=WRITTEN_OUT_MAX).contains(&exponent) {
        return format!("{digits}{}", "0".repeat(exponent.unsigned_abs() as usize));
    }
    if !(-WRITTEN_OUT_MAX..0).contains(&exponent) {
        return format!("{digits}E{exponent}");
    }
    let before = count + exponent;
    if before > 0 {
        let (whole, part) = digits.split_at(before.unsigned_abs() as usize);
        return format!("{whole}.{part}");
    }
    format!("0.{}{digits}", "0".repeat(before.unsigned_abs() as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_are_one_value() {
        let groups: [&[&str]; 11] = [
            &["255", "+255", "0xff", "0XFF", "0377", "2r11111111", "36r73", "255N", "510/2"],
            &["0", "-0", "0N", "00"],
            &["12345678901234567890", "12345678901234567890N", "0xab54a98ceb1f0ad2"],
            &["1.0", "1.00", "1e0", "10e-1", "+1.0"],
            &["0.0", "-0.0"],
            &["1M", "1.0M", "1.00M", "10e-1M"],
            &["0.10M", "0.1M", "1e-1M"],
            &["1/2", "2/4", "+3/6"],
            &["-1/2", "-2/4"],
            &["1e400", "2e400"],
            &["1e400M", "10e399M"],
        ];
        let mut seen = Vec::new();
        for group in groups {
            let values: Vec<Value> = group
                .iter()
                .map(|token| from_edn(token).unwrap_or_else(|| panic!("{token} is a number")))
                .collect();
            assert!(values.iter().all(|value| *value == values[0]), "{group:?}: {values:?}");
            assert!(!seen.contains(&values[0]), "{group:?} is a number of its own");
            seen.push(values[0].clone());
        }
        for token in ["x", "-", "+", "08x", "1/0", "1x", "37r1", "0x", "1.2.3"] {
            assert_eq!(from_edn(token), None, "{token}");
        }
    }

    #[test]
    fn other_radices_reach_beyond_every_machine_word() {
        let two_to_the_140 = format!("2r1{}", "0".repeat(140));
        let digits = "1393796574908163946345982392040522594123776".to_owned();
        assert_eq!(from_edn(&two_to_the_140), Some(Value::Number(digits.clone())));
        assert_eq!(from_edn(&digits), Some(Value::Number(digits)));
    }

    #[test]
    fn json_has_numbers_of_one_kind() {
        for token in ["1", "1.0", "10e-1", "0.1E+1"] {
            assert_eq!(from_json(token), Some(Value::Int(1)), "{token}");
        }
        let number = |token| from_json(token).unwrap();
        assert_ne!(number("18446744073709551616"), number("18446744073709551617"));
        assert_eq!(number("1e20"), number("100000000000000000000"));
        assert_eq!(number("-0.50"), Value::Number("-0.5".to_owned()));
        assert_eq!(number("0.1"), number("1e-1"));
        assert_eq!(number("-0"), Value::Int(0));
        assert_eq!(number("1e999999999"), Value::Number("1E999999999".to_owned()));
        assert_eq!(from_json("+1"), None);
    }
}
