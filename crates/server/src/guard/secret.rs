//! The token that opens the page: one for each user, 256 random bits, in a file that only they can read.
//!
//! It outlives engines, so that links and cookies stay good, and it is the same for all repositories, so that their pages do not
//! log each other out: browsers keep cookies by host, whatever the port.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gadugi_sys::env;
use gadugi_sys::files;
use gadugi_sys::lock::FileLock;
use ring::hmac;
use subtle::ConstantTimeEq;

/// Hexadecimal digits of a token.
const DIGITS: usize = 64;

/// The token. It is never in a log: its `Debug` says nothing.
#[derive(Clone)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The user's token; made where there is none, made anew where what is there is none: other people could read it, or it is not
    /// 64 hexadecimal digits. Two processes at once get the same.
    pub(crate) fn of_user() -> io::Result<Self> {
        Self::at(&place()?)
    }

    /// The token in a file of its own.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        if let Ok(token) = read(path) {
            return Ok(token);
        }
        if let Some(dir) = path.parent() {
            files::create_private_dir(dir)?;
        }
        let lock = FileLock::acquire(&path.with_extension("lock"))?;
        let token = match read(path) {
            Ok(token) => token,
            Err(why) => {
                if why.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %why, "the page's token is made anew; old links are good no longer");
                }
                make(path)?
            }
        };
        drop(lock);
        Ok(token)
    }

    /// Whether that is the token, in a time that says nothing about it but its length, which everybody knows.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }

    /// The token as text, for a link, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What a browser keeps in place of the token: good for the page at that port alone. Browsers show cookies to whatever listens
    /// on this host, and whoever sees one there has neither the token nor any other page by it.
    pub(crate) fn cookie(&self, port: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, format!("the page at port {port}").as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether one of those is the cookie for that port.
    pub(crate) fn is_among<'a>(&self, port: &str, mut presented: impl Iterator<Item = &'a [u8]>) -> bool {
        let cookie = self.cookie(port);
        presented.any(|presented| cookie.as_bytes().ct_eq(presented).into())
    }
}

fn place() -> io::Result<PathBuf> {
    let absolute = |name| env::get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(env::XDG_STATE_HOME).or_else(|| Some(absolute(env::HOME)?.join(".local/state")));
    let state = state
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "neither HOME nor XDG_STATE_HOME is set"))?;
    Ok(state.join("gadugi/page-token"))
}

fn read(path: &Path) -> io::Result<Token> {
    let bytes = files::read_own(path, 2 * DIGITS as u64)?;
    let meta = fs::symlink_metadata(path)?;
    let wrong = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if meta.mode() & 0o077 != 0 {
        return wrong("others than its owner may read or write it");
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return wrong("it is somebody else's");
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return wrong("it holds no token");
    }
    Ok(Token(text.to_owned()))
}

fn make(path: &Path) -> io::Result<Token> {
    let mut bytes = [0; DIGITS / 2];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // A folder or a link in its place goes with a name that only hinders.
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        fs::remove_dir(path)?;
    }
    files::write_atomic(path, format!("{text}\n").as_bytes())?;
    Ok(Token(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/gadugi/page-token");
        (dir, path)
    }

    #[test]
    fn it_is_made_once_and_only_its_owner_can_read_it() {
        let (_dir, path) = folder();
        let token = Token::at(&path).unwrap();
        assert_eq!(token.reveal().len(), DIGITS);
        assert_eq!(Token::at(&path).unwrap().reveal(), token.reveal());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(token.is(token.reveal().as_bytes()));
        assert!(!token.is(b"") && !token.is(&token.reveal().as_bytes()[1..]));
        assert!(!format!("{token:?}").contains(token.reveal()));
    }

    #[test]
    fn many_at_once_agree() {
        let (_dir, path) = folder();
        let tokens: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| Token::at(&path).unwrap().0)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }

    #[test]
    fn what_is_no_token_is_replaced() {
        let (dir, path) = folder();
        let first = Token::at(&path).unwrap();
        let replaced = |what: &str| {
            let token = Token::at(&path).unwrap();
            assert_ne!(token.reveal(), first.reveal(), "{what}");
            assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o170_777, 0o100_600, "{what}");
            assert_eq!(Token::at(&path).unwrap().reveal(), token.reveal(), "{what}");
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replaced("everybody could read it");
        fs::write(&path, "garbage\n").unwrap();
        replaced("garbage");
        fs::write(&path, "").unwrap();
        replaced("nothing");
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, first.reveal()).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        replaced("a link");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), first.reveal(), "what it led to is as it was");
    }
}
