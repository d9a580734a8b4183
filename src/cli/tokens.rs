//! `holdfast token`: make and revoke tokens.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use holdfast::config::DatabaseConfig;
use holdfast::domain::ids::CustomerId;
use holdfast::http::auth;
use holdfast::store::tokens::{self, NewToken, Role};
use sqlx::PgConnection;

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
    },
    /// Revoke a token; an API process may take it for another minute
    Revoke {
        /// What people call it
        #[arg(long)]
        name: String,
    },
}

pub(super) async fn run(arguments: TokenArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-token")?;
    let mut tx = pool.begin().await.context("cannot reach PostgreSQL")?;
    match arguments.command {
        TokenCommand::Create { role, name, customer, replace } => {
            if (role == Role::Customer) != customer.is_some() {
                bail!("--customer goes with --role customer and with no other");
            }
            if replace {
                tokens::revoke(&mut tx, &name).await?;
            }
            let token = auth::new_token();
            let hash = auth::hash(&token);
            let new = NewToken { name: &name, role, customer: customer.as_ref(), hash: &hash };
            match tokens::insert(&mut tx, new).await {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    bail!("a live token is called {name} already; --replace revokes it");
                }
                inserted => inserted?,
            }
            tx.commit().await?;
            println!("{token}");
        }
        TokenCommand::Revoke { name } => {
            if tokens::revoke(&mut tx, &name).await? == 0 {
                bail!("no live token is called {name}");
            }
            tx.commit().await?;
        }
    }
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
    let hash = auth::hash(token);
    if tokens::find(conn, &hash).await?.is_none() {
        tokens::revoke(conn, name).await?;
        tokens::insert(conn, NewToken { name, role, customer: None, hash: &hash }).await?;
    }
    Ok(())
}
