//! Lists of products: whatever is asked for, a page reads no more in a large catalogue.

use holdfast::domain::catalogue::words::{fold, terms};
use holdfast::store::operators::tokens::Role;
use serde_json::Value;

use crate::meter::{Meter, metered_world};
use crate::support::world::World;

/// Fills in products: every other one is "even", every 50th "seldom"; the 50 last ones are over; "alpha" ones cost little,
/// "omega" ones much, and none is both.
async fn fill(world: &World, count: i64) {
    let (mut rows, mut names) = (vec![], vec![]);
    for n in 0..count {
        let parity = if n % 2 == 0 { "even" } else { "odd" };
        let seldom = if n % 50 == 0 { " seldom" } else { "" };
        let end = if n * 2 < count { "alpha" } else { "omega" };
        let name = format!("{parity} {end}{seldom} {n}");
        rows.push(serde_json::to_value(terms(&fold(&name), None, &[])).unwrap());
        names.push(name);
    }
    let sql = "WITH made AS (
                 INSERT INTO skus (code, name, price_won)
                 SELECT 'many-' || n, name, 10000 + n FROM unnest($1::text[]) WITH ORDINALITY AS named (name, n)
                 RETURNING id, code),
               stocked AS (INSERT INTO stock (sku_id) SELECT id FROM made),
               put AS (
                 INSERT INTO products (code, name, name_folded, terms, sale_until)
                 SELECT 'many-' || named.n, named.name, named.name, ARRAY(SELECT jsonb_array_elements_text(t.terms)),
                        CASE WHEN named.n > cardinality($1) - 50 THEN now() - interval '1 day' END
                   FROM unnest($1::text[]) WITH ORDINALITY AS named (name, n)
                   JOIN unnest($2::jsonb[]) WITH ORDINALITY AS t (terms, n) USING (n) ORDER BY n
                 RETURNING id, code, terms),
               led AS (INSERT INTO product_terms SELECT unnest(terms), false, id FROM put)
               INSERT INTO product_skus (sku_id, product_id, position)
               SELECT made.id, put.id, 0 FROM made JOIN put USING (code)";
    let mut conn = world.pool.acquire().await.unwrap();
    for setting in ["statement_timeout = 0", "enable_hashjoin = on", "enable_seqscan = on"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("SET {setting}"))).execute(&mut *conn).await.unwrap();
    }
    sqlx::query(sql).bind(&names).bind(&rows).execute(&mut *conn).await.unwrap();
    // What was there before the products knew what is offered of them is in nobody's way.
    sqlx::query("VACUUM products").execute(&mut *conn).await.unwrap();
    conn.close_on_drop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_products_reads_no_more_of_a_large_catalogue() {
    count_what_pages_read(12_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a hundred thousand products take a minute to make"]
async fn a_page_of_products_reads_no_more_of_a_hundred_thousand() {
    count_what_pages_read(100_000).await;
}

async fn count_what_pages_read(products: i64) {
    let world = metered_world().await;
    fill(&world, products).await;
    let shop = world.start_api().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    let mut meter = Meter::new(&world);
    // What fits seldom, or to what no one word leads, ends after so many that were looked through.
    for (query, found, most) in [
        ("limit=20", 20, 1_000),
        ("limit=20&sort=price", 20, 600),
        ("limit=20&sort=-name", 20, 600),
        ("limit=20&q=even", 20, 2_500),
        ("limit=20&q=even&sort=price", 20, 2_500),
        ("limit=20&q=seldom&sort=-price", 20, 15_000),
        ("limit=20&q=seldom%20even&sort=price", 20, 15_000),
        ("limit=20&q=omega&sort=price", 0, 25_000),
        ("limit=20&q=alpha%20omega", 0, 25_000),
        ("limit=20&q=none", 0, 100),
    ] {
        let page =
            meter.measure(query, (1, most), async || alice.get(&format!("/v1/products?{query}")).await).await;
        assert_eq!(page.status, 200, "{page:?}");
        // One that found nothing in what it looked through says where to go on.
        let count = page.body["products"].as_array().unwrap().len();
        assert_eq!((count, page.body["next"].is_string()), (found, !query.contains("none")), "{query}");
    }
    let page = meter.measure("a code", (1, 300), async || alice.get("/v1/products/many-7").await).await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut query = String::from("/v1/products?limit=20&q=omega&sort=price");
    let found: Value = loop {
        let page = alice.get(&query).await;
        if page.body["products"].as_array().is_some_and(|products| !products.is_empty()) {
            break page.body;
        }
        query = format!("/v1/products?limit=20&q=omega&sort=price&after={}", page.text("next"));
    };
    assert_eq!(found["products"][0]["price_from_won"], 10_001 + products / 2);
    meter.finish().await;
    world.finish().await;
}
