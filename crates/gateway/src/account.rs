//! Under whose name requests leave, and by which way.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use hyper::header::{HeaderName, HeaderValue};
use reqwest::Url;

use crate::answer::HOP_BY_HOP;
use crate::secret::Secret;

/// Where the vendor's own API is.
const VENDOR: &str = "https://api.anthropic.com";

type Wrap = fn(Secret) -> Credential;

/// What proves who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `x-api-key`.
    ApiKey(Secret),
    /// `Authorization: Bearer`, as a gateway of somebody's own takes it.
    Bearer(Secret),
    /// A subscription's long-lived token (`claude setup-token`): a bearer, with the header that the vendor asks for with
    /// it.
    Subscription(Secret),
}

impl Credential {
    pub(crate) fn secret(&self) -> &Secret {
        let (Self::ApiKey(secret) | Self::Bearer(secret) | Self::Subscription(secret)) = self;
        secret
    }
}

/// The user's own HTTP proxies on the way to the model API. Their addresses can hold passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `https://`.
    pub https: Option<Secret>,
    /// For `http://`.
    pub http: Option<Secret>,
    /// Hosts that are reached without one, as in `NO_PROXY`.
    pub none: Option<String>,
}

/// Which certificates are believed, besides the system's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `SSL_CERT_FILE`: in place of the system's.
    pub file: Option<PathBuf>,
    /// `SSL_CERT_DIR`: in place of the system's.
    pub dir: Option<PathBuf>,
    /// `NODE_EXTRA_CA_CERTS`: besides them.
    pub extra: Option<PathBuf>,
}

/// Under whose name requests leave, where to, and by which way. Two that are equal are paced as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The model API: scheme, host, port, and a path that everything lies below.
    pub upstream: Url,
    /// The credential.
    pub credential: Credential,
    /// The user's proxies.
    pub proxies: Proxies,
    /// Whom to believe.
    pub trust: Trust,
    /// Headers that go along with every request, in place of any of the same name: names in small letters. Their values can
    /// be secrets, or choose who pays.
    pub headers: Vec<(String, Secret)>,
}

/// Why an account cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The address of the model API.
    #[error("{0:?} is no address of a model API: it has to begin with https:// or http://")]
    Upstream(String),
    /// The credential has characters that cannot be sent.
    #[error("the credential in {0} has characters in it that no credential has")]
    Credential(&'static str),
    /// A proxy's address. It is not repeated: it can hold a password.
    #[error("the address of the proxy for {0} cannot be used")]
    Proxy(&'static str),
    /// The client cannot be made.
    #[error("requests to the model API cannot be made: {0}")]
    Client(String),
}

impl Account {
    /// With a credential alone: no proxies, the system's certificates, no further headers.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(upstream: &str, credential: Credential) -> Result<Self, AccountError> {
        Ok(Self {
            upstream: address(upstream)?,
            credential,
            proxies: Proxies::default(),
            trust: Trust::default(),
            headers: Vec::new(),
        })
    }

    /// The account that an environment describes: `ANTHROPIC_AUTH_TOKEN`, else `ANTHROPIC_API_KEY`, else
    /// `CLAUDE_CODE_OAUTH_TOKEN` (the order of Claude Code's own), at `upstream`, else `ANTHROPIC_BASE_URL`, else the vendor;
    /// with the environment's proxies (as Claude Code reads them: no `ALL_PROXY`), certificates and
    /// `ANTHROPIC_CUSTOM_HEADERS`. None where it holds no credential.
    ///
    /// # Errors
    /// Where the address is none, or the credential cannot be one.
    pub fn from_environment(
        variables: &[(OsString, OsString)],
        upstream: Option<&str>,
    ) -> Result<Option<Self>, AccountError> {
        let os = |name: &str| {
            let found = variables.iter().rev().find(|(known, _)| known.as_os_str() == OsStr::new(name));
            found.map(|(_, value)| value).filter(|value| !value.is_empty())
        };
        let text = |name: &str| os(name).map(|value| value.to_string_lossy().trim().to_owned());
        let either = |name: &str| text(name).or_else(|| text(&name.to_ascii_uppercase()));
        let wrap: [(&'static str, Wrap); 3] = [
            ("ANTHROPIC_AUTH_TOKEN", Credential::Bearer),
            ("ANTHROPIC_API_KEY", Credential::ApiKey),
            ("CLAUDE_CODE_OAUTH_TOKEN", Credential::Subscription),
        ];
        let found = wrap.into_iter().find_map(|(name, wrap)| Some((name, wrap, text(name)?)));
        let Some((name, wrap, value)) = found else { return Ok(None) };
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AccountError::Credential(name));
        }
        let base = text("ANTHROPIC_BASE_URL").filter(|base| !base.is_empty());
        let upstream = address(upstream.or(base.as_deref()).unwrap_or(VENDOR))?;
        // One for both, as Claude Code has it.
        let proxy = either("https_proxy").or_else(|| either("http_proxy")).map(Secret::new);
        let proxies = Proxies { https: proxy.clone(), http: proxy, none: either("no_proxy") };
        let path = |name: &str| os(name).map(PathBuf::from);
        let trust = Trust {
            file: path("SSL_CERT_FILE"),
            dir: path("SSL_CERT_DIR"),
            extra: path("NODE_EXTRA_CA_CERTS"),
        };
        let headers = text("ANTHROPIC_CUSTOM_HEADERS").map_or_else(Vec::new, |lines| headers(&lines));
        Ok(Some(Self { upstream, credential: wrap(Secret::new(value)), proxies, trust, headers }))
    }
}

