//! Where a request comes from.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::App;
use crate::peers::network::behind;
use crate::serving::Peer;

/// Where a proxy says for whom it asks.
const FORWARDED_FOR: &str = "X-Forwarded-For";

/// The caller's address: that of the connection, or the one that a trusted proxy names.
#[derive(Debug, Clone, Copy)]
pub struct CallerAddress(pub IpAddr);

impl FromRequestParts<App> for CallerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        // Only a router that serves no connection has no peer.
        let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let named = parts.headers.get_all(FORWARDED_FOR).iter();
        // Piece by piece: what a caller wrote before a proxy's word must not make that unreadable.
        let pieces = named.rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        let named = pieces.map(|piece| std::str::from_utf8(piece).unwrap_or_default());
        Ok(Self(behind(peer, named, &app.trusted_proxies)))
    }
}
