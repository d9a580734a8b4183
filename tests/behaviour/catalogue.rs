//! A catalogue from a file and into one, by the command line.

use std::path::PathBuf;
use std::process::Output;

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::processes::holdfast;
use crate::support::world::World;

/// A file of a test's own.
fn file(ending: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("holdfast-{}.{ending}", Uuid::now_v7()));
    std::fs::write(&path, text).unwrap();
    path
}

async fn catalogue(shop: &Client, arguments: &[&str]) -> Output {
    let arguments: Vec<&str> = ["catalogue"].iter().chain(arguments).copied().collect();
    holdfast(shop, &arguments).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const TABLE: &str = "\
product,name,description,category,tags,option_1,choice_1,sku,price_won,on_hand
shirt,셔츠,\"# Soft, \"\"warm\"\"\",옷,new|면,size,S,shirt-s,19000,4
mug,Mug,,,,,,mug,5000,
shirt,,,,,size,M,shirt-m,21000,0
";

#[tokio::test]
async fn a_table_is_checked_shown_imported_and_exported_again() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.put(
        "/v1/skus/mug",
        &json!({"name": "Old mug", "price_won": 4_000, "on_hand": 7, "max_per_customer": 2}),
    )
    .await;
    let table = file("csv", TABLE);
    let path = table.to_str().unwrap();

    let shown = catalogue(&shop, &["import", path, "--dry-run"]).await;
    let told = text(&shown.stdout);
    assert!(shown.status.success(), "{shown:?}");
    for line in [
        "+ product shirt (line 2)",
        "+ sku shirt-s",
        "~ sku mug (line 3): price_won 4000 → 5000",
        "would be made 2",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    assert_eq!(world.count("SELECT count(*) FROM products").await, 0);

    // Twice is as good as once: whoever was interrupted runs it again.
    for made in ["made 2, changed 0; SKUs made 2, changed 1", "made 0, changed 0; SKUs made 0, changed 0"] {
        let done = catalogue(&shop, &["import", path]).await;
        assert!(done.status.success() && text(&done.stdout).contains(made), "{done:?}");
    }
    let shirt = shop.get("/v1/products/shirt").await.body;
    assert_eq!(
        (&shirt["price_from_won"], &shirt["price_to_won"], &shirt["available"], &shirt["tags"]),
        (&json!(19_000), &json!(21_000), &json!(4), &json!(["new", "면"]))
    );
    assert_eq!(shirt["options"], json!([{"name": "size", "values": ["S", "M"]}]));
    // What the table does not name stays: the mug's name, its units and its limit.
    let mug = shop.get("/v1/skus/mug").await.body;
    assert_eq!(
        (&mug["name"], &mug["on_hand"], &mug["max_per_customer"]),
        (&json!("Old mug"), &json!(7), &json!(2))
    );

    // Units of a SKU that there is are told and not changed: somebody may have sold some meanwhile.
    let again = file("csv", &TABLE.replace("shirt-s,19000,4", "shirt-s,18000,9"));
    let done = catalogue(&shop, &["import", again.to_str().unwrap()]).await;
    assert!(
        text(&done.stdout).contains("! stock, not changed: sku shirt-s (line 2): on_hand 4 → 9"),
        "{done:?}"
    );
    let shirt = shop.get("/v1/products/shirt").await.body;
    assert_eq!((&shirt["price_from_won"], &shirt["available"]), (&json!(18_000), &json!(4)));

    for format in ["csv", "jsonl"] {
        let exported = file(format, "");
        let path = exported.to_str().unwrap();
        assert!(catalogue(&shop, &["export", path]).await.status.success());
        let lines = std::fs::read_to_string(&exported).unwrap();
        assert_eq!(lines.lines().count(), if format == "csv" { 4 } else { 2 }, "{lines}");
        let done = catalogue(&shop, &["import", path]).await;
        assert!(text(&done.stdout).contains("changed 0; SKUs made 0, changed 0; 0 bad"), "{done:?}");
        std::fs::remove_file(exported).unwrap();
    }
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    assert_eq!(catalogue(&alice, &["export"]).await.status.code(), Some(1));
    std::fs::remove_file(table).unwrap();
    std::fs::remove_file(again).unwrap();
    world.finish().await;
}

#[tokio::test]
async fn bad_lines_are_told_with_their_reason_and_nothing_is_imported_unless_they_are_skipped() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.put("/v1/skus/taken", &json!({"name": "x", "price_won": 1})).await;
    shop.put("/v1/products/other", &json!({"name": "Other", "skus": [{"sku": "taken"}]})).await;
    let lines: Vec<String> = [
        json!({"product": "good", "name": "Good", "skus": [{"sku": "good", "price_won": 5}]}),
        json!({"product": "a b", "name": "x"}),
        json!({"product": "no-name"}),
        json!({"product": "colour", "name": "x", "colour": "red"}),
        json!({"product": "thief", "name": "x", "skus": [{"sku": "taken"}]}),
        json!({"product": "free", "name": "x", "skus": [{"sku": "free"}]}),
        json!({"product": "minus", "name": "x", "skus": [{"sku": "minus", "price_won": -1}]}),
        json!({"product": "limit", "name": "x", "skus": [{"sku": "limit", "price_won": 1, "max_per_customer": 0}]}),
        json!({"product": "two", "name": "x", "skus": [{"sku": "two-1", "price_won": 1}, {"sku": "two-2", "price_won": 1}]}),
        json!({"product": "good", "name": "Again"}),
        json!({"product": "again", "name": "x", "skus": [{"sku": "good", "price_won": 5}]}),
        json!({"product": "high", "name": "x", "skus": [{"sku": "high", "price_won": 5, "on_hand": 1_000_000_001}]}),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    let listed = file("jsonl", &format!("{}\nno json\n", lines.join("\n")));
    let path = listed.to_str().unwrap();
    let refused = catalogue(&shop, &["import", path]).await;
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    for reason in [
        "line 2: product must be 1 to 64",
        "line 3 (no-name): missing field `name`",
        "line 4 (colour): unknown field `colour`",
        "line 5 (thief): taken belongs to other",
        "line 6 (free): free: price_won must be there for a new SKU",
        "line 7 (minus): minus: price_won must be",
        "line 8 (limit): limit: max_per_customer must be 1 or more",
        "line 9 (two): skus must be SKUs that choose differently",
        "line 10 (good): the product has another line before",
        "line 11 (again): good is named before",
        "line 12 (high): high: on_hand must be",
        "line 13: no JSON object",
    ] {
        assert!(told.contains(reason), "{reason} in {told}");
    }
    assert_eq!(world.count("SELECT count(*) FROM products").await, 1);
    let skipped = catalogue(&shop, &["import", path, "--skip-bad"]).await;
    assert_eq!(skipped.status.code(), Some(1), "what was skipped is no success");
    assert_eq!(shop.get("/v1/products/good").await.body["price_from_won"], 5);
    assert_eq!(world.count("SELECT count(*) FROM products").await, 2);
    std::fs::remove_file(listed).unwrap();
    // What is no option is a bad line, too, beside a product that is there.
    let portion = async |body: String| {
        let request = shop.request(Method::POST, "/v1/catalogue/import?dry_run=true");
        shop.send(request.header("Content-Type", "application/x-ndjson").body(body)).await
    };
    let no_option = portion(r#"{"product":"other","options":["size"]}"#.to_owned()).await;
    assert_eq!((no_option.status, &no_option.body["bad"][0]["line"]), (200, &json!(1)), "{no_option:?}");
    assert_eq!(portion("{}\n".repeat(301)).await.status, 422);
    world.finish().await;
}

#[tokio::test]
async fn an_old_file_puts_nothing_back_on_sale_and_a_row_of_the_wrong_length_spoils_its_product() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for sku in ["s", "m", "gone"] {
        shop.stock(sku, 1).await;
    }
    let shirt = json!({"name": "Shirt", "options": [{"name": "size", "values": ["S", "M"]}],
                       "skus": [{"sku": "s", "choices": ["S"]}, {"sku": "m", "choices": ["M"]}]});
    shop.put("/v1/products/shirt", &shirt).await;
    shop.put("/v1/products/gone", &json!({"name": "Gone", "skus": [{"sku": "gone"}]})).await;
    let exported = file("jsonl", "");
    let path = exported.to_str().unwrap();
    assert!(catalogue(&shop, &["export", path]).await.status.success());
    let old = std::fs::read_to_string(&exported).unwrap().replace("\"name\":\"Gone\"", "\"name\":\"Went\"");
    let old = old.replace("\"sale_until\":null", "\"sale_until\":\"2099-01-01T00:00:00Z\"");
    std::fs::write(&exported, old).unwrap();

    shop.send(shop.request(Method::DELETE, "/v1/products/gone")).await;
    shop.patch("/v1/skus/m", &json!({"is_active": false})).await;
    let done = catalogue(&shop, &["import", path]).await;
    assert!(text(&done.stdout).contains("! archived, and stays so: product gone"), "{done:?}");
    let gone = shop.get("/v1/products/gone").await;
    assert_eq!((gone.text("name"), gone.text("sale_state")), ("Went", "archived"));
    let shirt = shop.get("/v1/products/shirt").await;
    assert_eq!(shirt.text("sale_until"), "2099-01-01T00:00:00Z");
    for (sku, is_active) in [("s", true), ("m", false), ("gone", false)] {
        assert_eq!(shop.get(&format!("/v1/skus/{sku}")).await.body["is_active"], is_active, "{sku}");
    }

    let table = file("csv", "product,name,sku,price_won\nmug,Mug,mug,5\nmug,Mug\ncup,Cup,cup,5\n");
    let path = table.to_str().unwrap();
    let told = catalogue(&shop, &["import", path, "--skip-bad"]).await;
    assert!(text(&told.stderr).contains("line 3 (mug): 2 cells, and not 4"), "{told:?}");
    assert_eq!(shop.get("/v1/products/cup").await.status, 200);
    assert_eq!(shop.get("/v1/products/mug").await.status, 404, "half a product is none");
    std::fs::remove_file(exported).unwrap();
    std::fs::remove_file(table).unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_table_goes_out_and_comes_back_as_the_same_catalogue() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for (sku, name) in [("p-s", "'-S "), ("p-m", "''M'"), ("p-alone", "'n Sync")] {
        let made = shop.put(&format!("/v1/skus/{sku}"), &json!({"name": name, "price_won": 5})).await;
        assert_eq!(made.status, 201);
    }
    let size = json!({"name": "size", "values": ["S", "M", "L|XL"]});
    let colour = json!({"name": "=colour", "values": ["'-red", "blue"]});
    for (code, product) in [
        (
            "p-shirt",
            json!({"name": " '=Shirt ", "description": " # a\r\n\r\n  b \n\n", "category": "'=c",
            "tags": ["a|b", "'x"], "image_urls": ["/a|b.png"], "options": [size, colour],
            "skus": [{"sku": "p-m", "choices": ["M", "blue"]}, {"sku": "p-s", "choices": ["S", "'-red"]}]}),
        ),
        ("p-bare", json!({"name": "'", "description": "'", "options": [size]})),
        ("p-none", json!({"name": "''=", "description": "\n", "is_active": false})),
        ("p-alone", json!({"name": "'+", "description": "\t=1", "skus": [{"sku": "p-alone"}]})),
    ] {
        let made = shop.put(&format!("/v1/products/{code}"), &product).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let folder = std::env::temp_dir().join(format!("holdfast-{}", Uuid::now_v7()));
    std::fs::create_dir(&folder).unwrap();
    let table = folder.join("shop.csv");
    std::fs::write(&table, "old").unwrap();
    let path = table.to_str().unwrap();
    // What fails leaves the file of before.
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    assert_eq!(catalogue(&alice, &["export", path]).await.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&table).unwrap(), "old");
    assert!(catalogue(&shop, &["export", path]).await.status.success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);

    let same = catalogue(&shop, &["import", path, "--dry-run", "--json"]).await;
    let same: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!((&same["differences"], &same["bad"]), (&json!([]), &json!([])));
    // Under other codes it makes the same products.
    let others = std::fs::read_to_string(&table).unwrap().replace("p-", "q-");
    std::fs::write(&table, others).unwrap();
    let done = catalogue(&shop, &["import", path]).await;
    assert!(done.status.success(), "{done:?}");
    for product in ["shirt", "bare", "none", "alone"] {
        let shown = shop.get(&format!("/v1/products/p-{product}")).await.body.to_string();
        let made = shop.get(&format!("/v1/products/q-{product}")).await.body.to_string();
        assert_eq!(shown.replace("\"p-", "\"q-"), made);
    }
    let name = shop.get("/v1/skus/q-m").await.text("name").to_owned();
    assert_eq!(name, "''M'");
    std::fs::remove_dir_all(folder).unwrap();
    world.finish().await;
}

/// How long it takes is measured with programs that are built to run: `cargo test --release`.
#[tokio::test]
#[ignore = "a hundred thousand rows"]
async fn a_hundred_thousand_rows_take_less_than_a_minute() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let rows: String = (0..100_000)
        .map(|n| {
            let (product, choice) = (n / 3, ["S", "M", "L"][n % 3]);
            let name = format!("블루 셔츠 No {product} cotton long sleeve");
            format!(
                "p-{product},{name},Soft and warm,옷,new|면,size,{choice},p-{product}-{choice},{},5\n",
                10_000 + n
            )
        })
        .collect();
    let table =
        format!("product,name,description,category,tags,option_1,choice_1,sku,price_won,on_hand\n{rows}");
    let table = file("csv", &table);
    let began = std::time::Instant::now();
    let done = catalogue(&shop, &["import", table.to_str().unwrap()]).await;
    println!("{} in {:?}", text(&done.stdout), began.elapsed());
    assert!(done.status.success() && began.elapsed().as_secs() < 60, "{done:?}");
    assert_eq!(world.count("SELECT count(*) FROM product_skus").await, 100_000);
    std::fs::remove_file(table).unwrap();
    world.finish().await;
}

