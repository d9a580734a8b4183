//! How what went wrong in a subject of operators looks to callers: the subjects themselves know no HTTP.

use super::access::AccessError;
use super::dead_letters::DeadLetterError;
use super::orders::OrderError;
use super::products::ProductError;
use super::stock::StockError;
use super::workers::PauseError;
use crate::http::error::ApiError;

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NoSuchToken(_) => Self::NoSuch(error.to_string()),
            AccessError::Database(error) => error.into(),
            rule => Self::Unprocessable(rule.to_string()),
        }
    }
}

impl From<DeadLetterError> for ApiError {
    fn from(error: DeadLetterError) -> Self {
        match error {
            DeadLetterError::NoSuchLetter(_) | DeadLetterError::NoSuchReplay(_) => {
                Self::NoSuch(error.to_string())
            }
            DeadLetterError::WrongStatus(_) => Self::Conflict(error.to_string()),
            DeadLetterError::TooMany { .. } | DeadLetterError::Unfit(_) => {
                Self::Unprocessable(error.to_string())
            }
            DeadLetterError::EditingIsOff => {
                Self::Forbidden("dead letters cannot be edited unless HOLDFAST_EDIT_DEAD_LETTERS=true")
            }
            DeadLetterError::Publish(error) => error.into(),
            DeadLetterError::Database(error) => error.into(),
        }
    }
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound | OrderError::NoSuchPayment => Self::NoSuch(error.to_string()),
            OrderError::WrongState { order, status } => Self::WrongState { order, status },
            OrderError::Settled(_) => Self::Unprocessable(error.to_string()),
            OrderError::Invalid(invalid) => invalid.into(),
            OrderError::Database(error) => error.into(),
        }
    }
}

impl From<ProductError> for ApiError {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::NotFound => Self::NoSuch(error.to_string()),
            ProductError::Taken => Self::Conflict(error.to_string()),
            ProductError::ChangedMeanwhile => Self::PreconditionFailed,
            ProductError::Invalid(invalid) => invalid.into(),
            ProductError::NotWritten(error) => error.into(),
        }
    }
}

impl From<StockError> for ApiError {
    fn from(error: StockError) -> Self {
        match error {
            StockError::NotFound => Self::NoSuch(error.to_string()),
            StockError::Invalid(invalid) => invalid.into(),
            StockError::Database(error) => error.into(),
        }
    }
}

impl From<PauseError> for ApiError {
    fn from(error: PauseError) -> Self {
        match error {
            PauseError::UnknownPool(_) => Self::NoSuch(error.to_string()),
            PauseError::Database(error) => error.into(),
        }
    }
}
