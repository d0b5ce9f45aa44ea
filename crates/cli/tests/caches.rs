//! Caches that tasks in containers share: what setup fetched is there for all of them, and what a task does to its own view
//! reaches nobody.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use gadugi_testkit::docker::{self, AGENT_IMAGE, BASE_IMAGE};
use stage::{Ran, Stage, signal, until};

/// A stage whose tasks run in containers.
struct Scene {
    stage: Stage,
    engine: String,
}

impl Scene {
    fn new(image: &str, more: &str) -> Self {
        Self::within(tempfile::tempdir().unwrap(), image, more)
    }

    fn within(dir: tempfile::TempDir, image: &str, more: &str) -> Self {
        let (mut stage, engine) = (Stage::within(dir), docker::socket());
        stage.variables.push(("DOCKER_HOST".into(), engine.clone()));
        stage.variables.push(("GADUGI_EXECUTOR".into(), "docker".into()));
        stage.write("gadugi.toml", &format!("[container]\nimage = \"{image}\"\n{more}"));
        stage.write("package.json", "{\"name\": \"it\", \"version\": \"1.0.0\"}\n");
        stage.commit("how it is run");
        Self { stage, engine }
    }

    fn docker(&self, args: &[&str]) -> String {
        let mut docker = Command::new("docker");
        docker.args(["--host", &self.engine]).env("DOCKER_CONFIG", "/nonexistent").env_remove("DOCKER_HOST");
        let output = docker.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn mine(&self) -> String {
        let instance = self.stage.read(".gadugi/instance");
        format!("label=gadugi.instance={}", instance.split_whitespace().next().unwrap_or_default())
    }

    /// What setups made of npm's cache, the oldest first.
    fn generations(&self) -> Vec<PathBuf> {
        below(&self.stage.root.join(".gadugi/caches/npm"))
    }

    /// In the newest of them.
    fn made(&self, name: &str) -> String {
        let newest = self.generations().pop().expect("there is a generation");
        fs::read_to_string(newest.join("tree").join(name)).unwrap()
    }

    /// What views there are of attempts.
    fn views(&self) -> Vec<PathBuf> {
        let runs = below(&self.stage.root.join(".gadugi/runs"));
        let attempts = runs.iter().flat_map(|run| below(run)).flat_map(|task| below(&task));
        attempts.flat_map(|attempt| below(&attempt.join("cache"))).collect()
    }

    fn volumes(&self) -> String {
        self.docker(&["volume", "ls", "--quiet", "--filter", &self.mine()])
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        assert_eq!(self.views(), Vec::<PathBuf>::new());
        let mine = self.mine();
        until("containers are gone", || {
            self.docker(&["ps", "--all", "--quiet", "--filter", &mine]).is_empty()
        });
        assert_eq!(self.volumes(), "");
        let all = below(&self.stage.root.join(".gadugi/caches")).into_iter().flat_map(|kind| below(&kind));
        let passing = all.filter(|path| path.to_string_lossy().contains("passing"));
        assert_eq!(passing.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    }

    /// A file that a task committed.
    fn told(&self, ran: &Ran, path: &str) -> String {
        self.stage.blob(ran.report()["branch"].as_str().unwrap(), path)
    }
}

/// What is left of an overlay only root can remove.
fn overlays() -> bool {
    rustix::process::geteuid().is_root()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a task sees of the cache.
const LOOK: &str = "cd $npm_config_cache && cat shared && cat dir/inner && ls";

/// What a check sees is nobody's but setup's.
const CHECK: &str = "cd $npm_config_cache && test $(cat shared) = good && test -d dir && test ! -e mine";

/// A task that looks, then does its worst, and looks again.
fn poisoner(name: &str) -> String {
    let spoil = "cd $npm_config_cache && echo poison > shared && rm -r dir && ln -s /etc dir && touch mine && chmod 777 .";
    format!(
        "run sh -c '{LOOK}' > {name}.txt\nrun sh -c '{spoil}'\nrun sh -c 'cat $npm_config_cache/shared' >> {name}.txt"
    )
}

const SETUP: &str = r#"
caches = ["npm", "uv"]
[workspace]
setup = ["cd $npm_config_cache", "echo good > shared", "mkdir -p dir", "echo inner > dir/inner", "echo $GADUGI_ATTEMPT >> log"]
"#;

const SEEN: &str = "good\ninner\ndir\nlog\nshared\n";

#[test]
fn what_setup_made_is_there_for_all_and_what_a_task_writes_for_itself_alone() {
    let scene = Scene::new(BASE_IMAGE, SETUP);
    let stage = &scene.stage;
    stage.prompt("one", "", &poisoner("one"));
    stage.prompt("two", "", &poisoner("two"));
    // It works on what another agent did, manifest and all.
    let bumped = "write package.json {\"name\": \"it\", \"version\": \"2.0.0\"}";
    stage.prompt("three", "depends_on: [one]", &format!("{}\n{bumped}", poisoner("three")));
    stage.prompt("four", "depends_on: [three]", &poisoner("four"));
    stage.commit("prompts");
    let ran = stage.run(&["--max-parallel", "2", "--verify", CHECK]);
    ran.ends_with(0);
    for name in ["one", "two", "three", "four"] {
        assert_eq!(scene.told(&ran, &format!("{name}.txt")), format!("{SEEN}poison"), "{name}");
    }
    // One made it, on the user's own commit; a later setup saw it, and wrote into its own view.
    assert_eq!(scene.generations().len(), 1);
    assert_eq!(scene.made("shared"), "good\n");
    let maker = scene.made("log");
    assert!(maker.trim().ends_with("one/1") || maker.trim().ends_with("two/1"), "{maker}");
    let tree = scene.generations()[0].join("tree");
    assert!(fs::symlink_metadata(tree.join("dir")).unwrap().is_dir() && !tree.join("mine").exists());
    scene.nothing_is_left();

    // The next run's agents see the same.
    fs::remove_dir_all(stage.root.join("prompts")).unwrap();
    stage.prompt("later", "", &poisoner("later"));
    stage.commit("more");
    let ran = stage.run(&["--verify", ""]);
    ran.ends_with(0);
    assert_eq!(scene.told(&ran, "later.txt"), format!("{SEEN}poison"));
    assert_eq!((scene.generations().len(), scene.made("log")), (1, maker.clone()));
    let said = fs::read_to_string(stage.root.join(".gadugi/engine.log")).unwrap();
    assert_eq!(said.contains("caches are copied"), !overlays(), "{said}");

    // What it would fetch is another: made from what there was.
    stage.write("package.json", "{\"name\": \"it\", \"version\": \"1.5.0\"}\n");
    stage.prompt("later", "", "write later.txt done");
    stage.commit("another version");
    stage.run(&["--verify", ""]).ends_with(0);
    let log = scene.made("log");
    assert_eq!((scene.generations().len(), log.lines().count()), (2, 2), "{log}");
    assert!(log.starts_with(&maker), "{log}");
    scene.nothing_is_left();

    // Two are kept, and what was not used for so long goes when it is asked for.
    stage.write("package.json", "{\"name\": \"it\", \"version\": \"1.6.0\"}\n");
    stage.commit("yet another");
    stage.run(&["--verify", ""]).ends_with(0);
    let numbers: Vec<String> = scene
        .generations()
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy()[..8].to_owned())
        .collect();
    assert_eq!(numbers, ["00000002", "00000003"]);
    let cleaned = stage.gadugi(&["clean", "--older-than", "0"]);
    // uv's, too: without a manifest of its own a generation is made for each tree.
    assert_eq!(cleaned.ends_with(0).stdout.lines().next().unwrap().split(", ").last(), Some("4 caches"));
    assert_eq!(scene.generations(), Vec::<PathBuf>::new());
}

/// An overlay of a folder with a comma in its name cannot be asked for.
#[test]
fn where_there_are_no_overlays_each_task_has_a_copy() {
    let dir = tempfile::Builder::new().prefix("gadugi,").tempdir().unwrap();
    let scene = Scene::within(dir, BASE_IMAGE, SETUP);
    let stage = &scene.stage;
    stage.prompt("one", "", &poisoner("one"));
    stage.prompt("two", "depends_on: [one]", &poisoner("two"));
    stage.commit("prompts");
    let ran = stage.run(&["--verify", CHECK]);
    ran.ends_with(0);
    for name in ["one", "two"] {
        assert_eq!(scene.told(&ran, &format!("{name}.txt")), format!("{SEEN}poison"), "{name}");
    }
    assert_eq!((scene.generations().len(), scene.made("shared").as_str()), (1, "good\n"));
    let said = fs::read_to_string(stage.root.join(".gadugi/engine.log")).unwrap();
    assert!(said.contains("caches are copied for each task"), "{said}");
    scene.nothing_is_left();
}

#[test]
fn a_setup_that_fails_makes_nothing() {
    let scene = Scene::new(
        BASE_IMAGE,
        "caches = \"npm\"\n[workspace]\nsetup = [\"echo half > $npm_config_cache/half\", \"exit 3\"]\n",
    );
    scene.stage.prompt("one", "", "write one.txt done");
    scene.stage.commit("prompts");
    scene.stage.run(&["--verify", ""]).ends_with(1);
    assert_eq!(scene.generations(), Vec::<PathBuf>::new());
    scene.nothing_is_left();
}

/// Waits inside until it is told to go on.
const WAITING: &str = r#"
caches = ["npm"]
[workspace]
setup = ["touch /tmp/begun", "until test -e /tmp/go; do sleep 0.05; done", "echo good > $npm_config_cache/shared"]
"#;

#[test]
fn a_setup_that_outlives_its_engine_makes_it_all_the_same() {
    let scene = Scene::new(BASE_IMAGE, WAITING);
    let stage = &scene.stage;
    stage.prompt("one", "", "run cat $npm_config_cache/shared > one.txt");
    stage.commit("prompts");
    let run = stage.start_run(&["--verify", ""]);
    let tmp = || {
        below(&below(&stage.root.join(".gadugi/runs"))[0].join("one/1"))
            .into_iter()
            .find(|path| path.ends_with("tmp"))
    };
    until("setup has begun", || {
        stage.root.join(".gadugi/runs").exists() && tmp().is_some_and(|tmp| tmp.join("begun").exists())
    });
    run.signal("KILL");
    stage.kill_engine();
    fs::write(tmp().unwrap().join("go"), "").unwrap();
    let resumed = stage.gadugi(&["resume", "--json"]);
    resumed.ends_with(0);
    assert_eq!(scene.told(&resumed, "one.txt"), "good");
    assert_eq!((scene.generations().len(), scene.made("shared").as_str()), (1, "good\n"));
    scene.nothing_is_left();
}

#[test]
fn a_task_that_outlives_its_engine_keeps_what_it_sees() {
    let scene = Scene::new(BASE_IMAGE, SETUP);
    let stage = &scene.stage;
    let wait =
        "run sh -c 'touch $npm_config_cache/mine /tmp/begun; until test -e /tmp/go; do sleep 0.05; done'";
    let look = "run sh -c 'cd $npm_config_cache && cat shared && ls' > one.txt";
    stage.prompt("one", "", &format!("{wait}\n{look}"));
    stage.commit("prompts");
    let run = stage.start_run(&["--verify", ""]);
    let runs = stage.root.join(".gadugi/runs");
    let tmp = || below(&runs)[0].join("one/1/tmp");
    until("its agent is at work", || !below(&runs).is_empty() && tmp().join("begun").exists());
    let volumes = scene.volumes();
    assert_eq!(volumes.lines().count(), if overlays() { 2 } else { 0 }, "{volumes}");
    run.signal("KILL");
    stage.kill_engine();
    let resumed = stage.command(&["resume", "--json"]).spawn().unwrap();
    until("another engine lives", || stage.engine().is_some());
    fs::write(tmp().join("go"), "").unwrap();
    let resumed = stage.finish(resumed);
    resumed.ends_with(0);
    assert_eq!(scene.told(&resumed, "one.txt"), "good\ndir\nlog\nmine\nshared");
    assert!(!scene.generations()[0].join("tree/mine").exists());
    scene.nothing_is_left();
}

#[test]
fn a_setup_that_dies_with_its_engine_makes_nothing() {
    let scene = Scene::new(BASE_IMAGE, WAITING);
    let stage = &scene.stage;
    stage.prompt("one", "", "run cat $npm_config_cache/shared > one.txt");
    stage.commit("prompts");
    let run = stage.start_run(&["--verify", ""]);
    let attempt = || below(&below(&stage.root.join(".gadugi/runs"))[0].join("one"))[0].clone();
    until("setup has begun", || {
        stage.root.join(".gadugi/runs").exists()
            && !below(&below(&stage.root.join(".gadugi/runs"))[0].join("one")).is_empty()
            && attempt().join("tmp/begun").exists()
    });
    run.signal("KILL");
    stage.kill_engine();
    let container = scene.docker(&["ps", "--quiet", "--filter", &scene.mine()]);
    scene.docker(&["rm", "--force", &container]);
    let partials = || -> Vec<PathBuf> {
        let scopes = below(&attempt().join("cache")).into_iter().flat_map(|scope| below(&scope));
        scopes
            .flat_map(|kind| below(&kind))
            .filter(|path| path.extension().is_some_and(|end| end == "partial"))
            .collect()
    };
    let before = partials();
    assert_eq!(before.len(), 1, "{before:?}");
    fs::write(before[0].join("half"), "").unwrap();
    fs::write(attempt().join("tmp/go"), "").unwrap();
    // It is set up again, and that one counts.
    stage.gadugi(&["resume", "--json"]).ends_with(0);
    assert_eq!((scene.generations().len(), scene.made("shared").as_str()), (1, "good\n"));
    assert!(
        !scene.generations()[0].join("tree/half").exists(),
        "what the dead one left is in nobody's cache"
    );
    scene.nothing_is_left();
}

/// A registry of both kinds with a package in each, on an address that nobody takes for their own machine.
struct Registry {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(scene: &Scene) -> Self {
        // Made by those who know how.
        let image = AGENT_IMAGE;
        let inside = |script: &str| {
            let run = ["run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script];
            let encoded = scene.docker(&run);
            let mut base64 = Command::new("base64");
            base64.arg("-d").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = base64.spawn().unwrap();
            child.stdin.take().unwrap().write_all(encoded.as_bytes()).unwrap();
            child.wait_with_output().unwrap().stdout
        };
        let package = inside(
            "cd /tmp && mkdir package && echo '{\"name\":\"left\",\"version\":\"1.0.0\"}' > package/package.json && tar -cz package | base64",
        );
        let wheel = inside(
            "cd /tmp && python3 - <<'E' && base64 right.whl\nimport zipfile\nwith zipfile.ZipFile('right.whl', 'w') as z:\n z.writestr('right.py', 'side = 1\\n')\n d = 'right-1.0.0.dist-info/'\n z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: right\\nVersion: 1.0.0\\n')\n z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n z.writestr(d + 'RECORD', 'right.py,,\\n')\nE",
        );
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, heard) = (address.clone(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &own, &package, &wheel, &heard);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, own: &str, package: &[u8], wheel: &[u8], heard: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let version = format!(
        "{{\"name\":\"left\",\"dist-tags\":{{\"latest\":\"1.0.0\"}},\"versions\":{{\"1.0.0\":{{\"name\":\"left\",\"version\":\"1.0.0\",\"dist\":{{\"tarball\":\"http://{own}/left/-/left-1.0.0.tgz\"}}}}}}}}"
    );
    let page =
        format!("<a href=\"http://{own}/right-1.0.0-py3-none-any.whl\">right-1.0.0-py3-none-any.whl</a>");
    let (kind, body): (&str, &[u8]) = match path.as_str() {
        "/left" => ("application/json", version.as_bytes()),
        "/left/-/left-1.0.0.tgz" => ("application/octet-stream", package),
        "/simple/right/" => ("text/html", page.as_bytes()),
        "/right-1.0.0-py3-none-any.whl" => ("application/octet-stream", wheel),
        _ => ("", b""),
    };
    heard.lock().unwrap().push(path);
    let status = if kind.is_empty() { "404 Not Found" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: max-age=600\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

#[test]
fn npm_and_uv_fetch_by_the_gateway_in_setup_and_do_without_network_afterwards() {
    let scene = Scene::new(AGENT_IMAGE, "");
    let registry = Registry::start(&scene);
    let (stage, address) = (&scene.stage, &registry.address);
    stage.write(
        "gadugi.toml",
        &format!(
            "[container]\nimage = \"{AGENT_IMAGE}\"\ncaches = [\"npm\", \"uv\", \"pip\"]\n[gateway]\nnetwork = [\"{address}\"]\n\
             [workspace]\nsetup = [\"npm install --no-audit --no-fund --no-save --registry http://{address} left@1.0.0\", \
             \"rm -rf node_modules\", \"uv venv -q /tmp/env\", \
             \"uv pip install -q --python /tmp/env --index-url http://{address}/simple right==1.0.0\", \"rm -rf /tmp/env\"]\n"
        ),
    );
    // Without the network, all from the cache.
    let offline = format!(
        "run npm install --offline --no-audit --no-fund --no-save --registry http://{address} left@1.0.0\n\
         run test -e node_modules/left/package.json\nrun rm -rf node_modules\nrun uv venv -q /tmp/again\n\
         run uv pip install -q --offline --python /tmp/again --index-url http://{address}/simple right==1.0.0\n\
         run /tmp/again/bin/python -c 'import right; print(right.side)' > one.txt"
    );
    stage.prompt("one", "", &offline);
    stage.commit("prompts");
    let ran = stage.run(&["--verify", ""]);
    ran.ends_with(0);
    assert_eq!(scene.told(&ran, "one.txt"), "1");
    let asked = registry.asked();
    for wanted in ["/left", "/left/-/left-1.0.0.tgz", "/simple/right/", "/right-1.0.0-py3-none-any.whl"] {
        assert!(asked.iter().any(|path| path == wanted), "{wanted}: {asked:?}");
    }
    // The next setup has it all already.
    fs::remove_dir_all(stage.root.join("prompts")).unwrap();
    stage.prompt("two", "", &offline.replace("one.txt", "two.txt"));
    stage.commit("more");
    stage.run(&["--verify", ""]).ends_with(0);
    let asked = registry.asked();
    assert!(!asked.iter().any(|path| path.ends_with(".tgz") || path.ends_with(".whl")), "{asked:?}");
    scene.nothing_is_left();
}

/// A stage that fails leaves containers and volumes: its engine stops the one, and this removes the other.
impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(pid) = self.stage.engine() {
            signal(pid, "TERM");
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while self.stage.engine().is_some() && std::time::Instant::now() < end {
                std::thread::yield_now();
            }
        }
        let Ok(instance) = fs::read_to_string(self.stage.root.join(".gadugi/instance")) else { return };
        let mine =
            format!("label=gadugi.instance={}", instance.split_whitespace().next().unwrap_or_default());
        for (list, remove) in
            [(vec!["ps", "--all"], vec!["rm", "--force"]), (vec!["volume", "ls"], vec!["volume", "rm"])]
        {
            let call = |args: &[&str]| {
                let output = Command::new("docker").args(["--host", &self.engine]).args(args).output();
                output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
            };
            let found = call(&[&list[..], &["--quiet", "--filter", &mine]].concat());
            let found: Vec<&str> = found.split_whitespace().collect();
            if !found.is_empty() {
                call(&[&remove[..], &found].concat());
            }
        }
    }
}
