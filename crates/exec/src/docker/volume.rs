//! Views of a folder of the host that can be written to while the folder stays as it is: overlays, as volumes that the engine
//! mounts. What is written lands in a folder of the view's own. The mount is the engine's: gadugi needs no privilege for it, and it
//! is gone with the last container that has it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use tokio::time::{Instant, sleep};

use super::container::{SHIM, text};
use super::error::{Answer, DockerError, answer, one_line};
use super::executor::DockerExecutor;
use super::handle::remove_once;

/// A container that has ended is removed within so long; until then its volumes cannot be.
const LEAVING: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

/// A view of a folder in a container. Containers of the same view, one after another, see what was written before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The volume's name: of one view the same each time.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is seen; nobody may change it while a container has the view.
    pub lower: PathBuf,
    /// What was written. Its owner and mode are those of the view's root.
    pub upper: PathBuf,
    /// The kernel's own, on the file system of `upper`; empty at first.
    pub work: PathBuf,
    /// In the container, absolute.
    pub target: PathBuf,
}

impl Overlay {
    /// Whether an overlay of these folders can be asked for: the kernel's own way to name them has signs that mean something.
    pub fn can_name(folder: &Path) -> bool {
        folder.to_str().is_some_and(|path| !path.contains([',', ':', '\\', '"']))
    }

    pub(crate) fn mount(&self) -> Result<Mount, DockerError> {
        let (lower, upper, work) = (text(&self.lower)?, text(&self.upper)?, text(&self.work)?);
        let options = [
            ("type", "overlay".to_owned()),
            ("device", "overlay".to_owned()),
            ("o", format!("lowerdir={lower},upperdir={upper},workdir={work}")),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value));
        Ok(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(self.name.clone()),
            target: Some(text(&self.target)?),
            read_only: Some(false),
            volume_options: Some(MountVolumeOptions {
                // Nothing of the image is copied into it.
                no_copy: Some(true),
                labels: Some(self.labels.clone().into_iter().collect()),
                driver_config: Some(MountVolumeOptionsDriverConfig {
                    name: Some("local".into()),
                    options: Some(HashMap::from(options)),
                }),
                ..Default::default()
            }),
            ..Default::default()
        })
    }
}

impl DockerExecutor {
    /// Why the engine cannot mount views of folders below `scratch`, which is made; none: it can, and a container of that image,
    /// with that name and those labels, has shown it. Also where gadugi could not remove afterwards what the kernel leaves in the
    /// folder of such a view, which is root's.
    pub async fn why_no_overlay(
        &self,
        image: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        scratch: &Path,
    ) -> Result<Option<String>, DockerError> {
        let engine = self.engine();
        let words = match () {
            () if !rustix::process::geteuid().is_root() => "gadugi is not root",
            () if engine.rootless => "the container engine is a user's own",
            () if engine.podman => "the container engine is Podman",
            () if !Overlay::can_name(scratch) => "the folder's name cannot be told to the kernel",
            () => "",
        };
        if !words.is_empty() {
            return Ok(Some(words.into()));
        }
        let folder = |part: &str| {
            let path = scratch.join(part);
            let made = gadugi_sys::files::create_private_dir(&path);
            made.map(|()| path.clone()).map_err(|source| DockerError::File { path, source })
        };
        let view = Overlay {
            name: name.into(),
            labels: labels.clone(),
            lower: folder("lower")?,
            upper: folder("upper")?,
            work: folder("work")?,
            target: "/gadugi/cache/probe".into(),
        };
        self.try_mount(image, &view).await
    }

    async fn try_mount(&self, image: &str, view: &Overlay) -> Result<Option<String>, DockerError> {
        let bind = Mount {
            typ: Some(MountType::BIND),
            source: Some(text(&self.shim)?),
            target: Some(SHIM.into()),
            read_only: Some(true),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.into()),
            user: Some("65534:65534".into()),
            // It has nothing to do, and ends at once.
            entrypoint: Some(vec![SHIM.into()]),
            cmd: Some(Vec::new()),
            labels: Some(view.labels.clone().into_iter().collect()),
            network_disabled: Some(true),
            host_config: Some(HostConfig {
                mounts: Some(vec![bind, view.mount()?]),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".into()]),
                network_mode: Some("none".into()),
                userns_mode: self.engine().userns_remap.then(|| "host".into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let client = self.connection.client();
        let options = CreateContainerOptionsBuilder::default().name(&view.name).build();
        let made = client.create_container(Some(options), body).await;
        let made = made.map_err(|error| self.connection.error("make a container", &error))?;
        let started = client.start_container(&made.id, None).await;
        let removed = remove_once(&self.connection, &made.id).await;
        let options = RemoveVolumeOptionsBuilder::default().build();
        let gone = client.remove_volume(&view.name, Some(options)).await;
        // What is still there is reaped by its labels.
        drop((removed, gone));
        match started {
            Ok(()) => Ok(None),
            Err(error) if matches!(answer(&error), Answer::None) => {
                Err(self.connection.error("start a container", &error))
            }
            Err(error) => Ok(Some(one_line(&error.to_string()))),
        }
    }

    /// Removes the volumes that bear all these labels. What a container still has is waited for a while.
    pub async fn remove_volumes(&self, labels: &BTreeMap<String, String>) -> Result<(), DockerError> {
        let client = self.connection.client();
        let wanted: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let filters = HashMap::from([("label".to_owned(), wanted)]);
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        let found = client.list_volumes(Some(options)).await;
        let found = found.map_err(|error| self.connection.error("list what it has", &error))?;
        // The engine filters; that it did is looked at, since what is removed is gone.
        let own = |found: &HashMap<String, String>| {
            !labels.is_empty() && labels.iter().all(|(name, value)| found.get(name) == Some(value))
        };
        let until = Instant::now() + LEAVING;
        for volume in found.volumes.unwrap_or_default().into_iter().filter(|volume| own(&volume.labels)) {
            loop {
                let options = RemoveVolumeOptionsBuilder::default().build();
                match client.remove_volume(&volume.name, Some(options)).await {
                    Ok(()) => break,
                    Err(error) if matches!(answer(&error), Answer::Missing) => break,
                    Err(error) if matches!(answer(&error), Answer::Conflict) && Instant::now() < until => {
                        sleep(PAUSE).await;
                    }
                    Err(error) => return Err(self.connection.error("remove a volume", &error)),
                }
            }
        }
        Ok(())
    }
}
