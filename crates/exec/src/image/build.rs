//! Building: the files go to the engine, the engine builds, and what it says comes back as it goes.
//!
//! The engine's own ("classic") builder is used: it is in every engine, Podman's included, and needs no session beside the
//! request. Dropped in the middle, a build is given up by the engine.

mod transcript;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::{StreamExt, stream};
use ring::digest::{self, SHA256};
use transcript::Transcript;

use super::{Context, INPUTS_LABEL, ImageError, VERSION_LABEL, agent_context};
use crate::docker::{Connection, DockerError};

/// The engine answers once it has all files and has begun: a large repository on a slow disk takes its time.
const ANSWER: Duration = Duration::from_secs(3600);

/// What goes over the socket at a time, bytes.
const CHUNK: usize = 256 << 10;

/// An image that is to be built.
#[derive(Debug)]
pub struct BuildOrder {
    /// What to call it.
    pub tag: String,
    /// From which files.
    pub context: Context,
    /// Which of them is the Dockerfile.
    pub dockerfile: String,
    /// Build arguments. They are in the image's history: none is a secret.
    pub arguments: BTreeMap<String, String>,
    /// The stage to stop at; none: the last.
    pub target: Option<String>,
    /// What the build's own commands reach.
    pub network: Network,
    /// Labels of the image, beside gadugi's own.
    pub labels: BTreeMap<String, String>,
}

/// What a build's own commands reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// What the engine gives: a network of its own with a way out.
    #[default]
    Default,
    /// The machine's.
    Host,
}

/// What happens while an image is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildNews {
    /// A line of the Dockerfile is begun.
    Step {
        /// Which, from 1.
        number: u32,
        /// Of how many.
        of: u32,
        /// The line.
        instruction: String,
    },
    /// A command, or the engine, said something. It may hold anything that commands write.
    Line(String),
    /// How far a layer of the base image is; the engine says this many times a second.
    Pull {
        /// The layer.
        layer: String,
        /// What is done with it.
        status: String,
        /// Bytes done and bytes in all, where they are known.
        bytes: Option<(u64, u64)>,
    },
}

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its id: `sha256:…`.
    pub id: String,
    /// What it is called.
    pub tag: String,
    /// Its size on disk, bytes, layers that others share included.
    pub size: u64,
}

impl BuildOrder {
    /// The agent image: from gadugi's own files and those of a folder over them, on a base image (none: the Dockerfile's own).
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn agent(tag: &str, base: Option<&str>, overrides: Option<&Path>) -> Result<Self, ImageError> {
        let mut arguments = BTreeMap::from([("GADUGI_VERSION".into(), env!("CARGO_PKG_VERSION").into())]);
        if let Some(base) = base {
            arguments.insert("BASE".into(), base.into());
        }
        Ok(Self {
            tag: tag.into(),
            context: agent_context(overrides)?,
            dockerfile: "Dockerfile".into(),
            arguments,
            target: None,
            network: Network::Default,
            labels: BTreeMap::new(),
        })
    }

    /// SHA-256, in hexadecimal, of all that decides what comes out of it, as far as files and arguments do.
    pub fn fingerprint(&self) -> String {
        let mut digest = digest::Context::new(&SHA256);
        let mut part = |text: &str| {
            digest.update(&(text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        };
        part(self.context.fingerprint());
        part(&self.dockerfile);
        part(self.target.as_deref().unwrap_or_default());
        for (name, value) in &self.arguments {
            part(name);
            part(value);
        }
        digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn options(&self) -> BuildImageOptions {
        let mut labels: HashMap<String, String> = self.labels.clone().into_iter().collect();
        labels.insert(INPUTS_LABEL.into(), self.fingerprint());
        labels.insert(VERSION_LABEL.into(), env!("CARGO_PKG_VERSION").into());
        BuildImageOptions {
            dockerfile: self.dockerfile.clone(),
            t: Some(self.tag.clone()),
            rm: true,
            forcerm: true,
            buildargs: Some(self.arguments.clone().into_iter().collect()),
            labels: Some(labels),
            networkmode: match self.network {
                Network::Default => None,
                Network::Host => Some("host".into()),
            },
            target: self.target.clone().unwrap_or_default(),
            version: BuilderVersion::BuilderV1,
            ..BuildImageOptions::default()
        }
    }
}

/// Builds an image and tells what happens. An image that had the name loses it and stays.
///
/// # Errors
/// Where the engine cannot be used, where the base image is not to be had, and where a step fails.
pub async fn build(
    connection: &Connection,
    order: &BuildOrder,
    mut news: impl FnMut(BuildNews),
) -> Result<Built, ImageError> {
    if order.context.text(&order.dockerfile).is_none() {
        return Err(ImageError::NoDockerfile(order.dockerfile.clone()));
    }
    let client = connection.client().clone().with_timeout(ANSWER);
    let archive = order.context.rewound().map_err(|error| ImageError::Context(error.to_string()))?;
    let archive = stream::unfold(archive, |mut archive| async move {
        let mut chunk = vec![0; CHUNK];
        // A file in the page cache: some 50 µs.
        match archive.read(&mut chunk) {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(chunk.into()), archive))
            }
            Err(error) => Some((Err(error), archive)),
        }
    });
    let mut transcript = Transcript::default();
    let mut said = client.build_image(order.options(), None, Some(body_try_stream(archive)));
    while let Some(info) = said.next().await {
        match info {
            Ok(info) => transcript.add(&info, &mut news),
            Err(error) => return Err(failure(connection, order, transcript, &error)),
        }
    }
    drop(said);
    let built = client.inspect_image(&order.tag).await;
    let built = built.map_err(|error| connection.error("show the image that it built", &error))?;
    let size = built.size.unwrap_or_default().try_into().unwrap_or_default();
    Ok(Built { id: built.id.unwrap_or_default(), tag: order.tag.clone(), size })
}

