//! `/v1/catalogue`: many products and SKUs at once, in and out.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::CONTENT_TYPE;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use crate::domain::catalogue::import::{
    self, BadLine, Difference, DifferenceKind, KnownProduct, Line, Plan, sku_document,
};
use crate::http::app::App;
use crate::http::auth::Shopkeeper;
use crate::http::body::Raw;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::tokens::Caller;
use crate::http::views::Problem;
use crate::store::catalogue::changes::{Change, NotWritten};
use crate::store::catalogue::import as import_store;
use crate::store::catalogue::locks::{Locked, lock};
use crate::store::catalogue::products;

/// Lines of one portion: each of them leads to a product as it stands, with all of its SKUs.
const MAX_LINES: usize = 300;

/// Products on a page of an export.
const PAGE: i64 = 50;

/// How a portion is taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only tell what would change
    #[serde(default)]
    dry_run: bool,
    /// Take the good lines of a portion that has bad ones, too; otherwise it is taken as a whole or not at all
    #[serde(default)]
    skip_bad: bool,
}

/// What became of a portion.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Whether anything was written.
    pub is_applied: bool,
    /// Lines that were read.
    pub lines: usize,
    /// What changes, or would change.
    pub differences: Vec<Difference>,
    /// Lines that are not taken, and why.
    pub bad: Vec<BadLine>,
}

/// Import products and SKUs
///
/// A JSON document on each line: `product`, members of a product that are to change (a merge patch), and `skus`, each with
/// `sku`, `choices`, `name`, `price_won`, `discount_ratio`, `max_per_customer`, and `on_hand` for one that is new. `line` says
/// where it stands in its sender's file. SKUs that are not named stay. A portion is one transaction, and may be sent again.
#[utoipa::path(
    post, path = "/v1/catalogue/import", tag = "catalogue", params(ImportQuery),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "What changes, and what is wrong", body = ImportReport),
        (status = 409, description = "Somebody else has made one of them at the same time; send it again", body = Problem),
    )
)]
pub async fn take_in(
    State(app): State<App>,
    _: Shopkeeper,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<ImportReport>, ApiError> {
    let text = read_lines(request).await?;
    if text.lines().count() > MAX_LINES {
        return Err(ApiError::Unprocessable(format!("a portion has at most {MAX_LINES} lines")));
    }
    let (lines, mut bad) = parse(&text);
    let count = lines.len() + bad.len();
    if query.dry_run || (!bad.is_empty() && !query.skip_bad) {
        let plans = app.read(async |conn| plan(conn, &lines, &mut bad).await).await?;
        let differences = plans.into_iter().flat_map(|(_, plan)| plan.differences).collect();
        bad.sort_by_key(|bad| bad.line);
        return Ok(Json(ImportReport { is_applied: false, lines: count, differences, bad }));
    }
    let report = app.write(move |tx| {
        async move {
            let codes: Vec<String> = lines.iter().map(|line| line.code.to_string()).collect();
            let locked = lock(tx, &codes, &sku_codes(&lines)).await?;
            let plans = plan(tx, &lines, &mut bad).await?;
            let is_applied = bad.is_empty() || query.skip_bad;
            let differences = match is_applied {
                true => write(tx, plans, locked, &caller.name).await?,
                false => plans.into_iter().flat_map(|(_, plan)| plan.differences).collect(),
            };
            bad.sort_by_key(|bad| bad.line);
            Ok(ImportReport { is_applied, lines: count, differences, bad })
        }
        .boxed()
    });
    Ok(Json(report.await?))
}

/// The body, which has to be lines of JSON by its own account.
async fn read_lines(request: Request) -> Result<String, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["application/x-ndjson", "application/jsonl"].contains(&kind.as_str()) {
        return Err(ApiError::NotJson);
    }
    let Raw(bytes) = Raw::from_request(request, &()).await?;
    String::from_utf8(bytes.into()).map_err(|_| ApiError::Malformed("the body is not UTF-8".to_owned()))
}

/// The lines of a portion. A product or SKU is named by one of them.
fn parse(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let (mut lines, mut bad) = (vec![], vec![]);
    let (mut products, mut skus) = (HashSet::new(), HashSet::new());
    for (position, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match Line::parse(text, position) {
            Err(line) => bad.push(line),
            Ok(line) if !products.insert(line.code.clone()) => {
                bad.push(line.bad("the product has another line before"));
            }
            Ok(line) => match line.skus.iter().find(|sku| !skus.insert(sku.sku.clone())) {
                Some(sku) => bad.push(line.bad(format!("{} is named before", sku.sku))),
                None => lines.push(line),
            },
        }
    }
    (lines, bad)
}

fn sku_codes(lines: &[Line]) -> Vec<String> {
    lines.iter().flat_map(|line| &line.skus).map(|sku| sku.sku.to_string()).collect()
}

