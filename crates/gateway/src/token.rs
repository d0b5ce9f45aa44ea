//! A step's own token.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// A fresh token: what the step's processes get, and what is kept of it.
#[derive(Clone, Debug)]
pub struct Token {
    /// `gadugi-` and 64 hexadecimal digits (32 random bytes). Only the step may learn it.
    pub value: Secret,
    /// SHA-256 of it, 64 hexadecimal digits: what is stored, and what [`crate::Permit`] takes.
    pub sha256: String,
}

impl Token {
    /// Makes one. None where the system has no randomness to give.
    pub fn mint() -> Option<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let value = format!("gadugi-{}", hex(&bytes));
        let sha256 = hex(digest(&SHA256, value.as_bytes()).as_ref());
        Some(Self { value: Secret::new(value), sha256 })
    }

    /// The token as text, for the environment of the step's processes and for nothing else.
    pub fn reveal(&self) -> &str {
        self.value.expose()
    }
}

/// What is known of a token: its hash.
pub(crate) struct Known([u8; 32]);

impl Known {
    /// From 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Whether that is the token, in a time that says nothing about it.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        digest(&SHA256, presented).as_ref().ct_eq(&self.0).into()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let (one, other) = (Token::mint().unwrap(), Token::mint().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        let known = Known::parse(&one.sha256).unwrap();
        assert!(known.is(one.reveal().as_bytes()));
        assert!(!known.is(other.reveal().as_bytes()) && !known.is(b"") && !known.is(one.sha256.as_bytes()));
        assert!(!format!("{one:?}").contains(one.reveal()));
        for amiss in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Known::parse(amiss).is_none(), "{amiss}");
        }
    }
}
