//! What a run left behind, without what differs from one run of the same prompts to the next: two of them are compared
//! by it, one of which met with a fault.
//!
//! What agents and checks did to the world outside is told by the ledger: a file beside the repository to which each
//! begin and each end appends a line. A task that is begun while it runs appends one that says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Stage, until};

/// Says that a task begins; one that runs already is held by a folder, which only one can make.
const BEGIN: &str = "echo \"begin $ORCHESTRATOR_TASK_ID\" >> \"$LEDGER\"
mkdir \"$LEDGER.$ORCHESTRATOR_TASK_ID\" || echo \"twice $ORCHESTRATOR_TASK_ID\" >> \"$LEDGER\"
";

/// Says that it ends.
const END: &str = "rmdir \"$LEDGER.$ORCHESTRATOR_TASK_ID\"
echo \"end $ORCHESTRATOR_TASK_ID\" >> \"$LEDGER\"
";

/// How a run ended, as far as it is the same each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aftermath {
    /// Of each task its end, its verdict and its attempts.
    pub tasks: BTreeMap<String, String>,
    /// The tree of everything that was merged.
    pub tree: String,
    /// The commits that merge work, by their first lines, in order of the alphabet.
    pub merged: Vec<String>,
    /// The ledger in order of the alphabet.
    pub ledger: Vec<String>,
    /// Workspaces that were kept, by the folder's name.
    pub kept: Vec<String>,
    /// Where it was landed.
    pub landed: Value,
    /// What is there that should not be.
    pub left_over: Vec<String>,
    /// For whoever looks into it.
    pub words: Words,
}

/// What was said, which may be said otherwise the next time: it makes no difference.
#[derive(Clone, Debug, Default)]
pub struct Words(pub Vec<String>);

impl PartialEq for Words {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Words {}

impl Stage {
    /// Gives the agents' scripts a ledger: `run sh tools/begin` and `run sh tools/end`.
    pub fn keep_ledger(&mut self) {
        self.write("tools/begin", BEGIN);
        self.write("tools/end", END);
        let ledger = self.ledger_path().to_string_lossy().into_owned();
        self.variables.push(("LEDGER".into(), ledger));
    }

    /// The ledger; marks of the scripts' own lie beside it, behind a dot.
    pub fn ledger_path(&self) -> PathBuf {
        self.home.join("ledger")
    }

    pub fn ledger(&self) -> Vec<String> {
        let text = fs::read_to_string(self.ledger_path()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The latest run as `gadugi status` gives it; none where there is none. An engine that dies as it is asked says
    /// nothing: then this is asked again.
    pub fn view(&self) -> Option<Value> {
        let mut view = None;
        until("the status is told", || {
            let told = self.gadugi(&["status", "--json"]);
            view = (told.code == Some(0)).then(|| serde_json::from_str::<Value>(&told.stdout).unwrap());
            view.is_some()
        });
        view.filter(|view| !view.is_null())
    }

    /// What the latest run came to. It is over, and its engine has left.
    pub fn aftermath(&self) -> Aftermath {
        let view = self.view().expect("there is a run");
        let run = view["run"].as_str().unwrap();
        let (base, tip) = (view["base"].as_str().unwrap(), view["tip"].as_str().unwrap());
        let tasks = view["tasks"].as_array().unwrap().iter();
        let tasks = tasks.map(|task| {
            let what = format!("{} {} in {}", task["state"], task["verdict"], task["attempts"]);
            (task["id"].as_str().unwrap().to_owned(), what)
        });
        let subjects = self.git(&["log", "--merges", "--format=%s", &format!("{base}..{tip}")]);
        let kept = view["kept"].as_array().unwrap().iter();
        let kept = kept.map(|kept| name_of(Path::new(kept[0].as_str().or(kept["path"].as_str()).unwrap())));
        let mut aftermath = Aftermath {
            tasks: tasks.collect(),
            tree: self.git(&["rev-parse", &format!("{tip}^{{tree}}")]),
            merged: subjects.lines().map(str::to_owned).collect(),
            ledger: self.ledger(),
            kept: kept.collect(),
            landed: view["landed_into"].clone(),
            left_over: self.left_over(),
            words: self.words(&view),
        };
        aftermath.merged.sort();
        aftermath.ledger.sort();
        aftermath.kept.sort();
        let there = self.worktrees_of(run);
        let unnamed = there.iter().filter(|name| !aftermath.kept.contains(name));
        aftermath.left_over.extend(unnamed.map(|name| format!("worktree {name}")));
        let gone = aftermath.kept.iter().filter(|name| !there.contains(name));
        assert_eq!(gone.count(), 0, "named as kept and gone: {aftermath:#?}, {there:?}");
        aftermath
    }

    /// What tasks and engines complained of.
    fn words(&self, view: &Value) -> Words {
        let details = view["tasks"].as_array().unwrap().iter();
        let details = details.map(|task| format!("{}: {}", task["id"], task["detail"].as_str().unwrap()));
        let log = fs::read_to_string(self.root.join(".gadugi/engine.log")).unwrap_or_default();
        let complaints = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
        let words = details.filter(|words| !words.ends_with(": ")).chain(complaints.map(str::to_owned));
        Words(words.collect())
    }

    /// What lies where a run's worktrees do, and what git takes for a worktree.
    fn worktrees_of(&self, run: &str) -> Vec<String> {
        let folder = self.root.join(".worktrees").join(run);
        let mut names: Vec<String> = entries(&folder).iter().map(|path| name_of(path)).collect();
        names.retain(|name| name != ".gitignore");
        let listed = self.git(&["worktree", "list", "--porcelain"]);
        let known = listed.lines().filter_map(|line| line.strip_prefix("worktree ")).skip(1);
        names.extend(known.map(|path| name_of(Path::new(path))));
        names.sort();
        names.dedup();
        names
    }

    /// What no run may leave, and this one left: processes, locks, half-written files.
    pub fn left_over(&self) -> Vec<String> {
        /// Whoever is about to end has so long.
        const SOON: Duration = Duration::from_secs(20);
        self.engine_leaves();
        let end = Instant::now() + SOON;
        loop {
            let left = self.left_now();
            if left.is_empty() || Instant::now() > end {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn left_now(&self) -> Vec<String> {
        let mut left =
            self.attempt_processes().iter().map(|pid| format!("process {pid}")).collect::<Vec<_>>();
        left.extend(self.processes_at_work().iter().map(|process| format!("at work: {}", process.display())));
        let mut file = |path: &Path| left.push(path.display().to_string());
        look_through(&self.root.join(".git"), &mut |path| {
            let name = name_of(path);
            // Gadugi's own is a file whose lock goes with its holder.
            let lock = name.ends_with(".lock") && name != "gadugi.lock";
            if lock || name.starts_with("tmp_") || name.starts_with(".tmp-") {
                file(path);
            }
        });
        let state = self.root.join(".gadugi");
        for path in entries(&state.join("monitoring")) {
            if name_of(&path).ends_with(".tmp") {
                file(&path);
            }
        }
        if state.join("engine.sock").exists() {
            file(&state.join("engine.sock"));
        }
        left
    }

    /// Processes whose folder is the repository's or a worktree's.
    fn processes_at_work(&self) -> Vec<PathBuf> {
        let at_work = |process: &PathBuf| {
            fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&self.root))
        };
        entries(Path::new("/proc")).into_iter().filter(at_work).collect()
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// In order of their names; none where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn look_through(folder: &Path, found: &mut impl FnMut(&Path)) {
    for path in entries(folder) {
        if path.is_dir() && !path.is_symlink() {
            look_through(&path, found);
        } else {
            found(&path);
        }
    }
}
