//! `holdfast cursors`: how far the readers of the event log have come, and the repair of a log that was restored elsewhere.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use holdfast::config::DatabaseConfig;
use holdfast::domain::reason::Reason;
use holdfast::ops::event_log::{self, Reader};
use holdfast::store::events::restored_log::LogStanding;
use sqlx::PgConnection;

use super::output::say;

#[derive(Args)]
pub(super) struct CursorArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(subcommand)]
    command: Option<CursorCommand>,
}

#[derive(Subcommand)]
enum CursorCommand {
    /// Show how far each reader has come
    Show,
    /// Repair a log that is ahead of the server's transaction ids; shows what it would do, unless told --yes
    Reset(ResetArguments),
}

#[derive(Args)]
struct ResetArguments {
    /// Do it
    #[arg(long, requires = "reason")]
    yes: bool,
    /// Take facts from this time on for written since the restore, too: where workers of an older version wrote some
    #[arg(long)]
    restored_at: Option<DateTime<Utc>>,
    /// Why; the audit log keeps it
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
    /// Who does this
    #[arg(long, env = "USER", default_value = "unknown")]
    actor: String,
}

pub(super) async fn run(arguments: CursorArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-cursors")?;
    let mut conn = pool.acquire().await.context("cannot reach PostgreSQL")?;
    let (standing, readers) = event_log::readers(&mut conn).await?;
    let told = match arguments.command {
        None | Some(CursorCommand::Show) => vec![],
        Some(CursorCommand::Reset(_)) if standing.ahead_since.is_none() => {
            vec!["nothing to reset".to_owned()]
        }
        Some(CursorCommand::Reset(reset)) => self::reset(&mut conn, &standing, reset).await?,
    };
    print(&standing, &readers);
    told.iter().for_each(|line| say!("{line}"));
    Ok(())
}

/// Repairs, or says what it would do. Nothing is printed before it is done: nobody may be there to read it.
async fn reset(
    conn: &mut PgConnection,
    standing: &LogStanding,
    arguments: ResetArguments,
) -> anyhow::Result<Vec<String>> {
    let ResetArguments { yes, restored_at, reason, actor } = arguments;
    let Some(reason) = reason.filter(|_| yes) else {
        let (new, is_all) = event_log::survey(conn, restored_at).await?;
        let restored_to = standing.restored_to.unwrap_or(0);
        let or_more = if is_all { "" } else { " or more" };
        return Ok(vec![
            format!("Facts up to {restored_to} were restored; {new}{or_more} were written since."),
            "Would number those and all to come above the restored ones. No cursor moves, so each reader goes on"
                .to_owned(),
            "with what it had not read, then reads what was written since, each fact once and in order."
                .to_owned(),
            "Do it with --yes --reason.".to_owned(),
        ]);
    };
    let new = event_log::repair(conn, restored_at, &actor, &reason).await?;
    Ok(vec![format!(
        "{new} facts written since the restore come behind the restored ones now; readers go on by themselves"
    )])
}

fn print(standing: &LogStanding, readers: &[Reader]) {
    say!("{:8}  {:>16}  {:>12}  {:>8}  oldest", "reader", "transaction", "fact", "unread");
    for Reader { name, look, unread } in readers {
        let (transaction, id) = (look.position.transaction, look.position.id);
        say!("{name:8}  {transaction:>16}  {id:>12}  {:>8}  {:.0} s", unread.count, unread.oldest_seconds);
    }
    say!("{:8}  {:>16}", "server", standing.next_transaction);
    if let Some(since) = standing.ahead_since {
        say!(
            "The log is ahead of the server's transaction ids (noticed {}): nobody reads it until \"holdfast cursors reset\".",
            since.format("%Y-%m-%dT%H:%M:%SZ"),
        );
    }
}
