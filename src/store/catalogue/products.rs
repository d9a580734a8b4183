//! Products as shops write them: locked, read and written, many at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::changes::{Change, NotWritten, Stored, sale_of};
use super::locks::Locked;
use super::members;
use crate::domain::catalogue::options::{ProductOption, Variant};
use crate::domain::catalogue::product::{Product, TextFormat};
use crate::domain::catalogue::texts::{Category, Description, ImageUrl, ProductCode, Tag};
use crate::domain::catalogue::words;
use crate::domain::ids::ProductName;
use crate::domain::sku::Sale;
use crate::store::decoded;
use crate::store::stock::skus::{self, NewSale};

/// How a description is written, as PostgreSQL knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "product_text_format", rename_all = "lowercase")]
pub(super) enum Format {
    Plain,
    Markdown,
}

impl From<Format> for TextFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Plain => Self::Plain,
            Format::Markdown => Self::Markdown,
        }
    }
}

/// The products of these codes, by code.
pub async fn read(conn: &mut PgConnection, codes: &[String]) -> sqlx::Result<HashMap<String, Stored>> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.code, p.name, p.description, p.description_format AS "format: Format", p.image_urls, p.category,
                  p.tags, p.options AS "options: Json<Vec<ProductOption>>", p.is_active, p.sale_from, p.sale_until,
                  p.archived_at IS NOT NULL AS "is_archived!", p.version,
                  (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', s.code, 'choices', ps.choices)
                                             ORDER BY ps.position), '[]')
                     FROM product_skus ps JOIN skus s ON s.id = ps.sku_id
                    WHERE ps.product_id = p.id) AS "skus!: Json<Vec<Variant>>"
             FROM products p WHERE p.code = ANY($1)"#,
        codes,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let parts = Parts { name: row.name, description: row.description, image_urls: row.image_urls };
            let (name, description, image_urls) = parts.parse()?;
            let product = Product {
                name,
                description,
                description_format: row.format.into(),
                image_urls,
                category: row.category.map(|text| decoded(Category::parse(text))).transpose()?,
                tags: row.tags.into_iter().map(|text| decoded(Tag::parse(text))).collect::<Result<_, _>>()?,
                is_active: row.is_active,
                sale_from: row.sale_from,
                sale_until: row.sale_until,
                options: row.options.0,
                skus: row.skus.0,
            };
            let (id, version, is_archived) = (row.id, row.version, row.is_archived);
            Ok((row.code, Stored { id, version, is_archived, product }))
        })
        .collect()
}

/// Texts of a row.
struct Parts {
    name: String,
    description: String,
    image_urls: Vec<String>,
}

impl Parts {
    fn parse(self) -> sqlx::Result<(ProductName, Description, Vec<ImageUrl>)> {
        let images = self.image_urls.into_iter().map(|url| decoded(ImageUrl::parse(url)));
        let (name, description) =
            (decoded(ProductName::parse(self.name))?, decoded(Description::parse(self.description))?);
        Ok((name, description, images.collect::<Result<_, _>>()?))
    }
}

/// The product of this code.
pub async fn find(conn: &mut PgConnection, code: &ProductCode) -> sqlx::Result<Option<Stored>> {
    Ok(read(conn, &[code.to_string()]).await?.remove(code.as_str()))
}

/// Products as statements take them: one document for all of them.
#[derive(Serialize)]
struct Row<'a> {
    id: Option<i64>,
    code: &'a str,
    name: &'a str,
    name_folded: String,
    description: &'a str,
    description_format: TextFormat,
    image_urls: &'a [ImageUrl],
    category: Option<&'a Category>,
    tags: &'a [Tag],
    options: &'a [ProductOption],
    terms: Vec<String>,
    is_active: bool,
    sale_from: Option<DateTime<Utc>>,
    sale_until: Option<DateTime<Utc>>,
    is_archived: bool,
}

impl<'a> From<&'a Change> for Row<'a> {
    fn from(change: &'a Change) -> Self {
        let Change { code, before, product, .. } = change;
        let name_folded = words::fold(product.name.as_str());
        let terms = words::terms(&name_folded, product.category.as_ref(), &product.tags);
        Self {
            id: before.as_ref().map(|stored| stored.id),
            code: code.as_str(),
            name: product.name.as_str(),
            name_folded,
            description: product.description.as_str(),
            description_format: product.description_format,
            image_urls: &product.image_urls,
            category: product.category.as_ref(),
            tags: &product.tags,
            options: &product.options,
            terms,
            is_active: product.is_active,
            sale_from: product.sale_from,
            sale_until: product.sale_until,
            is_archived: change.stays_archived(),
        }
    }
}

