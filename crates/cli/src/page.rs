//! The page, where it is asked for: addresses as people write them, and what is said of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use gadugi_engine::client::Client;
use gadugi_engine::protocol::{Reply, Request};
use serde_json::json;

use crate::error::{Problem, Stop};
use crate::follow;
use crate::output::{self, Manner};

/// Whether a run is shown on a page.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PageArgs {
    /// Show the run on a page, and say its link [default address: the one it had last, else any free port of this machine's own]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, value_parser = address)]
    dashboard: Option<Option<SocketAddr>>,
}

impl PageArgs {
    /// Opens the page where one is wanted.
    pub(crate) async fn open(self, client: &mut Client) -> Result<Option<Page>, Stop> {
        match self.dashboard {
            Some(listen) => Page::open(client, listen).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A page that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What a person opens.
    pub(crate) link: String,
}

impl Page {
    /// Opens it, or asks where it is open. What is asked for there is done in this process's environment, where a run has none.
    pub(crate) async fn open(client: &mut Client, listen: Option<SocketAddr>) -> Result<Self, Stop> {
        let environment = Some(follow::environment());
        match client.ask(&Request::Page { listen, environment }).await? {
            Reply::Page { address, link } => Ok(Self { address, link }),
            other => Err(Problem::unexpected(&other).into()),
        }
    }

    /// The same at the same address, of another engine: pages that are open go on.
    pub(crate) async fn open_again(&mut self, client: &mut Client) -> Result<(), Stop> {
        *self = Self::open(client, Some(self.address)).await?;
        Ok(())
    }

    /// Says the link beside the result; as an object where that is wanted. It was asked for, so no manner is too quiet for it.
    pub(crate) fn announce(&self, manner: Manner) {
        self.warn(manner);
        match manner {
            Manner::Json => output::say(&json!({ "dashboard": self.json() }).to_string()),
            Manner::Words | Manner::Quiet => output::say(&format!("page: {}", self.link)),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        json!({ "address": self.address.to_string(), "link": self.link })
    }

    /// What it means that others can reach it.
    pub(crate) fn warn(&self, manner: Manner) {
        if !self.address.ip().is_loopback() {
            manner.warn(&format!(
                "whoever can reach {} and has the link commands the agents and reads all they say; it is plain HTTP, so whoever \
                 listens on the way has the link",
                self.address
            ));
        }
    }
}

/// An address to listen at: `127.0.0.1:0`, `[::1]:8080`, `:8080`, `8080`. Without a host it is this machine's own.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let own = |port: &str| {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    };
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    own(port).or_else(|| text.parse().ok()).ok_or_else(|| {
        "expected an address to listen at, such as 8080, :8080, 127.0.0.1:0, [::1]:8080 or 0.0.0.0:8080"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_as_people_write_them() {
        for (text, expected) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:8080", "[::1]:8080"),
            (":8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "0.0.0.0:8080"),
            ("[::]:8080", "[::]:8080"),
            ("192.168.1.2:65535", "192.168.1.2:65535"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":",
            "65536",
            "-1",
            "+80",
            "localhost",
            "127.0.0.1",
            "::1",
            "::1:8080",
            "[::1]",
            "example.com:80",
            "http://127.0.0.1:80",
            "127.0.0.1:80/",
            "1.2.3:80",
            " 8080",
            "8080 ",
            "0x50",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
