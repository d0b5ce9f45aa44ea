//! Delegated runs of the real Claude Code against the scripted Messages API.

mod support;

use std::collections::BTreeMap;
use std::fs;

use gadugi_agents::{AgentEvent, Role, Whose};
use gadugi_core::{AgentSettings, EndClass, Phase, SessionMode, Usage};
use gadugi_testkit::claude;
use gadugi_testkit::model_api::{Fault, Meets, USAGE_PER_TURN};
use support::{SESSION, Stage};

const WORK: &str = r#"# A greeting

Write it.

```model
[{"text": "I will write a file.\nGADUGI-PHASE: 4"}, {"tool": "Bash", "input": {"command": "ls"}}]
[{"text": "GADUGI-PHASE: 5"}, {"tool": "Write", "input": {"file_path": "$CWD/greeting.txt", "content": "hello\n"}}]
{"tool": "Bash", "input": {"command": "git add -A && git commit -q -m 'greeting: say hello'"}}
{"text": "GADUGI-PHASE: 7\n\nNothing to document. The greeting is there."}
{"tool": "Bash", "input": {"command": "echo again >> greeting.txt"}}
{"text": "It is there twice."}
```
"#;

fn turns(count: u64) -> Usage {
    Usage {
        input_tokens: count * USAGE_PER_TURN.input_tokens,
        output_tokens: count * USAGE_PER_TURN.output_tokens,
        cache_read_tokens: count * USAGE_PER_TURN.cache_read_tokens,
        cache_write_tokens: count * USAGE_PER_TURN.cache_write_tokens,
        cost_microusd: 0,
    }
}

#[test]
fn a_delegated_run_writes_commits_reports_and_is_taken_up_again() {
    let stage = Stage::new();
    let launch = stage.launch(WORK, |_| {});
    let played = stage.play(&launch);
    let said = String::from_utf8_lossy(&played.output.stdout).into_owned();
    assert_eq!(played.end.class, EndClass::Done, "{said}");
    assert_eq!(fs::read_to_string(stage.repo().join("greeting.txt")).unwrap(), "hello\n");
    assert_eq!(stage.git(&["log", "-1", "--format=%s"]).trim(), "greeting: say hello");
    assert_eq!(played.end.claimed_phases, [4, 5, 7]);
    assert_eq!(played.end.no_change, None);
    assert_eq!(played.end.turns, 4);
    assert_eq!(Usage { cost_microusd: 0, ..played.end.usage }, turns(4));
    assert!(played.end.usage.cost_microusd > 0);
    assert!(played.events.contains(&AgentEvent::Phase(Phase::Implementation)));
    assert!(played.events.iter().any(|event| matches!(event,
        AgentEvent::SessionStarted { session: Some(session), .. } if session.as_str() == SESSION)));
    assert!(played.events.iter().any(|event| matches!(event,
        AgentEvent::ToolUse { summary, .. } if summary.starts_with("Write ") && summary.ends_with("greeting.txt"))));

    // The model heard the WorkflowManager's own words as its system, and the prompt word for word.
    let requests = stage.api.scripted_requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[0].system().contains("You are the WorkflowManager: a careful software engineer"));
    assert!(requests[0].user_texts().iter().any(|text| text == launch.stdin()));

    let resumed = stage.play(&stage.launch(WORK, |options| options.mode = SessionMode::Resume));
    assert_eq!(resumed.end.class, EndClass::Done, "{:?}", resumed.output);
    assert_eq!(resumed.end.detail, "It is there twice.");
    assert_eq!(fs::read_to_string(stage.repo().join("greeting.txt")).unwrap(), "hello\nagain\n");
    // Counted by process, not over the whole conversation.
    assert_eq!(Usage { cost_microusd: 0, ..resumed.end.usage }, turns(2));
    let texts = stage.api.scripted_requests().pop().unwrap().user_texts();
    assert!(texts.iter().any(|text| text.contains("The last command that you gave may have run")));
}

fn own_definition(stage: &Stage) {
    let path = stage.repo().join(Role::WorkflowManager.path());
    let own = "---\nname: workflow-manager\ndescription: Ours\n---\nYou are our own manager.\n";
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    fs::write(&path, own).expect("the file is written");
    assert_eq!(Role::WorkflowManager.whose(Some(own)), Whose::Repository);
}

#[test]
fn the_repository_s_own_workflow_manager_is_the_one_that_speaks() {
    let stage = Stage::new();
    own_definition(&stage);
    let prompt = "```model\n{\"text\": \"GADUGI-NO-CHANGE: it is there already\"}\n```\n";
    let played = stage.play(&stage.launch_as(prompt, Whose::Repository, |_| {}));
    assert_eq!(played.end.class, EndClass::Done);
    assert_eq!(played.end.no_change.as_deref(), Some("it is there already"));
    assert!(stage.api.scripted_requests()[0].system().contains("You are our own manager."));
}

