//! The pages, a file for each step of a buyer's way.

pub mod cart;
pub mod checkout;
pub mod orders;
pub mod paying;
pub mod products;
pub mod sign_in;
pub mod wallet;
mod window;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::refused::Refused;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::ids::SkuCode;

/// What a form of ours sent.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let read: Result<axum::Form<T>, FormRejection> = axum::Form::from_request(request, state).await;
        read.map(|axum::Form(form)| Self(form)).map_err(|_| Refused::bad_form())
    }
}

/// What the query of an address says.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(query)| Self(query)).map_err(|_| Refused::bad_form())
    }
}

/// The id of an order or a charge in an address; nothing has another.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = axum::extract::Path::<Uuid>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(id)| Self(id.to_string())).map_err(|_| Refused::not_found())
    }
}

/// The code of a product in an address; nothing has another. It may stand in an address of the API as it is.
fn product_code(text: String) -> Result<ProductCode, Refused> {
    ProductCode::parse(text).map_err(|_| Refused::not_found())
}

/// The same of a SKU.
fn sku_code(text: String) -> Result<SkuCode, Refused> {
    SkuCode::parse(text).map_err(|_| Refused::not_found())
}

/// A key for the next form: who sends it twice means one thing.
fn new_key() -> String {
    Uuid::now_v7().to_string()
}
