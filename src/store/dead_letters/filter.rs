//! Which dead letters: what a person asks for, in a URL, in flags or stored with a replay, and as SQL.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::DeadLetterStatus;

/// A text longer than this is nothing to search for.
const MAX_CHARS: usize = 200;

/// Which dead letters. What is not said matches all, but for the status: open ones, unless another is asked for.
#[derive(
    Debug,
    Clone,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    clap::Args,
    utoipa::IntoParams,
    utoipa::ToSchema,
)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    /// Of this status; open ones if absent
    #[arg(long)]
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub status: Option<Which>,
    /// That died in this queue
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// With this class of error
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Of this message type
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// About this order
    #[arg(long)]
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Uuid>,
    /// About this SKU
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// About this customer
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// That last died at this instant or on this day (UTC), or later
    #[arg(long, value_parser = beginning)]
    #[serde(deserialize_with = "given_beginning", skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// That last died before this instant, or on this day (UTC) at the latest
    #[arg(long, value_parser = end)]
    #[serde(deserialize_with = "given_end", skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// With this text in the body's first 8 KiB or the error, whatever the case of its letters A to Z
    #[arg(long, value_parser = word)]
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A status to look for, or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterWhich)]
pub enum Which {
    /// Those that wait for a person.
    Open,
    /// Those that went back to their queue.
    Replayed,
    /// Those given up.
    Discarded,
    /// Those in whose place a changed copy went.
    Replaced,
    /// All of them.
    Any,
}

impl Which {
    /// Every one, as it is written.
    pub const ALL: [&'static str; 5] = ["open", "replayed", "discarded", "replaced", "any"];

    /// The one it names.
    pub fn status(self) -> Option<DeadLetterStatus> {
        match self {
            Self::Open => Some(DeadLetterStatus::Open),
            Self::Replayed => Some(DeadLetterStatus::Replayed),
            Self::Discarded => Some(DeadLetterStatus::Discarded),
            Self::Replaced => Some(DeadLetterStatus::Replaced),
            Self::Any => None,
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        self.status().map_or("any", DeadLetterStatus::name)
    }
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, false).map_err(|_| format!("one of {}", Self::ALL.join(", ")))
    }
}

impl DeadLetterFilter {
    /// The same, but of this status only.
    pub fn of_status(&self, status: Which) -> Self {
        Self { status: Some(status), ..self.clone() }
    }

    /// As it stands in a URL.
    pub fn to_query(&self) -> String {
        serde_urlencoded::to_string(self).expect("a filter is flat and has string keys")
    }

    /// Read from a URL.
    pub fn from_query(query: &str) -> Result<Self, String> {
        serde_urlencoded::from_str(query).map_err(|error| error.to_string())
    }

    /// Whether it names an order, a SKU or a customer, of which few dead letters are.
    pub(super) fn is_about_one_thing(&self) -> bool {
        self.order_id.is_some() || self.sku.is_some() || self.customer.is_some()
    }

    /// Whether an index leads to the queue: it begins with a status.
    fn finds_queue(&self) -> bool {
        self.is_about_one_thing() || self.status != Some(Which::Any)
    }

    /// Whether an index leads to the class of error and the message type: to those of one group.
    fn finds_group(&self) -> bool {
        let is_group = self.queue.is_some() && self.error_class.is_some() && self.message_type.is_some();
        self.is_about_one_thing() || (self.finds_queue() && is_group)
    }

    /// Whether some of it has to be looked for, letter by letter.
    pub(super) fn is_looked_for(&self) -> bool {
        self.text.is_some() || self.words().iter().any(|(_, word, is_found)| word.is_some() && !is_found)
    }

    /// Columns, what is asked of them, and whether an index leads there.
    fn words(&self) -> [(&'static str, &Option<String>, bool); 4] {
        [
            ("customer_id", &self.customer, true),
            ("queue", &self.queue, self.finds_queue()),
            ("error_class", &self.error_class, self.finds_group()),
            ("message_type", &self.message_type, self.finds_group()),
        ]
    }

    /// Adds all of it as a `WHERE`.
    pub(super) fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        self.push_found(sql);
        self.push_looked_for(sql);
    }

