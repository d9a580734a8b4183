//! Products as they are shown: one in full, or several on a page.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::products::Format;
pub use super::states::ProductState;
use crate::domain::catalogue::options::ProductOption;
use crate::domain::catalogue::product::TextFormat;
use crate::domain::catalogue::texts::ProductCode;
use crate::domain::ids::SkuId;
use crate::domain::money::{DiscountRatio, Won};

/// What is on a list of a product.
#[derive(Debug, Clone)]
pub struct Summary {
    pub code: String,
    pub name: String,
    pub image_urls: Vec<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub state: ProductState,
    pub sale_from: Option<DateTime<Utc>>,
    pub sale_until: Option<DateTime<Utc>>,
    pub prices: Prices,
    /// SKUs that a buyer can have now, or once its sale begins.
    pub offered: Vec<SkuId>,
}

/// What is asked for the SKUs of a product that a buyer can have, after discount. Nothing if there are none.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    pub offered_count: i32,
    pub from: Won,
    pub to: Won,
    /// The greatest discount.
    pub discount: DiscountRatio,
}

/// A product in full.
#[derive(Debug, Clone)]
pub struct Shown {
    pub version: i64,
    pub summary: Summary,
    pub description: String,
    pub description_format: TextFormat,
    pub options: Vec<ProductOption>,
    pub is_active: bool,
    pub archived_at: Option<DateTime<Utc>>,
    pub skus: Vec<ShownSku>,
}

/// A SKU of a product.
#[derive(Debug, Clone)]
pub struct ShownSku {
    pub id: SkuId,
    pub code: String,
    pub choices: Vec<String>,
    pub price: Won,
    pub discount: DiscountRatio,
    pub max_per_customer: Option<i32>,
    /// Whether the engine takes orders for it now.
    pub is_on_sale: bool,
}

/// Products of these ids, in this order.
pub async fn page(conn: &mut PgConnection, ids: &[i64]) -> sqlx::Result<Vec<Summary>> {
    let rows = sqlx::query!(
        r#"SELECT p.code, p.name, p.image_urls, p.category, p.tags, p.sale_from, p.sale_until, p.offered_count,
                  p.offered_from_won, p.offered_to_won, p.offered_discount_bp,
                  product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) AS "state!",
                  ARRAY(SELECT s.id FROM product_skus ps JOIN skus s ON s.id = ps.sku_id
                         WHERE ps.product_id = p.id AND s.is_active
                           AND CASE WHEN now() < p.sale_from THEN coalesce(p.sale_from < s.sale_until, true)
                                    ELSE coalesce(s.sale_from <= now(), true) AND coalesce(now() < s.sale_until, true)
                               END) AS "offered!"
             FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (id, place) JOIN products p ON p.id = wanted.id
            ORDER BY wanted.place"#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Summary {
                code: row.code,
                name: row.name,
                image_urls: row.image_urls,
                category: row.category,
                tags: row.tags,
                state: ProductState::parse(&row.state)?,
                sale_from: row.sale_from,
                sale_until: row.sale_until,
                prices: Prices {
                    offered_count: row.offered_count,
                    from: Won(row.offered_from_won),
                    to: Won(row.offered_to_won),
                    discount: DiscountRatio::from_basis_points(row.offered_discount_bp),
                },
                offered: row.offered.into_iter().map(SkuId).collect(),
            })
        })
        .collect()
}

/// A SKU as a statement tells of it.
#[derive(Debug, serde::Deserialize)]
struct SkuOfProduct {
    id: i64,
    code: String,
    choices: Vec<String>,
    price_won: i64,
    discount_ratio_bp: i32,
    max_per_customer: Option<i32>,
    is_on_sale: bool,
    is_offered: bool,
}

impl From<SkuOfProduct> for ShownSku {
    fn from(sku: SkuOfProduct) -> Self {
        Self {
            id: SkuId(sku.id),
            code: sku.code,
            choices: sku.choices,
            price: Won(sku.price_won),
            discount: DiscountRatio::from_basis_points(sku.discount_ratio_bp),
            max_per_customer: sku.max_per_customer,
            is_on_sale: sku.is_on_sale,
        }
    }
}

/// The product of this code, in full, as of one instant.
pub async fn one(conn: &mut PgConnection, code: &ProductCode) -> sqlx::Result<Option<Shown>> {
    let row = sqlx::query!(
        r#"SELECT p.code, p.name, p.image_urls, p.category, p.tags, p.sale_from, p.sale_until, p.offered_count,
                  p.offered_from_won, p.offered_to_won, p.offered_discount_bp, p.version, p.description,
                  p.description_format AS "format: Format", p.options AS "options: Json<Vec<ProductOption>>",
                  p.is_active, p.archived_at,
                  product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) AS "state!",
                  (SELECT coalesce(jsonb_agg(jsonb_build_object(
                              'id', s.id, 'code', s.code, 'choices', ps.choices, 'price_won', s.price_won,
                              'discount_ratio_bp', s.discount_ratio_bp, 'max_per_customer', s.max_per_customer,
                              'is_on_sale', s.is_active AND coalesce(s.sale_from <= now(), true)
                                            AND coalesce(now() < s.sale_until, true),
                              'is_offered', s.is_active
                                            AND CASE WHEN now() < p.sale_from THEN coalesce(p.sale_from < s.sale_until, true)
                                                     ELSE coalesce(s.sale_from <= now(), true)
                                                          AND coalesce(now() < s.sale_until, true) END)
                              ORDER BY ps.position), '[]')
                     FROM product_skus ps JOIN skus s ON s.id = ps.sku_id
                    WHERE ps.product_id = p.id) AS "skus!: Json<Vec<SkuOfProduct>>"
             FROM products p WHERE p.code = $1"#,
        code.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let offered = row.skus.0.iter().filter(|sku| sku.is_offered).map(|sku| SkuId(sku.id)).collect();
    let skus: Vec<ShownSku> = row.skus.0.into_iter().map(ShownSku::from).collect();
    let summary = Summary {
        code: row.code,
        name: row.name,
        image_urls: row.image_urls,
        category: row.category,
        tags: row.tags,
        state: ProductState::parse(&row.state)?,
        sale_from: row.sale_from,
        sale_until: row.sale_until,
        prices: Prices {
            offered_count: row.offered_count,
            from: Won(row.offered_from_won),
            to: Won(row.offered_to_won),
            discount: DiscountRatio::from_basis_points(row.offered_discount_bp),
        },
        offered,
    };
    Ok(Some(Shown {
        version: row.version,
        summary,
        description: row.description,
        description_format: row.format.into(),
        options: row.options.0,
        is_active: row.is_active,
        archived_at: row.archived_at,
        skus,
    }))
}
