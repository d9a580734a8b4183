//! The catalogue: making, changing and reading SKUs.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::ids::{ProductName, SkuCode, SkuId};
use crate::domain::money::{DiscountRatio, Won};
use crate::domain::sku::{Sale, SkuDefinition};
use crate::store::catalogue::states;
use crate::store::decoded;

/// A SKU as the catalogue knows it.
#[derive(Debug, Clone)]
pub struct SkuRow {
    pub definition: SkuDefinition,
    pub on_hand: i32,
    pub reserved: i32,
    /// Units set aside by holds whose time is up: the next buyer gets them.
    pub overdue: i32,
    /// Whether so many holds of the shop are overdue that not all were looked at: there may be more such units.
    pub overdue_has_more: bool,
}

/// A SKU that nobody else changes until the transaction ends.
#[derive(Debug, Clone)]
pub struct LockedSku {
    pub id: SkuId,
    pub definition: SkuDefinition,
    pub on_hand: i32,
}

/// Makes a SKU of which there are no units yet. Returns whether it is new; if not, nothing is changed.
pub async fn create(conn: &mut PgConnection, sku: &SkuDefinition) -> sqlx::Result<bool> {
    let created = sqlx::query!(
        "WITH created AS (
             INSERT INTO skus (code, name, price_won, discount_ratio_bp, max_per_customer, is_active, sale_from, sale_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (code) DO NOTHING RETURNING id
         )
         INSERT INTO stock (sku_id) SELECT id FROM created",
        sku.code.as_str(),
        sku.name.as_str(),
        sku.price.0,
        sku.discount.basis_points(),
        sku.max_per_customer,
        sku.sale.is_active,
        sku.sale.from,
        sku.sale.until,
    )
    .execute(conn)
    .await?;
    Ok(created.rows_affected() > 0)
}

