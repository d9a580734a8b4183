//! `/v1/skus/{sku}/receipts`: units that come to a shop, as differences.

use axum::Json;
use axum::extract::{Path, State};
use futures_util::FutureExt as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::SkuCode;
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::auth::Shopkeeper;
use crate::http::began;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::headers::RequiredKey;
use crate::http::views::{Problem, SkuView};
use crate::store::corrections::{Correction, Note, correct};
use crate::store::stock::skus;

/// Units that came or went.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// How many came; negative if they went. Not 0.
    #[schema(minimum = -1000000000, maximum = 1000000000)]
    units: i64,
    /// Why, for whoever reads the movements later.
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    reason: Reason,
}

/// Receive units of a SKU, or take some away
#[utoipa::path(
    post, path = "/v1/skus/{sku}/receipts", tag = "catalogue",
    params(
        ("sku" = String, Path),
        ("Idempotency-Key" = String, Header, description = "Repeats of one key receive once"),
    ),
    request_body = Receipt,
    responses(
        (status = 200, description = "Received, now or before under this key: the SKU as it is now", body = SkuView),
        (status = 404, description = "No such SKU", body = Problem),
        (status = 409, description = "More units are on hold than would be owned", body = Problem),
    )
)]
pub async fn receive(
    State(app): State<App>,
    shop: Shopkeeper,
    Path(code): Path<String>,
    RequiredKey(key): RequiredKey,
    body::Json(Receipt { units, reason }): body::Json<Receipt>,
) -> Result<Json<SkuView>, ApiError> {
    let code = SkuCode::parse(code).map_err(|_| ApiError::NotFound)?;
    let row = app
        .write(move |tx| {
            async move {
                let note = Note { actor: &shop.name, text: reason.as_str() };
                began::note(correct(tx, &code, (&key, Correction::Receipt(units)), note).await?.served);
                Ok(skus::find(tx, &code).await?)
            }
            .boxed()
        })
        .await?;
    Ok(Json(row.ok_or(ApiError::Internal)?.into()))
}
