//! The operators' desk: every act is done here, in the same order whoever asks for it. It is done in a transaction that
//! writes down who did it and why; that is committed; what it has to say is given to the broker; its outcome is waited for.
//! API and console call it, and the command line calls the API.

pub mod orders;
pub mod products;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use uuid::Uuid;

use super::access::{self, TokenRequest};
use super::dead_letters::edit::{self, Edited};
use super::dead_letters::replays::{self, ReplayManner};
use super::dead_letters::{self, Change, Changed, DeadLetterError, Selection};
use super::rights::{Actor, Operator};
use super::stock;
use super::workers::{self, PoolView};
use crate::broker::envelope::Outgoing;
use crate::domain::ids::{IdempotencyKey, SkuCode};
use crate::domain::reason::Reason;
use crate::http::app::App;
use crate::http::began;
use crate::http::command::publish_all;
use crate::http::error::ApiError;
use crate::store::corrections::{Correction, CorrectionError};
use crate::store::dead_letters::replays::Replay;

/// An operator at the desk. As an argument of a handler it lets in whoever may act.
pub struct Desk {
    app: App,
    actor: Actor,
}

impl FromRequestParts<App> for Desk {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Operator(actor) = Operator::from_request_parts(parts, app).await?;
        Ok(Self::of(app.clone(), actor))
    }
}

impl Desk {
    /// The desk for somebody whose rights are known.
    pub fn of(app: App, actor: Actor) -> Self {
        Self { app, actor }
    }

    /// Does an act in its transaction and commits it.
    async fn commit<T, E, F>(&self, act: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + 'static,
        F: for<'t> FnOnce(&'t mut PgConnection, &'t Actor) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let actor = self.actor.clone();
        self.app.write(move |tx| async move { act(tx, &actor).await.map_err(Into::into) }.boxed()).await
    }

    /// Gives the broker what a committed act has to say.
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<(), ApiError> {
        if messages.is_empty() { Ok(()) } else { publish_all(&self.app, messages).await }
    }

    /// Corrects the stock of a SKU. Returns how many units there are.
    pub async fn correct_stock(
        &self,
        code: SkuCode,
        (key, correction): (IdempotencyKey, Correction),
        reason: Reason,
    ) -> Result<i32, ApiError> {
        self.commit(move |tx, actor| {
            async move {
                let (on_hand, served) = stock::correct(tx, actor, &code, (&key, correction), &reason).await?;
                began::note(served);
                Ok::<_, CorrectionError>(on_hand)
            }
            .boxed()
        })
        .await
    }

    /// Pauses a pool everywhere.
    pub async fn pause_pool(&self, pool: String, reason: Reason) -> Result<PoolView, ApiError> {
        self.commit(move |tx, actor| async move { workers::pause(tx, actor, &pool, &reason).await }.boxed())
            .await
    }

    /// Lets a pool go on.
    pub async fn resume_pool(&self, pool: String, reason: Option<Reason>) -> Result<PoolView, ApiError> {
        self.commit(move |tx, actor| {
            async move { workers::resume(tx, actor, &pool, reason.as_ref()).await }.boxed()
        })
        .await
    }

    /// Discards or restores dead letters.
    pub async fn change_dead_letters(
        &self,
        selection: Selection,
        change: Change,
        reason: Option<Reason>,
    ) -> Result<Changed, ApiError> {
        self.commit(move |tx, actor| {
            async move { dead_letters::change(tx, actor, &selection, change, reason.as_ref()).await }.boxed()
        })
        .await
    }

    /// Sends a changed copy in a dead letter's place. This one act publishes before it commits: nobody would send the copy
    /// of a dead letter that counts as replaced already, and the same change again is the same message again.
    pub async fn edit_dead_letter(
        &self,
        id: Uuid,
        body: String,
        reason: Option<Reason>,
    ) -> Result<Edited, ApiError> {
        self.may_edit()?;
        let publisher = self.app.publisher.clone();
        self.commit(move |tx, actor| {
            async move { edit::send(tx, actor, &publisher, id, body.as_bytes(), reason.as_ref()).await }
                .boxed()
        })
        .await
    }

    /// Says what a change of a dead letter's body would do.
    pub async fn preview_edit(&self, id: Uuid, body: &str) -> Result<Edited, ApiError> {
        self.may_edit()?;
        let previewing = async |conn: &mut PgConnection| edit::preview(conn, id, body.as_bytes()).await;
        self.app.read(previewing).await
    }

    fn may_edit(&self) -> Result<(), ApiError> {
        if self.app.may_edit_dead_letters { Ok(()) } else { Err(DeadLetterError::EditingIsOff.into()) }
    }

    /// Freezes a set of dead letters and leaves it to the workers.
    pub async fn start_replay(
        &self,
        selection: Selection,
        rate_per_second: i32,
        reason: Option<Reason>,
    ) -> Result<Replay, ApiError> {
        self.commit(move |tx, actor| {
            async move {
                let manner = ReplayManner { rate_per_second, reason: reason.as_ref() };
                replays::start(tx, actor, &selection, manner).await
            }
            .boxed()
        })
        .await
    }

    pub async fn cancel_replay(&self, id: Uuid) -> Result<Replay, ApiError> {
        self.commit(move |tx, actor| async move { replays::cancel(tx, actor, id).await }.boxed()).await
    }

    /// Makes a token and returns it, this once. Only an admin's desk may.
    pub async fn create_token(&self, wanted: TokenRequest) -> Result<String, ApiError> {
        self.commit(move |tx, actor| async move { access::create(tx, &actor.name, &wanted).await }.boxed())
            .await
    }

    /// Revokes a token. Only an admin's desk may.
    pub async fn revoke_token(&self, name: String) -> Result<(), ApiError> {
        self.commit(move |tx, actor| async move { access::revoke(tx, &actor.name, &name).await }.boxed())
            .await
    }
}
