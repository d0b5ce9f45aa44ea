//! Caches of tools (uv, npm, cargo, pip) that steps in containers share, without one task's work reaching another's.
//!
//! What is shared is a generation: a folder in which nobody writes. Only gadugi makes one, of what a trusted setup step left: one whose
//! workspace stood on the run's own base, so that no agent's work was in it, and that ended with 0. It had a folder of its own
//! for that, which became the generation when nothing of the step ran any more. All other steps see the best generation
//! there is copy-on-write, and what they write dies with their attempt.
//!
//! In an attempt's folder, `cache/SCOPE/NAME/`, the scope being `attempt`, or the number of a step for what is that step's alone:
//!
//! | | |
//! |---|---|
//! | `KEY.partial` | what a trusted setup writes, on its way to be a generation; `KEY.seed` while it is being filled |
//! | `lower`, `upper`, `work` | a view by overlay: the name of the generation, what was written, the kernel's own |
//! | `own` | a view by copy; `copy` while it is being made |

mod shelf;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gadugi_core::{AttemptId, CacheKind, CommitId, RunId, StepEnd, StepExit, StepId, StepKind, Timestamp};
use gadugi_exec::{ContainerOrder, Mount, Overlay, disk_use};
use gadugi_workspace::remove_tree;
use tokio::sync::RwLock;

use crate::launch::{Environment, Launch};
use crate::sandbox::{Containers, Sandbox, labels};
use crate::world::{RunContext, World};
use shelf::{Generation, Shelf, system_time};

/// Where caches are mounted inside.
const INSIDE: &str = "/gadugi/cache";

/// In an attempt's folder.
const FOLDER: &str = "cache";
/// The scope of what all steps of an attempt see.
const ATTEMPT: &str = "attempt";

const PARTIAL: &str = ".partial";
const SEED: &str = ".seed";
const LOWER: &str = "lower";
const OWN: &str = "own";

/// A larger generation is not built upon: the next one begins with nothing, so that what nobody needs any more goes one day.
const LARGEST_SEED: u64 = 10 << 30;

/// What is shared by all steps.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    /// Read while views are made, written while generations are taken away.
    using: Arc<RwLock<()>>,
    /// Generations are made one at a time.
    making: Mutex<()>,
    /// Whether engines, by their sockets, can mount overlays.
    overlays: tokio::sync::Mutex<HashMap<PathBuf, bool>>,
}

