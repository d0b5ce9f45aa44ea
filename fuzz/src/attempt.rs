//! The files of a step's folder: written by the shim, found again after anything may have happened to them.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::time::Duration;

use gadugi_exec::{Adoption, LocalExecutor, StepFollower, StepNews};
use gadugi_shim::{EXIT, Exit, SPEC, STARTED, STDERR, STDOUT, Spec, Started, Text};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Nothing of these takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Up to four files, an empty one being none: `spec.json`, `started.json`, `exit.json`, the output. Whatever they hold,
/// the folder is found to be something, and a step that is over is followed to its end.
pub fn attempt(data: &[u8]) {
    let parts = crate::parts(data, 4);
    if let Some(text) = parts.first() {
        reads_back(&Text(OsString::from_vec(text.to_vec())));
        read::<Spec>(text);
    }
    parts.get(1).into_iter().for_each(|text| read::<Started>(text));
    parts.get(2).into_iter().for_each(|text| read::<Exit>(text));

    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [SPEC, STARTED, EXIT, STDOUT].into_iter().zip(&parts) {
        if !text.is_empty() {
            fs::write(folder.path().join(name), text).expect("a file");
        }
    }
    let tail = gadugi_exec::tail(folder.path(), 100);
    assert!(tail.len() <= 100 && !tail.contains('\u{1b}'), "{tail:?}");
    fs::write(folder.path().join(STDERR), data).expect("a file");
    let tail = gadugi_exec::tail(folder.path(), 100);
    assert!(tail.len() <= 100 && !tail.contains('\u{1b}'), "{tail:?}");
    adopt(folder.path(), parts.get(3).copied().unwrap_or_default());
}

fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &[u8]) {
    if let Ok(record) = serde_json::from_slice::<T>(text) {
        reads_back(&record);
    }
}

fn reads_back<T: DeserializeOwned + Serialize + PartialEq + Debug>(record: &T) {
    let text = serde_json::to_vec(&record).expect("JSON");
    let read: T = serde_json::from_slice(&text).expect("what was written");
    assert_eq!(read, *record);
}

/// What an engine does with a step's folder that it finds.
fn adopt(dir: &std::path::Path, output: &[u8]) {
    static MACHINE: OnceLock<(tokio::runtime::Runtime, tempfile::TempDir, LocalExecutor)> = OnceLock::new();
    let (runtime, _, executor) = MACHINE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let state = tempfile::tempdir().expect("a temporary folder");
        let executor = runtime.block_on(async { LocalExecutor::new(state.path()) }).expect("an executor");
        (runtime, state, executor)
    });
    let attempt = format!("fuzz/{}/1", std::process::id());
    let found = async {
        match executor.adopt(dir, &attempt).await {
            Ok(Adoption::Ended(follower) | Adoption::Lost(follower)) => follow(follower, output).await,
            // Somebody's process of that very identity: nothing of ours.
            Ok(Adoption::Running(_) | Adoption::NeverStarted) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    };
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, found).await.expect("a step that is over is followed to its end");
    });
}

async fn follow(mut follower: StepFollower, output: &[u8]) {
    let mut lines = 0;
    loop {
        match follower.next().await {
            Some(StepNews::Line(_)) => lines += 1,
            Some(StepNews::Ended(_)) => break,
            None => panic!("no end is told"),
        }
    }
    let whole = output.iter().filter(|byte| **byte == b'\n').count();
    let torn = usize::from(!output.is_empty() && !output.ends_with(b"\n"));
    assert_eq!(lines, whole + torn, "lines are lost");
    assert!(follower.next().await.is_none());
    // What people are shown of it.
    assert!(follower.command().len() < usize::MAX);
}
