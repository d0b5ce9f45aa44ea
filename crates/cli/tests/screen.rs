//! The screen on a real terminal, from a real shell: that it is shown, that keys and signals do what they say, and that the
//! terminal is left as it was found, whatever happens. The terminal is `script`'s, its picture is `vt100`'s.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on has failed its test")]

mod stage;

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use stage::{PATIENCE, Stage, signal, until};

/// A shell on a terminal of its own.
struct Terminal<'a> {
    stage: &'a Stage,
    child: Child,
    keys: ChildStdin,
    bytes: mpsc::Receiver<Vec<u8>>,
    picture: vt100::Parser,
    raw: Vec<u8>,
}

impl<'a> Terminal<'a> {
    fn start(stage: &'a Stage) -> Self {
        let mut child = Command::new("script")
            .args(["-qec", "exec sh -i", "/dev/null"])
            .current_dir(&stage.root)
            .env_clear()
            .envs(stage.environment())
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .env("PS1", "$ ")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
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
        let picture = vt100::Parser::new(24, 100, 0);
        let mut terminal = Self { stage, child, keys, bytes, picture, raw: Vec::new() };
        terminal.press("stty rows 24 cols 100; tty > $HOME/tty; stty -a > $HOME/before; echo rea''dy\n");
        terminal.shows("ready");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the picture is as wanted.
    #[track_caller]
    fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(self.picture.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(left) else {
                panic!("never came: {what}; there is:\n{}", self.picture.screen().contents());
            };
            self.picture.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    #[track_caller]
    fn shows(&mut self, what: &str) {
        self.until(what, |screen| screen.contents().contains(what));
    }

    /// Runs gadugi in the shell, as a job of its own, until it has the screen.
    #[track_caller]
    fn watch(&mut self, args: &str) {
        let program = env!("CARGO_BIN_EXE_gadugi");
        let job = format!("sh -c 'echo $$ > $HOME/pid; exec {program} {args}'");
        self.press(&format!("clear; {job}; echo \"en\"\"ded=$?\"\n"));
        self.has_the_screen();
    }

    #[track_caller]
    fn has_the_screen(&mut self) {
        self.until("the screen", |screen| {
            screen.alternate_screen() && screen.hide_cursor() && screen.contents().contains("q leave")
        });
    }

    fn pid(&self) -> i32 {
        fs::read_to_string(self.stage.home.join("pid")).unwrap().trim().parse().unwrap()
    }

    /// The shell has the terminal again, and all is as it was.
    #[track_caller]
    fn is_as_it_was(&mut self, told: &str) {
        self.shows(told);
        self.press("stty -a > $HOME/after; stty rows 24 cols 100; echo che''cked\n");
        self.shows("checked");
        let screen = self.picture.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let modes = |name: &str| {
            let text = fs::read_to_string(self.stage.home.join(name)).unwrap();
            // The first line holds the size, which a test may have changed.
            text.split_once('\n').unwrap().1.to_owned()
        };
        assert_eq!(modes("before"), modes("after"));
    }

    /// The terminal becomes so large.
    fn resize(&mut self, rows: u16, columns: u16) {
        self.picture.screen_mut().set_size(rows, columns);
        let tty = fs::read_to_string(self.stage.home.join("tty")).unwrap();
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let args = ["-F", tty.trim(), "rows", &rows, "cols", &columns];
        assert!(Command::new("stty").args(args).status().unwrap().success());
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two tasks: one that is quickly done, one that ends when it is allowed to.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage.prompt("quick", "", "say \u{1b}]0;evil\u{7}\u{202e}quickly\nwrite quick.txt x");
    let waits = "run until [ -e \"$HOME/go\" ]; do sleep 0.05; done";
    stage.prompt("slow", "", &format!("phase 5\nsay patiently\n{waits}\nwrite slow.txt x"));
    stage.commit("prompts");
    stage
}

const RUN: &str = "run --agent scripted --no-review --max-parallel 2 --watch";

fn goes_on(stage: &Stage) {
    fs::write(stage.home.join("go"), "").unwrap();
}

#[test]
fn a_run_is_followed_to_its_end_and_the_report_stays() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    terminal.shows("patiently");
    for (rows, columns) in [(40, 120), (10, 40), (3, 8), (24, 80)] {
        terminal.resize(rows, columns);
        let head = "orche";
        terminal.until("the new size", |screen| screen.contents().contains(head));
    }
    terminal.shows("Enter stream");
    terminal.press("\r");
    terminal.until("the stream alone", |screen| !screen.contents().contains("tasks"));
    goes_on(&stage);
    terminal.shows("2 of 2 tasks succeeded");
    terminal.is_as_it_was("ended=0");
    let raw = String::from_utf8_lossy(&terminal.raw);
    assert!(!raw.contains("\u{1b}]") && !raw.contains('\u{202e}'), "what an agent says cannot paint");
}

#[test]
fn who_leaves_leaves_the_run_alone_and_can_look_on_and_steer_it() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    terminal.press("q");
    terminal.shows("leaving; how it stands");
    terminal.is_as_it_was("ended=130");
    terminal.watch("status --watch");
    terminal.shows("1/2 done");
    terminal.press("/slow\r");
    terminal.until("the filter", |screen| !screen.contents().contains("succeeded"));
    terminal.press("c");
    terminal.shows("cancel slow?");
    terminal.press("n");
    terminal.shows("left as it is");
    terminal.press("cy");
    terminal.shows("cancelled");
    terminal.shows("finished");
    // It is over, and whoever looks on may go on looking, and take it up again.
    terminal.press("ry");
    terminal.shows("active");
    terminal.shows("patiently");
    terminal.press("q");
    terminal.is_as_it_was("ended=0");
    assert_eq!(stage.task("slow")["state"], "running");
}

#[test]
fn ctrl_c_is_for_the_run_that_is_followed_and_for_the_screen_that_looks_on() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    terminal.press("\u{3}");
    terminal.shows("take it up again: gadugi resume orchestration-");
    terminal.is_as_it_was("ended=130");
    terminal.watch("resume --watch");
    terminal.shows("patiently");
    terminal.press("q");
    terminal.is_as_it_was("ended=130");
    terminal.watch("status --watch");
    terminal.shows("patiently");
    terminal.press("\u{3}");
    terminal.is_as_it_was("ended=130");
    assert_eq!(stage.status()["status"], "active");
}

