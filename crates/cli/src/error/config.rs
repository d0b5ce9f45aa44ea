//! What is wrong with flags, variables and files of settings.

use gadugi_config::ConfigError;

use super::{Problem, Stop};

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        let code = match error {
            ConfigError::NotFound { .. } => "config-not-found",
            ConfigError::Unreadable { .. } => "config-unreadable",
            ConfigError::File { .. } => "bad-config",
            ConfigError::Value { .. } => "bad-value",
        };
        Self::request(code, error, None)
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Problem::from(error).into()
    }
}