#[test]
fn without_any_definition_there_is_no_run() {
    let stage = Stage::new();
    let played = stage.play(&stage.launch_as(WORK, Whose::Repository, |_| {}));
    assert_eq!(played.end.class, EndClass::Refused);
    assert!(played.end.detail.contains("workflow-manager"), "{}", played.end.detail);
    assert!(stage.api.scripted_requests().is_empty(), "nobody was asked");
}

#[test]
fn no_variable_of_the_user_s_environment_gets_round_the_delegation() {
    // What Claude Code sets for its commands (`orchestrator-agent` starts gadugi by one), and what would hide the
    // repository's definition, or keep no transcript to take up again.
    let outer: BTreeMap<String, String> = [
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_SAFE_MODE",
        "CLAUDE_CODE_SIMPLE",
        "CLAUDE_CODE_SKIP_PROMPT_HISTORY",
    ]
    .map(|name| (name.to_owned(), "1".to_owned()))
    .into();
    let stage = Stage::new();
    own_definition(&stage);
    let prompt = "```model\n{\"text\": \"first\"}\n{\"text\": \"second\"}\n```\n";
    for (mode, said) in [(SessionMode::Fresh, "first"), (SessionMode::Resume, "second")] {
        let launch = stage.launch_as(prompt, Whose::Repository, |options| options.mode = mode);
        let played = stage.play_with(&launch, &outer);
        assert_eq!((played.end.class, played.end.detail.as_str()), (EndClass::Done, said));
    }
    assert!(stage.api.scripted_requests()[0].system().contains("You are our own manager."));
}

#[test]
fn ends_by_limits_have_their_class() {
    let stage = Stage::new();
    let few = stage.play(&stage.launch(WORK, |options| options.max_turns = 1));
    assert_eq!(few.end.class, EndClass::MaxTurns, "{:?}", few.output);
    let stage = Stage::new();
    let poor = stage.play(&stage.launch(WORK, |options| options.budget_microusd = Some(1)));
    assert_eq!(poor.end.class, EndClass::Budget, "{:?}", poor.output);
}

#[test]
fn sessions_that_cannot_be_had_are_said_to_be_so() {
    let stage = Stage::new();
    let unknown = stage.play(&stage.launch(WORK, |options| options.mode = SessionMode::Resume));
    assert_eq!(unknown.end.class, EndClass::NoSession);
    assert!(unknown.end.detail.contains("No conversation found"), "{}", unknown.end.detail);
    assert_eq!(stage.play(&stage.launch(WORK, |_| {})).end.class, EndClass::Done);
    let again = stage.play(&stage.launch(WORK, |_| {}));
    assert_eq!(again.end.class, EndClass::NoSession);
    assert!(again.end.detail.contains("already in use"), "{}", again.end.detail);
}

#[test]
fn failures_of_the_api_are_left_to_the_engine_after_a_few_seconds() {
    let prompt = "```model\n{\"text\": \"hello\"}\n```\n";
    let overloaded = Fault::Status { status: 529, retry_after: None, message: None };
    // A stream that broke is not asked for again as one object.
    for (fault, tries) in [(overloaded, 4), (Fault::Cut { events: 0 }, 4), (Fault::Cut { events: 4 }, 1)] {
        let stage = Stage::new();
        stage.api.misbehave(fault.clone(), Meets::Every);
        let played = stage.play(&stage.launch(prompt, |_| {}));
        assert_eq!(played.end.class, EndClass::Overloaded, "{fault:?}: {:?}", played.output);
        assert_eq!(stage.api.scripted_requests().len(), tries, "{fault:?}");
    }
}

#[test]
fn the_timeout_of_a_request_is_for_the_head_of_its_answer_and_cuts_none_that_has_begun() {
    let prompt = "```model\n{\"text\": \"a long thought\"}\n```\n";
    let program = claude::program().unwrap_or_else(|missing| panic!("{missing}"));
    for (events, tries) in [(Some(3), 1), (None, 2)] {
        let stage = Stage::new();
        let settings: &'static AgentSettings = Box::leak(Box::new(AgentSettings {
            command: Some(program.to_string_lossy().into_owned()),
            env: [("API_TIMEOUT_MS".to_owned(), "2000".to_owned())].into(),
            ..AgentSettings::default()
        }));
        stage.api.misbehave(Fault::Slow { seconds: 5.0, events }, Meets::First(1));
        let played = stage.play(&stage.launch(prompt, |options| options.settings = settings));
        assert_eq!((played.end.class, played.end.detail.as_str()), (EndClass::Done, "a long thought"));
        assert_eq!(stage.api.scripted_requests().len(), tries, "{events:?}");
    }
}
