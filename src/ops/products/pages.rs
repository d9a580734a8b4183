//! `/ops/products`: the list, one product, and the page to make one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::form::{self, ProductForm, SaleForm};
use super::times;
use crate::domain::Invalid;
use crate::domain::catalogue::product::TextFormat;
use crate::domain::catalogue::texts::ProductCode;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::product_views::{ProductList, ProductSummary, ProductView};
use crate::http::query::Query;
use crate::http::routes::product_lists::{self, ProductQuery};
use crate::http::routes::products::view;
use crate::ops::console::{self, Frame, filters};
use crate::store::catalogue::lists;
use crate::store::catalogue::products;
use crate::store::catalogue::shown::ProductState;

/// Products on a page.
const PAGE: i64 = 50;
/// The address of the page that makes one, which may be the code of a product, too.
const NEW: &str = "new";

/// The address of a product's page. No code has a tilde in it.
pub(super) fn path(code: &str) -> String {
    if code == NEW { format!("/ops/products/~{NEW}") } else { format!("/ops/products/{code}") }
}

/// The code that such an address names.
pub(super) fn known(code: &str) -> Result<ProductCode, ApiError> {
    ProductCode::parse(code.strip_prefix('~').unwrap_or(code)).map_err(|_| ApiError::NotFound)
}

/// Which products to list; what is empty does not matter.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProductFilter {
    text: String,
    state: String,
    after: String,
}

#[derive(askama::Template)]
#[template(path = "products.html")]
struct ListPage {
    frame: Frame,
    zone: Tz,
    filter: ProductFilter,
    page: ProductList,
    problem: Option<String>,
}

/// The products that the address asks for.
pub async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(filter): Query<ProductFilter>,
) -> Result<Response, ApiError> {
    let (page, problem) = match find(&app, &filter).await {
        Ok(page) => (page, None),
        Err(ApiError::Unprocessable(why)) => (ProductList { products: vec![], next: None }, Some(why)),
        Err(error) => return Err(error),
    };
    Ok(console::page(&ListPage { frame, zone: app.time_zone, filter, page, problem }))
}

async fn find(app: &App, filter: &ProductFilter) -> Result<ProductList, ApiError> {
    let filled = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let state = |name: String| {
        let state = ProductState::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or(Invalid::new("state", "on_sale, upcoming, ended, inactive or archived"))
    };
    let query = ProductQuery {
        q: filled(&filter.text),
        sale_state: filled(&filter.state).map(state).transpose()?,
        after: filled(&filter.after),
        limit: Some(PAGE),
        ..ProductQuery::default()
    };
    product_lists::find(app, query).await
}

impl ProductState {
    fn label(self) -> &'static str {
        if self == Self::OnSale { "on sale" } else { self.name() }
    }
}

/// How loud a state looks.
fn tone(state: &ProductState) -> &'static str {
    match state {
        ProductState::OnSale => "good",
        ProductState::Upcoming => "calm",
        ProductState::Inactive => "warn",
        ProductState::Ended | ProductState::Archived => "",
    }
}

fn price(product: &ProductSummary) -> String {
    match (product.price_from_won, product.price_to_won) {
        (Some(from), Some(to)) if from < to => {
            format!("{} – {} won", filters::with_separators(from), filters::with_separators(to))
        }
        (Some(from), _) => format!("{} won", filters::with_separators(from)),
        _ => "–".to_owned(),
    }
}

fn available(product: &ProductSummary) -> String {
    let at_least = if product.available_is_at_least { "at least " } else { "" };
    format!("{at_least}{}", filters::with_separators(product.available))
}

fn time(at: &Option<DateTime<Utc>>, zone: &Tz) -> String {
    at.map_or_else(|| "–".to_owned(), |at| times::shown(at, *zone))
}

/// Why a form is shown once more.
#[derive(Debug)]
pub(super) struct Wrong {
    pub status: StatusCode,
    /// The field, if it is one alone.
    pub field: Option<&'static str>,
    pub text: String,
}

impl From<Invalid> for Wrong {
    fn from(Invalid { field, must }: Invalid) -> Self {
        let text = format!("{} must be {must}.", form::label(field));
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, field: Some(field), text }
    }
}

impl TryFrom<ApiError> for Wrong {
    type Error = ApiError;

    /// What whoever filled in the form can do something about; anything else is not of the form.
    fn try_from(error: ApiError) -> Result<Self, ApiError> {
        let of = |status, text| Ok(Self { status, field: None, text });
        match error {
            ApiError::Unprocessable(text) => of(StatusCode::UNPROCESSABLE_ENTITY, format!("This does not work: {text}.")),
            ApiError::Conflict(text) => of(StatusCode::CONFLICT, format!("This does not work: {text}.")),
            ApiError::PreconditionFailed => of(
                StatusCode::PRECONDITION_FAILED,
                "Somebody else has changed it meanwhile, and nothing of yours is written. The page shows what there is now, and \
                 the form what you typed: send it again if it is still right."
                    .to_owned(),
            ),
            error => Err(error),
        }
    }
}

