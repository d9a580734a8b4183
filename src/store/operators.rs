//! Who operates: tokens, sessions of the console, and what each of them did.

pub mod actions;
pub mod sessions;
pub mod tokens;
