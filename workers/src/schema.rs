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
        let missing = store::within(pool, LIMIT, async |conn| store::missing_migrations(conn).await).await;
        let why = match missing {
            Ok(0) => break,
            Ok(missing) => format!("{missing} migrations are missing"),
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&why) {
            warn!(%why, "waiting for the database's schema: nothing is taken before");
            told = Some(why);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if told.is_some() {
        info!("the schema is there");
    }
}
