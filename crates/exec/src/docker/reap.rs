//! Removing what dead runs left: containers, networks and volumes that bear this instance's label, and nothing else ever.

use std::collections::{BTreeMap, HashMap};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};

use super::error::{Answer, DockerError, answer};
use super::executor::DockerExecutor;
use super::handle::remove_once;

/// The label that says whose a thing is.
const INSTANCE: &str = "gadugi.instance";

/// What was removed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Containers.
    pub containers: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
}

impl DockerExecutor {
    /// Removes whatever bears the label of this instance and is not to be kept, by its labels. What runs is ended at once. To be
    /// called when nothing is being launched that `keep` does not know of.
    pub async fn reap(
        &self,
        instance: &str,
        keep: impl Fn(&BTreeMap<String, String>) -> bool + Send + Sync,
    ) -> Result<Reaped, DockerError> {
        let client = self.connection.client();
        let failed = |error| self.connection.error("list what it has", &error);
        let filters = HashMap::from([("label".to_owned(), vec![format!("{INSTANCE}={instance}")])]);
        // The engine filters; that it did is looked at, since what is removed is gone.
        let wanted = |labels: Option<HashMap<String, String>>| {
            let labels: BTreeMap<_, _> = labels.unwrap_or_default().into_iter().collect();
            labels.get(INSTANCE).is_some_and(|value| value == instance) && !keep(&labels)
        };
        let mut reaped = Reaped::default();

        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        for container in client.list_containers(Some(options)).await.map_err(failed)? {
            let Some(id) = container.id.filter(|_| wanted(container.labels)) else { continue };
            let name = container.names.and_then(|names| names.into_iter().next());
            let name = name.map_or(id.clone(), |name| name.trim_start_matches('/').to_owned());
            self.gone("remove a container", remove_once(&self.connection, &id).await)?;
            reaped.containers.push(name);
        }
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        for network in client.list_networks(Some(options)).await.map_err(failed)? {
            let Some(id) = network.id.filter(|_| wanted(network.labels)) else { continue };
            self.gone("remove a network", client.remove_network(&id).await)?;
            reaped.networks.push(network.name.unwrap_or(id));
        }
        let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
        for volume in client.list_volumes(Some(options)).await.map_err(failed)?.volumes.unwrap_or_default() {
            if wanted(Some(volume.labels)) {
                let options = RemoveVolumeOptionsBuilder::default().build();
                self.gone("remove a volume", client.remove_volume(&volume.name, Some(options)).await)?;
                reaped.volumes.push(volume.name);
            }
        }
        Ok(reaped)
    }

    fn gone(
        &self,
        what: &'static str,
        result: Result<(), bollard::errors::Error>,
    ) -> Result<(), DockerError> {
        match result {
            // Somebody else was quicker, or is about it.
            Err(error) if matches!(answer(&error), Answer::Missing | Answer::Conflict) => Ok(()),
            other => other.map_err(|error| self.connection.error(what, &error)),
        }
    }
}