/// Lines of three hundred products that change what `change` names, and of each its first SKU, if that is to choose this.
fn lines(change: &Value, choice: Option<&str>) -> String {
    let line = |n: usize| {
        let mut line = change.clone();
        line["product"] = json!(format!("big-{n}"));
        if let Some(choice) = choice {
            line["skus"] =
                json!([{"sku": format!("big-{}", n * 100 - 99), "price_won": n, "choices": [choice, "0"]}]);
        }
        format!("{line}\n")
    };
    (1..=300).map(line).collect()
}

/// The largest portion there is, of the largest products.
#[tokio::test]
#[ignore = "thirty thousand SKUs"]
async fn a_portion_of_the_largest_products_is_taken_in_time() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let sql = "WITH made AS (
                   INSERT INTO skus (code, name, price_won) SELECT 'big-' || n, 'Big', n FROM generate_series(1, 30000) n
                   RETURNING id, code),
               stocked AS (INSERT INTO stock (sku_id) SELECT id FROM made),
               put AS (
                   INSERT INTO products (code, name, name_folded, options)
                   SELECT 'big-' || n, 'Big', 'big', (SELECT jsonb_agg(jsonb_build_object('name', o, 'values',
                              (SELECT jsonb_agg(v::text) FROM generate_series(0, 9) v))) FROM unnest(ARRAY['a', 'b']) o)
                     FROM generate_series(1, 300) n RETURNING id, code)
               INSERT INTO product_skus (sku_id, product_id, position, choices)
               SELECT made.id, put.id, place, ARRAY[(place / 10)::text, (place % 10)::text]
                 FROM put CROSS JOIN generate_series(0, 99) place
                 JOIN made ON made.code = 'big-' || ((substr(put.code, 5)::int - 1) * 100 + place + 1)";
    let mut conn = world.pool.acquire().await.unwrap();
    for setting in ["statement_timeout = 0", "enable_hashjoin = on", "enable_seqscan = on"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("SET {setting}"))).execute(&mut *conn).await.unwrap();
    }
    sqlx::query(sql).execute(&mut *conn).await.unwrap();
    conn.close_on_drop();
    let options = json!([{"name": "a", "values": ["x"]}, {"name": "b", "values": ["0"]}]);
    let mut slow = vec![];
    for (what, change, choice) in [
        ("nothing", json!({}), None),
        ("a name", json!({"name": "Large"}), None),
        ("the end of the sale", json!({"sale_until": "2099-01-01T00:00:00Z"}), None),
        ("off", json!({"is_active": false}), None),
        ("on", json!({"is_active": true}), None),
        ("a SKU", json!({"options": options}), Some("x")),
        ("all at once", json!({"name": "Big", "sale_until": null, "options": options}), Some("0")),
    ] {
        let began = std::time::Instant::now();
        let request = shop.request(Method::POST, "/v1/catalogue/import");
        let request = request.header("Content-Type", "application/x-ndjson").body(lines(&change, choice));
        let answer = shop.send(request).await;
        println!("{what}: {} in {:?}", answer.status, began.elapsed());
        if answer.status != 200 || answer.body["bad"] != json!([]) {
            slow.push(format!("{what}: {answer:?}"));
        }
    }
    assert_eq!(slow, Vec::<String>::new());
    world.finish().await;
}