/// What the end of a build means.
fn failure(connection: &Connection, order: &BuildOrder, transcript: Transcript, error: &Error) -> ImageError {
    // What a build says at its end is a refusal that comes late.
    let refusal =
        |message: &String| Error::DockerResponseServerError { status_code: 500, message: message.clone() };
    let known = match error {
        Error::DockerStreamError { error } => connection.error("build an image", &refusal(error)),
        other => connection.error("build an image", other),
    };
    let words = match known {
        DockerError::Refused { words, status: 400 | 500, .. } => words,
        other => return other.into(),
    };
    if transcript.tail().iter().any(|line| is_disk_full(line)) {
        return DockerError::NoSpace { words }.into();
    }
    if let Some(image) = transcript.base_image(&order.arguments) {
        return match is_missing(&words) {
            true => ImageError::BaseMissing { image, words },
            false => ImageError::BaseUnreachable { image, words },
        };
    }
    let (step, tail) = transcript.end();
    if step.is_none() && words.contains("invalid reference format") {
        return ImageError::BadName { name: order.tag.clone(), words };
    }
    ImageError::Build { step, words, tail }
}

/// What tools say, where the engine tells only that one failed.
fn is_disk_full(line: &str) -> bool {
    line.contains("No space left on device") || line.contains("ENOSPC")
}

/// Whether the registry answered that there is no such image. (An engine that may not see an image is told the same.)
fn is_missing(words: &str) -> bool {
    [
        "manifest unknown",
        "not found",
        "pull access denied",
        "does not exist",
        "invalid reference format",
        "repository name",
    ]
    .iter()
    .any(|sign| words.contains(sign))
        && !words.contains("no such host")
}

/// The builder's words as lines.
fn lines_of(info: &BuildInfo) -> Option<&str> {
    info.stream.as_deref().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> BuildOrder {
        BuildOrder::agent("t", Some("b"), None).unwrap()
    }

    #[test]
    fn all_that_decides_what_comes_out_is_in_the_fingerprint() {
        let plain = order().fingerprint();
        assert_eq!(plain, order().fingerprint());
        assert_eq!(
            plain,
            BuildOrder { tag: "other".into(), network: Network::Host, ..order() }.fingerprint()
        );
        let argument = BTreeMap::from([("A".into(), "b".into())]);
        for other in [
            BuildOrder { arguments: argument, ..order() },
            BuildOrder { dockerfile: "x".into(), ..order() },
            BuildOrder { target: Some("x".into()), ..order() },
            BuildOrder::agent("t", Some("c"), None).unwrap(),
        ] {
            assert_ne!(other.fingerprint(), plain);
        }
    }

    #[test]
    fn a_registry_that_says_no_is_not_one_that_does_not_answer() {
        for (words, missing) in [
            ("pull access denied for x, repository does not exist or may require 'docker login'", true),
            ("manifest for debian:none not found: manifest unknown: manifest unknown", true),
            ("Get \"https://r/v2/\": dial tcp: lookup r on 1.1.1.1:53: no such host", false),
            ("Get \"https://r/v2/\": net/http: request canceled while waiting for connection", false),
            ("Get \"https://r/v2/\": x509: certificate signed by unknown authority", false),
        ] {
            assert_eq!(is_missing(words), missing, "{words}");
        }
    }
}
