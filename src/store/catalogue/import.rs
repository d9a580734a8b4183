//! SKUs of a portion of an import, read and written all at once.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::catalogue::import::KnownSku;
use crate::domain::ids::{ProductName, SkuCode, SkuId};
use crate::domain::money::{DiscountRatio, Won};
use crate::domain::sku::{Sale, SkuDefinition};
use crate::store::decoded;

/// What is written down as the reason of units that come with a new SKU.
const NOTE: &str = "the catalogue was imported";

/// The SKUs of these codes, by code.
pub async fn skus(conn: &mut PgConnection, codes: &[String]) -> sqlx::Result<HashMap<String, KnownSku>> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, s.is_active, s.sale_from,
                  s.sale_until, st.on_hand,
                  (SELECT p.code FROM product_skus ps JOIN products p ON p.id = ps.product_id
                    WHERE ps.sku_id = s.id) AS product
             FROM skus s JOIN stock st ON st.sku_id = s.id WHERE s.code = ANY($1)"#,
        codes,
    )
    .fetch_all(conn)
    .await?;
    let known = rows.into_iter().map(|row| {
        let definition = SkuDefinition {
            code: decoded(SkuCode::parse(row.code.clone()))?,
            name: decoded(ProductName::parse(row.name))?,
            price: Won(row.price_won),
            discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
            max_per_customer: row.max_per_customer,
            sale: Sale { is_active: row.is_active, from: row.sale_from, until: row.sale_until },
        };
        Ok((row.code, KnownSku { id: SkuId(row.id), definition, on_hand: row.on_hand, product: row.product }))
    });
    known.collect()
}

/// Codes of products behind one, archived ones too.
pub async fn codes_after(conn: &mut PgConnection, after: &str, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("SELECT code FROM products WHERE code > $1 ORDER BY code LIMIT $2", after, limit)
        .fetch_all(conn)
        .await
}

/// Columns of several definitions.
struct Columns {
    names: Vec<String>,
    prices: Vec<i64>,
    discounts: Vec<i32>,
    limits: Vec<Option<i32>>,
}

impl<'a> FromIterator<&'a SkuDefinition> for Columns {
    fn from_iter<I: IntoIterator<Item = &'a SkuDefinition>>(skus: I) -> Self {
        let mut columns = Self { names: vec![], prices: vec![], discounts: vec![], limits: vec![] };
        for sku in skus {
            columns.names.push(sku.name.to_string());
            columns.prices.push(sku.price.0);
            columns.discounts.push(sku.discount.basis_points());
            columns.limits.push(sku.max_per_customer);
        }
        columns
    }
}

/// Changes locked SKUs.
pub async fn change(conn: &mut PgConnection, changed: &[(SkuId, SkuDefinition)]) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changed.iter().map(|(id, _)| id.0).collect();
    let columns: Columns = changed.iter().map(|(_, sku)| sku).collect();
    sqlx::query!(
        "UPDATE skus s
            SET name = new.name, price_won = new.price_won, discount_ratio_bp = new.discount,
                max_per_customer = new.most, updated_at = now()
           FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::int[], $5::int[])
                AS new (id, name, price_won, discount, most)
          WHERE s.id = new.id",
        &ids,
        &columns.names,
        &columns.prices,
        &columns.discounts,
        &columns.limits as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes SKUs with their first units. Returns whether all of them are new; if not, the transaction has to be rolled back.
pub async fn create(
    conn: &mut PgConnection,
    new: &[(SkuDefinition, i32)],
    actor: &str,
) -> sqlx::Result<bool> {
    if new.is_empty() {
        return Ok(true);
    }
    // In one order, so that two who make the same ones wait for each other and do not lock each other out.
    let mut new: Vec<&(SkuDefinition, i32)> = new.iter().collect();
    new.sort_by(|(one, _), (other, _)| one.code.cmp(&other.code));
    let codes: Vec<String> = new.iter().map(|(sku, _)| sku.code.to_string()).collect();
    let units: Vec<i32> = new.iter().map(|(_, units)| *units).collect();
    let columns: Columns = new.iter().map(|(sku, _)| sku).collect();
    let created = sqlx::query!(
        "INSERT INTO skus (code, name, price_won, discount_ratio_bp, max_per_customer)
         SELECT code, name, price_won, discount, most
           FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::int[])
                AS new (code, name, price_won, discount, most)
         ON CONFLICT (code) DO NOTHING",
        &codes,
        &columns.names,
        &columns.prices,
        &columns.discounts,
        &columns.limits as _,
    )
    .execute(&mut *conn)
    .await?;
    if created.rows_affected() < new.len() as u64 {
        return Ok(false);
    }
    // One by one by key: joined to what the statement before returned, it would be a list beside a list.
    sqlx::query!(
        "WITH made AS MATERIALIZED (
             SELECT s.id, new.units FROM unnest($1::text[], $2::int[]) AS new (code, units)
              CROSS JOIN LATERAL (SELECT id FROM skus WHERE code = new.code OFFSET 0) AS s
         ), moved AS (
             INSERT INTO stock_movements (sku_id, on_hand_change, reason, actor, note)
             SELECT id, units, 'received', $3, $4 FROM made WHERE units > 0
         )
         INSERT INTO stock (sku_id, on_hand) SELECT id, units FROM made",
        &codes,
        &units,
        actor,
        NOTE,
    )
    .execute(conn)
    .await?;
    Ok(true)
}
