//! `/v1/products`: search and list what a shop shows.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::domain::Invalid;
use crate::domain::catalogue::texts::{Category, Tag};
use crate::domain::catalogue::words::Search;
use crate::domain::ids::SkuId;
use crate::http::app::App;
use crate::http::browsing::Anyone;
use crate::http::error::ApiError;
use crate::http::etag::{self, ETag, IfNoneMatch};
use crate::http::product_views::{ProductList, ProductSummary};
use crate::http::query::Query;
use crate::http::sealed::Seal;
use crate::page;
use crate::store::catalogue::lists::{self, Wanted};
use crate::store::catalogue::places::{Place, Sort};
use crate::store::catalogue::shown::{self, ProductState};
use crate::store::stock::available;

const DEFAULT_LIMIT: usize = 20;

/// Which products to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductQuery {
    /// Words of the name, all of which have to be there: beginnings of words, or any part where words are not written apart,
    /// as in Korean
    pub(crate) q: Option<String>,
    /// The shelf they stand on
    pub(crate) category: Option<String>,
    /// A word under which they are found
    pub(crate) tag: Option<String>,
    /// How they stand; if absent, what is on sale or upcoming, and for shops and operators all that are not archived
    pub(crate) sale_state: Option<ProductState>,
    /// newest, name, -name, price or -price; newest if absent
    #[param(inline)]
    pub(crate) sort: Option<Sort>,
    /// The `next` of the page before, in the same order
    pub(crate) after: Option<String>,
    /// Products on a page, 1 to 100; 20 if absent
    pub(crate) limit: Option<i64>,
}

impl ProductQuery {
    fn parse(self, is_buyer: bool, seal: &Seal) -> Result<Wanted, ApiError> {
        let limit = page::size(self.limit, DEFAULT_LIMIT)?;
        let states: Vec<ProductState> = match self.sale_state {
            Some(state) if is_buyer && !state.is_for_buyers() => {
                return Err(ApiError::Forbidden("buyers see what is on sale or upcoming"));
            }
            Some(state) => vec![state],
            None => ProductState::ALL
                .into_iter()
                .filter(|state| state.is_for_buyers() || (!is_buyer && *state != ProductState::Archived))
                .collect(),
        };
        let category = self.category.map(Category::parse).transpose()?;
        let tag = self.tag.map(Tag::parse).transpose()?;
        let sort = self.sort.unwrap_or_default();
        Ok(Wanted {
            search: Search::parse(self.q.as_deref(), category.as_ref(), tag.as_ref())?,
            states,
            sort,
            after: self.after.map(|text| Cursor::open(&text, sort, seal)).transpose()?,
            limit,
        })
    }
}

/// Where a page goes on, and in which order.
#[derive(Serialize, Deserialize)]
struct Cursor {
    sort: Sort,
    place: Place,
}

impl Cursor {
    /// Sealed: a page may stop at a product that its reader does not see.
    fn close(sort: Sort, place: Place, seal: &Seal) -> String {
        seal.close(&serde_json::to_string(&Self { sort, place }).unwrap_or_default())
    }

    fn open(text: &str, sort: Sort, seal: &Seal) -> Result<Place, Invalid> {
        let cursor = seal.open(text).and_then(|json| serde_json::from_str::<Self>(&json).ok());
        let cursor = cursor.filter(|cursor| cursor.sort == sort);
        cursor
            .map(|cursor| cursor.place)
            .ok_or(Invalid::new("after", "the `next` of a page in the same order"))
    }
}

/// Search and list products
#[utoipa::path(
    get, path = "/v1/products", tag = "catalogue", security((), ("token" = [])),
    params(
        ProductQuery,
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what you have: 304 if it is still that"),
    ),
    responses(
        (status = 200, description = "A page of products, with an ETag", body = ProductList),
        (status = 304, description = "It is as you have it"),
    )
)]
pub async fn list(
    State(app): State<App>,
    anyone: Anyone,
    has_it: IfNoneMatch,
    Query(query): Query<ProductQuery>,
) -> Result<Response, ApiError> {
    let seal = app.seal().await?;
    let wanted = query.parse(anyone.is_buyer(), seal)?;
    let turn = anyone.turn(&app).await?;
    let list = page_of(&app, &wanted, seal).await?;
    drop(turn);
    Ok(etag::answer(&has_it, &ETag::of_view(&list), anyone.cache_control(), Json(list)))
}

/// A page of products for somebody who sees all of them.
pub(crate) async fn find(app: &App, query: ProductQuery) -> Result<ProductList, ApiError> {
    let seal = app.seal().await?;
    let wanted = query.parse(false, seal)?;
    page_of(app, &wanted, seal).await
}

/// A page of products as one instant shows them.
async fn page_of(app: &App, wanted: &Wanted, seal: &Seal) -> Result<ProductList, ApiError> {
    app.read(async |conn| {
        let mut look = lists::begin(conn).await?;
        let page = lists::list(&mut look, wanted).await?;
        let products = shown::page(&mut look, &page.ids).await?;
        let skus: Vec<SkuId> = products.iter().flat_map(|product| product.offered.clone()).collect();
        let available = available::of(&mut look, &skus).await?;
        look.rollback().await?;
        let products = products.into_iter().map(|product| ProductSummary::new(product, &available));
        let next = page.next.map(|place| Cursor::close(wanted.sort, place, seal));
        Ok::<_, ApiError>(ProductList { products: products.collect(), next })
    })
    .await
}