#[test]
fn signals_end_the_screen_and_leave_the_run_alone() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    terminal.press("q");
    terminal.is_as_it_was("ended=130");
    for (name, told) in [("TERM", "ended=130"), ("HUP", "ended=0"), ("INT", "ended=130")] {
        terminal.watch("status --watch");
        terminal.shows("patiently");
        signal(terminal.pid(), name);
        terminal.is_as_it_was(told);
    }
    // A terminal that closes takes the screen with it, and nothing else.
    terminal.watch("status --watch");
    let pid = terminal.pid();
    drop(terminal);
    until("the screen is gone", || !fs::exists(format!("/proc/{pid}")).unwrap());
    assert_eq!(stage.status()["status"], "active");
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    terminal.press("\u{1a}");
    terminal.is_as_it_was("ended=");
    terminal.press("clear; fg; echo \"back\"\"=$?\"\n");
    terminal.has_the_screen();
    terminal.shows("patiently");
    // By a signal from elsewhere, twice in a row.
    for _ in 0..2 {
        signal(terminal.pid(), "TSTP");
        terminal.is_as_it_was("back=");
        terminal.press("clear; fg; echo \"back\"\"=$?\"\n");
        terminal.has_the_screen();
    }
    goes_on(&stage);
    terminal.shows("2 of 2 tasks succeeded");
    terminal.is_as_it_was("back=0");
}

#[test]
fn an_engine_that_is_killed_is_replaced_and_the_run_ends_on_the_same_screen() {
    let stage = stage();
    let mut terminal = Terminal::start(&stage);
    terminal.watch(RUN);
    terminal.shows("1/2 done");
    stage.kill_engine();
    until("there is another engine", || stage.engine().is_some());
    terminal.press("j");
    terminal.shows("q leave");
    goes_on(&stage);
    terminal.shows("2 of 2 tasks succeeded");
    terminal.is_as_it_was("ended=0");
}

#[test]
fn where_there_is_no_screen_to_be_had_there_are_lines() {
    let stage = stage();
    goes_on(&stage);
    let mut terminal = Terminal::start(&stage);
    let program = env!("CARGO_BIN_EXE_gadugi");
    terminal.press(&format!("TERM=dumb {program} {RUN}; echo \"en\"\"ded=$?\"\n"));
    terminal.is_as_it_was("ended=0");
    terminal.press(&format!("clear; TERM=dumb {program} status --watch; echo \"dumb\"\"=$?\"\n"));
    terminal.is_as_it_was("dumb=0");
    terminal.press(&format!("clear; {program} status --watch | cat; echo \"pi\"\"ped\"\n"));
    terminal.is_as_it_was("piped");
    terminal.press(&format!("clear; {program} status --watch < /dev/null; echo \"unread\"\"=$?\"\n"));
    terminal.is_as_it_was("unread=0");
    assert!(!String::from_utf8_lossy(&terminal.raw).contains("\u{1b}[?1049h"));
}
