//! The image that a step's container is made from, as far as it matters here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::connection::{Connection, as_images_say};
use super::error::{Answer, DockerError, answer};

/// An image that is there and fits this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id: what its name means today.
    pub id: String,
    /// Its processors: `amd64`, `arm64`.
    pub architecture: String,
    /// Its variables, `NAME=value`.
    pub env: Vec<String>,
    /// Where it declares volumes.
    pub volumes: Vec<String>,
    /// Its labels.
    pub labels: HashMap<String, String>,
}

/// What images were found to be, by the name that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Images(Mutex<HashMap<String, Arc<Image>>>);

impl Images {
    /// Looks for the image.
    pub(crate) async fn look(&self, connection: &Connection, name: &str) -> Result<Arc<Image>, DockerError> {
        let found = find(connection, name).await.map(Arc::new);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Ok(image) => known.insert(name.into(), image.clone()),
            Err(_) => known.remove(name),
        };
        found
    }

    /// What it was found to be last; looked for where it never was.
    pub(crate) async fn get(&self, connection: &Connection, name: &str) -> Result<Arc<Image>, DockerError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        match known {
            Some(image) => Ok(image),
            None => self.look(connection, name).await,
        }
    }
}

impl Connection {
    /// Looks for an image that fits this machine.
    pub async fn image(&self, name: &str) -> Result<Image, DockerError> {
        find(self, name).await
    }
}

async fn find(connection: &Connection, name: &str) -> Result<Image, DockerError> {
    let found = connection.client().inspect_image(name).await.map_err(|error| match answer(&error) {
        Answer::Missing => DockerError::ImageMissing { image: name.into() },
        _ => connection.error("show an image", &error),
    })?;
    let architecture = as_images_say(found.architecture.as_deref().unwrap_or_default());
    let needs = &connection.engine().architecture;
    let os = found.os.as_deref().filter(|os| !os.is_empty() && *os != "linux");
    if os.is_some() || !architecture.is_empty() && architecture != *needs {
        let has = format!("{}/{architecture}", os.unwrap_or("linux"));
        return Err(DockerError::WrongArchitecture {
            image: name.into(),
            has,
            needs: format!("linux/{needs}"),
        });
    }
    let config = found.config.unwrap_or_default();
    Ok(Image {
        id: found.id.unwrap_or_else(|| name.into()),
        architecture,
        env: config.env.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
        labels: config.labels.unwrap_or_default(),
    })
}
