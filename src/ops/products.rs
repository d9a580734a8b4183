//! Products as operators keep them: made, changed, put on sale and off, archived and brought back, over the driver that shops
//! use, and each written down with who did it and why.

pub mod acts;
pub mod form;
pub mod lines;
pub mod pages;
pub mod times;

use chrono_tz::Tz;
use sqlx::PgConnection;

use crate::domain::Invalid;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::reason::Reason;
use crate::ops::rights::Actor;
use crate::store::catalogue::changes::{NotWritten, Stored};
use crate::store::catalogue::keeping::{self, Asked, Done, Signature};
use form::{ProductForm, SaleForm};

/// Why nothing is done to a product.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    #[error("there is no such product")]
    NotFound,
    #[error("there is a product of this code already")]
    Taken,
    #[error("somebody else has changed it meanwhile")]
    ChangedMeanwhile,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
}

/// What there is, if it is what the operator has seen.
fn as_seen(before: Option<&Stored>, version: i64) -> Result<&Stored, ProductError> {
    let stored = before.ok_or(ProductError::NotFound)?;
    if stored.version == version { Ok(stored) } else { Err(ProductError::ChangedMeanwhile) }
}

fn signature(actor: &Actor, reason: Reason) -> Option<Signature> {
    Some(Signature { actor: actor.name.clone(), reason: Some(reason) })
}

fn asked(code: ProductCode, by: (&Actor, Reason)) -> Asked {
    Asked { code, skus: vec![], brings_back: false, by: signature(by.0, by.1) }
}

/// Makes a product; one that is there, archived or not, is left alone.
pub async fn make(
    tx: &mut PgConnection,
    by: (&Actor, Reason),
    code: ProductCode,
    form: &ProductForm,
    zone: Tz,
) -> Result<Done, ProductError> {
    let asked = Asked { skus: form.sku_codes()?, ..asked(code, by) };
    keeping::change(tx, asked, |before| match before {
        Some(_) => Err(ProductError::Taken),
        None => Ok(form.product(None, zone)?),
    })
    .await
}

/// Changes a product to what a form says. One that is archived stays so.
pub async fn change(
    tx: &mut PgConnection,
    by: (&Actor, Reason),
    code: ProductCode,
    form: &ProductForm,
    zone: Tz,
) -> Result<Done, ProductError> {
    let asked = Asked { skus: form.sku_codes()?, ..asked(code, by) };
    keeping::change(
        tx,
        asked,
        |before| Ok(form.product(Some(&as_seen(before, form.version)?.product), zone)?),
    )
    .await
}

/// Changes when a product is sold, and nothing else of it.
pub async fn set_sale(
    tx: &mut PgConnection,
    by: (&Actor, Reason),
    code: ProductCode,
    form: &SaleForm,
    zone: Tz,
) -> Result<Done, ProductError> {
    keeping::change(tx, asked(code, by), |before| {
        Ok(form.product(&as_seen(before, form.version)?.product, zone)?)
    })
    .await
}

/// Takes a product off for good.
pub async fn archive(
    tx: &mut PgConnection,
    by: (&Actor, Reason),
    code: &ProductCode,
    version: i64,
) -> Result<Done, ProductError> {
    keeping::archive(tx, code, signature(by.0, by.1), |before| match before {
        Some(stored) if stored.is_archived => Ok(()),
        before => as_seen(before, version).map(|_| ()),
    })
    .await
}

/// Brings an archived product back as it was.
pub async fn bring_back(
    tx: &mut PgConnection,
    by: (&Actor, Reason),
    code: ProductCode,
    version: i64,
) -> Result<Done, ProductError> {
    let asked = Asked { brings_back: true, ..asked(code, by) };
    keeping::change(tx, asked, |before| match before {
        Some(stored) if !stored.is_archived => Ok(stored.product.clone()),
        before => Ok(as_seen(before, version)?.product.clone()),
    })
    .await
}
