//! `/v1/orders`: place, read, list, cancel and extend.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::allocation::HeldItem;
use crate::domain::extension::USUAL_EXTENSION_SECONDS;
use crate::domain::ids::{CommandId, CustomerId, Fingerprint, IdempotencyKey, OrderId, SkuCode};
use crate::domain::items::{HoldSeconds, Quantity, RequestedItem, RequestedItems};
use crate::domain::money::Won;
use crate::domain::waiting::{WaitFor, WaitSeconds, WaitTerms};
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::body;
use crate::http::command::give;
use crate::http::error::ApiError;
use crate::http::headers::{OptionalKey, RequiredKey, Trace, Wait};
use crate::http::outcome::{self, Awaited};
use crate::http::query::Query;
use crate::http::views::{OrderList, OrderView, Problem};
use crate::http::visit::Stay;
use crate::message::{CancelOrder, ExtendHold, HoldOrder, Version};
use crate::page;
use crate::store::orders::search::OrderCriteria;
use crate::store::orders::{self, OrderStatus};

/// Orders on one page.
const DEFAULT_PAGE: usize = 20;
/// Orders of a customer that one page looks through for those of a status.
const LOOKED_THROUGH: i64 = 5_000;

/// What to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// 1 to 50 items; the same SKU twice is summed.
    #[schema(min_items = 1, max_items = 50)]
    items: Vec<PlaceItem>,
    /// For how long; 1200 when absent.
    #[schema(minimum = 1, maximum = 86400)]
    hold_seconds: Option<i64>,
    /// What the buyer was told it costs, in whole won: for another amount nothing is held (409 `price-changed`).
    #[schema(minimum = 0)]
    expected_amount_won: Option<i64>,
    /// What is to become of it if too few units are there, or the sale is yet to begin: `refuse` when absent.
    on_shortage: Option<OnShortage>,
    /// How long it waits, counted from the beginning of the sale if that is to come; 86400 when absent.
    #[schema(minimum = 1, maximum = 2592000)]
    wait_seconds: Option<i64>,
    /// What it is content with: `all` of its items when absent.
    wait_for: Option<WaitFor>,
}

/// What becomes of an order for which there are too few units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnShortage {
    /// It is refused.
    Refuse,
    /// It waits in line.
    Wait,
}

/// One SKU and how many of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceItem {
    /// The SKU's code.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: i64,
}

/// The terms as a caller writes them.
pub(super) struct AskedTerms {
    pub(super) hold_seconds: Option<i64>,
    pub(super) expected_amount_won: Option<i64>,
    pub(super) on_shortage: Option<OnShortage>,
    pub(super) wait_seconds: Option<i64>,
    pub(super) wait_for: Option<WaitFor>,
}

impl AskedTerms {
    pub(super) fn parse(self) -> Result<Terms, ApiError> {
        let hold_seconds = self.hold_seconds.map_or(Ok(HoldSeconds::STANDARD), HoldSeconds::parse)?;
        let expected_amount_won =
            self.expected_amount_won.map(|won| Won::parse("expected_amount_won", won)).transpose()?;
        let wait = match self.on_shortage {
            Some(OnShortage::Wait) => Some(WaitTerms {
                seconds: self.wait_seconds.map_or(Ok(WaitSeconds::STANDARD), WaitSeconds::parse)?,
                wait_for: self.wait_for.unwrap_or_default(),
            }),
            _ if self.wait_seconds.is_some() || self.wait_for.is_some() => {
                let rule = "wait_seconds and wait_for need on_shortage: wait";
                return Err(ApiError::Unprocessable(rule.to_owned()));
            }
            _ => None,
        };
        Ok(Terms { hold_seconds, expected_amount_won, wait })
    }
}

/// On which terms stock is to be held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    hold_seconds: HoldSeconds,
    expected_amount_won: Option<Won>,
    wait: Option<WaitTerms>,
}

impl Terms {
    /// The fingerprint of these items on these terms.
    pub(super) fn fingerprint(&self, items: &RequestedItems) -> Fingerprint {
        let expected = self.expected_amount_won.map(|Won(won)| format!("expected_amount_won {won}"));
        let wait = self.wait.map(|terms| format!("wait {} {:?}", terms.seconds.seconds(), terms.wait_for));
        items.fingerprint(self.hold_seconds).and(&Vec::from_iter(expected.into_iter().chain(wait)))
    }
}