/// `Name: value`, one a line. What cannot be a header is none, nor is what belongs to one connection or to a body's form.
fn headers(lines: &str) -> Vec<(String, Secret)> {
    const OURS: [&str; 4] = ["accept-encoding", "content-length", "expect", "host"];
    let read = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (HeaderName::try_from(name.trim()).ok()?, value.trim());
        HeaderValue::from_str(value).ok()?;
        let name = name.as_str();
        (!OURS.contains(&name) && !HOP_BY_HOP.contains(&name)).then(|| (name.to_owned(), Secret::new(value)))
    };
    lines.lines().filter_map(read).collect()
}

/// The address of a model API. What it has for user, password, query and fragment is no part of one.
fn address(text: &str) -> Result<Url, AccountError> {
    let amiss = || AccountError::Upstream(text.split('@').next_back().unwrap_or_default().to_owned());
    let mut url = Url::parse(text.trim()).map_err(|_| amiss())?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(amiss());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(amiss());
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)], upstream: Option<&str>) -> Result<Option<Account>, AccountError> {
        let variables: Vec<_> = said.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Account::from_environment(&variables, upstream)
    }

    #[test]
    fn an_environment_describes_an_account() {
        assert_eq!(read(&[("HOME", "/h"), ("ANTHROPIC_API_KEY", "")], None), Ok(None));
        let account =
            read(&[("ANTHROPIC_API_KEY", "sk-1\n"), ("https_proxy", "http://p:1")], None).unwrap().unwrap();
        assert_eq!(account.credential, Credential::ApiKey(Secret::new("sk-1")));
        assert_eq!(account.upstream.as_str(), "https://api.anthropic.com/");
        assert_eq!(account.proxies.https, Some(Secret::new("http://p:1")));
        let said = [
            ("CLAUDE_CODE_OAUTH_TOKEN", "o"),
            ("ANTHROPIC_AUTH_TOKEN", "b"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/x?y#z"),
        ];
        let account = read(&said, None).unwrap().unwrap();
        assert_eq!(account.credential, Credential::Bearer(Secret::new("b")));
        assert_eq!(account.upstream.as_str(), "http://127.0.0.1:9/x");
        let account = read(&said[..1], Some("https://a.example.com")).unwrap().unwrap();
        assert_eq!(account.credential, Credential::Subscription(Secret::new("o")));
        assert_eq!(account.upstream.as_str(), "https://a.example.com/");
    }

    #[test]
    fn proxies_are_those_that_claude_code_takes() {
        let said = [("ANTHROPIC_API_KEY", "k"), ("ALL_PROXY", "socks5://p:1"), ("all_proxy", "socks5://p:1")];
        assert_eq!(read(&said, None).unwrap().unwrap().proxies, Proxies::default());
        let proxy = |name| {
            read(&[said[0], ("https_proxy", ""), (name, "http://p:1")], None).unwrap().unwrap().proxies
        };
        let both = Some(Secret::new("http://p:1"));
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY"] {
            assert_eq!(
                proxy(name),
                Proxies { https: both.clone(), http: both.clone(), none: None },
                "{name}"
            );
        }
    }

    #[test]
    fn further_headers_are_read_line_by_line_and_not_shown() {
        let lines = "X-Portkey-Key: hunter2\r\n cf-aig-authorization :Bearer a:b\nno header\nHost: a\nbad name: x\nte: x\n";
        let said = [("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_CUSTOM_HEADERS", lines)];
        let account = read(&said, None).unwrap().unwrap();
        let header = |name: &str, value| (name.to_owned(), Secret::new(value));
        let wanted = [header("x-portkey-key", "hunter2"), header("cf-aig-authorization", "Bearer a:b")];
        assert_eq!(account.headers, wanted);
        assert!(!format!("{account:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_an_account_says_so_and_tells_no_secret() {
        let key = ("ANTHROPIC_API_KEY", "sk-secret 1");
        assert_eq!(read(&[key], None), Err(AccountError::Credential("ANTHROPIC_API_KEY")));
        let key = ("ANTHROPIC_API_KEY", "sk-secret");
        for upstream in ["ftp://a", "nonsense", "https://", "https://u:hunter2@a"] {
            let error = read(&[key], Some(upstream)).unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains("hunter2"), "{error}");
        }
        let account = read(&[key, ("HTTPS_PROXY", "http://u:hunter2@p:1")], None).unwrap();
        let debug = format!("{account:?}");
        assert!(!debug.contains("secret\"") && !debug.contains("hunter2"), "{debug}");
    }
}