/// The SKU of this code, locked.
pub async fn lock(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<LockedSku>> {
    let row = sqlx::query!(
        "SELECT s.id, s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, s.is_active, s.sale_from,
                s.sale_until, st.on_hand
           FROM skus s JOIN stock st ON st.sku_id = s.id WHERE s.code = $1 FOR NO KEY UPDATE",
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let definition = SkuDefinition {
        code: decoded(SkuCode::parse(row.code))?,
        name: decoded(ProductName::parse(row.name))?,
        price: Won(row.price_won),
        discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
        max_per_customer: row.max_per_customer,
        sale: Sale { is_active: row.is_active, from: row.sale_from, until: row.sale_until },
    };
    Ok(Some(LockedSku { id: SkuId(row.id), definition, on_hand: row.on_hand }))
}

/// Writes another definition of a locked SKU. The product that it belongs to follows its price and sale by a trigger.
pub async fn update(conn: &mut PgConnection, id: SkuId, sku: &SkuDefinition) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE skus SET name = $2, price_won = $3, discount_ratio_bp = $4, max_per_customer = $5, is_active = $6,
                         sale_from = $7, sale_until = $8, updated_at = now()
          WHERE id = $1",
        id.0,
        sku.name.as_str(),
        sku.price.0,
        sku.discount.basis_points(),
        sku.max_per_customer,
        sku.sale.is_active,
        sku.sale.from,
        sku.sale.until,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When a SKU is to be sold because of its product.
#[derive(Debug, Clone)]
pub struct NewSale {
    pub sku: SkuCode,
    pub sale: Sale,
    /// Whether one that is off comes on with it; otherwise it stays off.
    pub puts_on: bool,
}

/// Has SKUs, which are locked, sold at other times. Nothing else of them changes.
pub async fn set_sales(conn: &mut PgConnection, sales: &[NewSale]) -> sqlx::Result<()> {
    if sales.is_empty() {
        return Ok(());
    }
    let codes: Vec<String> = sales.iter().map(|new| new.sku.to_string()).collect();
    let are_active: Vec<bool> = sales.iter().map(|new| new.sale.is_active).collect();
    let put_on: Vec<bool> = sales.iter().map(|new| new.puts_on).collect();
    let from: Vec<Option<DateTime<Utc>>> = sales.iter().map(|new| new.sale.from).collect();
    let until: Vec<Option<DateTime<Utc>>> = sales.iter().map(|new| new.sale.until).collect();
    sqlx::query!(
        "UPDATE skus s
            SET is_active = new.is_active AND (s.is_active OR new.puts_on), sale_from = new.sale_from,
                sale_until = new.sale_until, updated_at = now()
           FROM unnest($1::text[], $2::boolean[], $3::boolean[], $4::timestamptz[], $5::timestamptz[])
                AS new (code, is_active, puts_on, sale_from, sale_until)
          WHERE s.code = new.code
            AND (s.is_active, s.sale_from, s.sale_until) IS DISTINCT FROM
                (new.is_active AND (s.is_active OR new.puts_on), new.sale_from, new.sale_until)",
        &codes,
        &are_active,
        &put_on,
        &from as _,
        &until as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Overdue holds of the whole shop that are looked at to find those of a SKU. No index leads from a SKU to its holds: it
/// would cost every order.
pub const OVERDUE_LOOKED_AT: i64 = 1_000;

/// Which SKUs to read; what is absent does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkuCriteria<'a> {
    /// The one of this code.
    pub code: Option<&'a SkuCode>,
    /// Those of these codes.
    pub codes: Option<&'a [String]>,
    /// Those whose code begins with this, or whose name contains it.
    pub text: Option<&'a str>,
    /// Those after this code.
    pub after: Option<&'a str>,
    /// Those that buyers may see: of no product, or of one that is shown to them.
    pub for_buyers: bool,
}

/// SKUs in the order of their codes, with their stock at one instant.
pub async fn read(conn: &mut PgConnection, wanted: SkuCriteria<'_>, limit: i64) -> sqlx::Result<Vec<SkuRow>> {
    let hidden = wanted.for_buyers.then(states::hidden);
    let rows = sqlx::query!(
        r#"WITH overdue AS MATERIALIZED (
               SELECT id FROM orders
                WHERE status = 'held' AND expires_at >= holds_ended_before() AND expires_at <= now()
                ORDER BY expires_at LIMIT $5
           ), given_back AS MATERIALIZED (
               SELECT sku_id, sum(quantity)::int AS units FROM order_items
                WHERE order_id = ANY(ARRAY(SELECT id FROM overdue)) GROUP BY sku_id
           )
           SELECT s.code, s.name, s.price_won, s.discount_ratio_bp, s.max_per_customer, s.is_active, s.sale_from,
                  s.sale_until, st.on_hand, st.reserved,
                  CASE WHEN st.reserved > 0
                       THEN coalesce((SELECT units FROM given_back WHERE given_back.sku_id = s.id), 0)
                       ELSE 0 END AS "overdue!",
                  st.reserved > 0 AND (SELECT count(*) FROM overdue) >= $5 AS "overdue_has_more!"
             FROM (SELECT * FROM skus
                    WHERE ($1::text IS NULL OR code = $1)
                      AND ($6::text[] IS NULL OR code = ANY($6))
                      AND ($2::text IS NULL OR starts_with(lower(code), lower($2)) OR strpos(lower(name), lower($2)) > 0)
                      AND code > coalesce($3, '')
                      AND ($7::text[] IS NULL OR NOT EXISTS (
                           SELECT FROM product_skus ps JOIN products p ON p.id = ps.product_id
                            WHERE ps.sku_id = skus.id
                              AND product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until)
                                  = ANY($7)))
                    ORDER BY code LIMIT $4) s
             JOIN stock st ON st.sku_id = s.id ORDER BY s.code"#,
        wanted.code.map(SkuCode::as_str),
        wanted.text,
        wanted.after,
        limit,
        OVERDUE_LOOKED_AT,
        wanted.codes,
        hidden.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    let row = rows.into_iter().map(|row| {
        let definition = SkuDefinition {
            code: decoded(SkuCode::parse(row.code))?,
            name: decoded(ProductName::parse(row.name))?,
            price: Won(row.price_won),
            discount: DiscountRatio::from_basis_points(row.discount_ratio_bp),
            max_per_customer: row.max_per_customer,
            sale: Sale { is_active: row.is_active, from: row.sale_from, until: row.sale_until },
        };
        Ok(SkuRow {
            definition,
            on_hand: row.on_hand,
            reserved: row.reserved,
            overdue: row.overdue,
            overdue_has_more: row.overdue_has_more,
        })
    });
    row.collect()
}

pub async fn find(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<SkuRow>> {
    Ok(read(conn, SkuCriteria { code: Some(code), ..SkuCriteria::default() }, 1).await?.pop())
}

/// Those of these SKUs that buyers may see, none of them named twice.
pub async fn for_buyers(conn: &mut PgConnection, codes: &[String]) -> sqlx::Result<Vec<SkuRow>> {
    let Ok(most @ 1..) = i64::try_from(codes.len()) else { return Ok(vec![]) };
    read(conn, SkuCriteria { codes: Some(codes), for_buyers: true, ..SkuCriteria::default() }, most).await
}

/// What one unit of a SKU costs now, after discount, if buyers may see it.
pub async fn unit_amount_for_buyers(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<Won>> {
    let sku = sqlx::query!(
        "SELECT s.price_won, s.discount_ratio_bp FROM skus s
          WHERE s.code = $1 AND NOT EXISTS (
                SELECT FROM product_skus ps JOIN products p ON p.id = ps.product_id
                 WHERE ps.sku_id = s.id
                   AND product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) = ANY($2))",
        code.as_str(),
        &states::hidden(),
    );
    let sku = sku.fetch_optional(conn).await?;
    Ok(sku.map(|sku| DiscountRatio::from_basis_points(sku.discount_ratio_bp).apply(Won(sku.price_won))))
}

/// The row of a SKU.
pub async fn sku_id(conn: &mut PgConnection, code: &SkuCode) -> sqlx::Result<Option<SkuId>> {
    let id = sqlx::query_scalar!("SELECT id FROM skus WHERE code = $1", code.as_str()).fetch_optional(conn);
    Ok(id.await?.map(SkuId))
}
