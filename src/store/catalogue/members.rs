//! Which SKUs are whose, and when they are sold because of it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::changes::{Change, NotWritten, sale_before, sale_of};
use super::locks::Locked;
use crate::domain::catalogue::product::Product;
use crate::domain::catalogue::texts::OptionText;
use crate::domain::ids::SkuCode;
use crate::domain::sku::Sale;
use crate::store::stock::skus::NewSale;

/// A SKU of a product as a statement takes it.
#[derive(Serialize)]
struct Member<'a> {
    product_id: i64,
    position: usize,
    sku: &'a SkuCode,
    choices: &'a [OptionText],
}

/// Writes which SKUs are whose, where that changes: one that stays where it is costs nothing.
pub(super) async fn write(
    conn: &mut PgConnection,
    changes: &[Change],
    ids: &HashMap<String, i64>,
    locked: &Locked,
) -> Result<(), NotWritten> {
    let (mut moved, mut members) = (vec![], vec![]);
    for Change { code, before, product, .. } in changes {
        let places = |product: &'_ Product| -> HashMap<SkuCode, (usize, Vec<OptionText>)> {
            let skus = product.skus.iter().enumerate();
            skus.map(|(position, variant)| (variant.sku.clone(), (position, variant.choices.clone())))
                .collect()
        };
        let old = before.as_ref().map(|old| places(&old.product)).unwrap_or_default();
        let new = places(product);
        moved.extend(
            old.iter().filter(|(sku, place)| new.get(*sku) != Some(*place)).map(|(sku, _)| sku.to_string()),
        );
        let Some(product_id) = ids.get(code.as_str()).copied() else { continue };
        let skus = product.skus.iter().enumerate();
        let skus = skus.filter(|(_, variant)| old.get(&variant.sku) != new.get(&variant.sku));
        members.extend(skus.map(|(position, variant)| Member {
            product_id,
            position,
            sku: &variant.sku,
            choices: &variant.choices,
        }));
    }
    if let Some(unknown) = members.iter().find(|member| !locked.has(member.sku.as_str())) {
        return Err(NotWritten::UnknownSku(unknown.sku.clone()));
    }
    if !moved.is_empty() {
        sqlx::query!(
            "DELETE FROM product_skus WHERE sku_id = ANY(ARRAY(SELECT id FROM skus WHERE code = ANY($1)))",
            &moved,
        )
        .execute(&mut *conn)
        .await?;
    }
    if members.is_empty() {
        return Ok(());
    }
    let written = sqlx::query!(
        "INSERT INTO product_skus (sku_id, product_id, position, choices)
         SELECT s.id, m.product_id, m.position, m.choices
           FROM jsonb_to_recordset($1::jsonb) AS m (product_id bigint, position integer, sku text, choices text[])
           JOIN skus s ON s.code = m.sku ORDER BY s.id
         ON CONFLICT (sku_id) DO NOTHING",
        Json(&members) as _,
    )
    .execute(conn)
    .await?;
    if written.rows_affected() == members.len() as u64 { Ok(()) } else { Err(NotWritten::SkuOfAnother) }
}

/// Which SKUs are to be sold at other times because of these changes. Those of a product whose sale changes are sold at the
/// product's times, as are those that come into one that has a sale of its own. A SKU that is off stays off, unless its product comes
/// on with it. One that leaves its product is shown nowhere any more, and is off until the shop says otherwise.
pub(super) fn sales(changes: &[Change]) -> Vec<NewSale> {
    let mut sales = vec![];
    for change in changes {
        let Change { before, product, .. } = change;
        let now = Sale { is_active: product.is_active && !change.stays_archived(), ..sale_of(product) };
        let was = before.as_ref().map(sale_before);
        let comes_on = was.is_some_and(|was| !was.is_active) && now.is_active;
        let old = before.as_ref().map(|old| old.product.skus.iter().map(|variant| &variant.sku));
        let old: HashSet<&SkuCode> = old.into_iter().flatten().collect();
        for variant in &product.skus {
            let was_there = old.contains(&variant.sku);
            let changes = if was_there { was != Some(now) } else { now != Sale::default() };
            if changes {
                let puts_on = was_there && comes_on;
                sales.push(NewSale { sku: variant.sku.clone(), sale: now, puts_on });
            }
        }
        let stays: HashSet<&SkuCode> = product.skus.iter().map(|variant| &variant.sku).collect();
        let off = Sale { is_active: false, from: None, until: None };
        let gone = old.into_iter().filter(|sku| !stays.contains(sku));
        sales.extend(gone.map(|sku| NewSale { sku: sku.clone(), sale: off, puts_on: false }));
    }
    sales
}
