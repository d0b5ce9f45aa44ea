//! What an image is, and whether it has what steps need.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    CreateContainerOptions, LogsOptions, RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;

use super::{ImageError, VERSION_LABEL};
use crate::docker::{Connection, DockerError};

/// How long looking into an image may take: its container starts in 0.3 s here, and on a busy disk in half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is asked inside. `$1` is the agent's program, `$2` a user; PATH is the image's own.
const SCRIPT: &str = r#"for program in git "$1"; do command -v "$program" >/dev/null 2>&1 && echo "has $program"; done
test -n "$2" && id -u "$2" >/dev/null 2>&1 && echo "user $(id -u "$2") $(id -g "$2")"
echo end"#;

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its id: `sha256:…`.
    pub id: String,
    /// Its size on disk, bytes.
    pub size: u64,
    /// Its operating system and processors, in the engine's words: `linux`, `amd64`.
    pub os: String,
    /// See [`Self::os`].
    pub architecture: String,
    /// The version of gadugi that it was built by, where it was.
    pub version: Option<String>,
    /// What it was built from ([`super::BuildOrder::fingerprint`]), where gadugi built it.
    pub inputs: Option<String>,
}

/// What was found in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCheck {
    /// Whether there is a shell, without which nothing else could be asked.
    pub shell: bool,
    /// Whether there is git.
    pub git: bool,
    /// Whether there is the agent's program.
    pub agent: bool,
    /// User and group that the user who was asked about has there; none where there is no such user.
    pub user: Option<(u32, u32)>,
}

impl ImageCheck {
    /// What is not there and has to be, as programs are called.
    pub fn missing<'a>(&self, agent: &'a str) -> Vec<&'a str> {
        let all = [(self.shell, "sh"), (self.git, "git"), (self.agent, agent)];
        all.into_iter().filter(|(there, _)| !there).map(|(_, name)| name).collect()
    }
}

/// The image of that name; none where it is not there.
///
/// # Errors
/// Where the engine cannot be used.
pub async fn find_image(connection: &Connection, image: &str) -> Result<Option<ImageFacts>, ImageError> {
    let found = match connection.client().inspect_image(image).await {
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
        other => other.map_err(|error| connection.error("show an image", &error))?,
    };
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    Ok(Some(ImageFacts {
        id: found.id.unwrap_or_default(),
        size: found.size.unwrap_or_default().try_into().unwrap_or_default(),
        os: found.os.unwrap_or_default(),
        architecture: found.architecture.unwrap_or_default(),
        version: labels.get(VERSION_LABEL).cloned(),
        inputs: labels.get(super::INPUTS_LABEL).cloned(),
    }))
}

/// Id, program, user: an image's contents never change under its id.
type Asked = (String, String, String);

static ANSWERS: LazyLock<Mutex<HashMap<Asked, ImageCheck>>> = LazyLock::new(Mutex::default);

/// Looks into an image for git and the agent's program (a name to find on its PATH, or a path), and for a user of its own. A
/// container does that, with those labels, once for each image in the life of this process.
///
/// # Errors
/// Where the image is not there, where the engine cannot be used, and where the container does not end.
pub async fn check_image(
    connection: &Connection,
    image: &str,
    agent: &str,
    user: Option<&str>,
    labels: HashMap<String, String>,
) -> Result<ImageCheck, ImageError> {
    let Some(facts) = find_image(connection, image).await? else {
        return Err(DockerError::ImageMissing { image: image.into() }.into());
    };
    let asked = (facts.id, agent.to_owned(), user.unwrap_or_default().to_owned());
    let known = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let check = look(connection, image, &asked, labels).await?;
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).insert(asked, check.clone());
    Ok(check)
}

