//! Doing what a script says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gadugi_sys::clock::{self, pause};
use serde_json::json;

use super::script::{Action, Reset};
use super::voice::Voice;

/// How the agent ends.
#[derive(Debug)]
pub(super) enum Ending {
    Done,
    Failed(String),
    /// The model API's status and words.
    Api(u16, String),
    MaxTurns,
    /// At once, without a result.
    Exit(i32),
}

/// Commits everything; with an identity of its own only where git has none.
const COMMIT: &str = "git add -A && { git diff --cached --quiet || git commit -q -m \"$0\" || \
    git -c user.name='Scripted agent' -c user.email=scripted@gadugi.invalid commit -q -m \"$0\"; }";

/// Written at a time where much is written.
const CHUNK: usize = 64 * 1024;

pub(super) struct Actor<'v, 'o> {
    voice: &'v mut Voice<'o>,
}

impl<'v, 'o> Actor<'v, 'o> {
    pub(super) fn new(voice: &'v mut Voice<'o>) -> Self {
        Self { voice }
    }

    /// Does one thing. An ending, where it was the last. Errors are those of the output alone.
    pub(super) fn perform(&mut self, action: &Action) -> io::Result<Option<Ending>> {
        let ending = match action {
            Action::Fail(text) => Ending::Failed(text.clone()),
            Action::MaxTurns => Ending::MaxTurns,
            Action::AuthError => Ending::Api(401, "Failed to authenticate. API Error: 401 scripted".into()),
            Action::Overloaded => Ending::Api(529, "API Error: 529 Overloaded (scripted)".into()),
            Action::UsageLimit(reset) => {
                self.voice.limit(epoch(*reset))?;
                Ending::Api(429, "You've hit your limit (scripted)".into())
            }
            Action::Exit(code) => Ending::Exit(*code),
            other => return self.go_on(other).map(|()| None),
        };
        Ok(Some(ending))
    }

    fn go_on(&mut self, action: &Action) -> io::Result<()> {
        match action {
            Action::Say(text) => self.voice.say(text),
            Action::Phase(number) => self.voice.say(&format!("GADUGI-PHASE: {number}")),
            Action::NoChange(reason) => self.voice.say(&format!("GADUGI-NO-CHANGE: {reason}")),
            Action::Usage { input, output, usd } => self.voice.use_up(*input, *output, *usd),
            Action::Write { path, text, append } => {
                let result =
                    write_file(path, text, *append).map(|()| String::new()).map_err(|e| e.to_string());
                let tool = if *append { "Edit" } else { "Write" };
                self.voice.tool(tool, &json!({ "file_path": path }), &result)
            }
            Action::Delete(path) => {
                let result = fs::remove_file(path).map(|()| String::new()).map_err(|e| e.to_string());
                self.voice.tool("Bash", &json!({ "command": format!("rm -- {path}") }), &result)
            }
            Action::Commit(message) => {
                let command = format!("git commit -m {message:?}");
                self.voice.tool("Bash", &json!({ "command": command }), &shell(COMMIT, message))
            }
            Action::Run(command) => {
                self.voice.tool("Bash", &json!({ "command": command }), &shell(command, "sh"))
            }
            Action::SpawnDaemon { seconds } => {
                // The shell in between ends at once, so that what it left belongs to nobody.
                let command = format!("setsid sleep {seconds} </dev/null >/dev/null 2>&1 &");
                self.voice.tool("Bash", &json!({ "command": command }), &shell(&command, "sh"))
            }
            Action::Sleep(length) => {
                pause(*length);
                Ok(())
            }
            Action::Hang => for_ever(),
            Action::Linger => {
                self.voice.end(&Ending::Done)?;
                for_ever()
            }
            Action::IgnoreTerm => {
                ignore_term();
                Ok(())
            }
            Action::Lines { count, per_second, stamped } => self.lines(*count, *per_second, *stamped),
            Action::Garbage(bytes) => self.garbage(*bytes),
            Action::Line(bytes) => self.long_line(*bytes),
            Action::InvalidUtf8 => self.voice.raw().write_all(b"{\"type\":\"\xff\xfe\x80\"}\n"),
            // `perform` takes these.
            Action::Fail(_)
            | Action::MaxTurns
            | Action::AuthError
            | Action::Overloaded
            | Action::UsageLimit(_)
            | Action::Exit(_) => Ok(()),
        }
    }

    /// In bursts of a hundredth of a second, so that high rates come out right; each at its own moment after the first, so
    /// that what writing takes does not add up.
    fn lines(&mut self, count: u64, per_second: u64, stamped: bool) -> io::Result<()> {
        const BURSTS: u64 = 100;
        let burst = if per_second == 0 { count.max(1) } else { per_second.div_ceil(BURSTS) };
        let began = Instant::now();
        let mut said = 0;
        while said < count {
            for _ in 0..burst.min(count - said) {
                said += 1;
                let stamp = if stamped { format!(" at {}", clock::now().0) } else { String::new() };
                self.voice.say(&format!("line {said} of {count}{stamp}"))?;
            }
            if said < count && per_second > 0 {
                let due = Duration::from_secs_f64(said as f64 / per_second as f64);
                pause(due.saturating_sub(began.elapsed()));
            }
        }
        Ok(())
    }

    /// Bytes of every sort but in no order that JSON has; the same ones each time.
    fn garbage(&mut self, bytes: u64) -> io::Result<()> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut left = bytes;
        while left > 0 {
            let length = left.min(CHUNK as u64);
            let chunk: Vec<u8> = (0..length)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    seed as u8
                })
                .collect();
            self.voice.raw().write_all(&chunk)?;
            left -= length;
        }
        self.voice.raw().write_all(b"\n")?;
        self.voice.raw().flush()
    }

    fn long_line(&mut self, bytes: u64) -> io::Result<()> {
        let (before, behind) = (
            &b"{\"type\":\"assistant\",\"message\":{\"id\":\"msg_long\",\"content\":[{\"type\":\"text\",\"text\":\""[..],
            &b"\"}]}}\n"[..],
        );
        self.voice.raw().write_all(before)?;
        let mut left = bytes.saturating_sub((before.len() + behind.len()) as u64);
        let chunk = vec![b'x'; CHUNK];
        while left > 0 {
            let length = left.min(CHUNK as u64);
            self.voice.raw().write_all(&chunk[..length as usize])?;
            left -= length;
        }
        self.voice.raw().write_all(behind)?;
        self.voice.raw().flush()
    }
}

/// Seconds since 1970, the next whole one: never sooner than asked for.
fn epoch(reset: Reset) -> i64 {
    match reset {
        Reset::At(epoch) => epoch,
        Reset::After(length) => {
            let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
            clock::now().0.saturating_add(millis).div_euclid(1000).saturating_add(1)
        }
    }
}

fn for_ever() -> ! {
    loop {
        pause(Duration::from_secs(3600));
    }
}

fn write_file(path: &str, text: &str, append: bool) -> io::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append);
    options.open(path)?.write_all(text.as_bytes())
}

/// Runs a shell command; what it said, as success or failure.
fn shell(command: &str, name: &str) -> Result<String, String> {
    let output = Command::new("/bin/sh")
        .args(["-c", command, name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(format!("{}: {text}", output.status)) }
}

fn ignore_term() {
    // No safe call sets a signal to be ignored; the agent needs it once, for tests.
    // SAFETY: SIGTERM and SIG_IGN are valid arguments, and no handler is installed that could run.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}
