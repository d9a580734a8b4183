//! Many callers of one thing at once.

use reqwest::StatusCode;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::client::Client;
use super::world::World;

/// Callers at once.
const CALLERS: usize = 20;

/// Has a path asked for while nobody gets at this table. All must hear "unavailable"; returns how many sessions of PostgreSQL
/// waited for the table at once.
pub async fn look_in_vain(world: &World, shop: &Client, path: &'static str, table: &str) -> i64 {
    let waiting = "SELECT count(*) FROM pg_locks
                    WHERE NOT granted AND relation = $1::text::regclass
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    // An API within the test may have all connections of the world's pool.
    let mut own = PgConnection::connect(&world.database_url).await.unwrap();
    let mut asking = JoinSet::new();
    for _ in 0..CALLERS {
        let shop = shop.clone();
        asking.spawn(async move { shop.get(path).await.status });
    }
    let (mut most, mut answers) = (0, vec![]);
    while !asking.is_empty() {
        let now: i64 = sqlx::query_scalar(waiting).bind(table).fetch_one(&mut own).await.unwrap();
        most = most.max(now);
        while let Some(answer) = asking.try_join_next() {
            answers.push(answer.unwrap());
        }
    }
    assert_eq!(answers, [StatusCode::SERVICE_UNAVAILABLE.as_u16(); CALLERS]);
    most
}