async fn look(
    connection: &Connection,
    image: &str,
    (id, agent, user): &Asked,
    labels: HashMap<String, String>,
) -> Result<ImageCheck, ImageError> {
    let client = connection.client();
    let order = container(id, [SCRIPT, "sh", agent, user], labels);
    let created = client.create_container(None::<CreateContainerOptions>, order).await;
    let created = created.map_err(|error| connection.error("create a container", &error))?;
    let looked = tokio::time::timeout(PATIENCE, ask(connection, &created.id)).await;
    let remove = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
    let removed = client.remove_container(&created.id, Some(remove)).await;
    let failed = |words: String| ImageError::Look { image: image.into(), words };
    let said = looked.map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))??;
    removed.map_err(|error| connection.error("remove a container", &error))?;
    let words = |said: &str| said.split_whitespace().take(60).collect::<Vec<_>>().join(" ");
    read(said.as_deref()).ok_or_else(|| failed(words(&said.unwrap_or_default())))
}

fn container(image: &str, words: [&str; 4], labels: HashMap<String, String>) -> ContainerCreateBody {
    let host = HostConfig {
        network_mode: Some("none".into()),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges".into()]),
        pids_limit: Some(64),
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".into()), config: None }),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(image.into()),
        entrypoint: Some(vec!["sh".into(), "-c".into()]),
        cmd: Some(words.map(str::to_owned).to_vec()),
        user: Some("65534:65534".into()),
        working_dir: Some("/".into()),
        labels: Some(labels),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// What the container said; none where it could not start for want of a shell.
async fn ask(connection: &Connection, id: &str) -> Result<Option<String>, ImageError> {
    let client = connection.client();
    match client.start_container(id, None::<StartContainerOptions>).await {
        Ok(()) => {}
        Err(error) if is_no_shell(&error) => return Ok(None),
        Err(error) => return Err(connection.error("start a container", &error).into()),
    }
    // Its exit status says nothing that its words do not.
    drop(client.wait_container(id, None::<WaitContainerOptions>).next().await);
    let options = LogsOptions { stdout: true, stderr: true, ..LogsOptions::default() };
    let mut logs = client.logs(id, Some(options));
    let mut said = Vec::new();
    while let Some(part) = logs.next().await {
        said.extend_from_slice(
            &part.map_err(|error| connection.error("show a container's output", &error))?.into_bytes(),
        );
    }
    Ok(Some(String::from_utf8_lossy(&said).into_owned()))
}

/// Docker says 400, runc's words; Podman says 500.
fn is_no_shell(error: &bollard::errors::Error) -> bool {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => {
            message.contains("\"sh\"") && message.contains("not found")
                || message.contains("sh: no such file or directory")
        }
        _ => false,
    }
}

/// None where what was said has no end: the script was cut short.
fn read(said: Option<&str>) -> Option<ImageCheck> {
    let Some(said) = said else {
        return Some(ImageCheck { shell: false, git: false, agent: false, user: None });
    };
    let lines: Vec<&str> = said.lines().collect();
    (lines.last() == Some(&"end")).then_some(())?;
    let programs: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("has ")).collect();
    let user = lines.iter().find_map(|line| {
        let (user, group) = line.strip_prefix("user ")?.split_once(' ')?;
        Some((user.parse().ok()?, group.parse().ok()?))
    });
    let git = programs.contains(&"git");
    Some(ImageCheck { shell: true, git, agent: programs.iter().any(|name| *name != "git"), user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_whole_or_not_at_all() {
        let check = |git, agent, user| Some(ImageCheck { shell: true, git, agent, user });
        assert_eq!(
            read(Some("has git\nhas claude\nuser 10001 7\nend\n")),
            check(true, true, Some((10001, 7)))
        );
        assert_eq!(read(Some("has claude\nend")), check(false, true, None));
        assert_eq!(read(Some("end\n")), check(false, false, None));
        assert_eq!(read(Some("has git\n")), None, "cut short");
        let nothing = read(None).unwrap();
        assert_eq!(nothing.missing("claude"), ["sh", "git", "claude"]);
        assert_eq!(read(Some("has git\nend")).unwrap().missing("/opt/x"), ["/opt/x"]);
    }
}
