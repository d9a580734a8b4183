//! `/v1/products/{product}`: make, change, read and archive what a shop shows.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::domain::catalogue::product::{Product, merge};
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::ids::SkuId;
use crate::http::app::App;
use crate::http::auth::Shopkeeper;
use crate::http::body;
use crate::http::browsing::Anyone;
use crate::http::error::ApiError;
use crate::http::etag::{self, ETag, IfMatch, IfNoneMatch};
use crate::http::headers::ForTheLog;
use crate::http::product_views::ProductView;
use crate::http::views::Problem;
use crate::store::catalogue::changes::{NotWritten, Stored};
use crate::store::catalogue::keeping::{self, Asked, Done};
use crate::store::catalogue::shown;
use crate::store::stock::available;

impl From<NotWritten> for ApiError {
    fn from(error: NotWritten) -> Self {
        match error {
            NotWritten::UnknownSku(_) => Self::Unprocessable(error.to_string()),
            NotWritten::SkuOfAnother | NotWritten::MadeMeanwhile => Self::Conflict(error.to_string()),
            NotWritten::Database(error) => error.into(),
        }
    }
}

fn known(code: String) -> Result<ProductCode, ApiError> {
    ProductCode::parse(code).map_err(|_| ApiError::NotFound)
}

/// A product with its tag. A unit that is sold changes the tag for those who read, and its version not for those who write.
pub(crate) async fn view(
    conn: &mut PgConnection,
    code: &ProductCode,
) -> Result<Option<(ETag, ProductView)>, ApiError> {
    let Some(shown) = shown::one(conn, code).await? else { return Ok(None) };
    let skus: Vec<SkuId> = shown.skus.iter().map(|sku| sku.id).collect();
    let available = available::of(conn, &skus).await?;
    let version = shown.version;
    let view = ProductView::new(shown, &available);
    Ok(Some((ETag::of_version_and_view(version, &view), view)))
}

/// Read a product
#[utoipa::path(
    get, path = "/v1/products/{product}", tag = "catalogue", security((), ("token" = [])),
    params(
        ("product" = String, Path),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what you have: 304 if it is still that"),
    ),
    responses(
        (status = 200, description = "The product, with an ETag", body = ProductView),
        (status = 304, description = "It is as you have it"),
        (status = 404, description = "No such product, or none that buyers see", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    anyone: Anyone,
    has_it: IfNoneMatch,
    Path(code): Path<String>,
) -> Result<Response, ApiError> {
    let code = known(code)?;
    let turn = anyone.turn(&app).await?;
    let found: Option<_> = app.read(async |conn| view(conn, &code).await).await?;
    drop(turn);
    let (tag, view) = found.ok_or(ApiError::NotFound)?;
    if anyone.is_buyer() && !view.summary.sale_state.is_for_buyers() {
        return Err(ApiError::NotFound);
    }
    Ok(etag::answer(&has_it, &tag, anyone.cache_control(), Json(view)))
}

/// Create or replace a product
#[utoipa::path(
    put, path = "/v1/products/{product}", tag = "catalogue", request_body = Product,
    params(
        ("product" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is replaced; needed where there is one"),
        ("Holdfast-Reason" = Option<String>, Header, description = "Why, for the audit log of operators"),
        ("If-None-Match" = Option<String>, Header, description = "* creates only"),
    ),
    responses(
        (status = 201, description = "Created", body = ProductView),
        (status = 200, description = "Replaced", body = ProductView),
        (status = 409, description = "A SKU belongs to another product", body = Problem),
        (status = 412, description = "It is not as you have seen it", body = Problem),
        (status = 428, description = "There is one, and If-Match is missing", body = Problem),
    )
)]
pub async fn put(
    State(app): State<App>,
    shop: Shopkeeper,
    ForTheLog(reason): ForTheLog,
    seen: IfMatch,
    none_seen: IfNoneMatch,
    Path(code): Path<String>,
    body::Json(product): body::Json<Product>,
) -> Result<Response, ApiError> {
    let code = ProductCode::parse(code)?;
    let product = product.checked()?;
    let skus = product.skus.iter().map(|variant| variant.sku.to_string()).collect();
    let asked = Asked { code, skus, brings_back: true, by: shop.signature(reason) };
    write(&app, asked, move |before| {
        match before {
            Some(_) if none_seen.asks_for_nothing_there() => return Err(ApiError::PreconditionFailed),
            Some(stored) => seen.required()?.check_version(Some(stored.version))?,
            None => seen.check_version(None)?,
        }
        Ok(product)
    })
    .await
}

