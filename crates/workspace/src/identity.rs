//! Who gadugi's commits are by: the user, as git knows them.

use std::collections::BTreeMap;

use gadugi_core::Timestamp;

use crate::Result;
use crate::door::{Call, Place, fields, lossy};
use crate::repository::Repository;

const FALLBACK_NAME: &str = "Gadugi";
const FALLBACK_EMAIL: &str = "gadugi@localhost";

/// Names, addresses and the time of one commit.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    author: (String, String),
    committer: (String, String),
    date: String,
}

impl Identity {
    /// Puts it on a call of `commit-tree` (or of `update-ref`, whose log names the committer).
    pub(crate) fn on<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.env("GIT_AUTHOR_NAME", &self.author.0)
            .env("GIT_AUTHOR_EMAIL", &self.author.1)
            .env("GIT_AUTHOR_DATE", &self.date)
            .env("GIT_COMMITTER_NAME", &self.committer.0)
            .env("GIT_COMMITTER_EMAIL", &self.committer.1)
            .env("GIT_COMMITTER_DATE", &self.date)
    }
}

impl Repository {
    /// The user's identity as the environment or the configuration has it. Git would make one up from the host's name
    /// or refuse; here what is missing is gadugi's own. `at`: the time to write; none: now.
    pub(crate) fn identity(&self, place: &Place, at: Option<Timestamp>) -> Result<Identity> {
        let args = ["config", "-z", "--get-regexp", r"^(user|author|committer)\.(name|email)$"];
        let listing = self.git.call(place, args).answer()?;
        let mut settings = BTreeMap::new();
        for field in fields(&listing.stdout) {
            if let Some((key, value)) = lossy(field).split_once('\n') {
                settings.insert(key.to_lowercase(), value.to_owned());
            }
        }
        let find = |variable: &str, keys: [&str; 2], last: Option<&str>, fallback: &str| {
            let from_env = |name| self.git.variable(name).map(|value| value.to_string_lossy().into_owned());
            let candidates = [
                from_env(variable),
                settings.get(keys[0]).cloned(),
                settings.get(keys[1]).cloned(),
                last.and_then(from_env),
            ];
            candidates.into_iter().flatten().find(|text| usable(text)).unwrap_or_else(|| fallback.to_owned())
        };
        let who = |role: &str, lower: &str| {
            let name = find(
                &format!("GIT_{role}_NAME"),
                [&format!("{lower}.name"), "user.name"],
                None,
                FALLBACK_NAME,
            );
            let email = find(
                &format!("GIT_{role}_EMAIL"),
                [&format!("{lower}.email"), "user.email"],
                Some("EMAIL"),
                FALLBACK_EMAIL,
            );
            (name, email)
        };
        let seconds = at.unwrap_or_else(gadugi_sys::clock::now).0.div_euclid(1_000);
        let (author, committer) = (who("AUTHOR", "author"), who("COMMITTER", "committer"));
        Ok(Identity { author, committer, date: format!("@{seconds} +0000") })
    }
}

/// Git drops such characters from both ends of a name and refuses what is empty then.
fn usable(text: &str) -> bool {
    !text.trim_matches(|c: char| c <= ' ' || ".,:;<>\"\\'".contains(c)).is_empty()
}
