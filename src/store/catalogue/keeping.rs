//! What is done to one product, by shops and operators alike: lock, find, judge, write, and write down which operator did it.

use sqlx::PgConnection;

use super::changes::{Change, NotWritten, Stored};
use super::locks::lock;
use super::products;
use super::told::{self, Told};
use crate::domain::catalogue::product::Product;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::reason::Reason;
use crate::store::operators::actions::{self, Act, NewAction};

/// An operator who does something, and why. What shops do is not written down.
#[derive(Debug, Clone)]
pub struct Signature {
    pub actor: String,
    pub reason: Option<Reason>,
}

/// Which product is to change, and how far.
#[derive(Debug, Clone)]
pub struct Asked {
    pub code: ProductCode,
    /// SKUs that are to be its own; those that are so already need no naming.
    pub skus: Vec<String>,
    /// Whether it comes back from where archived products lie, if it is there.
    pub brings_back: bool,
    pub by: Option<Signature>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Created,
    Changed,
    /// It is as it was, and keeps its version.
    Stays,
}

/// Writes a product as it is to be once one has seen what there is. One that would stay as it is is left alone.
pub async fn change<E: From<NotWritten>>(
    conn: &mut PgConnection,
    asked: Asked,
    decide: impl FnOnce(Option<&Stored>) -> Result<Product, E>,
) -> Result<Done, E> {
    let Asked { code, skus, brings_back, by } = asked;
    let locked = lock(conn, &[code.to_string()], &skus).await.map_err(NotWritten::from)?;
    let before = products::find(conn, &code).await.map_err(NotWritten::from)?;
    let product = decide(before.as_ref())?;
    let change = Change { code, before, product, brings_back };
    let is_archived = change.stays_archived();
    let done = match &change.before {
        None => Done::Created,
        Some(old) if old.is_archived == is_archived && old.product == change.product => Done::Stays,
        Some(_) => Done::Changed,
    };
    if done == Done::Stays {
        return Ok(done);
    }
    let told = by.map(|by| (by, told::change(change.before.as_ref(), &change.product, is_archived)));
    let code = change.code.to_string();
    products::write(conn, &[change], &locked).await?;
    if let Some((by, told)) = told {
        write_down(conn, (Act::ProductChange, code), told, &by).await.map_err(NotWritten::from)?;
    }
    Ok(done)
}

/// Takes a product off the shelves for good. One that is there already stays as it is.
pub async fn archive<E: From<NotWritten>>(
    conn: &mut PgConnection,
    code: &ProductCode,
    by: Option<Signature>,
    judge: impl FnOnce(Option<&Stored>) -> Result<(), E>,
) -> Result<Done, E> {
    lock(conn, &[code.to_string()], &[]).await.map_err(NotWritten::from)?;
    let stored = products::find(conn, code).await.map_err(NotWritten::from)?;
    judge(stored.as_ref())?;
    let Some(stored) = stored.filter(|stored| !stored.is_archived) else { return Ok(Done::Stays) };
    products::archive(conn, &stored).await.map_err(NotWritten::from)?;
    if let Some(by) = by {
        let told = told::change(Some(&stored), &stored.product, true);
        write_down(conn, (Act::ProductArchive, code.to_string()), told, &by)
            .await
            .map_err(NotWritten::from)?;
    }
    Ok(Done::Changed)
}

async fn write_down(
    conn: &mut PgConnection,
    (act, code): (Act, String),
    Told { before, after }: Told,
    by: &Signature,
) -> sqlx::Result<()> {
    let action = NewAction {
        actor: &by.actor,
        act,
        subject: ("product", code),
        before,
        after: Some(after),
        reason: by.reason.as_ref().map(Reason::as_str),
    };
    actions::append(conn, &[action]).await
}
