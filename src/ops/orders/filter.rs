//! Which orders somebody looks for. The filter is a query string, so that a search can be kept and sent as a link.

use askama::filters::urlencode_strict;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::domain::Invalid;
use crate::domain::ids::{CustomerId, OrderId, SkuCode};
use crate::store::orders::OrderStatus;

/// Fewer characters of an id than this say nothing.
const SHORTEST_PREFIX: usize = 4;
const DIGITS: usize = 32;

/// What to look for; what is absent or empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    /// An order id, or how one begins: at least 4 characters
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// A customer
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The code of a SKU that the order has
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// waiting, held, paying, paid, partly_refunded, refunded, refused, expired or cancelled
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A gateway's payment key or order id, or our id of a payment or refund
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// Decided at this time or later: RFC 3339, or `2026-11-20` or `2026-11-20T09:00` in UTC
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Decided before this time
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The `next` of the page before
    #[serde(deserialize_with = "filled", skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A form sends a field that was left empty as an empty text.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A filter that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The lowest and the highest id that begins so.
    pub ids: Option<(Uuid, Uuid)>,
    pub customer: Option<CustomerId>,
    pub sku: Option<SkuCode>,
    pub statuses: Vec<OrderStatus>,
    /// What its payment or refund is called by.
    pub payment: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// The last order of the page before.
    pub after: Option<OrderId>,
}

impl OrderFilter {
    /// The query string of the page after this order.
    pub fn next(&self, after: Uuid) -> String {
        let filter = Self { after: Some(after.to_string()), ..self.clone() };
        let fields = serde_json::to_value(filter).expect("a filter has string keys");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let escaped = |text: String| urlencode_strict(text).map(|text| text.to_string()).unwrap_or_default();
        let fields = fields.as_object().into_iter().flatten();
        fields.map(|(name, value)| format!("{name}={}", escaped(text(value)))).collect::<Vec<_>>().join("&")
    }

    /// Makes sense of the filter, or says which part makes none.
    pub fn parse(&self) -> Result<Search, Invalid> {
        let status = self.status.as_deref().map(|name| {
            OrderStatus::from_name(name)
                .map(|status| vec![status])
                .ok_or(Invalid::new("status", "that of a decided order"))
        });
        let payment = self.payment.clone().map(|name| {
            if name.contains('\0') { Err(Invalid::new("payment", "a text without NUL")) } else { Ok(name) }
        });
        let after = self.after.as_deref().map(|id| {
            Uuid::try_parse(id).map(OrderId::from).map_err(|_| Invalid::new("after", "an order's id"))
        });
        Ok(Search {
            ids: self.order.as_deref().map(ids).transpose()?,
            customer: self.customer.clone().map(CustomerId::parse).transpose()?,
            sku: self.sku.clone().map(SkuCode::parse).transpose()?,
            statuses: status.transpose()?.unwrap_or_else(|| OrderStatus::ALL.to_vec()),
            payment: payment.transpose()?,
            from: self.from.as_deref().map(|text| instant("from", text)).transpose()?,
            until: self.until.as_deref().map(|text| instant("until", text)).transpose()?,
            after: after.transpose()?,
        })
    }
}

/// The lowest and the highest id that begins with these characters.
fn ids(prefix: &str) -> Result<(Uuid, Uuid), Invalid> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let is_prefix = (SHORTEST_PREFIX..=DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bound = |filler: &str| {
        let padding = filler.repeat(DIGITS.saturating_sub(digits.len()));
        u128::from_str_radix(&format!("{digits}{padding}"), 16).map(Uuid::from_u128)
    };
    match (is_prefix, bound("0"), bound("f")) {
        (true, Ok(lowest), Ok(highest)) => Ok((lowest, highest)),
        _ => Err(Invalid::new("order", "an order's id, or at least its first 4 characters")),
    }
}

fn instant(field: &'static str, text: &str) -> Result<DateTime<Utc>, Invalid> {
    // In a query string a plus sign that nobody escaped is a space.
    if let Ok(instant) = DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
        return Ok(instant.to_utc());
    }
    let minutes = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    let local = minutes.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN));
    local.or_else(day).map(|instant| instant.and_utc()).ok_or(Invalid::new(
        field,
        "a time such as 2026-11-20T09:00:00Z, or 2026-11-20T09:00 or 2026-11-20 in UTC",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_range_of_ids_that_begin_with_it() {
        let (lowest, highest) = ids("0191a2b3-c").unwrap();
        assert_eq!(lowest.to_string(), "0191a2b3-c000-0000-0000-000000000000");
        assert_eq!(highest.to_string(), "0191a2b3-cfff-ffff-ffff-ffffffffffff");
        let whole = Uuid::now_v7();
        assert_eq!(ids(&whole.to_string()), Ok((whole, whole)));
        assert!(ids("019").is_err() && ids("mugs").is_err() && ids(&format!("{whole}0")).is_err());
    }

    #[test]
    fn a_time_is_taken_as_forms_and_people_write_it() {
        let nine = "2026-11-20T09:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for text in
            ["2026-11-20T09:00:00Z", "2026-11-20T18:00:00 09:00", "2026-11-20T09:00", "2026-11-20 09:00"]
        {
            assert_eq!(instant("from", text), Ok(nine), "{text}");
        }
        assert_eq!(instant("from", "2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert!(instant("from", "yesterday").is_err());
    }

    #[test]
    fn what_a_form_leaves_empty_does_not_matter() {
        let filter: OrderFilter = serde_json::from_str(r#"{"order":"","customer":" alice "}"#).unwrap();
        assert_eq!(filter, OrderFilter { customer: Some("alice".to_owned()), ..OrderFilter::default() });
        assert_eq!(filter.parse().unwrap().statuses, OrderStatus::ALL);
        let next = OrderFilter { customer: Some("a&b=c".to_owned()), ..OrderFilter::default() };
        assert_eq!(next.next(Uuid::nil()), "after=00000000-0000-0000-0000-000000000000&customer=a%26b%3Dc");
    }
}
