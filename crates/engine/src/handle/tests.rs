//! An engine in this process, with a real repository, log and executor; its agent is a program that fails at once.

use std::collections::BTreeMap;
use std::path::Path;

use gadugi_core::{
    AgentSettings, CommitId, Complexity, Confidence, Edge, EdgeReason, Estimate, Event, HomePolicy, Kind,
    PlannedTask, PromptRef, Purpose, RetrySettings, Target,
};
use gadugi_exec::LocalExecutor;
use gadugi_gateway::Gateway;
use gadugi_sys::files;
use gadugi_workspace::Repository;
use tokio::task::LocalSet;

use super::*;
use crate::driver::Driver;
use crate::look::Looker;
use crate::monitor::Monitor;
use crate::protocol::{RunView, Submission};
use crate::world::{Outfit, World};

/// Begins an engine; it lives until it is told to leave.
fn begin(root: &Path) -> Handle {
    let handle = begin_alone(root);
    // There is room: nobody has asked anything yet.
    handle.inside.asked.try_send(Asked::ClientCame).unwrap();
    handle
}

/// Begins an engine that nobody is connected to.
fn begin_alone(root: &Path) -> Handle {
    let layout = Layout::new(root);
    files::create_ignored_dir(&layout.state_dir()).unwrap();
    let (heard_in, heard) = mpsc::channel(64);
    let (asked_in, asked) = mpsc::channel(64);
    let (gateway, _) = Gateway::start(gadugi_gateway::Options::new(layout.gateway_log())).unwrap();
    let local = LocalExecutor::new(&layout.state_dir()).unwrap();
    let outfit = Outfit { local, instance: "test".into(), gateway };
    let repository = Repository::discover(root).unwrap();
    let world = Arc::new(World::new(layout.clone(), "/bin/true".into(), repository, outfit, heard_in));
    let monitor = Monitor::new(root, &layout.state_dir().join("monitoring"), Millis(30_000));
    let driver = Driver::new(Store::open(&layout.database()).unwrap(), Arc::clone(&world), monitor).unwrap();
    let first = Looker::new(layout).look(Vec::new());
    tokio::task::spawn_local(driver.run(heard, asked, first));
    Handle::new(Inside { world, asked: asked_in, recorded: Arc::default(), front: None })
}

fn repository() -> (tempfile::TempDir, CommitId) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "a\n").unwrap();
    let repository = Repository::create(dir.path(), "begin").unwrap();
    let base = repository.head().unwrap().commit;
    (dir, base)
}

fn task(id: &str) -> PlannedTask {
    PlannedTask {
        purpose: Purpose::Work,
        id: TaskId::new(id),
        name: format!("Task {id}"),
        prompt: PromptRef { path: format!("prompts/{id}.md"), bytes: 4 },
        kind: Kind::Feature,
        complexity: Complexity::Low,
        writes: vec![],
        reads: vec![],
        depends_on: vec![],
        estimate: Estimate {
            seconds: 60.0,
            cpu: 1.0,
            memory_mb: 300,
            disk_mb: 10,
            spread: 2.0,
            source: "table".into(),
        },
        priority: 0,
        timeout: None,
        agent: None,
        model: None,
        budget_microusd: None,
        verify: None,
        done_when: vec![],
        executor: None,
        network: vec![],
    }
}

/// Two tasks, of which the second waits for the first, whose agent fails.
fn submission(base: &CommitId) -> Submission {
    let edge = Edge {
        from: TaskId::new("one"),
        to: TaskId::new("two"),
        reason: EdgeReason::Declared,
        evidence: String::new(),
        confidence: Confidence(100),
    };
    let plan = Plan {
        base: base.clone(),
        tasks: vec![task("one"), task("two")],
        edges: vec![edge],
        sequential_because: None,
        skipped: vec![],
        warnings: vec![],
    };
    let agent = AgentSettings { command: Some("/bin/false".into()), ..AgentSettings::default() };
    let settings = RunSettings {
        agents: BTreeMap::from([("claude".into(), agent)]),
        home: HomePolicy::Own,
        retry: RetrySettings { crashes: 1, ..RetrySettings::default() },
        share_past: false,
        ..RunSettings::default()
    };
    let environment = gadugi_sys::env::all().into_iter();
    let environment =
        environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Submission { plan, settings, prompts: BTreeMap::new(), environment: environment.collect() }
}

