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
use crate::limits::Said;
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
    /// What its answers last said of its limits.
    pub(crate) limits: Said,
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
        Arc::new(Self { label, account, lane, limits: Said::default(), client })
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
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.limits.hear(&self.label, response.headers(), gadugi_sys::clock::now());
        Ok(response)
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
        let mut wanted = Vec::new();
        if matches!(credential, Credential::Subscription(_)) {
            wanted.push(SUBSCRIPTION_BETA);
        }
        for (name, value) in &self.account.headers {
            let (Ok(name), Ok(mut sent)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value.expose()))
            else {
                continue;
            };
            if name == BETA {
                wanted.extend(value.expose().split(',').map(str::trim));
                continue;
            }
            sent.set_sensitive(true);
            headers.insert(name, sent);
        }
        add_betas(headers, &wanted);
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
        /// Shorter values of headers are words.
        const SECRET: usize = 12;
        let further = self.account.headers.iter().map(|(_, value)| value.expose());
        let further = further.filter(|value| value.len() >= SECRET);
        let credential = Some(self.account.credential.secret().expose()).filter(|text| !text.is_empty());
        credential.into_iter().chain(further).fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

/// Asks for what is in beta besides what is asked for already, each once.
fn add_betas(headers: &mut HeaderMap, wanted: &[&str]) {
    if wanted.is_empty() {
        return;
    }
    let asked = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
    let mut betas: Vec<&str> = asked.flat_map(|value| value.split(',')).map(str::trim).collect();
    betas.retain(|beta| !beta.is_empty() && !wanted.contains(beta));
    betas.extend(wanted);
    if let Ok(value) = HeaderValue::from_str(&betas.join(",")) {
        headers.insert(BETA, value);
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

/// A client that goes that way, and a line on each file of certificates that could not be read.
pub(crate) fn client(proxies: &Proxies, trust: &Trust) -> Result<(Client, Vec<String>), AccountError> {
    let amiss = |error: &dyn std::fmt::Display| AccountError::Client(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (roots, unread) = roots(trust);
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| amiss(&error))?
        .with_root_certificates(roots)
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
    client.build().map(|client| (client, unread)).map_err(|error| amiss(&error))
}

/// The certificates to believe in. Those that cannot be read are left out, as everybody does; of those that somebody named
/// there is a line.
fn roots(trust: &Trust) -> (rustls::RootCertStore, Vec<String>) {
    let mut unread = Vec::new();
    let mut named = |file: Option<&Path>, dir: Option<&Path>| {
        let found = rustls_native_certs::load_certs_from_paths(file, dir);
        if found.certs.is_empty() {
            unread.extend(found.errors.first().map(|error| one_line(&error.to_string())));
        }
        found.certs
    };
    let mut certificates = if trust.file.is_some() || trust.dir.is_some() {
        named(trust.file.as_deref(), trust.dir.as_deref())
    } else {
        rustls_native_certs::load_native_certs().certs
    };
    if let Some(extra) = &trust.extra {
        certificates.extend(named(Some(extra), None));
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    (roots, unread)
}
