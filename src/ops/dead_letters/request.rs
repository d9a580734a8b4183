//! What a caller asks for, read strictly: a misspelt filter must not match everything.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::export::Format;
use super::{DeadLetterError, Selection};
use crate::domain::reason::{self, Reason};
use crate::http::error::ApiError;
use crate::store::dead_letters::filter::DeadLetterFilter;
use crate::store::dead_letters::lists::LetterPosition;

/// A filter in a URL, and what else may stand there.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub filter: DeadLetterFilter,
    /// Where the page begins.
    pub after: Option<LetterPosition>,
    /// How they are written, for an export.
    pub format: Option<Format>,
}

/// What beside the filter stands in a URL of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Listing` reads by itself")]
pub struct PageParams {
    /// The next page begins behind this: `next` of the page before
    after: Option<String>,
}

/// What beside the filter stands in a URL of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `Listing` reads by itself")]
pub struct ExportParams {
    /// JSON lines if absent
    #[param(inline)]
    format: Option<Format>,
}

impl Listing {
    fn from_query(query: &str) -> Result<Self, String> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|error| error.to_string())?;
        let mut listing = Self::default();
        let mut filter = vec![];
        for (name, value) in pairs {
            match (name.as_str(), value.as_str()) {
                ("after" | "format", "") => {}
                ("after", place) => listing.after = Some(place.parse()?),
                ("format", name) => {
                    let format = clap::ValueEnum::from_str(name, false);
                    listing.format = Some(format.map_err(|_| "the format is jsonl or csv")?);
                }
                _ => filter.push((name, value)),
            }
        }
        let filter = serde_urlencoded::to_string(filter).map_err(|error| error.to_string())?;
        listing.filter = DeadLetterFilter::from_query(&filter)?;
        Ok(listing)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::from_query(parts.uri.query().unwrap_or_default()).map_err(ApiError::Unprocessable)
    }
}

/// Some dead letters by their ids, or all that match: one of the two.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedLetters {
    /// These
    pub ids: Option<Vec<Uuid>>,
    /// All that match; `{}` matches all open ones
    pub filter: Option<DeadLetterFilter>,
    /// Why; needed to discard
    #[serde(default, deserialize_with = "reason::optional")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub reason: Option<Reason>,
    /// Only say how many it would be
    #[serde(default)]
    pub dry_run: bool,
    /// For a replay: dead letters sent in a second at most, 1 to 10,000; 200 if absent
    pub rate_per_second: Option<i32>,
}

impl AskedLetters {
    pub fn selection(&self) -> Result<Selection, DeadLetterError> {
        match (&self.ids, &self.filter) {
            (Some(ids), None) if !ids.is_empty() => Ok(Selection::Ids(ids.clone())),
            (None, Some(filter)) => Ok(Selection::Matching(filter.clone())),
            _ => Err(DeadLetterError::Unfit("name ids or give a filter, one of the two".to_owned())),
        }
    }
}

/// What a dry run found.
#[derive(Debug, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct DryRun {
    /// Dead letters it would be.
    pub would_change: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_a_format_stand_beside_the_filter() {
        let id = Uuid::from_u128(7);
        let listing = Listing::from_query(&format!("queue=order.hold&after=5-{id}&format=csv")).unwrap();
        assert_eq!(listing.filter.queue.as_deref(), Some("order.hold"));
        assert_eq!(listing.after.unwrap().to_string(), format!("5-{id}"));
        assert_eq!(listing.format, Some(Format::Csv));
        for query in ["after=x", "format=xml", "page=2"] {
            assert!(Listing::from_query(query).is_err(), "{query}");
        }
    }
}
