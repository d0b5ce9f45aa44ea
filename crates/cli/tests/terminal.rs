//! What only a terminal shows: questions, lines that are redrawn, signals from keys. The terminal is `script`'s
//! (bsdutils, on every Debian).

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on has failed its test")]

mod stage;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use stage::{PATIENCE, Stage};

/// A command on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    bytes: mpsc::Receiver<Vec<u8>>,
    seen: String,
    /// How far of that was waited for.
    looked: usize,
    rest: Vec<u8>,
}

impl Terminal {
    fn start(stage: &Stage, args: &str) -> Self {
        let line = format!("stty rows 24 cols 100; exec {} {args}", env!("CARGO_BIN_EXE_gadugi"));
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(&stage.root)
            .env_clear()
            .envs(stage.environment())
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (to, bytes) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                if to.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        Self { child, keys, bytes, seen: String::new(), looked: 0, rest: Vec::new() }
    }

    /// Waits until the terminal shows this, behind what was waited for before.
    #[track_caller]
    fn shows(&mut self, what: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.seen[self.looked..].find(what) {
                self.looked += found + what.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(left) else {
                panic!("never shown: {what:?} in {}", self.seen.replace('\u{1b}', "<ESC>"));
            };
            self.take(&bytes);
        }
    }

    /// Takes bytes in; a character that is cut in two waits for its rest.
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.rest.split_off(whole);
        self.seen.push_str(std::str::from_utf8(&self.rest).unwrap());
        self.rest = rest;
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// All that was shown, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        while let Ok(bytes) = self.bytes.recv_timeout(PATIENCE) {
            self.take(&bytes);
        }
        let code = self.child.wait().unwrap().code();
        (std::mem::take(&mut self.seen), code)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It is gone already unless a test has failed; what runs in it goes with its terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stage() -> Stage {
    let stage = Stage::new();
    stage.prompt("one", "", "say \u{1b}]0;evil\u{7}one\nwrite one.txt one");
    stage.prompt("two", "", "write two.txt two");
    stage.commit("prompts");
    stage
}

#[test]
fn prompts_are_chosen_and_the_plan_is_confirmed() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage, "run -i --agent scripted --no-review");
    terminal.shows("Prompts to run");
    terminal.shows("two.md");
    // Everything is chosen at first: this leaves the first one out.
    terminal.press(" \r");
    terminal.shows("Run this plan?");
    terminal.press("y");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("1 of 1 task succeeded") && seen.contains("✓ two: succeeded"), "{seen}");
    assert!(
        !stage.root.join(".gadugi/runs").read_dir().unwrap().any(|run| run
            .unwrap()
            .path()
            .join("one")
            .exists())
    );
}

#[test]
fn a_question_can_be_answered_with_no() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage, "run -i --agent scripted");
    terminal.shows("two.md");
    terminal.press("\r");
    terminal.shows("Run this plan?");
    terminal.press("n");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("nothing was started"), "{seen}");
    assert!(stage.engine().is_none());
}

#[test]
fn a_question_that_is_interrupted_starts_nothing_and_gives_the_cursor_back() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage, "run -i --agent scripted");
    terminal.shows("two.md");
    terminal.press("\u{3}");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.rfind("\u{1b}[?25h") > seen.rfind("\u{1b}[?25l"), "the cursor is shown again");
    assert!(seen.contains("nothing was started"), "{seen}");
}

#[test]
fn a_run_is_redrawn_and_ctrl_c_interrupts_it() {
    let stage = stage();
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage.prompt("long", "", "phase 5\nsay \u{1b}[2Jworking \u{202e}hard\nhang");
    stage.commit("more");
    let mut terminal = Terminal::start(&stage, "run --agent scripted --no-review --max-parallel 3");
    terminal.shows("5 Implementation");
    terminal.shows("2/3 done");
    terminal.press("\u{3}");
    terminal.shows("stopping the agents gracefully");
    let (seen, code) = terminal.end();
    assert_eq!(code, Some(130), "{seen}");
    assert!(seen.contains("take it up again: gadugi resume orchestration-"), "{seen}");
    assert!(!seen.contains("\u{1b}[2J") && !seen.contains('\u{202e}'), "what an agent says cannot paint");
    assert!(!seen.contains("^C"), "keys are not echoed into what is redrawn");
}

#[test]
fn a_patch_is_coloured_and_clean() {
    let stage = Stage::new();
    stage.prompt("one", "", "run printf 'a\\033[2Jb\\n' > one.txt");
    stage.commit("prompts");
    stage.run(&[]).ends_with(0);
    let (seen, code) = Terminal::start(&stage, "diff one").end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("\u{1b}[32m+ab") && !seen.contains("\u{1b}[2J"), "{seen:?}");
    // For programs it is what git wrote.
    assert!(stage.gadugi(&["diff", "one"]).stdout.contains("+a\u{1b}[2Jb\n"));
}
