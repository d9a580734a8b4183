//! `holdfast token`: make and revoke tokens.

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use holdfast::config::DatabaseConfig;
use holdfast::domain::ids::CustomerId;
use holdfast::ops::access::{self, AccessError, TokenRequest};
use holdfast::store::operators::tokens::{self, ListedToken, NewToken, Role};
use holdfast::terminal::printable;
use sqlx::PgConnection;

use super::output::say;

#[derive(Args)]
pub(super) struct TokenArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once
    Create {
        /// What it may do
        #[arg(long)]
        role: Role,
        /// What people call it; one live token per name
        #[arg(long)]
        name: String,
        /// The one customer of a customer's token
        #[arg(long, value_parser = |text: &str| CustomerId::parse(text))]
        customer: Option<CustomerId>,
        /// Revoke the live token of this name first
        #[arg(long)]
        replace: bool,
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
    },
    /// List tokens, without the tokens themselves
    List {
        /// Also those that are revoked
        #[arg(long)]
        revoked: bool,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; an API process may take it for another minute
    Revoke {
        /// What people call it
        #[arg(long)]
        name: String,
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
    },
}

pub(super) async fn run(arguments: TokenArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-token")?;
    let mut tx = pool.begin().await.context("cannot reach PostgreSQL")?;
    match arguments.command {
        TokenCommand::Create { role, name, customer, replace, actor } => {
            let wanted = TokenRequest { name, role, customer, replace };
            let token = access::create(&mut tx, &actor, &wanted).await.map_err(|error| match error {
                taken @ AccessError::NameTaken(_) => anyhow!("{taken}; --replace revokes it"),
                other => other.into(),
            })?;
            tx.commit().await?;
            say!("{token}");
        }
        TokenCommand::List { revoked, json } => {
            let tokens = tokens::list(&mut tx, revoked, access::LISTED).await?;
            tokens.iter().try_for_each(|token| print(token, json))?;
        }
        TokenCommand::Revoke { name, actor } => {
            access::revoke(&mut tx, &actor, &name).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

fn print(token: &ListedToken, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", serde_json::to_string(token)?);
        return Ok(());
    }
    let state = if token.revoked_at.is_some() { "revoked" } else { "live" };
    let customer = token.customer_id.as_deref().unwrap_or("-");
    let made = token.created_at.format("%Y-%m-%dT%H:%M:%SZ");
    say!(
        "{:8}  {state:7}  {made}  {:20}  {}",
        token.role.name(),
        printable(&token.name),
        printable(customer)
    );
    Ok(())
}

/// Makes `token` the live token of this name, unless it is already.
pub(super) async fn replace(
    conn: &mut PgConnection,
    name: &str,
    role: Role,
    token: &str,
) -> anyhow::Result<()> {
    if token.len() < 16 {
        bail!("the token {name} must have at least 16 characters");
    }
    let hash = tokens::hash(token);
    if tokens::is_known(conn, &hash).await? {
        if tokens::find(conn, &hash).await?.is_none() {
            tracing::warn!(name, "this token was revoked, and stays so");
        }
    } else {
        tokens::revoke(conn, name).await?;
        tokens::insert(conn, NewToken { name, role, customer: None, hash: &hash }).await?;
    }
    Ok(())
}
