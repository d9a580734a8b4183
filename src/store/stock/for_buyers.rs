//! Which SKUs buyers see: what is not off sale, and whose product, if they have one, is shown to buyers.

use sqlx::PgConnection;

use crate::domain::ids::SkuCode;

/// SKUs looked through for a page.
const LOOKED_THROUGH: i64 = 1_000;

/// A page of codes that buyers see.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub codes: Vec<String>,
    /// Behind which code the next page begins, if there may be one. Buyers may not see what has it.
    pub next: Option<String>,
}

/// The next SKUs that buyers see behind a code, at most `limit`, in a look that was begun.
pub async fn page(look: &mut PgConnection, after: &str, limit: usize) -> sqlx::Result<Page> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut codes = sqlx::query_scalar!(
        r#"SELECT s.code AS "code!"
             FROM (SELECT id, code, is_active FROM skus WHERE code > $1 ORDER BY code LIMIT $2) s
            WHERE sku_is_for_buyers(s.id, s.is_active) ORDER BY s.code LIMIT $3"#,
        after,
        LOOKED_THROUGH,
        most + 1,
    )
    .fetch_all(&mut *look)
    .await?;
    if codes.len() > limit {
        codes.truncate(limit);
        let next = codes.last().cloned();
        return Ok(Page { codes, next });
    }
    let next = sqlx::query_scalar!(
        "SELECT code FROM skus WHERE code > $1 ORDER BY code OFFSET $2 LIMIT 1",
        after,
        LOOKED_THROUGH - 1,
    );
    let next = next.fetch_optional(look).await?;
    Ok(Page { codes, next })
}

/// Whether buyers see a SKU.
pub async fn is_seen(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<bool> {
    let is_seen = sqlx::query_scalar!(
        r#"SELECT sku_is_for_buyers(id, is_active) AS "is_seen!" FROM skus WHERE code = $1"#,
        code.as_str(),
    );
    Ok(is_seen.fetch_optional(conn).await?.unwrap_or(false))
}
