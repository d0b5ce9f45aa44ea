//! Text that must not be seen.

use std::fmt;

use zeroize::Zeroizing;

/// A credential. It has no `Display` and no serialized form, its `Debug` says nothing, and its memory is wiped when it
/// goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("sk-1"), Secret::new("sk-2")), "Secret(…) Secret(…)");
    }
}