/// Submits the run and watches it to its end: its id, and all that was heard of it.
async fn run(handle: &Handle, base: &CommitId) -> (RunId, Vec<Arc<Fact>>) {
    let mut watch = handle.watch().await.unwrap();
    let submission = Box::new(submission(base));
    let Ok(Reply::Accepted { run, .. }) = handle.ask(Request::Submit(submission)).await else {
        panic!("it is refused")
    };
    let facts = until_finished(&mut watch).await;
    (run, facts)
}

async fn until_finished(watch: &mut Watch) -> Vec<Arc<Fact>> {
    let mut facts = Vec::new();
    while let Some(news) = watch.news.recv().await {
        if let News::Event(fact) = news {
            let over = matches!(fact.event, Event::RunFinished { .. });
            facts.push(fact);
            if over {
                return facts;
            }
        }
    }
    panic!("it ends before the run does")
}

async fn status(handle: &Handle, run: &RunId) -> Box<RunView> {
    match handle.ask(Request::Status { run: Some(run.to_string()) }).await {
        Ok(Reply::Run(view)) => view,
        other => panic!("{other:?}"),
    }
}

async fn locate(handle: &Handle, run: &RunId, task: &str) -> Result<Located, TaskNotFound> {
    handle.locate(Some(run.to_string()), task.to_owned()).await.unwrap()
}

async fn leave(handle: &Handle) {
    let mut watch = handle.watch().await.unwrap();
    handle.ask(Request::Leave).await.unwrap();
    while watch.news.recv().await.is_some() {}
}

fn json(fact: &Fact) -> String {
    serde_json::to_string(fact).unwrap()
}

#[tokio::test]
async fn what_is_news_stands_in_the_log_each_once_and_in_order() {
    LocalSet::new()
        .run_until(async {
            let (dir, base) = repository();
            let handle = begin(dir.path());
            let before = handle.watch().await.unwrap();
            let (run, news) = run(&handle, &base).await;
            let all = handle.events_after(None, before.up_to, 10_000).await.unwrap();
            let heard: Vec<String> = news.iter().map(|fact| json(fact)).collect();
            assert_eq!(all.iter().map(json).collect::<Vec<_>>(), heard);
            let (mut paged, mut at) = (Vec::new(), before.up_to);
            loop {
                let page = handle.events_after(Some(&run), at, 3).await.unwrap();
                let Some(last) = page.last() else { break };
                at = last.seq;
                paged.extend(page.iter().map(json));
            }
            let of_run = news.iter().filter(|fact| fact.event.run().is_some()).map(|fact| json(fact));
            assert_eq!(paged, of_run.collect::<Vec<_>>());
            let end: serde_json::Value = serde_json::from_str(paged.last().unwrap()).unwrap();
            assert_eq!((end["type"].as_str(), end["failed"].as_u64()), (Some("run-finished"), Some(2)));
            leave(&handle).await;
        })
        .await;
}

#[tokio::test]
async fn who_watches_in_this_process_neither_sends_an_engine_away_before_its_client_comes_nor_keeps_it() {
    LocalSet::new()
        .run_until(async {
            let (dir, _) = repository();
            let handle = begin_alone(dir.path());
            let mut watch = handle.watch().await.unwrap();
            for _ in 0..3 {
                handle.machine().await.expect("it waits for whoever started it");
            }
            handle.inside.asked.send(Asked::ClientCame).await.unwrap();
            handle.machine().await.expect("somebody is connected");
            handle.inside.asked.send(Asked::ClientGone).await.unwrap();
            while watch.news.recv().await.is_some() {}
            assert_eq!(handle.machine().await.unwrap_err().code, "leaving");
        })
        .await;
}

#[tokio::test]
async fn what_is_asked_is_answered_as_a_client_is() {
    LocalSet::new()
        .run_until(async {
            let (dir, base) = repository();
            let handle = begin(dir.path());
            let (run, _) = run(&handle, &base).await;
            let code = |answer: Result<Patch, Failure>| answer.unwrap_err().code;
            let diff = |task| handle.diff(run.clone(), TaskId::new(task), 1000);
            assert_eq!(diff("one").await.unwrap(), Patch { bytes: Vec::new(), size: 0 });
            assert_eq!(code(diff("two").await), "not-begun");
            assert_eq!(code(diff("none").await), "unknown-task");
            let (plan, settings) = handle.plan(&run).await.unwrap();
            assert_eq!((plan.tasks.len(), settings.retry.crashes), (2, 1));
            let unknown = RunId::new("orchestration-none");
            assert_eq!(handle.plan(&unknown).await.unwrap_err().code, "unknown-run");
            let follow = Request::Follow { run: run.clone(), after: 0 };
            assert_eq!(handle.ask(follow).await.unwrap_err().code, "bad-request");
            let page = Request::Page { listen: None, environment: None };
            assert_eq!(handle.ask(page).await.unwrap_err().code, "no-page");
            // Without an environment of its own it is done in the run's.
            let mut watch = handle.watch().await.unwrap();
            let target = Target::Tasks(vec![TaskId::new("one")]);
            let retry = Request::Retry { run: run.clone(), target, with: None, environment: None };
            assert!(matches!(handle.ask(retry).await, Ok(Reply::Accepted { tasks: 2, .. })));
            until_finished(&mut watch).await;
            assert_eq!(status(&handle, &run).await.tasks[0].attempts, 2);
            leave(&handle).await;
            assert_eq!(handle.machine().await.unwrap_err().code, "leaving");
            assert_eq!(handle.watch().await.unwrap_err().code, "leaving");
        })
        .await;
}

