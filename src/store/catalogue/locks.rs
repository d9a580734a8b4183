//! Locks of whoever writes products: SKUs in the order of their ids, then products in the order of theirs.

use std::collections::HashSet;

use sqlx::{Connection as _, PgConnection};

/// How often whoever finds other SKUs under the locks than they have locked begins again.
const TRIES: usize = 10;

/// SKUs that nobody else changes until the transaction ends.
#[derive(Debug, Default)]
pub struct Locked {
    codes: HashSet<String>,
}

impl Locked {
    /// With SKUs that this transaction has made.
    pub fn and(mut self, made: impl IntoIterator<Item = String>) -> Self {
        self.codes.extend(made);
        self
    }

    pub(super) fn has(&self, code: &str) -> bool {
        self.codes.contains(code)
    }
}

/// Locks products of these codes until the transaction ends, their SKUs, and those that are to be taken into one. A SKU that is
/// being changed is waited for, so that the product learns of its new price.
///
/// A SKU that is made meanwhile, or taken into one of the products, is seen only once the products are locked, when it is too late
/// to lock it: then all of it is begun again. One that is made after that is not there for this transaction.
pub async fn lock(conn: &mut PgConnection, products: &[String], skus: &[String]) -> sqlx::Result<Locked> {
    for _ in 0..TRIES {
        let mut attempt = conn.begin().await?;
        let locked = sqlx::query!(
            r#"SELECT id, code FROM skus
                WHERE id = ANY(ARRAY(
                      SELECT id FROM skus WHERE code = ANY($2)
                      UNION
                      SELECT ps.sku_id FROM products p JOIN product_skus ps ON ps.product_id = p.id WHERE p.code = ANY($1)))
                ORDER BY id FOR NO KEY UPDATE"#,
            products,
            skus,
        )
        .fetch_all(&mut *attempt)
        .await?;
        sqlx::query!("SELECT FROM products WHERE code = ANY($1) ORDER BY id FOR NO KEY UPDATE", products)
            .execute(&mut *attempt)
            .await?;
        let (ids, codes): (Vec<i64>, HashSet<String>) =
            locked.into_iter().map(|row| (row.id, row.code)).unzip();
        if !sees_others(&mut attempt, products, skus, &ids).await? {
            attempt.commit().await?;
            return Ok(Locked { codes });
        }
        attempt.rollback().await?;
    }
    Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}

/// Whether there are SKUs by now that are not among the locked ones.
async fn sees_others(
    conn: &mut PgConnection,
    products: &[String],
    skus: &[String],
    locked: &[i64],
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               (SELECT id FROM skus WHERE code = ANY($2)
                UNION
                SELECT ps.sku_id FROM products p JOIN product_skus ps ON ps.product_id = p.id WHERE p.code = ANY($1))
               EXCEPT SELECT unnest($3::bigint[])) AS "sees_others!""#,
        products,
        skus,
        locked,
    )
    .fetch_one(conn)
    .await
}
