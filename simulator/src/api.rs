//! The gateway's API, as Toss Payments documents it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::auth;
use crate::call::{self, Call};
use crate::clock;
use crate::error::ApiError;
use crate::faults::Operation;
use crate::world::World;

/// Characters of a reason.
const LONGEST_REASON: usize = 200;
const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmBody {
    payment_key: String,
    order_id: String,
    amount: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelBody {
    cancel_reason: String,
    cancel_amount: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListQuery {
    start_date: String,
    end_date: String,
    starting_after: Option<String>,
    limit: Option<usize>,
}

fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    headers.get("idempotency-key").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The body, or the error for one that cannot be read.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    body.map(|Json(body)| body).map_err(|rejection| ApiError::invalid_request(&rejection.body_text()))
}

pub(crate) async fn confirm(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    json: Result<Json<ConfirmBody>, JsonRejection>,
) -> Response {
    let asked = match auth::check(&headers, &world.secret_key).and_then(|()| body(json)) {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    let call = Call {
        operation: Operation::Confirm,
        idempotency_key: idempotency_key(&headers),
        payment_key: Some(asked.payment_key.clone()),
        order_id: Some(asked.order_id.clone()),
    };
    call::run(world, call, move |world| world.confirm(&asked.payment_key, &asked.order_id, asked.amount))
        .await
}

pub(crate) async fn cancel(
    State(world): State<Arc<World>>,
    Path(payment_key): Path<String>,
    headers: HeaderMap,
    json: Result<Json<CancelBody>, JsonRejection>,
) -> Response {
    let asked = match auth::check(&headers, &world.secret_key).and_then(|()| body(json)) {
        Ok(asked) => asked,
        Err(error) => return error.into_response(),
    };
    if asked.cancel_reason.is_empty() || asked.cancel_reason.chars().count() > LONGEST_REASON {
        return ApiError::invalid_request("cancelReason has 1 to 200 characters.").into_response();
    }
    let call = Call {
        operation: Operation::Cancel,
        idempotency_key: idempotency_key(&headers),
        order_id: world.books().find(&payment_key).ok().map(|payment| payment.order_id),
        payment_key: Some(payment_key.clone()),
    };
    call::run(world, call, move |world| world.cancel(&payment_key, asked.cancel_amount, &asked.cancel_reason))
        .await
}

pub(crate) async fn find(
    State(world): State<Arc<World>>,
    Path(payment_key): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = auth::check(&headers, &world.secret_key) {
        return error.into_response();
    }
    let call = Call {
        operation: Operation::Find,
        idempotency_key: None,
        order_id: world.books().find(&payment_key).ok().map(|payment| payment.order_id),
        payment_key: Some(payment_key.clone()),
    };
    call::run(world, call, move |world| world.find(&payment_key)).await
}

pub(crate) async fn find_by_order(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = auth::check(&headers, &world.secret_key) {
        return error.into_response();
    }
    let call = Call {
        operation: Operation::Find,
        idempotency_key: None,
        payment_key: world.books().find_by_order(&order_id).ok().map(|payment| payment.key),
        order_id: Some(order_id.clone()),
    };
    call::run(world, call, move |world| world.find_by_order(&order_id)).await
}

pub(crate) async fn transactions(
    State(world): State<Arc<World>>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = auth::check(&headers, &world.secret_key) {
        return error.into_response();
    }
    let (Some(from), Some(until)) = (clock::read(&query.start_date), clock::read(&query.end_date)) else {
        return ApiError::new(400, "INVALID_DATE", "Dates are such as 2026-01-31T00:00:00.").into_response();
    };
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE);
    let call = Call { operation: Operation::List, idempotency_key: None, payment_key: None, order_id: None };
    call::run(world, call, move |world| {
        let after = query.starting_after.as_deref();
        world.books().transactions(from, until, after, limit).map(Into::into)
    })
    .await
}

/// Whatever else is asked for.
pub(crate) async fn nothing() -> ApiError {
    ApiError::new(404, "NOT_FOUND", "There is no such call.")
}