impl PlaceOrder {
    fn parse(self) -> Result<(RequestedItems, Terms), ApiError> {
        let parse = |item: PlaceItem| {
            Ok(RequestedItem { sku: SkuCode::parse(item.sku)?, quantity: Quantity::parse(item.quantity)? })
        };
        let items = self.items.into_iter().map(parse).collect::<Result<Vec<_>, ApiError>>()?;
        let terms = AskedTerms {
            hold_seconds: self.hold_seconds,
            expected_amount_won: self.expected_amount_won,
            on_shortage: self.on_shortage,
            wait_seconds: self.wait_seconds,
            wait_for: self.wait_for,
        };
        Ok((RequestedItems::parse(items)?, terms.parse()?))
    }
}

/// Place an order: its stock is held until it is paid or its time is up
#[utoipa::path(
    post, path = "/v1/orders", tag = "orders", request_body = PlaceOrder,
    params(
        ("Idempotency-Key" = String, Header, description = "Repeats of one key are one order"),
        ("Holdfast-Customer" = Option<String>, Header, description = "The customer, named by a shop"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer with the outcome, up to N (30) seconds"),
    ),
    responses(
        (status = 201, description = "Held", body = OrderView),
        (status = 202, description = "Accepted, or waiting in line; look at Location", body = OrderView),
        (status = 409, description = "Refused", body = Problem),
        (status = 422, description = "A rule is broken, or the key was used for another body", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
        (status = 503, description = "Not accepted: the broker is away or the queue full", body = Problem),
    )
)]
pub async fn place(
    State(app): State<App>,
    Buyer(customer_id): Buyer,
    RequiredKey(key): RequiredKey,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(request): body::Json<PlaceOrder>,
) -> Result<Response, ApiError> {
    let (items, terms) = request.parse()?;
    let order_id = OrderId::derive(&customer_id, &key);
    app.rates.may_place(&customer_id)?;
    let stay = wait.begin(&app.stays)?;
    ask_for(&app, NewOrder { order_id, customer_id, items, terms }, stay, trace.as_deref()).await
}

/// An order that nobody has asked for yet, or the same once more.
pub(super) struct NewOrder {
    pub(super) order_id: OrderId,
    pub(super) customer_id: CustomerId,
    pub(super) items: RequestedItems,
    pub(super) terms: Terms,
}

/// Asks for an order, however it came about; its customer may place one, and has a place if they wait.
pub(super) async fn ask_for(
    app: &App,
    order: NewOrder,
    stay: Option<Stay>,
    trace: Option<&str>,
) -> Result<Response, ApiError> {
    let NewOrder { order_id, customer_id, items, terms } = order;
    let fingerprint = terms.fingerprint(&items);
    if !app.remember(order_id.uuid(), fingerprint) {
        return Err(ApiError::KeyReused);
    }
    let Terms { hold_seconds, expected_amount_won, wait } = terms;
    let command = HoldOrder {
        version: Version,
        order_id,
        customer_id,
        items,
        hold_seconds,
        fingerprint,
        expected_amount_won,
        wait,
    };
    give(app, command, order_id, stay, Awaited::Decision(fingerprint), trace).await
}

/// Read an order
#[utoipa::path(
    get, path = "/v1/orders/{id}", tag = "orders", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The order; `accepted` while it waits in its queue", body = OrderView),
        (status = 404, description = "No order of this customer", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
) -> Result<Response, ApiError> {
    let order = id.check(&customer)?;
    let view = app
        .read(async |conn| match orders::find(conn, order).await? {
            Some(row) => outcome::view(conn, &row, app.return_days).await.map(Some),
            None => Ok(None),
        })
        .await?;
    Ok(match view {
        Some(view) => ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response(),
        None => {
            let headers = [(header::CACHE_CONTROL, "no-store"), (header::RETRY_AFTER, "1")];
            (headers, Json(OrderView::accepted(order))).into_response()
        }
    })
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only orders of this status
    status: Option<String>,
    /// The `next` of the page before
    after: Option<Uuid>,
    /// Orders on the page, 1 to 100
    limit: Option<i64>,
}