/// Writes products whose old rows, and SKUs of theirs, are locked.
pub async fn write(conn: &mut PgConnection, changes: &[Change], locked: &Locked) -> Result<(), NotWritten> {
    let old: Vec<i64> = changes.iter().filter_map(|change| Some(change.before.as_ref()?.id)).collect();
    forget_terms(conn, &old).await?;
    let rows: Vec<Row<'_>> = changes.iter().map(Row::from).collect();
    let ids = put_rows(conn, &rows).await?;
    if ids.len() < changes.len() {
        return Err(NotWritten::MadeMeanwhile);
    }
    members::write(conn, changes, &ids, locked).await?;
    skus::set_sales(conn, &members::sales(changes)).await?;
    let ids: Vec<i64> = ids.into_values().collect();
    sqlx::query!(
        "INSERT INTO product_terms (term, is_archived, product_id)
         SELECT DISTINCT t.term, p.archived_at IS NOT NULL, p.id
           FROM products p CROSS JOIN LATERAL unnest(p.terms) AS t (term)
          WHERE p.id = ANY($1) ORDER BY 1, 3",
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away what leads to products of these ids, as they stand.
async fn forget_terms(conn: &mut PgConnection, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM product_terms t USING (
                SELECT id, archived_at IS NOT NULL AS is_archived, unnest(terms) AS term FROM products
                 WHERE id = ANY($1)) old
          WHERE t.term = old.term AND t.is_archived = old.is_archived AND t.product_id = old.id",
        ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts and updates rows; the ids by code.
async fn put_rows(conn: &mut PgConnection, rows: &[Row<'_>]) -> sqlx::Result<HashMap<String, i64>> {
    let rows = Json(rows);
    let updated = sqlx::query!(
        r#"UPDATE products p
              SET name = r.name, name_folded = r.name_folded, description = r.description,
                  description_format = r.description_format, image_urls = r.image_urls, category = r.category,
                  tags = r.tags, options = r.options, terms = r.terms, is_active = r.is_active, sale_from = r.sale_from,
                  sale_until = r.sale_until, archived_at = CASE WHEN r.is_archived THEN p.archived_at END,
                  version = p.version + 1, updated_at = now()
             FROM jsonb_to_recordset($1::jsonb) AS r (
                  id bigint, name text, name_folded text, description text, description_format product_text_format,
                  image_urls text[], category text, tags text[], options jsonb, terms text[], is_active boolean,
                  sale_from timestamptz, sale_until timestamptz, is_archived boolean)
            WHERE p.id = r.id RETURNING p.id, p.code"#,
        rows as _,
    )
    .fetch_all(&mut *conn)
    .await?;
    let inserted = sqlx::query!(
        r#"INSERT INTO products (code, name, name_folded, description, description_format, image_urls, category, tags,
                                 options, terms, is_active, sale_from, sale_until)
           SELECT r.code, r.name, r.name_folded, r.description, r.description_format, r.image_urls, r.category, r.tags,
                  r.options, r.terms, r.is_active, r.sale_from, r.sale_until
             FROM jsonb_to_recordset($1::jsonb) AS r (
                  id bigint, code text, name text, name_folded text, description text,
                  description_format product_text_format, image_urls text[], category text, tags text[], options jsonb,
                  terms text[], is_active boolean, sale_from timestamptz, sale_until timestamptz)
            WHERE r.id IS NULL ORDER BY r.code
           ON CONFLICT (code) DO NOTHING RETURNING id, code"#,
        rows as _,
    )
    .fetch_all(conn)
    .await?;
    let updated = updated.into_iter().map(|row| (row.code, row.id));
    Ok(updated.chain(inserted.into_iter().map(|row| (row.code, row.id))).collect())
}

/// Takes a locked product off the shelves for good. Its row stays, as do its SKUs, which are sold no more.
pub async fn archive(conn: &mut PgConnection, stored: &Stored) -> sqlx::Result<()> {
    let id = stored.id;
    let off = Sale { is_active: false, ..sale_of(&stored.product) };
    let skus = stored.product.skus.iter().map(|variant| variant.sku.clone());
    let off: Vec<_> = skus.map(|sku| NewSale { sku, sale: off, puts_on: false }).collect();
    skus::set_sales(&mut *conn, &off).await?;
    forget_terms(&mut *conn, &[id]).await?;
    sqlx::query!(
        "WITH archived AS (
             UPDATE products SET archived_at = now(), version = version + 1, updated_at = now()
              WHERE id = $1 RETURNING id, terms)
         INSERT INTO product_terms (term, is_archived, product_id)
         SELECT DISTINCT unnest(terms), true, id FROM archived",
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
