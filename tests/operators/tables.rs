//! Every table says what removes its rows.

use std::collections::BTreeSet;

use crate::support::world::World;

const DOCUMENT: &str = include_str!("../../docs/tables.md");

/// The first two cells of a row of the document's table, if it is one about a table.
fn told(line: &str) -> Option<(String, String)> {
    let mut cells = line.strip_prefix("| `")?.split(" | ");
    let name = cells.next()?.strip_suffix('`')?;
    Some((name.to_owned(), cells.nth(1)?.trim_end_matches('|').trim().to_owned()))
}

#[tokio::test]
async fn every_table_says_what_removes_its_rows() {
    let world = World::idle().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let told: Vec<(String, String)> = DOCUMENT.lines().filter_map(told).collect();
    let names: BTreeSet<String> = told.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names.len(), told.len(), "a table is told of twice");
    assert_eq!(names, tables.into_iter().collect(), "docs/tables.md and the database differ");
    let silent: Vec<_> = told.iter().filter(|(_, removed_by)| removed_by.len() < 10).collect();
    assert!(silent.is_empty(), "nothing is said of {silent:?}");
    world.finish().await;
}
