//! What buyers see.

mod buying;
mod by_anybody;
mod reading;
mod screenshots;
mod signing_in;
mod stage;
mod waiting;
