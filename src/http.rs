//! The HTTP API: handlers, who may call them, and how answers and errors look.

use std::time::Duration;

pub mod address;
pub mod app;
pub mod auth;
pub mod began;
pub mod body;
pub mod browsing;
pub mod cart_views;
pub mod command;
pub mod document;
pub mod error;
pub mod etag;
pub mod handed_over;
pub mod headers;
pub mod jwt_keys;
pub mod looks;
pub mod markdown;
pub mod observe;
pub mod outcome;
pub mod patience;
pub mod places_to_stay;
pub mod pools;
pub mod problem;
pub mod product_views;
pub mod query;
pub mod rates;
pub mod readiness;
pub mod returns;
pub mod routes;
pub mod sealed;
pub mod shopper;
pub mod sign_in_link;
pub mod sign_ins;
pub mod together;
pub mod tokens;
pub mod under_way;
pub mod views;
pub mod visit;
pub mod watch;

/// What a server of ours gets: a caller hears "unavailable" within three seconds, whatever it does and however many wait.
const LIMIT: Duration = Duration::from_millis(2_500);
