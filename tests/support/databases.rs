//! A database and a vhost of a test's own.

use holdfast::store;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::servers::Servers;

/// The lock under which the template database is made once.
const TEMPLATE_LOCK: i64 = 0x7465_6d70;

/// A vhost of the test's own.
pub async fn make_vhost(servers: &Servers, name: &str) {
    let http = reqwest::Client::new();
    let api = &servers.rabbitmq_api;
    let created = http.put(format!("{api}/vhosts/{name}")).send().await.unwrap();
    assert!(created.status().is_success(), "cannot create the vhost");
    let everything = serde_json::json!({"configure": ".*", "write": ".*", "read": ".*"});
    let allowed = http.put(format!("{api}/permissions/{name}/guest")).json(&everything).send().await.unwrap();
    assert!(allowed.status().is_success(), "cannot allow the vhost");
}

/// A database of the test's own, copied from a template that the first test makes.
pub async fn create_database(servers: &Servers, name: &str) -> String {
    let mut admin = PgConnection::connect(&servers.admin_url).await.unwrap();
    let versions: Vec<_> = store::MIGRATIONS.iter().map(|migration| migration.checksum.to_vec()).collect();
    let template = format!("template_{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, &versions.concat()).simple());
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await.unwrap();
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    let base = &servers.admin_url[..=servers.admin_url.rfind('/').unwrap()];
    if !exists {
        let making = format!("{template}_making");
        for sql in [format!("DROP DATABASE IF EXISTS {making}"), format!("CREATE DATABASE {making}")] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        }
        let mut fresh = PgConnection::connect(&format!("{base}{making}")).await.unwrap();
        store::MIGRATIONS.run(&mut fresh).await.unwrap();
        fresh.close().await.unwrap();
        let rename = format!("ALTER DATABASE {making} RENAME TO {template}");
        sqlx::query(sqlx::AssertSqlSafe(rename)).execute(&mut admin).await.unwrap();
    }
    let copy = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::query(sqlx::AssertSqlSafe(copy)).execute(&mut admin).await.unwrap();
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    format!("{base}{name}")
}
