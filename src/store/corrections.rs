//! People correct how many units there are: each correction once, written down with who made it and why.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::Invalid;
use crate::domain::ids::{Fingerprint, IdempotencyKey, SkuCode, SkuId};
use crate::domain::items::MAX_ON_HAND;
use crate::store::waiting::{self, Served};

/// How stock is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// So many units came.
    Receive(i64),
    /// So many units came, or went if the number is negative.
    Receipt(i64),
    /// So many were counted.
    Count(i64),
    /// So many are there that nobody knew of, or are missing if the number is negative.
    By(i64),
    /// So many there are from now on, says somebody who knows how many there were.
    Set(i64),
}

impl Correction {
    /// The same key for another kind of correction, or for another count, is another command.
    fn name(self) -> String {
        match self {
            Self::Receive(_) => "receive".to_owned(),
            Self::Receipt(_) => "receipt".to_owned(),
            Self::By(_) => "by".to_owned(),
            Self::Count(counted) => format!("count {counted}"),
            Self::Set(units) => format!("set {units}"),
        }
    }

    /// The command that a key names. The key of a receipt is that of its token, whatever it was used for; those of operators are
    /// of one SKU and one kind.
    fn command(self, code: &SkuCode, key: &IdempotencyKey, actor: &str) -> Uuid {
        let key = key.as_str();
        let named = match self {
            Self::Receipt(_) => format!("receipt\n{actor}\n{key}"),
            _ => format!("stock\n{code}\n{}\n{key}", self.name()),
        };
        Fingerprint::of(&named).0
    }

    /// By how much it changes what there is, where it says so.
    fn difference(self) -> Option<i64> {
        match self {
            Self::Receive(units) | Self::Receipt(units) | Self::By(units) => Some(units),
            Self::Count(_) | Self::Set(_) => None,
        }
    }

    /// How many there are afterwards.
    fn apply(self, on_hand: i32) -> Result<i32, Invalid> {
        let units = match self {
            Self::Receive(..=0) => {
                return Err(Invalid::new("units", "a whole number from 1 to 1,000,000,000"));
            }
            Self::Receipt(0) => return Err(Invalid::new("units", "a whole number other than 0")),
            Self::Count(units) | Self::Set(units) => units,
            Self::Receive(units) | Self::Receipt(units) | Self::By(units) => {
                i64::from(on_hand).saturating_add(units)
            }
        };
        let is_possible = |units: &i32| (0..=MAX_ON_HAND).contains(&i64::from(*units));
        let must = Invalid::new("on_hand", "a whole number from 0 to 1,000,000,000 afterwards");
        i32::try_from(units).ok().filter(is_possible).ok_or(must)
    }

    /// Whether units that move so were received, rather than counted.
    fn is_receipt(self, moved: i32) -> bool {
        match self {
            Self::Receive(_) => true,
            Self::Receipt(_) | Self::Set(_) => moved > 0,
            Self::Count(_) | Self::By(_) => false,
        }
    }
}

/// Who corrects, and why.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The name of a token.
    pub actor: &'a str,
    pub text: &'a str,
}

/// What a correction came to.
#[derive(Debug, Clone)]
pub struct Corrected {
    pub before: i32,
    pub on_hand: i32,
    pub reserved: i32,
    pub was_receipt: bool,
    /// Whether it was made before under this key, so that nothing was done now.
    pub is_repeat: bool,
    /// Those who waited and have what came: their timers are to be ordered once this is committed.
    pub served: Served,
}

/// Why stock is not corrected.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    /// The catalogue has no such SKU.
    #[error("there is no such SKU")]
    NotFound,
    /// More units are set aside than would be owned.
    #[error("{reserved} units are on hold; on_hand cannot be lower")]
    BelowReserved { reserved: i32 },
    /// The idempotency key was used before for other units.
    #[error("the idempotency key was used before for another request")]
    KeyReused,
    /// What was asked for breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database said no.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Corrects the stock of a SKU, and gives what comes to those who wait for it. A key corrects once.
pub async fn correct(
    conn: &mut PgConnection,
    code: &SkuCode,
    (key, correction): (&IdempotencyKey, Correction),
    note: Note<'_>,
) -> Result<Corrected, CorrectionError> {
    let Counters { sku_id, on_hand, reserved } = lock(conn, code).await?.ok_or(CorrectionError::NotFound)?;
    let command = correction.command(code, key, note.actor);
    if let Some(Moved { units: moved, sku, note: noted }) = moved_by(conn, command).await? {
        let is_same_receipt = sku == sku_id && noted.as_deref() == Some(note.text);
        if correction.difference().is_some_and(|units| units != i64::from(moved))
            || (matches!(correction, Correction::Receipt(_)) && !is_same_receipt)
        {
            return Err(CorrectionError::KeyReused);
        }
        let was_receipt = correction.is_receipt(moved);
        return Ok(Corrected {
            before: on_hand,
            on_hand,
            reserved,
            was_receipt,
            is_repeat: true,
            served: Served::default(),
        });
    }
    let counted = correction.apply(on_hand)?;
    if counted < reserved {
        return Err(CorrectionError::BelowReserved { reserved });
    }
    let units = counted - on_hand;
    let was_receipt = correction.is_receipt(units);
    put_down(&mut *conn, (sku_id, units), was_receipt, note, command).await?;
    let served = if units > 0 { waiting::serve(conn, &[sku_id]).await? } else { Served::default() };
    Ok(Corrected { before: on_hand, on_hand: counted, reserved, was_receipt, is_repeat: false, served })
}

/// The counters of a SKU, locked until the transaction ends.
struct Counters {
    sku_id: SkuId,
    on_hand: i32,
    reserved: i32,
}

async fn lock(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<Counters>> {
    let row = sqlx::query!(
        "SELECT st.sku_id, st.on_hand, st.reserved FROM stock st JOIN skus s ON s.id = st.sku_id
          WHERE s.code = $1 FOR NO KEY UPDATE OF st",
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let counters = |sku_id, on_hand, reserved| Counters { sku_id: SkuId(sku_id), on_hand, reserved };
    Ok(row.map(|row| counters(row.sku_id, row.on_hand, row.reserved)))
}

/// What a command of a person has moved, if it has been carried out before.
async fn moved_by(conn: &mut PgConnection, command: Uuid) -> sqlx::Result<Option<Moved>> {
    let moved = sqlx::query!(
        "SELECT sku_id, on_hand_change, note FROM stock_movements WHERE command_id = $1",
        command,
    );
    let moved = moved.fetch_optional(conn).await?;
    Ok(moved.map(|row| Moved { sku: SkuId(row.sku_id), units: row.on_hand_change, note: row.note }))
}

/// What a command has moved.
struct Moved {
    sku: SkuId,
    units: i32,
    note: Option<String>,
}

/// Moves units of a locked SKU and writes that down: none if a count found what was expected.
async fn put_down(
    conn: &mut PgConnection,
    (sku, units): (SkuId, i32),
    was_receipt: bool,
    note: Note<'_>,
    command: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH moved AS (UPDATE stock SET on_hand = on_hand + $2 WHERE sku_id = $1)
         INSERT INTO stock_movements (sku_id, on_hand_change, reason, actor, note, command_id)
         VALUES ($1, $2, CASE WHEN $3 THEN 'received' ELSE 'adjusted' END::stock_movement_reason, $4, $5, $6)",
        sku.0,
        units,
        was_receipt,
        note.actor,
        note.text,
        command,
    )
    .execute(conn)
    .await?;
    Ok(())
}