/// What a step is to see.
#[derive(Debug, Default)]
pub(crate) struct Views {
    mounts: Vec<Mount>,
    overlays: Vec<Overlay>,
    variables: Vec<(&'static str, String)>,
}

impl Views {
    /// Lets the step see it.
    pub(crate) fn show(self, container: Option<&mut ContainerOrder>, env: &mut Environment) {
        let Some(container) = container else { return };
        container.mounts.extend(self.mounts);
        container.overlays.extend(self.overlays);
        for (name, value) in self.variables {
            env.set(name, value);
        }
    }
}

/// How a tool is told where its cache is.
fn variables(kind: CacheKind) -> Vec<(&'static str, String)> {
    let path = format!("{INSIDE}/{}", kind.word());
    match kind {
        // Cache and workspace are different mounts, between which nothing can be linked: uv would say so each time.
        CacheKind::Uv => vec![("UV_CACHE_DIR", path), ("UV_LINK_MODE", "copy".into())],
        CacheKind::Npm => vec![("npm_config_cache", path)],
        CacheKind::Cargo => vec![("CARGO_HOME", path)],
        CacheKind::Pip => vec![("PIP_CACHE_DIR", path)],
    }
}

/// Whether a file says what its tool will fetch.
fn is_manifest(kind: CacheKind, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let requirements =
        || name.ends_with(".txt") && (name.contains("requirements") || name.contains("constraints"));
    match kind {
        CacheKind::Uv => matches!(name, "uv.lock" | "pyproject.toml" | "uv.toml") || requirements(),
        CacheKind::Npm => matches!(name, "package-lock.json" | "npm-shrinkwrap.json" | "package.json"),
        CacheKind::Cargo => matches!(name, "Cargo.lock" | "Cargo.toml"),
        CacheKind::Pip => matches!(name, "pyproject.toml" | "setup.py" | "setup.cfg") || requirements(),
    }
}

/// The views of the step that is about to be launched. May be asked for again.
pub(crate) async fn views(
    world: &Arc<World>,
    run: &RunContext,
    base: &CommitId,
    what: &Launch,
    sandbox: &Sandbox,
) -> Result<Views, String> {
    let Sandbox::Containers(containers) = sandbox else { return Ok(Views::default()) };
    let kinds = &run.settings.container.caches;
    if kinds.is_empty() {
        return Ok(Views::default());
    }
    let _using = world.caches.using.read().await;
    // Copying takes its time, as checking out does.
    let _turn = world.preparing.acquire().await;
    let any = kinds.iter().any(|kind| !Shelf::new(&world.layout.caches(), *kind).generations().is_empty());
    let overlay = any && can_overlay(world, containers).await;
    let making = Making {
        world: Arc::clone(world),
        containers: Arc::clone(containers),
        run: run.clone(),
        step: what.step.clone(),
        kind: what.kind.clone(),
        base: base.clone(),
        overlay,
        files: std::cell::OnceCell::new(),
    };
    let made = tokio::task::spawn_blocking(move || making.all());
    made.await.map_err(|panic| panic.to_string())?
}

async fn can_overlay(world: &World, containers: &Containers) -> bool {
    let mut known = world.caches.overlays.lock().await;
    let socket = containers.docker.engine().socket.clone();
    if let Some(can) = known.get(&socket) {
        return *can;
    }
    let scratch = tree::fresh(&world.layout.caches(), "probe-");
    let name =
        format!("gadugi-{}-probe-{:016x}", world.instance, key_of(scratch.as_os_str().as_encoded_bytes()));
    let labels = BTreeMap::from([("gadugi.instance".to_owned(), world.instance.clone())]);
    // Without it nothing can be started either.
    let Ok(image) = &containers.image else { return false };
    let can = match containers.docker.why_no_overlay(&image.id, &name, &labels, &scratch).await {
        Ok(None) => true,
        Ok(Some(why)) => {
            tracing::info!(why, "caches are copied for each task");
            false
        }
        Err(error) => {
            // Asked again next time.
            tracing::warn!(%error, "whether caches can be shared by overlays is not known");
            remove(&[scratch]);
            return false;
        }
    };
    remove(&[scratch]);
    known.insert(socket, can);
    can
}

fn key_of(bytes: &[u8]) -> u64 {
    gadugi_core::fingerprint(bytes)
}

/// Views that are being made.
struct Making {
    world: Arc<World>,
    containers: Arc<Containers>,
    run: RunContext,
    step: StepId,
    kind: StepKind,
    base: CommitId,
    /// Whether the engine can mount overlays.
    overlay: bool,
    /// What lies at the base: names and ids.
    files: std::cell::OnceCell<Vec<(String, String)>>,
}

impl Making {
    fn all(&self) -> Result<Views, String> {
        let cache = self.cache();
        forget_earlier(&cache, self.step.step);
        let mut views = Views::default();
        for kind in &self.run.settings.container.caches {
            self.one(*kind, &mut views)?;
            views.variables.extend(variables(*kind));
        }
        Ok(views)
    }

    /// The attempt's folder of caches.
    fn cache(&self) -> PathBuf {
        self.world.layout.attempt_dir(&self.step.attempt).join(FOLDER)
    }

    fn shelf(&self, kind: CacheKind) -> Shelf {
        Shelf::new(&self.world.layout.caches(), kind)
    }

    /// No agent's work is in the workspace, nor in what the setup is made of.
    fn is_trusted(&self) -> bool {
        self.kind == StepKind::Setup && self.base == self.run.plan.base
    }

    fn one(&self, kind: CacheKind, views: &mut Views) -> Result<(), String> {
        let target = Path::new(INSIDE).join(kind.word());
        let mut bind = |source| views.mounts.push(Mount { source, target: target.clone(), read_only: false });
        if self.is_trusted()
            && let Some(partial) = self.partial(kind)?
        {
            bind(partial);
            return Ok(());
        }
        // A verify command is not to believe what the agent left for it.
        let scope = match self.kind {
            StepKind::Setup | StepKind::Agent { .. } => ATTEMPT.to_owned(),
            StepKind::Verify { .. } => self.step.step.to_string(),
        };
        let dir = self.cache().join(&scope).join(kind.word());
        if dir.join(OWN).exists() {
            bind(dir.join(OWN));
            return Ok(());
        }
        if let Some(generation) = self.generation(kind, &dir)? {
            if self.overlay {
                views.overlays.push(self.overlay(kind, &scope, &dir, &generation)?);
                return Ok(());
            }
            self.fill(&generation, &dir.join("copy"), &dir.join(OWN))?;
        }
        bind(self.containers.folder(dir.join(OWN))?);
        Ok(())
    }

