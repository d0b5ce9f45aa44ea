//! The names under which the page may be asked for. A browser that was talked into taking another name for this address
//! (DNS rebinding) says that name in `Host`, and is refused.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What `Host` may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    names: BTreeSet<String>,
    /// Ports on which every address of this machine is listened on: any address may be said there, since only names can be
    /// rebound.
    any_address: BTreeSet<u16>,
}

impl Hosts {
    /// Also the address that is listened on.
    pub(crate) fn add(&mut self, bound: SocketAddr) {
        let port = bound.port();
        if bound.ip().is_unspecified() {
            self.any_address.insert(port);
        }
        if bound.ip().is_unspecified() || bound.ip().is_loopback() {
            for name in ["127.0.0.1", "localhost", "[::1]"] {
                self.name(name, port);
            }
        }
        self.name(&host_of(bound.ip()), port);
    }

    fn name(&mut self, host: &str, port: u16) {
        self.names.insert(format!("{host}:{port}"));
        if port == 80 {
            self.names.insert(host.to_owned());
        }
    }

    /// Whether that is one of ours.
    pub(crate) fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.names.contains(&host) {
            return true;
        }
        host.parse::<SocketAddr>().is_ok_and(|address| self.any_address.contains(&address.port()))
    }
}

/// An address as it stands in a URL.
pub(crate) fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str) -> Hosts {
        let mut hosts = Hosts::default();
        hosts.add(bound.parse().unwrap());
        hosts
    }

    #[test]
    fn loopback_has_three_names_and_no_other() {
        let hosts = hosts("127.0.0.1:4000");
        for ours in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000", "[::1]:4000"] {
            assert!(hosts.is_ours(ours), "{ours}");
        }
        for foreign in [
            "127.0.0.1",
            "127.0.0.1:4001",
            "evil.example:4000",
            "localhost.evil.example:4000",
            "127.0.0.1:4000.evil.example",
            "localhost:4000 ",
            "",
            "10.0.0.1:4000",
            "user@localhost:4000",
        ] {
            assert!(!hosts.is_ours(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn who_listens_everywhere_has_every_address_and_no_name() {
        let everywhere = hosts("0.0.0.0:4000");
        assert!(everywhere.is_ours("192.168.1.7:4000") && everywhere.is_ours("[fe80::1]:4000"));
        assert!(!everywhere.is_ours("192.168.1.7:4001") && !everywhere.is_ours("evil.example:4000"));
        let named = hosts("192.168.1.7:80");
        assert!(named.is_ours("192.168.1.7") && named.is_ours("192.168.1.7:80"));
        assert!(!named.is_ours("localhost"));
    }
}