/// One of the forms of a product's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    All,
    Sale,
    Shelf,
}

impl Place {
    fn id(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Sale => "sale",
            Self::Shelf => "shelf",
        }
    }
}

#[derive(askama::Template)]
#[template(path = "product.html")]
pub(super) struct ProductPage {
    frame: Frame,
    zone: Tz,
    detail: ProductView,
    version: i64,
    is_archived: bool,
    form: ProductForm,
    sale: SaleForm,
    /// The form that something is wrong in.
    place: Place,
    /// What was typed as the reason to archive it or to bring it back.
    reason: String,
    wrong: Option<Wrong>,
    /// What there is now in fields where something else was typed.
    now: Vec<(&'static str, String)>,
}

impl ProductPage {
    /// A product as one instant shows it.
    pub(super) async fn load(app: &App, frame: Frame, code: &ProductCode) -> Result<Self, ApiError> {
        let found = app.read(async |conn| {
            let mut look = lists::begin(conn).await?;
            let found = (products::find(&mut look, code).await?, view(&mut look, code).await?);
            look.rollback().await?;
            Ok::<_, ApiError>(found)
        });
        let (Some(stored), Some((_, detail))) = found.await? else { return Err(ApiError::NotFound) };
        let (zone, version) = (app.time_zone, stored.version);
        Ok(Self {
            frame,
            zone,
            form: ProductForm::of(&stored.product, version, zone),
            sale: SaleForm::of(&stored.product, version, zone),
            detail,
            version,
            is_archived: stored.is_archived,
            place: Place::All,
            reason: String::new(),
            wrong: None,
            now: vec![],
        })
    }

    /// The same with what was typed into the long form. Whoever is told what there is now has seen it.
    pub(super) fn keeping(mut self, typed: ProductForm, wrong: Wrong) -> Response {
        let mut typed = typed;
        if wrong.status == StatusCode::PRECONDITION_FAILED {
            self.now = typed.differences(&self.form);
            typed.version = self.version;
        }
        self.form = typed;
        self.answer(wrong)
    }

    /// The same with what was typed into the form of the sale.
    pub(super) fn keeping_sale(mut self, typed: SaleForm, wrong: Wrong) -> Response {
        let is_stale = wrong.status == StatusCode::PRECONDITION_FAILED;
        let version = if is_stale { self.version } else { typed.version };
        self.sale = SaleForm { version, ..typed };
        self.place = Place::Sale;
        self.answer(wrong)
    }

    /// The same with the reason that was typed.
    pub(super) fn keeping_reason(mut self, reason: String, wrong: Wrong) -> Response {
        self.reason = reason;
        self.place = Place::Shelf;
        self.answer(wrong)
    }

    fn answer(mut self, wrong: Wrong) -> Response {
        let status = wrong.status;
        self.wrong = Some(wrong);
        let mut response = console::page(&self);
        *response.status_mut() = status;
        response
    }

    fn path(&self) -> String {
        path(&self.detail.summary.product)
    }

    /// What marks a field of the long form.
    fn mark(&self, field: &str) -> &'static str {
        self.mark_in(Place::All, field)
    }

    fn mark_in(&self, place: Place, field: &str) -> &'static str {
        mark(self.wrong.as_ref().filter(|_| self.place == place), field)
    }
}

/// What marks a field that is wrong, for eyes and for readers of screens. It is no text of anybody, so it may be an attribute.
fn mark(wrong: Option<&Wrong>, field: &str) -> &'static str {
    match wrong {
        Some(wrong) if wrong.field == Some(field) => r#" aria-invalid="true" aria-describedby="wrong""#,
        _ => "",
    }
}

pub async fn show(
    State(app): State<App>,
    frame: Frame,
    Path(code): Path<String>,
) -> Result<Response, ApiError> {
    Ok(console::page(&ProductPage::load(&app, frame, &known(&code)?).await?))
}

#[derive(askama::Template)]
#[template(path = "product_new.html")]
pub(super) struct NewPage {
    pub frame: Frame,
    pub zone: Tz,
    pub form: ProductForm,
    pub wrong: Option<Wrong>,
}

impl NewPage {
    fn mark(&self, field: &str) -> &'static str {
        mark(self.wrong.as_ref(), field)
    }
}

pub async fn new(State(app): State<App>, frame: Frame) -> Response {
    console::page(&NewPage { frame, zone: app.time_zone, form: ProductForm::blank(), wrong: None })
}