    /// What a view is made of: what it was made of before, else the best that there is.
    fn generation(&self, kind: CacheKind, dir: &Path) -> Result<Option<Generation>, String> {
        let lower = dir.join(LOWER);
        if let Ok(name) = fs::read_to_string(&lower) {
            let known = self.shelf(kind).find(name.trim()).filter(|_| self.overlay);
            if known.is_some() {
                return Ok(known);
            }
            // Somebody deleted it, and what was written upon it means nothing without it.
            remove_tree(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        let found = self.shelf(kind).best(&self.key(kind)?);
        if let Some(generation) = &found {
            generation.touch();
        }
        Ok(found)
    }

    fn overlay(
        &self,
        kind: CacheKind,
        scope: &str,
        dir: &Path,
        generation: &Generation,
    ) -> Result<Overlay, String> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| format!("{path}: {error}")
        };
        let (upper, work, lower) =
            (self.containers.folder(dir.join("upper"))?, dir.join("work"), dir.join(LOWER));
        gadugi_sys::files::create_private_dir(&work).map_err(failed(&work))?;
        // Last: what is there of a view without it is not used.
        gadugi_sys::files::write_atomic(&lower, generation.name().as_bytes()).map_err(failed(&lower))?;
        let mut labels = labels(&self.world.instance, &self.step);
        if scope == ATTEMPT {
            labels.remove("gadugi.step");
        }
        let view = format!("{} {scope} {}", self.step.attempt, generation.name());
        let (instance, word) = (&self.world.instance, kind.word());
        Ok(Overlay {
            name: format!("gadugi-{instance}-{word}-{:016x}", key_of(view.as_bytes())),
            labels,
            lower: generation.tree(),
            upper,
            work,
            target: Path::new(INSIDE).join(word),
        })
    }

    /// The folder that a trusted setup fills; none: what it would make is there already.
    fn partial(&self, kind: CacheKind) -> Result<Option<PathBuf>, String> {
        let key = self.key(kind)?;
        let dir = self.cache().join(self.step.step.to_string()).join(kind.word());
        let partial = dir.join(format!("{key}{PARTIAL}"));
        if partial.exists() {
            // It was launched already.
            return Ok(Some(partial));
        }
        let shelf = self.shelf(kind);
        if shelf.has(&key) {
            return Ok(None);
        }
        let small = |from: &Generation| disk_use(&[from.tree()]).bytes <= LARGEST_SEED;
        if let Some(seed) = shelf.best(&key).filter(small) {
            self.fill(&seed, &dir.join(format!("{key}{SEED}")), &partial)?;
        }
        self.containers.folder(partial).map(Some)
    }

    /// Copies a generation to `to`, which is there when all is.
    fn fill(&self, from: &Generation, by_way_of: &Path, to: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", by_way_of.display());
        remove_tree(by_way_of).map_err(failed)?;
        if let Some(parent) = by_way_of.parent() {
            gadugi_sys::files::create_private_dir(parent).map_err(failed)?;
        }
        tree::copy(&from.tree(), by_way_of, self.containers.user.outside).map_err(failed)?;
        fs::rename(by_way_of, to).map_err(failed)
    }

