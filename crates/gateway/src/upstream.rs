//! The way to the model API: one HTTP client for each way, one lane for each account.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, NoProxy, Proxy, Response};

use crate::account::{Account, AccountError, Credential, Proxies, Trust};
use crate::pace::Lane;
use crate::secret::Secret;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);

/// How long an answer may be silent. Claude Code gives up after five minutes by itself.
const SILENCE: Duration = Duration::from_secs(900);

/// Idle connections that are kept, and for how long.
const IDLE: usize = 64;
const IDLE_FOR: Duration = Duration::from_secs(50);

/// What the vendor asks for with a subscription's token.
const SUBSCRIPTION_BETA: &str = "oauth-2025-04-20";
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// An account in use.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) account: Account,
    pub(crate) lane: Lane,
    client: Client,
}

/// The model API was not reached, or broke off before it answered.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// One line, without the credential.
    pub(crate) reason: String,
    /// It will be so again.
    pub(crate) lasting: bool,
}

impl Line {
    pub(crate) fn new(label: String, account: Account, client: Client, lane: Lane) -> Arc<Self> {
        Arc::new(Self { label, account, lane, client })
    }

    /// Sends a request below the account's address, under its credential.
    pub(crate) async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Unreachable> {
        self.sign(&mut headers)?;
        let base = self.account.upstream.as_str().trim_end_matches('/');
        let request =
            self.client.request(method, format!("{base}{path_and_query}")).headers(headers).body(body);
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    fn sign(&self, headers: &mut HeaderMap) -> Result<(), Unreachable> {
        let credential = &self.account.credential;
        let (name, text) = match credential {
            Credential::ApiKey(key) => (KEY, key.clone()),
            Credential::Bearer(token) | Credential::Subscription(token) => {
                (AUTHORIZATION, Secret::new(format!("Bearer {}", token.expose())))
            }
        };
        let mut value = HeaderValue::from_str(text.expose())
            .map_err(|_| Unreachable { reason: "the credential cannot be sent".into(), lasting: true })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        if matches!(credential, Credential::Subscription(_)) {
            let asked = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
            let mut betas: Vec<&str> = asked.flat_map(|value| value.split(',')).map(str::trim).collect();
            betas.retain(|beta| !beta.is_empty() && *beta != SUBSCRIPTION_BETA);
            betas.push(SUBSCRIPTION_BETA);
            if let Ok(value) = HeaderValue::from_str(&betas.join(",")) {
                headers.insert(BETA, value);
            }
        }
        Ok(())
    }

    fn unreachable(&self, error: &reqwest::Error) -> Unreachable {
        let mut lasting = false;
        let mut deepest: &(dyn Error + 'static) = error;
        loop {
            let io = deepest.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let inner = io.map(|inner| inner as &(dyn Error + 'static));
            let Some(next) = inner.or_else(|| deepest.source()) else { break };
            deepest = next;
            lasting |= matches!(deepest.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)));
        }
        let what = if lasting {
            format!("its certificate is not to be trusted ({deepest})")
        } else if error.is_timeout() {
            "it does not answer in time".to_owned()
        } else {
            deepest.to_string()
        };
        let host = host(&self.account);
        let reason = one_line(&self.scrub(&format!("the model API at {host} cannot be reached: {what}")));
        Unreachable { reason, lasting }
    }

    /// A text without the credential in it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let secret = self.account.credential.secret().expose();
        if secret.is_empty() { text.to_owned() } else { text.replace(secret, "…") }
    }
}

/// `host:port`, or the host alone where the port goes without saying.
pub(crate) fn host(account: &Account) -> String {
    let host = account.upstream.host_str().unwrap_or_default();
    account.upstream.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Text in one line of bounded length, without what steers terminals.
pub(crate) fn one_line(text: &str) -> String {
    let words: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    words.trim().to_owned()
}

/// A client that goes that way.
pub(crate) fn client(proxies: &Proxies, trust: &Trust) -> Result<Client, AccountError> {
    let amiss = |error: &dyn std::fmt::Display| AccountError::Client(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| amiss(&error))?
        .with_root_certificates(roots(trust)?)
        .with_no_client_auth();
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .pool_max_idle_per_host(IDLE)
        .pool_idle_timeout(IDLE_FOR)
        .tcp_nodelay(true);
    type Wrap = fn(&str) -> reqwest::Result<Proxy>;
    let ways: [(&'static str, Option<&Secret>, Wrap); 2] = [
        ("https", proxies.https.as_ref(), |url| Proxy::https(url)),
        ("http", proxies.http.as_ref(), |url| Proxy::http(url)),
    ];
    for (scheme, url, wrap) in ways {
        if let Some(url) = url {
            let proxy = wrap(url.expose()).map_err(|_| AccountError::Proxy(scheme))?;
            let none = proxies.none.as_deref().and_then(NoProxy::from_string);
            client = client.proxy(proxy.no_proxy(none));
        }
    }
    client.build().map_err(|error| amiss(&error))
}

/// The certificates to believe in. Those of the system that cannot be read are left out, as everybody does; those that
/// somebody named have to be readable.
fn roots(trust: &Trust) -> Result<rustls::RootCertStore, AccountError> {
    let named = |file: Option<&Path>, dir: Option<&Path>| {
        let found = rustls_native_certs::load_certs_from_paths(file, dir);
        match found.errors.first() {
            Some(error) if found.certs.is_empty() => Err(AccountError::Trust(error.to_string())),
            _ => Ok(found.certs),
        }
    };
    let mut certificates = if trust.file.is_some() || trust.dir.is_some() {
        named(trust.file.as_deref(), trust.dir.as_deref())?
    } else {
        rustls_native_certs::load_native_certs().certs
    };
    if let Some(extra) = &trust.extra {
        certificates.extend(named(Some(extra), None)?);
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}
