//! Stock as operators see and correct it: what there is, who holds it, what moved it.

pub mod api;
pub mod pages;
pub mod view;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::domain::Invalid;
use crate::domain::ids::{IdempotencyKey, SkuCode};
use crate::domain::reason::Reason;
use crate::ops::rights::Actor;
use crate::page;
use crate::store::corrections::{self, Corrected, Correction, CorrectionError, Note};
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};
use crate::store::stock;
use crate::store::stock::desk::LiveHolds;
use crate::store::stock::skus::{self, SkuCriteria};
use crate::store::waiting::Served;
use view::{MovementView, SkuDetail, StockPage};

/// SKUs, and movements, on one page.
pub const PAGE: usize = 100;
/// Live holds that are shown.
const HOLDS: i64 = 100;

/// Why there is no good answer about stock.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// The catalogue has no such SKU.
    #[error("there is no such SKU")]
    NotFound,
    /// What was asked for breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database said no.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Which SKUs to list; what is absent or empty does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StockFilter {
    /// How the code begins, or a part of the name
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The `next` of the page before
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of SKUs in the order of their codes.
pub async fn list(conn: &mut PgConnection, filter: &StockFilter) -> Result<StockPage, StockError> {
    let text = filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let after = filter.after.as_deref().filter(|text| !text.is_empty());
    if text.into_iter().chain(after).any(|text| text.contains('\0')) {
        return Err(Invalid::new("text", "a text without NUL").into());
    }
    let limit = page::rows_to_read(PAGE);
    let mut rows = skus::read(conn, SkuCriteria { text, after, ..SkuCriteria::default() }, limit).await?;
    let next = page::cut(&mut rows, PAGE).map(|last| last.definition.code.to_string());
    Ok(StockPage { skus: rows.into_iter().map(Into::into).collect(), next })
}

/// Where a page of movements goes on: after which one, and how many units there were before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MovementsFrom(Option<(i64, i64)>);

impl MovementsFrom {
    /// Reads what [`SkuDetail::next`] said.
    pub fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self(None)) };
        let numbers =
            text.split_once('_').and_then(|(id, units)| Some((id.parse().ok()?, units.parse().ok()?)));
        numbers.map(|from| Self(Some(from))).ok_or(Invalid::new("before", "the `next` of the page before"))
    }
}

/// One SKU: its numbers, live holds and sales, and a page of its movements, the latest first.
pub async fn show(
    conn: &mut PgConnection,
    code: &SkuCode,
    from: MovementsFrom,
    time_zone: Tz,
) -> Result<SkuDetail, StockError> {
    let row = skus::find(conn, code).await?.ok_or(StockError::NotFound)?;
    let sku = skus::sku_id(conn, code).await?.ok_or(StockError::NotFound)?;
    let live = match row.reserved {
        0 => LiveHolds::default(),
        _ => stock::desk::live_holds(conn, sku, HOLDS).await?,
    };
    let sales = stock::desk::sales(conn, sku, time_zone.name()).await?;
    let limit = page::rows_to_read(PAGE);
    let before = from.0.map(|(id, _)| id);
    let mut movements = stock::desk::movements(conn, sku, before, limit).await?;
    let last = page::cut(&mut movements, PAGE).map(|last| last.id);
    // How many units there were after each is counted back from how many there are.
    let mut on_hand = from.0.map_or(i64::from(row.on_hand), |(_, units)| units);
    let movements = movements.into_iter().map(|movement| {
        let after = on_hand;
        on_hand = on_hand.saturating_sub(i64::from(movement.units));
        MovementView::new(movement, after)
    });
    let movements: Vec<MovementView> = movements.collect();
    let next = last.map(|id| format!("{id}_{on_hand}"));
    Ok(SkuDetail {
        sku: row.into(),
        holds: live.holds.into_iter().map(Into::into).collect(),
        holds_may_be_more: live.has_more,
        sales,
        movements,
        next,
    })
}

/// Corrects the stock of a SKU in the transaction that writes down who did it and why. A key corrects once. Returns how
/// many units there are, and the holds that began for those who waited.
pub async fn correct(
    tx: &mut PgConnection,
    actor: &Actor,
    code: &SkuCode,
    (key, correction): (&IdempotencyKey, Correction),
    reason: &Reason,
) -> Result<(i32, Served), CorrectionError> {
    let note = Note { actor: &actor.name, text: reason.as_str() };
    let Corrected { before, on_hand, reserved, was_receipt, is_repeat, served } =
        corrections::correct(tx, code, (key, correction), note).await?;
    if is_repeat {
        return Ok((on_hand, served));
    }
    let action = NewAction {
        actor: &actor.name,
        act: if was_receipt { Act::StockReceive } else { Act::StockAdjust },
        subject: ("sku", code.to_string()),
        before: Some(json!({"on_hand": before, "reserved": reserved})),
        after: Some(json!({"on_hand": on_hand, "reserved": reserved, "units": on_hand - before})),
        reason: Some(reason.as_str()),
    };
    operators::actions::append(tx, &[action]).await?;
    Ok((on_hand, served))
}