    /// By what a generation is known: whose its files are, and what decides what is in it. Where nothing says what will be fetched,
    /// that is everything at the base.
    fn key(&self, kind: CacheKind) -> Result<String, String> {
        let files = match self.files.get() {
            Some(files) => files,
            None => {
                let files = self.world.repository.tree_ids(&self.base).map_err(|error| error.to_string())?;
                self.files.get_or_init(|| files)
            }
        };
        let own =
            self.containers.user.outside.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
        let image = self.containers.image.as_ref().map_err(Clone::clone)?;
        let made_by = (&self.run.settings.setup, &image.id);
        let said: Vec<_> = files.iter().filter(|(name, _)| is_manifest(kind, name)).collect();
        let said = if said.is_empty() { files.iter().collect() } else { said };
        let all = serde_json::to_vec(&(made_by, said)).map_err(|error| error.to_string())?;
        Ok(format!("{own}-{:016x}", key_of(&all)))
    }
}

/// What earlier steps of the attempt had to themselves and nobody looks at any more. Views by overlay wait for their volumes.
fn forget_earlier(cache: &Path, step: u32) {
    for scope in folders(cache) {
        let number = scope.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let over = number.is_some_and(|number| number != step);
        if over && !folders(&scope).iter().any(|dir| dir.join(LOWER).exists()) {
            remove(&[scope]);
        }
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().map_while(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove(paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = remove_tree(path) {
            tracing::warn!(path = %path.display(), %error, "kept for now");
        }
    }
}

/// A step is over, and nothing of it runs: what a trusted setup left becomes a generation, if it ended well.
pub(crate) async fn step_ended(world: &World, step: &StepId, end: &StepEnd) {
    let dir = world.layout.attempt_dir(&step.attempt).join(FOLDER).join(step.step.to_string());
    let partials: Vec<_> = partials(&dir);
    if partials.is_empty() {
        return;
    }
    let good = end.exit == StepExit::Code(0) && !end.stopped;
    if good {
        let _one = world.caches.making.lock().unwrap_or_else(PoisonError::into_inner);
        let made = |(kind, path, key): &(CacheKind, PathBuf, String)| match Shelf::new(
            &world.layout.caches(),
            *kind,
        )
        .take_in(*kind, path, key)
        {
            Ok(true) => tracing::info!(%step, cache = kind.word(), "its setup made a cache for all tasks"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%step, cache = kind.word(), %error, "its setup made no cache"),
        };
        // The disk may take its time, and the step's end waits for it: the next step is to find what this one left.
        tokio::task::block_in_place(|| partials.iter().for_each(made));
    }
    let mut gone = vec![dir];
    if good && let Ok(_nobody) = world.caches.using.try_write() {
        gone.extend(thin_out(world));
    }
    // It may be gigabytes, and nobody needs to wait for that.
    drop(tokio::task::spawn_blocking(move || remove(&gone)));
}

/// Folders in a step's own scope that were on their way to be generations, with their keys.
fn partials(scope: &Path) -> Vec<(CacheKind, PathBuf, String)> {
    let of = |kind: CacheKind| {
        let found = folders(&scope.join(kind.word())).into_iter();
        found.filter_map(move |path| {
            let key = path.file_name()?.to_str()?.strip_suffix(PARTIAL)?.to_owned();
            Some((kind, path, key))
        })
    };
    CacheKind::ALL.into_iter().flat_map(of).collect()
}

/// Takes generations away that are too many.
fn thin_out(world: &World) -> Vec<PathBuf> {
    let used = used(world);
    let of =
        |kind| Shelf::new(&world.layout.caches(), kind).thin_out(used.get(&kind).unwrap_or(&BTreeSet::new()));
    CacheKind::ALL.into_iter().flat_map(of).collect()
}

/// All scopes of all attempts of these runs.
fn scopes(runs: &[PathBuf]) -> Vec<PathBuf> {
    let attempts = runs.iter().flat_map(|run| folders(run)).flat_map(|task| folders(&task));
    attempts.flat_map(|attempt| folders(&attempt.join(FOLDER))).collect()
}

/// Generations that views are made of, wherever there is one.
fn used(world: &World) -> BTreeMap<CacheKind, BTreeSet<String>> {
    let mut used = BTreeMap::<_, BTreeSet<_>>::new();
    for scope in scopes(&folders(&world.layout.state_dir().join("runs"))) {
        for kind in CacheKind::ALL {
            if let Ok(name) = fs::read_to_string(scope.join(kind.word()).join(LOWER)) {
                used.entry(kind).or_default().insert(name.trim().to_owned());
            }
        }
    }
    used
}

/// The attempt needs its views no more.
pub(crate) async fn put_away(world: &World, attempt: &AttemptId) {
    let cache = world.layout.attempt_dir(attempt).join(FOLDER);
    let mut wanted = labels(&world.instance, &StepId { attempt: attempt.clone(), step: 0 });
    wanted.remove("gadugi.step");
    put_away_all(world, &attempt.run, wanted, vec![cache]).await;
}

/// Nor does any of the run.
pub(crate) async fn tidy(world: &World, run: &RunId) {
    let attempts = folders(&world.layout.run_dir(run)).into_iter().flat_map(|task| folders(&task));
    let all = attempts.map(|attempt| attempt.join(FOLDER)).collect();
    let wanted = [("gadugi.instance", world.instance.clone()), ("gadugi.run", run.to_string())];
    let wanted = wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    put_away_all(world, run, wanted, all).await;
}

async fn put_away_all(world: &World, run: &RunId, labels: BTreeMap<String, String>, mut all: Vec<PathBuf>) {
    all.retain(|cache| cache.exists());
    if all.is_empty() {
        return;
    }
    // Where the run's engine is not known any more its volumes were reaped.
    if let Some(containers) = world.sandboxes.of(run)
        && let Err(error) = containers.docker.remove_volumes(&labels).await
    {
        tracing::warn!(%run, %error, "volumes are reaped later");
    }
    let removed = tokio::task::spawn_blocking(move || remove(&all)).await;
    drop(removed);
}

/// An engine begins: what a dead one was at is removed. `alive` are the steps that were under way.
pub(crate) async fn begin(world: &Arc<World>, alive: &BTreeSet<StepId>) {
    let nobody = Arc::clone(&world.caches.using).write_owned().await;
    let alive: BTreeSet<PathBuf> = alive
        .iter()
        .map(|step| world.layout.attempt_dir(&step.attempt).join(FOLDER).join(step.step.to_string()))
        .collect();
    let world = Arc::clone(world);
    // Views wait for it, and nothing else does.
    drop(tokio::task::spawn_blocking(move || {
        let caches = world.layout.caches();
        let dead = scopes(&folders(&world.layout.state_dir().join("runs"))).into_iter();
        let dead = dead.filter(|scope| !alive.contains(scope) && is_beginning(scope));
        let mut gone: Vec<PathBuf> = dead.collect();
        gone.extend(CacheKind::ALL.into_iter().flat_map(|kind| Shelf::new(&caches, kind).stranded()));
        gone.extend(folders(&caches).into_iter().filter(|path| is_probe(path)));
        gone.extend(thin_out(&world));
        remove(&gone);
        drop(nobody);
    }));
}

/// Whether something in a scope was on its way to be a generation.
fn is_beginning(scope: &Path) -> bool {
    let mut all = folders(scope).into_iter().flat_map(|dir| folders(&dir));
    all.any(|path| path.extension().is_some_and(|end| end == "partial" || end == "seed"))
}

fn is_probe(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("probe-"))
}

/// Removes what nobody has used since then and nobody uses. How many generations that were.
pub(crate) async fn clean(world: &Arc<World>, since: Timestamp) -> usize {
    let nobody = Arc::clone(&world.caches.using).write_owned().await;
    let world = Arc::clone(world);
    let cleaned = tokio::task::spawn_blocking(move || {
        let used = used(&world);
        let of = |kind| {
            let used = used.get(&kind).cloned().unwrap_or_default();
            Shelf::new(&world.layout.caches(), kind).clear(&used, system_time(since))
        };
        let gone: Vec<PathBuf> = CacheKind::ALL.into_iter().flat_map(of).collect();
        drop(nobody);
        remove(&gone);
        gone.len()
    });
    cleaned.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_will_fetch_is_said_by_its_own_files() {
        let files =
            ["uv.lock", "a/requirements-dev.txt", "web/package.json", "Cargo.lock", "README.md", "notes.txt"];
        let of = |kind| files.iter().copied().filter(|path| is_manifest(kind, path)).collect::<Vec<_>>();
        assert_eq!(of(CacheKind::Uv), ["uv.lock", "a/requirements-dev.txt"]);
        assert_eq!(of(CacheKind::Npm), ["web/package.json"]);
        assert_eq!(of(CacheKind::Cargo), ["Cargo.lock"]);
        assert_eq!(of(CacheKind::Pip), ["a/requirements-dev.txt"]);
    }
}
