//! What buyers see.

mod buying;
mod by_anybody;
mod reading;
mod screenshots;
mod stage;
mod waiting;
