//! An address that is told, by `POST`: signed, so that whoever receives it knows who sent it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::{Client, StatusCode, Url};
use ring::hmac;

use super::message::Message;
use super::worker::Undelivered;

/// How long a connection may take to come about, and how long an answer may.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(15);

/// Where it is posted.
pub(super) struct Webhook {
    address: Url,
    client: Client,
    key: Option<hmac::Key>,
}

/// Why nothing can be posted.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    /// The secret is not there. Unsigned, it would be refused.
    #[error(
        "{0}, which is to hold the webhook's secret, is not set in the environment that the engine was started in"
    )]
    NoSecret(String),
    /// The address is none.
    #[error("the address cannot be used")]
    Address,
    /// The client cannot be made.
    #[error("requests cannot be made: {0}")]
    Client(String),
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("host", &self.host()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// With the secret that a variable of this process holds.
    pub(super) fn new(address: &str, secret_env: Option<&str>) -> Result<Self, WebhookError> {
        let secret = match secret_env {
            None => None,
            Some(name) => {
                let value = gadugi_sys::env::get(name).filter(|value| !value.is_empty());
                Some(value.ok_or_else(|| WebhookError::NoSecret(name.to_owned()))?)
            }
        };
        Self::signed(address, secret.as_deref(), ANSWER)
    }

    pub(super) fn signed(
        address: &str,
        secret: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, WebhookError> {
        let address: Url = address.parse().map_err(|_| WebhookError::Address)?;
        let key = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        Ok(Self { client: client(&address, timeout)?, address, key })
    }

    /// Its host, for people: the rest of the address may be what nobody else is to know.
    pub(super) fn host(&self) -> &str {
        self.address.host_str().unwrap_or_default()
    }

    /// Posts it once.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        let body = message.json();
        let mut request = self
            .client
            .post(self.address.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, concat!("gadugi/", env!("CARGO_PKG_VERSION")))
            .header("x-gadugi-event", message.kind)
            .header("x-gadugi-delivery", &message.id);
        if let Some(key) = &self.key {
            request = request.header("x-gadugi-signature", signature(key, &body));
        }
        let answer = request.body(body).send().await;
        let status = answer.map_err(|error| Undelivered::NotNow(self.words(&error)))?.status();
        let said = format!("{} answered {}", self.host(), status.as_u16());
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Undelivered::NotNow(said)),
            _ if status.is_server_error() => Err(Undelivered::NotNow(said)),
            _ => Err(Undelivered::Never(said)),
        }
    }

    /// One line, without the address.
    fn words(&self, error: &reqwest::Error) -> String {
        let what = match error {
            _ if error.is_timeout() => "does not answer in time",
            _ if error.is_connect() => "cannot be reached",
            _ => "broke off",
        };
        format!("{} {what}", self.host())
    }
}

/// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
pub(super) fn signature(key: &hmac::Key, body: &[u8]) -> String {
    let tag = hmac::sign(key, body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Certificates are those of the system; proxies those of the environment, but for this machine.
fn client(address: &Url, timeout: Duration) -> Result<Client, WebhookError> {
    let amiss = |error: &dyn std::fmt::Display| WebhookError::Client(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| amiss(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .timeout(timeout);
    // Without encryption it is this machine: the configuration allows no other.
    let client = if address.scheme() == "http" { client.no_proxy() } else { client };
    client.build().map_err(|error| amiss(&error))
}
