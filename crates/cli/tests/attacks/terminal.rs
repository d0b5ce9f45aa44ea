//! What agents say, and what they call things, on somebody's terminal.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::arena::Arena;
use crate::stage::Ran;

/// What a terminal obeys: its title, the screen, the clipboard, colours, eight-bit controls, directions, a bell.
const ORDERS: &str = "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{1b}]52;c;UFdORUQ=\u{7}\u{1b}[31mred\u{9b}31m\u{202e}drow\u{200b}\u{8}\r\u{7}";

/// On a terminal of its own (`script`'s): all that it showed.
fn on_a_terminal(arena: &Arena, args: &str) -> String {
    let line = format!("stty rows 40 cols 120; exec {} {args}", env!("CARGO_BIN_EXE_gadugi"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(&arena.root).env_clear().envs(arena.environment());
    script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
    let child = script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let Ran { stdout, .. } = arena.finish(child);
    stdout
}

/// Nothing of what agents ordered is in it. Gadugi's own colours and movements may be.
#[track_caller]
fn clean(what: &str, text: &str, on_a_terminal: bool) {
    let shown = text.replace('\u{1b}', "<ESC>");
    for order in [
        "\u{1b}]",
        "\u{1b}[2J",
        "\u{7}",
        "\u{9b}",
        "\u{202e}",
        "\u{200b}",
        "\u{8}",
        "\u{1b}[31mred",
        "\u{1b}c",
        "\u{1b}P",
    ] {
        assert!(!text.contains(order), "{what}: {order:?} in {shown}");
    }
    assert!(on_a_terminal || !text.contains('\u{1b}'), "{what}: {shown}");
}

#[test]
fn nothing_that_an_agent_says_or_names_reaches_a_terminal_as_an_order() {
    let mut arena = Arena::new("[retry]\ncrashes = 0\n", &json!({}));
    let branch = "run git switch -q -c \"$(printf 'odd\\302\\233name\\342\\200\\256')\"";
    let identity = "run git config user.name \"$(printf 'A\\033]0;PWNED\\007gent')\"";
    let file = "run printf 'x\\033]0;PWNED\\007\\033[2J\\n' > \"$(printf 'odd\\033]0;PWNED\\007\\033[2J\\302\\233.txt')\"";
    let nested = "run d=\"$(printf 'nested\\033]0;PWNED\\007')\"; git init -q \"$d\" && echo x > \"$d/x\"";
    arena.prompt(
        "says",
        "",
        &format!("say {ORDERS}\nphase 5\nsay GADUGI-PHASE: 5 {ORDERS}\nwrite work/says.txt x"),
    );
    arena.prompt("fails", "", &format!("say {ORDERS}\nfail {ORDERS} for no reason"));
    arena.prompt(
        "names",
        "",
        &format!("{identity}\n{file}\ncommit {ORDERS}\n{branch}\nwrite work/names.txt x"),
    );
    arena.prompt("nests", "", nested);
    arena.prompt("claims", "", &format!("no-change {ORDERS} there is nothing to do"));
    arena.prompt("shouts", "", "run printf '\\033]0;PWNED\\007\\033[2J\\233' > /proc/$PPID/fd/2\nexit 4");
    arena.begin();
    let run = on_a_terminal(&arena, "run --agent scripted --no-review --verify '' --max-parallel 6");
    assert!(run.contains("says") && run.contains("fails"), "{run}");
    clean("run", &run, true);
    arena.nothing_happened();
    let commands = [
        "status",
        "logs says",
        "logs fails",
        "logs names",
        "logs shouts",
        "diff says",
        "diff names",
        "worktrees list",
        "plan",
    ];
    for command in commands {
        clean(command, &on_a_terminal(&arena, command), true);
        let ran = arena.gadugi(&command.split(' ').collect::<Vec<_>>());
        clean(command, &ran.stderr, false);
        // A patch that goes to a program is what git wrote.
        if !command.starts_with("diff") {
            clean(command, &ran.stdout, false);
        }
    }
    // What agents said was recorded, and would have been seen.
    let raw = arena.gadugi(&["logs", "says", "--raw"]).stdout;
    assert!(raw.contains("PWNED"), "{raw}");
    assert!(arena.gadugi(&["diff", "names"]).stdout.contains("\u{1b}[2J"));
    clean("land", &on_a_terminal(&arena, "land"), true);
}
