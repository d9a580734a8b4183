//! Networks of addresses, and what counts as one caller's address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// An address, or a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    prefix: u32,
}

/// A text that names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl Network {
    /// Whether the address is of this network.
    pub fn holds(self, address: IpAddr) -> bool {
        let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
        (number(address) ^ self.address) & mask == 0
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) =
            text.trim().split_once('/').map_or((text.trim(), None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let (bits, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.map_or(Ok(bits), |text| text.parse().map_err(|_| InvalidNetwork))?;
        if prefix > bits {
            return Err(InvalidNetwork);
        }
        Ok(Self { address: number(address), prefix: before + prefix })
    }
}

/// Networks as options name them: comma-separated, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// IPv4 as IPv6 maps it, so that both are compared alike.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// What of an address stands for one caller: of IPv6 the network of 64 bits, which one caller has whole.
pub fn who(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(first_bits(address, 64)),
        address => address,
    }
}

/// The network of 48 bits of an IPv6 address, which is the most that one site is given.
pub fn site(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(address) => Some(IpAddr::V6(first_bits(address, 48))),
        IpAddr::V4(_) => None,
    }
}

fn first_bits(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)))
}

/// For whom a request is made that comes from `peer`: from itself, or, where that is a proxy of ours, from the last address
/// that it names and that is no proxy of ours. What is named before that was written by the caller. `named` begins with the
/// last.
pub fn behind<'a>(peer: IpAddr, named: impl Iterator<Item = &'a str>, proxies: &[Network]) -> IpAddr {
    let mut caller = peer;
    for text in named {
        if !proxies.iter().any(|proxy| proxy.holds(caller)) {
            break;
        }
        match address_of(text.trim()) {
            Some(address) => caller = address,
            None => break,
        }
    }
    caller
}

/// An address, with or without a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().holds(address.parse().unwrap())
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1/32", "::ffff:127.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
        ] {
            assert!(holds(network, inside) && !holds(network, outside), "{network}");
        }
        assert!(holds("0.0.0.0/0", "203.0.113.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        for bad in ["", "10.0.0.0/33", "example.org", "10.0.0.0/-1", "::/129"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn of_ipv6_one_caller_has_64_bits_and_one_site_48() {
        let parts = |address: &str| {
            let address = address.parse().unwrap();
            (who(address).to_string(), site(address).map(|site| site.to_string()))
        };
        let named = |who: &str, site: Option<&str>| (who.to_owned(), site.map(str::to_owned));
        assert_eq!(parts("2001:db8:1:2:3::4"), named("2001:db8:1:2::", Some("2001:db8:1::")));
        assert_eq!(parts("192.0.2.1"), named("192.0.2.1", None));
        assert_eq!(parts("::ffff:192.0.2.1"), named("192.0.2.1", None));
    }

    #[test]
    fn an_empty_option_names_no_network() {
        assert_eq!(" ".parse(), Ok(Networks::default()));
        assert_eq!("10.0.0.0/8, ::1".parse::<Networks>().unwrap().0.len(), 2);
        assert!("10.0.0.0/8,".parse::<Networks>().is_err());
    }

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let proxies: Vec<Network> =
            ["10.0.0.0/8", "2001:db8::/32"].iter().map(|text| text.parse().unwrap()).collect();
        let caller =
            |peer: &str, named: &str| behind(peer.parse().unwrap(), named.rsplit(','), &proxies).to_string();
        for (peer, named, expected) in [
            ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
            ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
            // What the caller wrote comes first, our own proxies last.
            ("10.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("10.0.0.1", "10.9.9.9, 203.0.113.7", "203.0.113.7"),
            ("2001:db8::1", "[2001:db9::7]:4711", "2001:db9::7"),
            ("10.0.0.1", "[2001:db9::7]", "2001:db9::7"),
            ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
            // Nothing that can be read: the last one that is sure.
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
            ("10.0.0.1", "unknown, 10.0.0.2", "10.0.0.2"),
        ] {
            assert_eq!(caller(peer, named), expected, "{peer}: {named}");
        }
    }
}
