//! `/v1/customer`: how a customer is reached, and what they have bought.

use axum::Json;
use axum::extract::State;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::contact::EmailAddress;
use crate::domain::ids::CustomerId;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::body;
use crate::http::error::ApiError;
use crate::store::customers::{self, Customer};

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerView {
    /// As the shop names them.
    pub customer_id: String,
    /// Where mails go; null: nowhere.
    pub email: Option<String>,
    /// Paid orders that were not refunded wholly.
    pub order_count: i64,
    /// What was paid for all orders, in whole won.
    pub paid_won: i64,
    /// What was given back of it, in whole won.
    pub refunded_won: i64,
}

impl CustomerView {
    fn new(id: CustomerId, customer: Customer) -> Self {
        Self {
            customer_id: id.into(),
            email: customer.email,
            order_count: customer.order_count,
            paid_won: customer.paid_won,
            refunded_won: customer.refunded_won,
        }
    }
}

/// Read the customer
#[utoipa::path(
    get, path = "/v1/customer", tag = "customer",
    responses((status = 200, description = "The customer; payments are counted within moments", body = CustomerView))
)]
pub async fn read(State(app): State<App>, Buyer(id): Buyer) -> Result<Json<CustomerView>, ApiError> {
    let customer = app.read(async |conn| customers::find(conn, &id).await).await?;
    Ok(Json(CustomerView::new(id, customer)))
}

/// How the customer is reached.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutCustomer {
    /// Where mails go; null: nowhere.
    // Without this a missing address would count as null, and a misspelt request forget it.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, max_length = 254)]
    email: Option<String>,
}

/// Set how the customer is reached
#[utoipa::path(
    put, path = "/v1/customer", tag = "customer", request_body = PutCustomer,
    responses((status = 200, description = "The customer as it is now", body = CustomerView))
)]
pub async fn put(
    State(app): State<App>,
    Buyer(id): Buyer,
    body::Json(request): body::Json<PutCustomer>,
) -> Result<Json<CustomerView>, ApiError> {
    let email = request.email.map(EmailAddress::parse).transpose()?;
    let changed = id.clone();
    let customer = app
        .write(move |tx| {
            async move {
                customers::set_email(tx, &changed, email.as_ref()).await?;
                Ok(customers::find(tx, &changed).await?)
            }
            .boxed()
        })
        .await?;
    Ok(Json(CustomerView::new(id, customer)))
}
