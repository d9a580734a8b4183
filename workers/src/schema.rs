//! Waits for the schema that this program was built for: what a migration is still filling must not be decided on.

use std::time::Duration;

use holdfast::store;
use sqlx::PgPool;
use tracing::{info, warn};

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A statement that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(5);

/// Returns once every migration is applied, whoever applies them.
pub(crate) async fn until_migrated(pool: &PgPool) {
    let mut told = None;
    loop {
        let applied = store::within(pool, LIMIT, async |conn| store::applied_migrations(conn).await).await;
        let missing = match applied {
            Ok(applied) if applied >= store::MIGRATIONS.iter().count() => break,
            Ok(applied) => {
                format!("{applied} of {} migrations are applied", store::MIGRATIONS.iter().count())
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&missing) {
            warn!(%missing, "waiting for the database's schema: nothing is taken before");
            told = Some(missing);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if told.is_some() {
        info!("the schema is there");
    }
}
