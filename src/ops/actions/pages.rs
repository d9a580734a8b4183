//! `/ops/actions`: the audit log.

use axum::extract::State;
use axum::response::Response;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::ops::console::{self, Frame, filters};
use crate::store::operators::actions::{Action, ActionFilter};

#[derive(askama::Template)]
#[template(path = "actions.html")]
struct ActionsPage {
    frame: Frame,
    filter: ActionFilter,
    actions: Vec<Action>,
    next: Option<i64>,
}

/// The log, filtered by its address.
pub async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(filter): Query<ActionFilter>,
) -> Result<Response, ApiError> {
    let filter = filter.without_blanks();
    let (actions, next) = app.read(async |conn| super::list(conn, &filter).await).await?;
    Ok(console::page(&ActionsPage { frame, filter, actions, next }))
}

impl Action {
    /// Where the console shows the thing that this was done to, if it does.
    fn link(&self) -> Option<String> {
        let id = &self.subject_id;
        match self.subject_kind.as_str() {
            "order" => Some(format!("/ops/orders/{id}")),
            "dead_letter" => Some(format!("/ops/dead-letters/{id}")),
            "replay" => Some(format!("/ops/replays/{id}")),
            "sku" => Some(format!("/ops/stock/{id}")),
            "pool" => Some("/ops/queues".to_owned()),
            "token" => Some("/ops/tokens".to_owned()),
            _ => None,
        }
    }
}
