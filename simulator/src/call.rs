//! One call of the API: its latency, its idempotency key, its work, and what goes wrong on the way.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::faults::{CallFault, Operation, Subject};
use crate::world::World;

/// A status and a body, as remembered under a key.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    fn is_a_payment(&self) -> bool {
        self.status == 200 && self.body.is_object()
    }
}

impl From<Result<Value, ApiError>> for Reply {
    fn from(result: Result<Value, ApiError>) -> Self {
        match result {
            Ok(body) => Self { status: 200, body },
            Err(error) => Self { status: error.status, body: error.body() },
        }
    }
}

/// What happens on the wire.
enum Outcome {
    Reply(Reply),
    Text(u16, String),
    Reset,
    Hang,
}

/// On a response, tells the server to reset the connection instead of sending it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hangup;

/// What is asked for, apart from the work itself.
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) payment_key: Option<String>,
    pub(crate) order_id: Option<String>,
}

/// Runs a call. The work goes on in a task of its own when the caller hangs up, as it would at a real gateway.
pub(crate) async fn run<W>(world: Arc<World>, call: Call, work: W) -> Response
where
    W: FnOnce(&World) -> Result<Value, ApiError> + Send + 'static,
{
    let outcome = match tokio::spawn(perform(world, call, work)).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Text(500, format!("the simulator itself failed: {error}")),
    };
    match outcome {
        Outcome::Reply(Reply { status, body }) => (code(status), Json(body)).into_response(),
        Outcome::Text(status, text) => (code(status), text).into_response(),
        Outcome::Reset => {
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(Hangup);
            response
        }
        Outcome::Hang => std::future::pending().await,
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn perform<W>(world: Arc<World>, call: Call, work: W) -> Outcome
where
    W: FnOnce(&World) -> Result<Value, ApiError> + Send + 'static,
{
    world.count(call.operation);
    let fault = world.strike_call(Subject {
        operation: Some(call.operation),
        payment_key: call.payment_key.as_deref(),
        order_id: call.order_id.as_deref(),
    });
    sleep(world.latency_ms()).await;
    let (early, wait_before, wait_after) = match &fault {
        Some(CallFault::ResetBefore) => (Some(Outcome::Reset), 0, 0),
        Some(CallFault::Hang { done: false }) => (Some(Outcome::Hang), 0, 0),
        Some(CallFault::Body { status, text }) => (Some(Outcome::Text(*status, text.clone())), 0, 0),
        Some(CallFault::Slow { ms }) => (None, *ms, 0),
        Some(CallFault::Late { ms }) => (None, 0, *ms),
        _ => (None, 0, 0),
    };
    if let Some(outcome) = early {
        return outcome;
    }
    let key = call.idempotency_key.as_deref();
    if let Some(key) = key {
        match world.answers.begin(key) {
            Ok(None) => {}
            Ok(Some(reply)) => return distort(reply, fault),
            Err(error) => return Outcome::Reply(Reply::from(Err(error))),
        }
    }
    sleep(wait_before).await;
    let (reply, remembered) = do_it(&world, &call, work, fault.as_ref());
    sleep(wait_after).await;
    if let Some(key) = key {
        world.answers.end(key, remembered.then(|| reply.clone()));
    }
    distort(reply, fault)
}

/// The work, unless the fault keeps it from being done; and whether a repetition gets the same answer.
fn do_it<W>(world: &World, call: &Call, work: W, fault: Option<&CallFault>) -> (Reply, bool)
where
    W: FnOnce(&World) -> Result<Value, ApiError>,
{
    match fault {
        Some(CallFault::Decline { code }) => {
            if let (Operation::Confirm, Some(payment_key)) = (call.operation, &call.payment_key)
                && let Err(error) = world.decline(payment_key, code)
            {
                return (Err(error).into(), true);
            }
            (Err(ApiError::new(400, code, "The card was declined.")).into(), true)
        }
        Some(CallFault::Error { status, code, done: false, remembered }) => {
            (Err(ApiError::new(*status, code, "The gateway failed.")).into(), *remembered)
        }
        _ => (work(world).into(), true),
    }
}

/// What the caller gets to see of the answer.
fn distort(mut reply: Reply, fault: Option<CallFault>) -> Outcome {
    match fault {
        Some(CallFault::DoneThenReset) => Outcome::Reset,
        Some(CallFault::Hang { .. }) => Outcome::Hang,
        Some(CallFault::Error { status, code, .. }) => {
            Outcome::Reply(Err(ApiError::new(status, code, "The gateway failed.")).into())
        }
        Some(CallFault::WrongAmount { amount }) if reply.is_a_payment() => {
            reply.body["totalAmount"] = json!(amount);
            reply.body["balanceAmount"] = json!(amount);
            if let Some(cancel) = reply.body["cancels"].as_array_mut().and_then(|cancels| cancels.last_mut())
            {
                cancel["cancelAmount"] = json!(amount);
            }
            Outcome::Reply(reply)
        }
        Some(CallFault::WrongOrder { another }) if reply.is_a_payment() => {
            reply.body["orderId"] = json!(another);
            Outcome::Reply(reply)
        }
        _ => Outcome::Reply(reply),
    }
}

async fn sleep(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
