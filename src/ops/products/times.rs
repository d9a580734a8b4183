//! Times as people type them: of the shop's time zone, as a browser's field for date and time sends them.

use chrono::{DateTime, LocalResult, NaiveDateTime, SubsecRound as _, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::domain::Invalid;

/// With a fraction or without one; browsers leave out seconds that are none.
const TYPED: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];

/// A time as the field shows it.
pub fn typed(at: Option<DateTime<Utc>>, zone: Tz) -> String {
    at.map(|at| at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default()
}

/// A time for people: `2026-12-01 09:00:00 KST`.
pub fn shown(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The time that was typed, if any. One that was left as it was shown is `before` to the microsecond, which the field does not
/// show; nor does it show which hour is meant of two that a clock shows, so that a new one is the first of them.
pub fn parse(
    field: &'static str,
    text: &str,
    zone: Tz,
    before: Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, Invalid> {
    let text = text.trim().replacen(' ', "T", 1);
    if text.is_empty() {
        return Ok(None);
    }
    let typed = TYPED.iter().find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok());
    let typed = typed.ok_or(Invalid::new(field, "a date and a time, such as 2026-12-01T09:00"))?;
    let is_as_shown =
        |before: &DateTime<Utc>| before.with_timezone(&zone).naive_local().trunc_subsecs(0) == typed;
    if let Some(before) = before.filter(is_as_shown) {
        return Ok(Some(before));
    }
    match zone.from_local_datetime(&typed) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Ok(Some(at.with_timezone(&Utc))),
        LocalResult::None => Err(Invalid::new(field, "a time that the clocks of the shop's time zone show")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_of_the_shops_zone_and_stays_as_exact_as_it_was() {
        let read = |text: &str, zone: Tz, before| parse("sale_from", text, zone, before);
        let noon = utc("2026-12-01T03:00:00Z");
        for text in ["2026-12-01T12:00", "2026-12-01T12:00:00", " 2026-12-01 12:00:00.000 "] {
            assert_eq!(read(text, Tz::Asia__Seoul, None), Ok(Some(noon)), "{text}");
        }
        assert_eq!(typed(Some(noon), Tz::Asia__Seoul), "2026-12-01T12:00:00");
        assert_eq!(shown(noon, Tz::Asia__Seoul), "2026-12-01 12:00:00 KST");
        assert_eq!(read(" ", Tz::Asia__Seoul, Some(noon)), Ok(None));
        let exact = utc("2026-12-01T03:00:00.123456Z");
        assert_eq!(read("2026-12-01T12:00", Tz::Asia__Seoul, Some(exact)), Ok(Some(exact)));
        for bad in ["tomorrow", "2026-12-01", "12026-12-01T12:00", "2026-13-01T12:00"] {
            assert!(read(bad, Tz::Asia__Seoul, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_hour_that_clocks_show_twice_is_the_first_unless_it_was_the_second() {
        let read = |text: &str, before| parse("sale_from", text, Tz::Europe__Berlin, before);
        let (first, second) = (utc("2026-10-25T00:30:00Z"), utc("2026-10-25T01:30:00Z"));
        assert_eq!(read("2026-10-25T02:30", None), Ok(Some(first)));
        assert_eq!(read("2026-10-25T02:30", Some(second)), Ok(Some(second)));
        assert!(read("2026-03-29T02:30", None).is_err(), "clocks skip this hour");
    }
}
