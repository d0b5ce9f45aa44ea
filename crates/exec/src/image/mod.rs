//! The images that steps run in: gadugi's own agent image, and those that a repository's `devcontainer.json` asks for.
//!
//! What an image is built from is read here as bytes, never executed here: a [`Context`] is files in one order with one owner and no
//! times, so that the same files have the same [fingerprint](Context::fingerprint) wherever they come from.

mod build;
mod check;
mod context;
pub mod devcontainer;
mod embedded;
mod error;
mod ignore;

pub use build::{BuildNews, BuildOrder, Built, Network, build};
pub use check::{ImageCheck, ImageFacts, check_image, find_image};
pub use context::Context;
pub use embedded::agent_context;
pub use error::ImageError;

/// The agent image of this version of gadugi: what steps run in where nobody names another.
pub const DEFAULT_TAG: &str = concat!("gadugi/agent:", env!("CARGO_PKG_VERSION"));

/// The label that says which version of gadugi an image was built by.
pub const VERSION_LABEL: &str = "gadugi.image.version";

/// The label that says what an image was built from: the fingerprint of its order.
pub const INPUTS_LABEL: &str = "gadugi.image.inputs";
