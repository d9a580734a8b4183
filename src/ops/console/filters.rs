//! How values look on a page.

use std::fmt::Display;

use chrono::{DateTime, SecondsFormat, Utc};

/// A time for people, in UTC as everywhere in logs: `2026-11-21 18:20:05 UTC`.
#[askama::filter_fn]
pub fn when(time: &DateTime<Utc>, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A time for machines: `2026-11-21T18:20:05.123Z`.
#[askama::filter_fn]
pub fn iso(time: &DateTime<Utc>, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// A whole number with separators: `1,234,567`.
#[askama::filter_fn]
pub fn count(number: impl Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(with_separators(number))
}

/// An amount: `12,000 won`.
#[askama::filter_fn]
pub fn won(amount: impl Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(format!("{} won", with_separators(amount)))
}

/// What is there, or a dash.
#[askama::filter_fn]
pub fn or_dash(value: &Option<impl Display>, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(value.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string))
}

/// A duration in seconds, as coarse as a glance needs: `0.25 s`, `42 s`, `7 min`, `3 h`, `2 d`.
#[askama::filter_fn]
pub fn seconds(value: &f64, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(duration(*value))
}

/// See [`seconds`].
pub fn duration(seconds: f64) -> String {
    match seconds.abs() {
        short if short < 10.0 => format!("{seconds:.2} s"),
        some if some < 120.0 => format!("{seconds:.0} s"),
        some if some < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        some if some < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

/// An age in whole seconds, as coarse as a glance needs.
pub fn age(seconds: i64) -> String {
    // Ages are far below what a float holds exactly.
    if seconds < 10 { format!("{} s", seconds.max(0)) } else { duration(seconds as f64) }
}

/// See [`count`].
pub fn with_separators(number: impl Display) -> String {
    let digits = number.to_string();
    let digits = digits.as_str();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, shown) in [("0", "0"), ("999", "999"), ("-1000", "-1,000"), ("1234567", "1,234,567")] {
            assert_eq!(with_separators(number), shown);
        }
    }

    #[test]
    fn durations_are_as_coarse_as_a_glance_needs() {
        for (value, shown) in [(0.25, "0.25 s"), (42.4, "42 s"), (600.0, "10 min"), (90_000.0, "25 h")] {
            assert_eq!(duration(value), shown);
        }
        assert_eq!((age(-1), age(7), age(180)), ("0 s".to_owned(), "7 s".to_owned(), "3 min".to_owned()));
    }
}
