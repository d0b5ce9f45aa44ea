use std::fs;
use std::path::PathBuf;

use gadugi_core::Process;

use super::*;
use crate::process;

/// Long enough for whatever ends by itself, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

fn shell(script: &str, input: &[u8], timeout: Duration, most: usize) -> Result<Vec<u8>, AskError> {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned);
    ask(&Question { argv: &argv, cwd: Path::new("/"), input, timeout, most })
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gadugi-ask-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_answer_is_what_was_written_before_the_end() {
    let answer = shell("read -r line; echo \"[$line]\"; pwd", b"hello\n", PATIENCE, 100).unwrap();
    assert_eq!(answer, b"[hello]\n/\n");
}

#[test]
fn large_questions_and_answers_pass_side_by_side() {
    // Much more than both pipes hold: writing all before reading would stand still.
    let input = vec![b'x'; 3 << 20];
    let answer = shell("cat", &input, PATIENCE, input.len()).unwrap();
    assert_eq!(answer.len(), input.len());
    assert!(matches!(
        shell("cat", &input, PATIENCE, input.len() - 1),
        Err(AskError::TooMuch { most, .. }) if most == input.len() - 1
    ));
}

#[test]
fn a_question_need_not_be_read() {
    assert_eq!(shell("echo ready", &vec![b'x'; 1 << 20], PATIENCE, 100).unwrap(), b"ready\n");
    assert_eq!(shell("exec <&-; echo ready", &vec![b'x'; 1 << 20], PATIENCE, 100).unwrap(), b"ready\n");
}

#[test]
fn what_fails_says_its_last_line() {
    let error =
        shell("echo first >&2; echo '  no model  ' >&2; echo >&2; exit 3", b"", PATIENCE, 100).unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh ended with 3: no model");
    let error = shell("kill -9 $$", b"", PATIENCE, 100).unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh was ended by signal 9");
    // Complaints are kept from their end, however many there are.
    let script = "i=0; while [ $i -lt 20000 ]; do echo complaint $i; i=$((i+1)); done >&2; exit 1";
    let error = shell(script, b"", PATIENCE, 100).unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh ended with 1: complaint 19999");
}

#[test]
fn what_cannot_be_started_is_told() {
    let asked = |argv: &[&str], cwd: &str| {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        ask(&Question { argv: &argv, cwd: Path::new(cwd), input: b"", timeout: PATIENCE, most: 1 })
            .unwrap_err()
    };
    assert!(matches!(asked(&[], "/"), AskError::Unnamed));
    assert_eq!(asked(&["gadugi-there-is-none"], "/").to_string(), "there is no program gadugi-there-is-none");
    assert!(matches!(asked(&["/etc/passwd"], "/"), AskError::NotStarted { .. }));
}

/// The process that wrote its number into that file.
fn named_in(file: &Path) -> Process {
    let pid = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    process::identify(pid).unwrap_or(Process { pid, start_ticks: 0, boot: String::new() })
}

/// Whether a process is gone, or dead and waiting for whoever inherited it.
fn is_over(process: &Process) -> bool {
    match fs::read_to_string(format!("/proc/{}/stat", process.pid)) {
        Ok(stat) => stat.contains(") Z ") || !process::exists(process),
        Err(_) => true,
    }
}

#[test]
fn what_takes_too_long_is_killed_with_its_children() {
    let folder = Folder::new("slow");
    let child = folder.0.join("child");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", child.display());
    // On a busy machine the child may take a while to be there.
    for seconds in [1, 4, 16, 64] {
        let error = shell(&script, b"", Duration::from_secs(seconds), 100).unwrap_err();
        assert_eq!(error.to_string(), format!("/bin/sh did not answer within {seconds} seconds"));
        if child.exists() {
            break;
        }
    }
    let child = named_in(&child);
    while !is_over(&child) {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_left_behind_is_killed_and_not_waited_for() {
    let folder = Folder::new("left");
    let child = folder.0.join("child");
    // The child holds both pipes open.
    let script = format!("sleep 1000 & echo $! > {}; echo done", child.display());
    assert_eq!(shell(&script, b"", PATIENCE, 100).unwrap(), b"done\n");
    let child = named_in(&child);
    while !is_over(&child) {
        std::thread::yield_now();
    }
}
