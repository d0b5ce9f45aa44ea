//! Which hosts a step may reach, and which addresses nobody reaches by a name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host, as it is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name: lower case, without a dot at its end.
    Name(String),
    /// An address. One of IPv4 within IPv6 is the one of IPv4.
    Address(IpAddr),
}

/// A host and a port: `api.example.com:443`, `10.0.0.7:5432`, `[::1]:8080`. Names are exact; there are no patterns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// Text that is no host with its port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a host with its port, such as api.example.com:443, found {0:?}")]
pub struct HostPortError(pub String);

impl Host {
    /// Reads a name or an address; the latter with or without brackets.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = inner.unwrap_or(text).parse::<IpAddr>() {
            return (inner.is_none() || address.is_ipv6()).then(|| Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let fine = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let labels = name.split('.').all(|label| !label.is_empty() && label.len() <= 63);
        (inner.is_none() && name.len() <= 253 && labels && name.chars().all(fine)).then_some(Self::Name(name))
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let parts = text.rsplit_once(':');
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let read = parts.and_then(|(host, port)| {
            let port = port.parse().ok().filter(|number| *number > 0 && digits(port))?;
            Some(Self { host: Host::parse(host)?, port })
        });
        read.ok_or_else(|| HostPortError(text.chars().take(300).collect()))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
        }
    }
}

/// The hosts that a step may reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowList(Vec<HostPort>);

impl AllowList {
    pub(crate) fn new(hosts: Vec<HostPort>) -> Self {
        Self(hosts)
    }

    pub(crate) fn holds(&self, wanted: &HostPort) -> bool {
        self.0.contains(wanted)
    }

    /// Whether a connection for `wanted`, which the list holds, may go to an address: to any public one, and to a
    /// private one only where the list itself names that address and the port, or where loopback was asked for by its
    /// name.
    pub(crate) fn may_reach(&self, wanted: &HostPort, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if is_public(address) {
            return true;
        }
        let localhost = matches!(&wanted.host, Host::Name(name) if name == "localhost");
        (localhost && address.is_loopback())
            || self.0.contains(&HostPort { host: Host::Address(address), port: wanted.port })
    }
}

/// Whether an address belongs to the public network, as far as that can be told from the address: no private, loopback,
/// link-local, shared, reserved, documentation, benchmarking or multicast one, and none that carries such a one within
/// it.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let special = matches!(
        (a, b, c, d),
        (0 | 10 | 127 | 224.., ..)
            // Shared by carriers; some clouds answer for metadata in it.
            | (100, 64..=127, ..)
            | (169, 254, ..)
            | (172, 16..=31, ..)
            | (192, 0, 0 | 2, _)
            // Relays of 6to4.
            | (192, 88, 99, _)
            | (192, 168, ..)
            | (198, 18..=19, ..)
            | (198, 51, 100, _)
            | (203, 0, 113, _)
            // A cloud's own service, in the midst of public ones.
            | (168, 63, 129, 16)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        // NAT64 and 6to4 lead to the address of IPv4 that they carry.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Within the global range: Teredo, ORCHID, benchmarking and the like; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Nothing but the global unicast range: no loopback, no local NAT64, no unique local (metadata of one cloud among
        // them), no link-local, no site-local, no multicast, no IPv4-compatible.
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    #[test]
    fn one_host_has_one_spelling() {
        assert_eq!(read("API.Example.com.:443"), read("api.example.com:443"));
        assert_eq!(read("[::1]:80"), read("::1:80"));
        assert_eq!(read("[::ffff:10.0.0.1]:80"), read("10.0.0.1:80"));
        assert_eq!(read("[2001:DB8:0::1]:80").to_string(), "[2001:db8::1]:80");
        for text in
            ["", "a", "a:", "a:0", "a:+1", "a:70000", ":80", "a..b:80", "*.a.com:443", "a b:80", "[a]:80"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        for text in ["[10.0.0.1]:80", "[::1:80", "a@b:80", "a/b:80", "é.com:80"] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_known() {
        let amiss = [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
        ];
        for address in amiss {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_private_address_is_reached_where_it_is_named() {
        let list = ["git.example.com:443", "10.0.0.7:443", "localhost:5432", "[::1]:9"];
        let list = AllowList::new(list.iter().map(|text| read(text)).collect());
        let may = |host: &str, address: &str| {
            let wanted = read(host);
            list.holds(&wanted) && list.may_reach(&wanted, address.parse().unwrap())
        };
        assert!(may("git.example.com:443", "1.1.1.1"));
        assert!(may("git.example.com:443", "10.0.0.7"), "the list names the address too");
        assert!(!may("git.example.com:443", "10.0.0.8"));
        assert!(!may("git.example.com:443", "127.0.0.1"));
        assert!(may("10.0.0.7:443", "10.0.0.7") && !may("10.0.0.7:80", "10.0.0.7"));
        assert!(may("LOCALHOST.:5432", "::1") && !may("localhost:5432", "10.0.0.8"));
        assert!(may("[::1]:9", "::1"));
        assert!(!may("evil.git.example.com:443", "1.1.1.1"));
    }
}
