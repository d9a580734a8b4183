//! A large catalogue: how long it takes to bring it in, and how long buyers wait for a page of it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;
use sqlx::postgres::PgPoolOptions;

use crate::http::{Connection, request};
use crate::options::Plan;
use crate::process;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::{SHOP_TOKEN, Stage};
use crate::timing::Latencies;

/// Buyers who ask at once.
const IN_FLIGHT: u32 = 50;
const GOAL_MS: f64 = 20.0;
const GOAL_IMPORT: Duration = Duration::from_secs(60);
/// A page of each kind: all, in three orders, a word that all have, one that few have, words, a category and a tag.
const PAGES: [&str; 8] = [
    "",
    "?sort=price",
    "?sort=-name",
    "?q=%EC%85%94%EC%B8%A0",
    "?q=777",
    "?q=blue%20cotton&sort=price",
    "?category=shelf-7&sort=price",
    "?tag=new&category=shelf-3",
];
/// The same page as the first by hand.
const BY_HAND: &str = "SELECT code, name, price_from_won, price_to_won FROM products
                        WHERE archived_at IS NULL AND is_active ORDER BY id DESC LIMIT 20";

/// Brings so many rows in, and asks for pages of them.
pub(crate) async fn lists(plan: &Plan, servers: &Servers) -> anyhow::Result<Vec<Row>> {
    let number = thousands(plan.products as f64);
    let mut progress = Progress::start(format!("A catalogue of {number} products"));
    let stage = Stage::open(servers, 1).await?;
    let api = stage.api().await?;
    let file = std::env::temp_dir().join(format!("holdfast-bench-{}.csv", std::process::id()));
    std::fs::write(&file, table(plan.products))?;
    let url = format!("http://{}", api.address);
    let environment = [("HOLDFAST_URL", url.as_str()), ("HOLDFAST_TOKEN", SHOP_TOKEN)];
    let began = Instant::now();
    process::run("holdfast", &["catalogue", "import", &file.to_string_lossy()], &environment).await?;
    let took = began.elapsed();
    std::fs::remove_file(&file)?;
    progress.show(&format!("imported in {:.1} s", took.as_secs_f64()));
    let import = Row::new(format!("Import of {number} rows"), format!("{:.1} s", took.as_secs_f64()))
        .goal("< 60 s", took < GOAL_IMPORT);

    let pages = ask(plan, api.address).await?;
    let by_hand = by_hand(plan, &stage).await?;
    progress.done(&pages.text());
    api.kill().await?;
    stage.close().await?;
    let row = Row {
        baseline: format!("{} (SELECT, {IN_FLIGHT} connections)", by_hand.text()),
        ratio: format!("{:.1} ×", pages.percentile(0.99) / by_hand.percentile(0.99).max(0.001)),
        ..Row::new(format!("Pages of {number} products, {IN_FLIGHT} in flight"), pages.text())
    };
    Ok(vec![import, row.goal(format!("p99 < {GOAL_MS:.0} ms"), pages.percentile(0.99) < GOAL_MS)])
}

/// A row for each product, of one SKU.
fn table(products: usize) -> String {
    let mut table = String::from("product,name,description,category,tags,sku,price_won,on_hand\n");
    for n in 0..products {
        let (colour, cloth) = (["blue", "red", "green"][n % 3], ["cotton", "linen"][n % 2]);
        let (shelf, price) = (n % 50, 1_000 + n % 9_000);
        let _ = writeln!(
            table,
            "p-{n},셔츠 No {n} {colour} {cloth},Soft and warm,shelf-{shelf},new|{cloth},s-{n},{price},5"
        );
    }
    table
}

/// Buyers, each over a connection, one page after the other.
async fn ask(plan: &Plan, address: std::net::SocketAddr) -> anyhow::Result<Latencies> {
    let buyers = (0..IN_FLIGHT as usize).map(async |buyer| {
        let mut connection = Connection::open(address).await?;
        let headers = format!("Authorization: Bearer {SHOP_TOKEN}\r\n");
        let (until, mut took) = (Instant::now() + plan.pages, vec![]);
        for page in PAGES.iter().cycle().skip(buyer) {
            if Instant::now() >= until {
                break;
            }
            let request = request("GET", &format!("/v1/products{page}"), &headers, "");
            let began = Instant::now();
            let answer = connection.send(&request).await?;
            ensure!(answer.status == 200, "{page}: {}", String::from_utf8_lossy(answer.body));
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        anyhow::Ok(took)
    });
    Ok(Latencies::new(try_join_all(buyers).await?.concat()))
}

/// As many who ask the database for the first page.
async fn by_hand(plan: &Plan, stage: &Stage) -> anyhow::Result<Latencies> {
    let pool = PgPoolOptions::new().max_connections(IN_FLIGHT).connect(&stage.database_url).await?;
    let clients = (0..IN_FLIGHT).map(async |_| {
        let mut conn = pool.acquire().await?;
        let (until, mut took) = (Instant::now() + plan.pages, vec![]);
        while Instant::now() < until {
            let began = Instant::now();
            sqlx::query(BY_HAND).fetch_all(&mut *conn).await?;
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        anyhow::Ok(took)
    });
    let took = try_join_all(clients).await?.concat();
    pool.close().await;
    Ok(Latencies::new(took))
}
