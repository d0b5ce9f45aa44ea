//! What is wrong with a container engine.

use gadugi_exec::docker::DockerError;

use super::Problem;

impl From<DockerError> for Problem {
    fn from(error: DockerError) -> Self {
        let environment = |code, hint: &str| Self::environment(code, &error, Some(hint));
        match &error {
            DockerError::Absent { .. } => environment(
                "no-container-engine",
                "install Docker or Podman and start it; or work without containers: --executor local",
            ),
            DockerError::NoPermission { .. } => environment(
                "container-engine-permission",
                "as root: usermod -aG docker YOU, then log in again; or use a rootless engine of your own",
            ),
            DockerError::NotListening { .. } => {
                environment("container-engine-down", "start it, as root: systemctl start docker")
            }
            DockerError::NotAnswering { .. } => {
                environment("container-engine-silent", "see whether docker info answers")
            }
            DockerError::Remote { .. } | DockerError::OtherMachine { .. } => environment(
                "container-engine-remote",
                "use an engine of this machine: DOCKER_HOST=unix:///var/run/docker.sock; or --executor local",
            ),
            DockerError::Unsuitable { .. } => environment(
                "container-engine-unsuitable",
                "update it; or work without containers: --executor local",
            ),
            DockerError::Context { .. } => environment("docker-context", "docker context ls"),
            DockerError::ImageMissing { .. } => environment("image-missing", "gadugi image build"),
            DockerError::WrongArchitecture { .. } => {
                environment("image-architecture", "build it on this machine: gadugi image build")
            }
            DockerError::NoSpace { .. } => environment(
                "disk-full",
                "docker system df shows what takes the room, docker image prune makes some",
            ),
            DockerError::File { path, source } => Self::io("use", path, source),
            _ => Self::environment("container-engine", &error, None),
        }
    }
}