/// List a customer's orders, newest first
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders", params(ListQuery),
    responses((status = 200, description = "A page of orders", body = OrderList))
)]
pub async fn list(
    State(app): State<App>,
    Buyer(customer): Buyer,
    Query(query): Query<ListQuery>,
) -> Result<Json<OrderList>, ApiError> {
    let status = query.status.map(|name| {
        OrderStatus::from_name(&name)
            .ok_or_else(|| ApiError::Unprocessable("status must be that of a decided order".to_owned()))
    });
    let status = status.transpose()?;
    let size = page::size(query.limit, DEFAULT_PAGE)?;
    let rows_to_read = page::rows_to_read(size);
    let after = query.after.map(OrderId::from);
    let (mut rows, items, end) = app
        .read(async |conn| {
            let (mut end, mut look) = (None, rows_to_read);
            if status.is_some() {
                let wanted = OrderCriteria { after, ..OrderCriteria::default() };
                let depth = orders::search::customer_at_depth(conn, &customer, &wanted, LOOKED_THROUGH - 1);
                (end, look) = (depth.await?, LOOKED_THROUGH);
            }
            let rows = orders::list(conn, &customer, status, after, (look, rows_to_read)).await?;
            let ids: Vec<OrderId> = rows.iter().map(|row| row.id).collect();
            let items = orders::items_of(conn, &ids).await?;
            Ok::<_, sqlx::Error>((rows, items, end))
        })
        .await?;
    // The page after one that is not full looks through what comes after the end of this one.
    let next = page::cut(&mut rows, size).map(|last| last.id).or(end.map(|(_, order)| order));
    let views = rows.iter().map(|row| {
        let own: Vec<HeldItem> =
            items.iter().filter(|(order, _)| *order == row.id).map(|(_, item)| item.clone()).collect();
        OrderView::decided(row, &own).returnable_for(app.return_days, row)
    });
    Ok(Json(OrderList { orders: views.collect(), next: next.map(OrderId::uuid) }))
}

/// Cancel a held order
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel", tag = "orders", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Cancelled", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 409, description = "Not on hold any more", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
    )
)]
pub async fn cancel(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
    OptionalKey(key): OptionalKey,
    wait: Wait,
    Trace(trace): Trace,
) -> Result<Response, ApiError> {
    let order_id = id.check(&customer)?;
    let stay = wait.begin(&app.stays)?;
    let command_id = command_id("cancel", &customer, order_id, key);
    let command = CancelOrder { version: Version, command_id, order_id };
    give(&app, command, order_id, stay, Awaited::Cancellation, trace.as_deref()).await
}

/// How much time to add.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendOrder {
    /// Seconds to add; 600 when absent.
    #[schema(minimum = 1, maximum = 3600)]
    extend_seconds: Option<i64>,
}

/// Give a held order more time: at most twice, and never past 60 minutes after the hold began
#[utoipa::path(
    post, path = "/v1/orders/{id}/extend", tag = "orders", params(("id" = Uuid, Path)),
    request_body = ExtendOrder,
    responses(
        (status = 200, description = "Extended", body = OrderView),
        (status = 202, description = "Accepted", body = OrderView),
        (status = 404, description = "No order of this customer", body = Problem),
        (status = 409, description = "Not extended", body = Problem),
        (status = 410, description = "Its time is up", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
    )
)]
pub async fn extend(
    State(app): State<App>,
    Buyer(customer): Buyer,
    id: OwnOrder,
    OptionalKey(key): OptionalKey,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(request): body::Json<ExtendOrder>,
) -> Result<Response, ApiError> {
    let order_id = id.check(&customer)?;
    let extend_seconds = request.extend_seconds.unwrap_or(USUAL_EXTENSION_SECONDS);
    let extend_seconds =
        HoldSeconds::parse(extend_seconds).ok().filter(|hold| hold.seconds() <= 3_600).ok_or_else(|| {
            ApiError::Unprocessable("extend_seconds must be a whole number from 1 to 3,600".to_owned())
        })?;
    let stay = wait.begin(&app.stays)?;
    let command_id = command_id("extend", &customer, order_id, key);
    let command = ExtendHold { version: Version, command_id, order_id, extend_seconds };
    give(&app, command, order_id, stay, Awaited::Extension(command_id), trace.as_deref()).await
}

/// The command a request gives: the same for the same key, one of its own without.
pub fn command_id(
    call: &str,
    customer: &CustomerId,
    order: OrderId,
    key: Option<IdempotencyKey>,
) -> CommandId {
    key.map_or_else(CommandId::fresh, |key| CommandId::derive(&format!("{call} {order}"), customer, &key))
}

/// The order of the path, before it is known whose it is.
pub struct OwnOrder(Uuid);

impl OwnOrder {
    /// The order, if it is this customer's. What is no id at all, another's or nobody's gets the same answer.
    pub fn check(&self, customer: &CustomerId) -> Result<OrderId, ApiError> {
        let order = OrderId::from(self.0);
        if order.belongs_to(customer) { Ok(order) } else { Err(ApiError::NotFound) }
    }
}

impl axum::extract::FromRequestParts<App> for OwnOrder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, ApiError> {
        match Path::<Uuid>::from_request_parts(parts, app).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(ApiError::NotFound),
        }
    }
}