/// Change what is named of a product
///
/// A JSON merge patch (RFC 7396) of what PUT takes: what is absent stays, null empties, lists are replaced as a whole. One that is
/// archived stays so.
#[utoipa::path(
    patch, path = "/v1/products/{product}", tag = "catalogue",
    request_body(content = Object, content_type = "application/merge-patch+json"),
    params(
        ("product" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is changed"),
        ("Holdfast-Reason" = Option<String>, Header, description = "Why, for the audit log of operators"),
    ),
    responses(
        (status = 200, description = "Changed", body = ProductView),
        (status = 404, description = "No such product", body = Problem),
        (status = 409, description = "A SKU belongs to another product", body = Problem),
        (status = 412, description = "It is not as you have seen it", body = Problem),
    )
)]
pub async fn patch(
    State(app): State<App>,
    shop: Shopkeeper,
    ForTheLog(reason): ForTheLog,
    seen: IfMatch,
    Path(code): Path<String>,
    body::Json(patch): body::Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let code = known(code)?;
    let named = patch.get("skus").and_then(Value::as_array).into_iter().flatten();
    let skus = named.filter_map(|sku| Some(sku["sku"].as_str()?.to_owned())).collect();
    let asked = Asked { code, skus, brings_back: false, by: shop.signature(reason) };
    write(&app, asked, move |before| {
        let stored = before.ok_or(ApiError::NotFound)?;
        seen.check_version(Some(stored.version))?;
        patched(&stored.product, patch)
    })
    .await
}

/// A product as a merge patch leaves it.
fn patched(product: &Product, patch: Map<String, Value>) -> Result<Product, ApiError> {
    let mut document = serde_json::to_value(product).map_err(|_| ApiError::Internal)?;
    merge(&mut document, Value::Object(patch));
    let product: Product =
        serde_json::from_value(document).map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    Ok(product.checked()?)
}

/// Has a product written, and answers with it.
async fn write(
    app: &App,
    asked: Asked,
    decide: impl FnOnce(Option<&Stored>) -> Result<Product, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (done, (tag, view)) = app
        .write(move |tx| {
            async move {
                let code = asked.code.clone();
                let done = keeping::change(tx, asked, decide).await?;
                Ok((done, view(tx, &code).await?.ok_or(ApiError::Internal)?))
            }
            .boxed()
        })
        .await?;
    let status = if done == Done::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(ETAG, tag.header())], Json(view)).into_response())
}

/// Archive a product
///
/// It is shown to buyers no more. Its SKUs stay, and PUT brings it back.
#[utoipa::path(
    delete, path = "/v1/products/{product}", tag = "catalogue",
    params(
        ("product" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag of what is archived"),
        ("Holdfast-Reason" = Option<String>, Header, description = "Why, for the audit log of operators"),
    ),
    responses(
        (status = 204, description = "Archived, now or before"),
        (status = 404, description = "No such product", body = Problem),
        (status = 412, description = "It is not as you have seen it", body = Problem),
    )
)]
pub async fn archive(
    State(app): State<App>,
    shop: Shopkeeper,
    ForTheLog(reason): ForTheLog,
    seen: IfMatch,
    Path(code): Path<String>,
) -> Result<StatusCode, ApiError> {
    let code = known(code)?;
    app.write(move |tx| {
        async move {
            let judge = |stored: Option<&Stored>| {
                let stored = stored.ok_or(ApiError::NotFound)?;
                // Whoever repeats it after an answer that was lost has seen it as it was before.
                if stored.is_archived { Ok(()) } else { seen.check_version(Some(stored.version)) }
            };
            keeping::archive(tx, &code, shop.signature(reason), judge).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        .boxed()
    })
    .await
}