    /// Adds `WHERE` with what an index leads to, in the order of lists.
    pub(super) fn push_found(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" WHERE true");
        if let Some(status) = self.status.map_or(Some(DeadLetterStatus::Open), Which::status) {
            sql.push(" AND status = ").push_bind(status);
        }
        self.push_words(sql, true);
        if let Some(sku) = &self.sku {
            sql.push(" AND skus @> ").push_bind(vec![sku.clone()]);
        }
        if let Some(order_id) = self.order_id {
            sql.push(" AND order_id = ").push_bind(order_id);
        }
        if let Some(from) = self.from {
            sql.push(" AND last_died_at >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            sql.push(" AND last_died_at < ").push_bind(to);
        }
    }

    /// Adds `AND` with the rest.
    pub(super) fn push_looked_for(&self, sql: &mut QueryBuilder<Postgres>) {
        self.push_words(sql, false);
        self.push_text(sql);
    }

    /// Adds `AND` with the columns that an index leads to, or with the others.
    fn push_words(&self, sql: &mut QueryBuilder<Postgres>, found: bool) {
        for (column, word, is_found) in self.words() {
            if let Some(word) = word.as_ref().filter(|_| is_found == found) {
                sql.push(format_args!(" AND {column} = ")).push_bind(word.clone());
            }
        }
    }

    /// Adds `AND` with the text.
    fn push_text(&self, sql: &mut QueryBuilder<Postgres>) {
        let Some(text) = &self.text else { return };
        let text = text.to_ascii_lowercase();
        // Escaped as the column is, where a backslash is two and a byte beyond ASCII is a number.
        sql.push(" AND (strpos(body_text, encode(convert_to(").push_bind(text.clone());
        sql.push(", 'UTF8'), 'escape')) > 0 OR strpos(lower(error_text COLLATE \"C\"), ").push_bind(text);
        sql.push(") > 0)");
    }
}

fn word(text: &str) -> Result<String, String> {
    if text.contains('\0') || text.chars().count() > MAX_CHARS {
        return Err(format!("a text has at most {MAX_CHARS} characters, none of them NUL"));
    }
    Ok(text.to_owned())
}

/// A day's beginning, or an instant.
fn beginning(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text, Some)
}

/// A day's end, or an instant.
fn end(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text, |day| day.checked_add_days(Days::new(1)))
}

/// An instant (RFC 3339), the minute of a form's field (UTC), or the edge of a day.
fn instant(text: &str, edge: impl Fn(NaiveDate) -> Option<NaiveDate>) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return edge(day).map(|day| day.and_time(NaiveTime::MIN).and_utc()).ok_or("no such day".to_owned());
    }
    let minute = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    if let Some(minute) = minute {
        return Ok(minute.and_utc());
    }
    let instant = DateTime::parse_from_rfc3339(text);
    instant.map(|instant| instant.to_utc()).map_err(|_| format!("{text} is neither a day nor an instant"))
}

/// What a form's field says, if it is not left blank.
fn parsed<'de, D: Deserializer<'de>, T, E: Display>(
    field: D,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error> {
    match Option::<String>::deserialize(field)?.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => parse(text).map(Some).map_err(D::Error::custom),
    }
}

fn given<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(field: D) -> Result<Option<T>, D::Error> {
    parsed(field, T::from_str)
}

fn given_word<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    parsed(field, word)
}

fn given_beginning<'de, D: Deserializer<'de>>(field: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(field, beginning)
}

fn given_end<'de, D: Deserializer<'de>>(field: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(field, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_the_same_in_a_url_and_as_json() {
        let query = "status=any&queue=order.hold&order_id=&from=2026-11-20&to=2026-11-20&text=%20a%26b%20";
        let filter = DeadLetterFilter::from_query(query).unwrap();
        assert_eq!(filter.text.as_deref(), Some("a&b"));
        assert_eq!(filter.to.unwrap() - filter.from.unwrap(), chrono::TimeDelta::days(1));
        assert_eq!(DeadLetterFilter::from_query(&filter.to_query()).unwrap(), filter);
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<DeadLetterFilter>(&json).unwrap(), filter);
    }

    #[test]
    fn what_is_misspelt_is_refused_and_does_not_match_all() {
        for query in ["sku_code=mug", "status=dead", "order_id=7", "from=yesterday", "text=%00"] {
            assert!(DeadLetterFilter::from_query(query).is_err(), "{query}");
        }
        assert!(DeadLetterFilter::from_query(&format!("text={}", "x".repeat(201))).is_err());
    }
}
