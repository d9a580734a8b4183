//! Lists of products, a page at a time. Whatever is asked for, what is read for a page has a bound that does not grow with the
//! catalogue.
//!
//! Of all terms that must lead to a product, the one that leads to fewest is looked for first. If it leads to few, all of
//! these are looked at and sorted. If each leads to many, the list is walked in its order and what does not fit is left out:
//! a page comes together soon, or the walk ends after [`LOOKED_THROUGH`] and the answer says where to go on.

use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use super::places::{Place, Sort};
use super::shown::ProductState;
use crate::domain::catalogue::words::Search;

/// Products looked through for a page.
pub const LOOKED_THROUGH: i64 = 5_000;
/// So many are few: all of them are read and sorted.
const FEW: i64 = 1_000;
/// Terms whose numbers are compared; the others only have to fit.
const TERMS_COMPARED: usize = 8;
/// How many a walk looks at in its first step beside those it needs, and how much longer each next step is.
const FIRST_STEP: i64 = 20;
const STRIDE: i64 = 10;

/// What to list.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub search: Search,
    /// Products that stand so.
    pub states: Vec<ProductState>,
    pub sort: Sort,
    /// Those behind this place.
    pub after: Option<Place>,
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The products' ids, in order.
    pub ids: Vec<i64>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Place>,
}

/// What statements take.
struct Filter {
    terms: Vec<String>,
    parts: Vec<String>,
    states: Vec<String>,
    is_archived: bool,
}

/// A product that was looked at.
struct Seen {
    place: Place,
    fits: bool,
}

/// Begins a look at one snapshot. Without statistics the planner takes what lies behind a place for few, and would rather
/// fetch and sort all of it.
pub async fn begin(conn: &mut PgConnection) -> sqlx::Result<Transaction<'_, Postgres>> {
    conn.begin_with(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off",
    )
    .await
}

/// Lists products, in a look that was begun. Archived ones lie on lists of their own, so whoever asks for them asks for no others.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted) -> sqlx::Result<Page> {
    let filter = Filter {
        terms: wanted.search.terms.clone(),
        parts: wanted.search.parts.clone(),
        states: wanted.states.iter().map(|state| state.name().to_owned()).collect(),
        is_archived: wanted.states == [ProductState::Archived],
    };
    let rarest = rarest_term(&mut *conn, &filter).await?;
    match rarest {
        Some((_, 0)) => Ok(Page::default()),
        Some((term, count)) if count <= FEW => of_few(conn, wanted, &filter, &term).await,
        rarest => walk(conn, wanted, &filter, rarest.map(|(term, _)| term).as_deref()).await,
    }
}

/// The term that leads to fewest products, and to how many, at most one more than [`FEW`].
async fn rarest_term(conn: &mut PgConnection, filter: &Filter) -> sqlx::Result<Option<(String, i64)>> {
    let compared = &filter.terms[..filter.terms.len().min(TERMS_COMPARED)];
    if compared.is_empty() {
        return Ok(None);
    }
    let rarest = sqlx::query!(
        r#"SELECT named.term AS "term!", counted.count AS "count!"
             FROM unnest($1::text[]) AS named (term)
            CROSS JOIN LATERAL (
                  SELECT count(*) FROM (
                         SELECT FROM product_terms t WHERE t.term = named.term AND t.is_archived = $2
                          LIMIT $3) AS few) AS counted
            ORDER BY counted.count, named.term LIMIT 1"#,
        compared,
        filter.is_archived,
        FEW + 1,
    )
    .fetch_one(conn)
    .await?;
    Ok(Some((rarest.term, rarest.count)))
}

/// A page of the few products that a term leads to.
async fn of_few(conn: &mut PgConnection, wanted: &Wanted, filter: &Filter, term: &str) -> sqlx::Result<Page> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.name_folded, p.offered_from_won
             FROM products p
            WHERE p.id = ANY(ARRAY(SELECT product_id FROM product_terms WHERE term = $1 AND is_archived = $2 LIMIT $6))
              AND p.terms @> $3
              AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS part WHERE strpos(' ' || p.name_folded, part) = 0)
              AND product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) = ANY($5)"#,
        term,
        filter.is_archived,
        &filter.terms,
        &filter.parts,
        &filter.states,
        2 * FEW,
    )
    .fetch_all(conn)
    .await?;
    let places = rows.into_iter().map(|row| Place {
        id: row.id,
        name: row.name_folded,
        price_won: row.offered_from_won,
    });
    let is_behind =
        |place: &Place| wanted.after.as_ref().is_none_or(|after| wanted.sort.compare(place, after).is_gt());
    let mut places: Vec<Place> = places.filter(is_behind).collect();
    places.sort_by(|one, other| wanted.sort.compare(one, other));
    let has_more = places.len() > wanted.limit;
    places.truncate(wanted.limit);
    let next = if has_more { places.last().cloned() } else { None };
    Ok(Page { ids: places.into_iter().map(|place| place.id).collect(), next })
}

/// A page of the list as it is walked, in steps that grow longer.
async fn walk(
    conn: &mut PgConnection,
    wanted: &Wanted,
    filter: &Filter,
    term: Option<&str>,
) -> sqlx::Result<Page> {
    let mut after = wanted.after.clone().unwrap_or_else(|| wanted.sort.beginning());
    let mut found: Vec<Place> = vec![];
    let (mut looked_through, mut step) = (0, wanted.limit as i64 + FIRST_STEP);
    while looked_through < LOOKED_THROUGH {
        step = step.min(LOOKED_THROUGH - looked_through);
        let seen = look(&mut *conn, wanted.sort, &after, step, filter, term).await?;
        looked_through += seen.len() as i64;
        let is_end = (seen.len() as i64) < step;
        if let Some(last) = seen.last() {
            after = last.place.clone();
        }
        found.extend(seen.into_iter().filter(|seen| seen.fits).map(|seen| seen.place));
        if found.len() > wanted.limit {
            found.truncate(wanted.limit);
            let next = found.last().cloned();
            return Ok(Page { ids: found.into_iter().map(|place| place.id).collect(), next });
        }
        if is_end {
            return Ok(Page { ids: found.into_iter().map(|place| place.id).collect(), next: None });
        }
        step *= STRIDE;
    }
    Ok(Page { ids: found.into_iter().map(|place| place.id).collect(), next: Some(after) })
}

