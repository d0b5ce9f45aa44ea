//! The engine's socket: what a client says, and what an engine answers.

use gadugi_core::{Command, Input, RunId, State, Timestamp, decide};
use gadugi_engine::protocol::{Frame, Reply, Request, Submission};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Lines of either side: understood or refused, and what is understood is written again as it was. A run that somebody
/// asks for is accepted or refused.
pub fn wire(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Some(Request::Submit(submission)) = reads_back::<Request>(line) {
            submit(*submission);
        }
        if let Some(Reply::Run(view)) = reads_back::<Reply>(line) {
            for wanted in ["", "a", "prompts/a.md"] {
                let _ = view.find(wanted).map(|task| &task.id).map_err(|missing| missing.to_string());
            }
        }
        reads_back::<Frame>(line);
    }
}

fn reads_back<T: DeserializeOwned + Serialize>(line: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(line).ok()?;
    let text = serde_json::to_string(&read).expect("JSON");
    let again: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
    Some(read)
}

/// What the engine's loop does with a submission: decide, apply, and go on until nothing more follows.
fn submit(submission: Submission) {
    let mut state = State::default();
    let run = RunId::new("orchestration-20261121-090000-beef");
    let mut at = Timestamp(1_795_262_400_000);
    let start = Command::StartRun {
        run: run.clone(),
        plan: submission.plan,
        settings: Box::new(submission.settings),
    };
    let decided = decide(&state, at, Input::Command(start));
    assert!(decided.reply.is_some(), "nobody is left without an answer");
    for event in decided.events {
        state.apply(at, &event).expect("what was decided can follow");
    }
    for _ in 0..4 {
        for event in decide(&state, at, Input::Tick).events {
            state.apply(at, &event).expect("what was decided can follow");
        }
        at = Timestamp(at.0.saturating_add(1 << 40));
    }
    if let Some(run) = state.runs.get(&run) {
        let _ = run.report(at);
    }
}
