//! The event log and its readers: how far each has come, and the repair of a log that was restored into another cluster.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::domain::reason::Reason;
use crate::store::events::cursors::{self, Cursor, CursorLook, LogPosition};
use crate::store::events::restored_log::{self, LogStanding, Step, Writers};
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};
use crate::store::workers::backlog::{self, Waiting};

/// Facts looked at in one statement.
const AT_ONCE: i64 = 5_000;
/// Facts beyond this are not counted for a person.
const COUNTED_AT_MOST: i64 = 10_000;
/// A dry run looks at no more facts than this for those written since the restore.
const SURVEYED_AT_MOST: i64 = 1_000_000;

/// A reader of the log.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    pub name: &'static str,
    pub look: CursorLook,
    /// What it has not read, counted up to 10,000.
    pub unread: Waiting,
}

/// Every reader, and how the log stands to the server.
pub async fn readers(conn: &mut PgConnection) -> sqlx::Result<(LogStanding, Vec<Reader>)> {
    restored_log::notice(conn).await?;
    let standing = restored_log::standing(conn).await?;
    let mut readers = Vec::with_capacity(Cursor::ALL.len());
    for (cursor, name) in Cursor::ALL {
        let look = cursors::look(conn, cursor).await?;
        let unread = backlog::unread(conn, cursor, COUNTED_AT_MOST).await?;
        readers.push(Reader { name, look, unread });
    }
    Ok((standing, readers))
}

/// Facts written since the restore, and whether all were looked for.
pub async fn survey(
    conn: &mut PgConnection,
    restored_at: Option<DateTime<Utc>>,
) -> sqlx::Result<(i64, bool)> {
    let mut after = restored_log::beginning(conn, restored_at).await?;
    let (mut new, mut looked_at) = (0, 0);
    while looked_at < SURVEYED_AT_MOST {
        let step = restored_log::count_new(conn, after, restored_at, AT_ONCE).await?;
        (after, new, looked_at) = (step.to, new + step.new, looked_at + step.looked_at);
        if step.looked_at < AT_ONCE {
            return Ok((new, true));
        }
    }
    Ok((new, false))
}

/// Puts what was written since the restore behind everything that was restored, step by step while orders go on, and at last
/// for a moment without writers. Returns how many facts that were. Broken off, it is begun again and goes on.
pub async fn repair(
    conn: &mut PgConnection,
    restored_at: Option<DateTime<Utc>>,
    actor: &str,
    reason: &Reason,
) -> anyhow::Result<i64> {
    ensure!(restored_log::try_repair(conn).await?, "somebody else repairs the event log now");
    restored_log::choose_offset(conn).await?;
    let (mut after, mut new) = (restored_log::beginning(conn, restored_at).await?, 0);
    loop {
        let mut tx = conn.begin().await?;
        let step = next(&mut tx, &mut after, &mut new, restored_at, Writers::Busy).await?;
        tx.commit().await?;
        if step.looked_at < AT_ONCE {
            break;
        }
    }
    let mut tx = conn.begin().await?;
    restored_log::stop_writers(&mut tx)
        .await
        .context("a transaction that has written facts does not end; nothing is lost, try again")?;
    while next(&mut tx, &mut after, &mut new, restored_at, Writers::Stopped).await?.looked_at >= AT_ONCE {}
    let before = restored_log::standing(&mut tx).await?;
    restored_log::finish(&mut tx).await?;
    let now = restored_log::standing(&mut tx).await?;
    let action = NewAction {
        actor,
        act: Act::EventLogReset,
        subject: ("event_log", "event_log".to_owned()),
        before: Some(json!({"id_offset": before.id_offset, "restored_to": before.restored_to})),
        after: Some(json!({"id_offset": now.id_offset, "renumbered_facts": new})),
        reason: Some(reason.as_str()),
    };
    operators::actions::append(&mut tx, &[action]).await?;
    tx.commit().await?;
    Ok(new)
}

async fn next(
    tx: &mut PgConnection,
    after: &mut LogPosition,
    new: &mut i64,
    restored_at: Option<DateTime<Utc>>,
    writers: Writers,
) -> sqlx::Result<Step> {
    let step = restored_log::renumber_new(tx, *after, restored_at, writers, AT_ONCE).await?;
    *after = step.to;
    *new += step.new;
    Ok(step)
}