/// Looks at the next products behind a place of one order: which index, from where on, and in which direction.
macro_rules! look {
    ($conn:ident, $step:ident, $filter:ident, $archived:tt, $behind:tt, $order:tt, $key:expr, $id:expr) => {{
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", name_folded AS "name!", offered_from_won AS "price_won!",
                      terms @> $3 AND NOT EXISTS (
                          SELECT FROM unnest($4::text[]) AS part WHERE strpos(' ' || name_folded, part) = 0)
                      AND product_state(is_active, offered_count, archived_at, sale_from, sale_until) = ANY($5) AS "fits!"
                 FROM products WHERE "#
                + $archived
                + $behind
                + $order
                + " LIMIT $6",
            $key,
            $id,
            &$filter.terms,
            &$filter.parts,
            &$filter.states,
            $step,
        )
        .fetch_all($conn)
        .await?;
        let seen = rows.into_iter().map(|row| Seen {
            place: Place { id: row.id, name: row.name, price_won: row.price_won },
            fits: row.fits,
        });
        seen.collect()
    }};
}

/// The next `step` products behind a place, whether they fit or not.
async fn look(
    conn: &mut PgConnection,
    sort: Sort,
    after: &Place,
    step: i64,
    filter: &Filter,
    term: Option<&str>,
) -> sqlx::Result<Vec<Seen>> {
    let (id, name, price) = (after.id, after.name.as_str(), after.price_won);
    Ok(match (sort, filter.is_archived) {
        (Sort::Newest, is_archived) => return newest(conn, id, is_archived, step, filter, term).await,
        (Sort::Name, false) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NULL",
                " AND (name_folded, id) > ($1::text, $2)",
                " ORDER BY name_folded, id",
                name,
                id
            )
        }
        (Sort::NameBackwards, false) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NULL",
                " AND (name_folded, id) < ($1::text, $2)",
                " ORDER BY name_folded DESC, id DESC",
                name,
                id
            )
        }
        (Sort::Price, false) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NULL",
                " AND (offered_from_won, id) > ($1, $2)",
                " ORDER BY offered_from_won, id",
                price,
                id
            )
        }
        (Sort::PriceBackwards, false) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NULL",
                " AND (offered_from_won, id) < ($1, $2)",
                " ORDER BY offered_from_won DESC, id DESC",
                price,
                id
            )
        }
        (Sort::Name, true) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NOT NULL",
                " AND (name_folded, id) > ($1::text, $2)",
                " ORDER BY name_folded, id",
                name,
                id
            )
        }
        (Sort::NameBackwards, true) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NOT NULL",
                " AND (name_folded, id) < ($1::text, $2)",
                " ORDER BY name_folded DESC, id DESC",
                name,
                id
            )
        }
        (Sort::Price, true) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NOT NULL",
                " AND (offered_from_won, id) > ($1, $2)",
                " ORDER BY offered_from_won, id",
                price,
                id
            )
        }
        (Sort::PriceBackwards, true) => {
            look!(
                conn,
                step,
                filter,
                "archived_at IS NOT NULL",
                " AND (offered_from_won, id) < ($1, $2)",
                " ORDER BY offered_from_won DESC, id DESC",
                price,
                id
            )
        }
    })
}

/// The next products by age: among those that the rarest term leads to, as these lie together in the order of their ids.
async fn newest(
    conn: &mut PgConnection,
    before: i64,
    is_archived: bool,
    step: i64,
    filter: &Filter,
    term: Option<&str>,
) -> sqlx::Result<Vec<Seen>> {
    let rows = sqlx::query!(
        r#"SELECT p.id AS "id!", p.name_folded AS "name!", p.offered_from_won AS "price_won!",
                  p.terms @> $4 AND NOT EXISTS (
                      SELECT FROM unnest($5::text[]) AS part WHERE strpos(' ' || p.name_folded, part) = 0)
                  AND product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) = ANY($6) AS "fits!"
             FROM (
                  (SELECT product_id FROM product_terms
                    WHERE term = $2 AND is_archived = $3 AND product_id < $1 ORDER BY product_id DESC LIMIT $7)
                  UNION ALL
                  (SELECT id FROM products
                    WHERE $2::text IS NULL AND NOT $3 AND archived_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $7)
                  UNION ALL
                  (SELECT id FROM products
                    WHERE $2::text IS NULL AND $3 AND archived_at IS NOT NULL AND id < $1 ORDER BY id DESC LIMIT $7)
                  ) AS next (id)
            CROSS JOIN LATERAL (SELECT * FROM products WHERE id = next.id OFFSET 0) AS p"#,
        before,
        term,
        is_archived,
        &filter.terms,
        &filter.parts,
        &filter.states,
        step,
    )
    .fetch_all(conn)
    .await?;
    let seen = rows.into_iter().map(|row| Seen {
        place: Place { id: row.id, name: row.name, price_won: row.price_won },
        fits: row.fits,
    });
    // The statement goes from one to the next by key, in an order that it does not promise.
    let mut seen: Vec<Seen> = seen.collect();
    seen.sort_by(|one, other| Sort::Newest.compare(&one.place, &other.place));
    Ok(seen)
}
