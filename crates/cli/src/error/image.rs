//! What is wrong with an image, or with what it is built from.

use gadugi_exec::image::ImageError;

use super::Problem;

impl From<ImageError> for Problem {
    fn from(error: ImageError) -> Self {
        let told = error.to_string();
        match error {
            ImageError::BadName { .. } => {
                Self::request("bad-image-name", told, Some("names look like gadugi/agent:mine"))
            }
            ImageError::Docker(error) => error.into(),
            ImageError::File { path, source } => Self::io("read", &path, &source),
            ImageError::Context(_) => Self::request("image-files", told, None),
            ImageError::NoDockerfile(_) => Self::request("no-dockerfile", told, None),
            ImageError::BaseMissing { image, .. } => {
                let hint = format!(
                    "look at its name; where it wants a login: docker login, and docker pull {image}"
                );
                Self::request("no-such-image", told, Some(&hint))
            }
            ImageError::BaseUnreachable { image, .. } => {
                let hint =
                    format!("docker pull {image} shows more; or take an image that is here: --base IMAGE");
                Self::environment("registry-unreachable", told, Some(&hint))
            }
            ImageError::Build { .. } => Self::failure(
                "image-build",
                told,
                Some(
                    "where the network is the cause: --network host, and mirrors by --build-arg (docs/guide/containers.md)",
                ),
            ),
            ImageError::Look { .. } => Self::failure("image-check", told, None),
        }
    }
}