#[tokio::test]
async fn a_task_is_located_by_whatever_a_person_calls_it() {
    LocalSet::new()
        .run_until(async {
            let (dir, base) = repository();
            let handle = begin(dir.path());
            let (run, _) = run(&handle, &base).await;
            let view = status(&handle, &run).await;
            for task in &view.tasks {
                let id = task.id.to_string();
                let names = [&id, &id[..2], &task.name, &task.prompt, &format!("{id}.md")];
                for name in names {
                    let located = locate(&handle, &run, name).await.unwrap();
                    assert_eq!((&located.run, &located.task), (&run, &view.find(name).unwrap().id), "{name}");
                    assert_eq!((located.attempts, located.steps), (task.attempts, task.steps));
                    assert_eq!((located.running, located.agent.as_str()), (None, "claude"), "it is over");
                }
            }
            for none in ["none", ""] {
                let error = locate(&handle, &run, none).await.unwrap_err();
                assert_eq!(error, view.find(none).unwrap_err());
            }
            let latest = handle.locate(None, "one".into()).await.unwrap().unwrap();
            assert_eq!(latest.run, run);
            let unknown = handle.locate(Some("none".into()), "one".into()).await;
            assert_eq!(unknown.unwrap_err().code, "unknown-run");
            leave(&handle).await;
        })
        .await;
}

#[tokio::test]
async fn old_runs_are_read_beside_the_loop_and_do_not_stay_in_it() {
    LocalSet::new()
        .run_until(async {
            let (dir, base) = repository();
            let handle = begin(dir.path());
            let (old, _) = run(&handle, &base).await;
            let (latest, _) = run(&handle, &base).await;
            let lines = handle.summaries(9, None).await.unwrap();
            let view = status(&handle, &old).await;
            let located = locate(&handle, &old, "two").await.unwrap();
            leave(&handle).await;
            let handle = begin(dir.path());
            let again = status(&handle, &old).await;
            assert_eq!(
                serde_json::to_value(&again.tasks).unwrap(),
                serde_json::to_value(&view.tasks).unwrap()
            );
            assert_eq!((&again.needs, again.wall_ms), (&view.needs, view.wall_ms));
            assert_eq!(handle.summaries(9, None).await.unwrap(), lines, "whoever knows them");
            assert_eq!(locate(&handle, &old, "t").await.unwrap(), located);
            let in_memory = ask(&handle.inside, |to| Asked::Plan(old.clone(), to)).await.unwrap();
            assert!(in_memory.is_none(), "nobody brought it there");
            let first = handle.summaries(1, None).await.unwrap();
            assert_eq!((first.runs[0].run.clone(), first.more), (latest.clone(), true));
            let line = &handle.summaries(1, Some(&latest)).await.unwrap().runs[0];
            assert_eq!(
                (&line.run, line.counts.failed, line.counts.skipped, line.counts.total),
                (&old, 1, 1, 2)
            );
            assert_eq!((line.needs as usize, line.first_titles.len()), (view.needs.len(), 2));
            assert_eq!(view.needs[0].kind, "failed");
            assert!(!handle.summaries(1, Some(&old)).await.unwrap().more);
            assert_eq!(handle.summaries(1, Some(&RunId::new("none"))).await.unwrap_err().code, "unknown-run");
            // What is appended to it is seen.
            let mut watch = handle.watch().await.unwrap();
            let retry =
                Request::Retry { run: old.clone(), target: Target::All, with: None, environment: None };
            handle.ask(retry).await.unwrap();
            until_finished(&mut watch).await;
            leave(&handle).await;
            let handle = begin(dir.path());
            assert_eq!(status(&handle, &old).await.tasks[0].attempts, 2);
            leave(&handle).await;
        })
        .await;
}
