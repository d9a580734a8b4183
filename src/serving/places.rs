//! Places for connections: so many in all, so many for one address, and a few that only tell how the process is.

use std::net::IpAddr;
use std::sync::Arc;

use metrics::{counter, gauge};

use crate::peers::network::{Network, who};
use crate::places::{self, Full};

/// Places beside the others, for whoever asks how the process is while there is no room.
pub(super) const RESERVED: usize = 32;

/// How many connections there may be.
#[derive(Debug, Clone)]
pub struct Room {
    pub connections: usize,
    pub per_address: usize,
    /// Those who bring the connections of many callers: their addresses have no share.
    pub proxies: Vec<Network>,
}

#[derive(Clone)]
pub(super) struct ConnectionPlaces {
    proxies: Arc<[Network]>,
    per_address: usize,
    ordinary: places::Places<IpAddr>,
    reserved: places::Places<IpAddr>,
}

/// A place, until it is dropped.
pub(super) struct ConnectionPlace {
    _place: places::Place<IpAddr>,
    /// Whether it is good for more than to ask how the process is.
    pub(super) is_ordinary: bool,
}

impl ConnectionPlaces {
    pub(super) fn new(room: Room) -> Self {
        let Room { connections, per_address, proxies } = room;
        let count = |by| gauge!("holdfast_http_connections").increment(by);
        Self {
            proxies: proxies.into(),
            per_address,
            ordinary: places::Places::new(connections, count),
            reserved: places::Places::new(RESERVED, |_| ()),
        }
    }

    /// A place for somebody from there; none if even the reserve is taken.
    pub(super) fn take(&self, from: IpAddr) -> Option<ConnectionPlace> {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.holds(from));
        let share = [(who(from), self.per_address)];
        let reason = match self.ordinary.take(if is_proxy { &[] } else { &share }) {
            Ok(place) => return Some(ConnectionPlace { _place: place, is_ordinary: true }),
            Err(Full::InAll) => "all",
            Err(Full::Each) => "address",
        };
        counter!("holdfast_http_connections_refused_total", "reason" => reason).increment(1);
        let place = self.reserved.take(&[]).ok()?;
        Some(ConnectionPlace { _place: place, is_ordinary: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, per_address: usize, proxies: &[&str]) -> ConnectionPlaces {
        let proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
        ConnectionPlaces::new(Room { connections, per_address, proxies })
    }

    fn from(places: &ConnectionPlaces, address: &str) -> Option<ConnectionPlace> {
        places.take(address.parse().unwrap())
    }

    #[test]
    fn one_address_has_its_share_and_others_the_rest() {
        let places = places(3, 2, &[]);
        let mine: Vec<_> = (0..2).map(|_| from(&places, "192.0.2.1").unwrap()).collect();
        assert!(mine.iter().all(|place| place.is_ordinary));
        assert!(!from(&places, "192.0.2.1").unwrap().is_ordinary);
        let other = from(&places, "192.0.2.2").unwrap();
        assert!(other.is_ordinary);
        assert!(!from(&places, "192.0.2.3").unwrap().is_ordinary);
        drop(mine);
        assert!(from(&places, "192.0.2.1").unwrap().is_ordinary);
        drop(other);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_and_a_proxy_has_no_share() {
        let places = places(10, 1, &["198.51.100.0/24"]);
        let _one = from(&places, "2001:db8::1").unwrap();
        assert!(!from(&places, "2001:db8::2").unwrap().is_ordinary);
        let proxied: Vec<_> = (0..5).map(|_| from(&places, "198.51.100.9").unwrap()).collect();
        assert!(proxied.iter().all(|place| place.is_ordinary));
    }

    #[test]
    fn the_reserve_ends_as_well() {
        let places = places(0, 0, &[]);
        let taken: Vec<_> = (0..RESERVED).map(|_| from(&places, "192.0.2.1").unwrap()).collect();
        assert!(from(&places, "192.0.2.1").is_none());
        drop(taken);
        assert!(from(&places, "192.0.2.1").is_some());
    }
}