/// What is to be done, line by line, beside what there is. Bad lines are added to the others.
async fn plan(
    conn: &mut PgConnection,
    lines: &[Line],
    bad: &mut Vec<BadLine>,
) -> Result<Vec<(Change, Plan)>, ApiError> {
    let codes: Vec<String> = lines.iter().map(|line| line.code.to_string()).collect();
    let mut stored = products::read(&mut *conn, &codes).await?;
    let skus = import_store::skus(conn, &sku_codes(lines)).await?;
    let mut plans = vec![];
    for line in lines {
        let before = stored.remove(line.code.as_str());
        let known = before
            .as_ref()
            .map(|stored| KnownProduct { product: &stored.product, is_archived: stored.is_archived });
        match import::plan(line, known, &skus) {
            Err(reason) => bad.push(line.bad(reason)),
            Ok(mut plan) => {
                let product = plan.product.take();
                if product.is_none() && plan.differences.is_empty() {
                    continue;
                }
                let unchanged = before.as_ref().map(|stored| stored.product.clone());
                let is_changed = product.is_some();
                let Some(product) = product.or(unchanged) else { continue };
                plan.product = is_changed.then(|| product.clone());
                // A file may be older than the shop's decision to archive it.
                let change = Change { code: line.code.clone(), before, product, brings_back: false };
                plans.push((change, plan));
            }
        }
    }
    Ok(plans)
}

/// Does all that is planned.
async fn write(
    tx: &mut PgConnection,
    plans: Vec<(Change, Plan)>,
    locked: Locked,
    actor: &str,
) -> Result<Vec<Difference>, ApiError> {
    let (mut changes, mut new, mut changed, mut differences) = (vec![], vec![], vec![], vec![]);
    for (change, plan) in plans {
        if plan.product.is_some() {
            changes.push(change);
        }
        new.extend(plan.new_skus);
        changed.extend(plan.changed_skus);
        differences.extend(plan.differences);
    }
    import_store::change(&mut *tx, &changed).await?;
    if !import_store::create(&mut *tx, &new, actor).await? {
        return Err(NotWritten::MadeMeanwhile.into());
    }
    if !changes.is_empty() {
        let locked = locked.and(new.into_iter().map(|(sku, _)| sku.code.to_string()));
        products::write(tx, &changes, &locked).await?;
    }
    Ok(differences)
}

/// Where an export goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The `next` of the page before
    after: Option<String>,
}

/// Products as an import takes them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportPage {
    /// A document for each product that is not archived, in the order of their codes.
    #[schema(value_type = Vec<Object>)]
    pub products: Vec<Value>,
    /// Pass it as `after` to read on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Export products with their SKUs
#[utoipa::path(
    get, path = "/v1/catalogue/export", tag = "catalogue", params(ExportQuery),
    responses((status = 200, description = "A page of up to 50 products", body = ExportPage))
)]
pub async fn take_out(
    State(app): State<App>,
    _: Shopkeeper,
    Query(query): Query<ExportQuery>,
) -> Result<Json<ExportPage>, ApiError> {
    let after = query.after.unwrap_or_default();
    if after.contains('\0') {
        return Err(ApiError::Unprocessable("after must be the `next` of the page before".to_owned()));
    }
    let page = app
        .read(async |conn| {
            let codes = import_store::codes_after(&mut *conn, &after, PAGE).await?;
            let mut stored = products::read(&mut *conn, &codes).await?;
            let skus = stored.values().flat_map(|stored| &stored.product.skus);
            let skus: Vec<String> = skus.map(|variant| variant.sku.to_string()).collect();
            let skus = import_store::skus(conn, &skus).await?;
            let next = if codes.len() as i64 == PAGE { codes.last().cloned() } else { None };
            let mut products = vec![];
            for code in codes {
                let Some(stored) = stored.remove(&code).filter(|stored| !stored.is_archived) else {
                    continue;
                };
                let mut document = serde_json::to_value(&stored.product).map_err(|_| ApiError::Internal)?;
                document["product"] = json!(code);
                for sku in document["skus"].as_array_mut().into_iter().flatten() {
                    let Some(known) = sku["sku"].as_str().and_then(|code| skus.get(code)) else { continue };
                    let told = sku_document(&known.definition);
                    let members = told.as_object().into_iter().flatten();
                    members.for_each(|(name, value)| sku[name] = value.clone());
                    sku["on_hand"] = json!(known.on_hand);
                }
                products.push(document);
            }
            Ok::<_, ApiError>(ExportPage { products, next })
        })
        .await?;
    Ok(Json(page))
}

impl ImportReport {
    /// How many differences are of this kind.
    pub fn count(&self, kind: DifferenceKind) -> usize {
        self.differences.iter().filter(|difference| difference.kind == kind).count()
    }
}
