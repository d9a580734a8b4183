//! Why something cannot be done to dead letters.

use uuid::Uuid;

use crate::broker::publisher::PublishError;

/// Why something cannot be done to dead letters or replays.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// Nothing has this id.
    #[error("there is no such dead letter: {0}")]
    NoSuchLetter(Uuid),
    /// Nothing has this id.
    #[error("there is no such replay: {0}")]
    NoSuchReplay(Uuid),
    /// Its status does not allow it.
    #[error("it is {0}")]
    WrongStatus(&'static str),
    /// More than is done at once.
    #[error("these are more than {limit}: narrow the filter")]
    TooMany {
        /// How many are done at once.
        limit: i64,
    },
    /// What was asked for breaks a rule.
    #[error("{0}")]
    Unfit(String),
    /// Bodies may not be changed here.
    #[error("dead letters cannot be edited unless HOLDFAST_EDIT_DEAD_LETTERS=true")]
    EditingIsOff,
    /// The broker did not take the message.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
