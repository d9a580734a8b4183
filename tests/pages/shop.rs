//! What buyers see.

mod buying;
mod by_anybody;
mod reading;
mod stage;
mod waiting;
