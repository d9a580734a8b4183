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
