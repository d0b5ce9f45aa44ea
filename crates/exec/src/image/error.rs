//! Everything that can keep an image from being built or looked at.

use std::io;
use std::path::PathBuf;

use crate::docker::DockerError;

/// Why an image could not be built or looked at.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine could not be used.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// A file that goes into the image could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is to go into the image is no archive, or holds what no image can be built from.
    #[error("what the image is to be built from: {0}")]
    Context(String),
    /// The Dockerfile that is asked for is not among the files.
    #[error("there is no {0} among the files that the image is to be built from")]
    NoDockerfile(String),
    /// What an image is to be called is no name.
    #[error("{name} is no name for an image: {words}")]
    BadName {
        /// What it was to be called.
        name: String,
        /// What the engine said.
        words: String,
    },
    /// There is no image of that name: not here, and not in its registry.
    #[error("there is no image {image}: {words}")]
    BaseMissing {
        /// Its name, as the Dockerfile has it.
        image: String,
        /// What the engine said.
        words: String,
    },
    /// The image is not here, and its registry cannot be asked.
    #[error("the image {image} is not here and cannot be pulled: {words}")]
    BaseUnreachable {
        /// Its name.
        image: String,
        /// What the engine said.
        words: String,
    },
    /// A step of the build failed.
    #[error("the image cannot be built: {words}{}", at_step(.step.as_deref()))]
    Build {
        /// The Dockerfile's line, where one was begun.
        step: Option<String>,
        /// What the engine said.
        words: String,
        /// The last lines that the build wrote, oldest first; twelve at most.
        tail: Vec<String>,
    },
    /// A container to look into an image could not be run.
    #[error("cannot look into the image {image}: {words}")]
    Look {
        /// Its name.
        image: String,
        /// What was seen.
        words: String,
    },
}

fn at_step(step: Option<&str>) -> String {
    step.map_or_else(String::new, |step| format!(", at: {step}"))
}
