//! The screen at several sizes and in several states, and what keys ask for; on a terminal that is only memory.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use gadugi_core::{RunId, TaskId, Timestamp, Usage};
use gadugi_engine::protocol::{Activity, Request, RunView};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::{Value, json};

use super::app::{App, Entry, Overlay, Purpose};
use super::keys::Wish;
use super::render;

const NOW: Timestamp = Timestamp(1_800_000_060_000);

fn usage(tokens: u64, cost: u64) -> Value {
    json!({
        "input_tokens": tokens, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
        "cost_microusd": cost,
    })
}

fn task(id: &str, state: &str, more: &Value) -> Value {
    let over = ["succeeded", "failed", "timed-out", "cancelled", "skipped", "lost"].contains(&state);
    let begun = over || state == "running";
    let mut task = json!({
        "id": id, "name": format!("The task {id}"), "prompt": format!("prompts/{id}.md"), "state": state,
        "over": over, "verdict": null, "detail": "", "waits_for": [], "resumes_at": null, "held": false,
        "suspected_ms": null, "salvage": [], "attempts": u32::from(begun), "steps": 1, "step_kind": null,
        "phase": null, "action": "", "pid": (state == "running").then_some(4242), "cpu_percent": 0.0,
        "memory_mb": 0.0, "started_at": null, "finished_at": null, "elapsed_ms": 0, "usage": usage(0, 0),
        "branch": null, "workspace": null, "executor": "local", "container": null, "base": null,
        "commit": null, "changed": [], "session": null, "attempt_dir": null, "phases": [],
    });
    let fields = task.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    task
}

fn view(tasks: &[Value], more: &Value) -> Box<RunView> {
    let mut view = json!({
        "run": "orchestration-20260101-120000-abcd", "status": "active", "paused_because": null,
        "paused_detail": "", "holds": [], "limited": {}, "reserved_microusd": 0,
        "started_at": NOW.0 - 60_000, "finished_at": null, "wall_ms": 60_000, "task_ms": 120_000,
        "speedup": 2.0, "branch": "gadugi/orchestration-20260101-120000-abcd", "tip": null, "base": "0",
        "landed_into": [], "worktree_dir": "/w", "sequential_because": null, "slots": 4, "seq": 7,
        "usage": usage(123_456, 420_000), "tasks": tasks, "kept": [],
    });
    view.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(view).unwrap()
}

/// A run with one of everything.
fn colourful() -> Box<RunView> {
    let lexer = json!({
        "phase": 5, "action": "Edit src/\u{1b}[31mlexer.rs\u{202e}", "cpu_percent": 98.4, "memory_mb": 312.0,
        "elapsed_ms": 42_000, "usage": usage(100_000, 400_000), "attempts": 2,
    });
    let tasks = [
        task("docs", "waiting", &json!({"waits_for": ["lexer", "parser"]})),
        task("lexer", "running", &lexer),
        task(
            "parser",
            "failed",
            &json!({"verdict": "rejected", "detail": "make test failed (exit 2)", "elapsed_ms": 61_000}),
        ),
        task(
            "日本語-e\u{301}-a-name-that-is-longer-than-any-column",
            "running",
            &json!({"action": "👩\u{200d}👧 日本語 日本語 日本語 日本語", "elapsed_ms": 1000}),
        ),
        task(
            "api",
            "succeeded",
            &json!({"verdict": "verified", "elapsed_ms": 3_723_000, "usage": usage(23_456, 20_000)}),
        ),
        task("quiet", "running", &json!({"suspected_ms": 600_000, "elapsed_ms": 700_000})),
        task("held", "suspended", &json!({"held": true, "attempts": 1})),
        task(
            "again",
            "suspended",
            &json!({"resumes_at": NOW.0 + 12_000, "detail": "the API was away", "attempts": 1}),
        ),
        task("skipped", "skipped", &json!({"detail": "because parser did not succeed"})),
    ];
    let need = |task: &str, kind: &str| json!({"kind": kind, "task": task, "since": null, "until": null, "detail": "", "path": null, "agents": [], "actions": []});
    let more = json!({
        "holds": ["memory"], "budget_microusd": 5_000_000,
        "needs": [need("quiet", "suspect"), need("parser", "rejected"), need("held", "held")],
        "forecast": {"ends_at": NOW.0 + 40_000, "critical_path": []},
    });
    view(&tasks, &more)
}

fn app(view: Box<RunView>) -> App {
    let mut app = App::new(RunId::new("orchestration-20260101-120000-abcd"), Purpose::ToLook, true);
    app.look(view, NOW);
    app
}

fn shown(app: &mut App, columns: u16, rows: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| render::screen(app, frame, NOW)).unwrap();
    terminal.backend().clone()
}

fn press(app: &mut App, keys: &str) -> Option<Wish> {
    let mut wish = None;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            '↓' => KeyCode::Down,
            c => KeyCode::Char(c),
        };
        wish = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    wish
}

#[test]
fn a_run_at_the_sizes_that_terminals_have() {
    let mut app = app(colourful());
    for (columns, rows) in [(200, 30), (120, 40), (80, 24), (50, 15), (40, 10)] {
        insta::assert_snapshot!(format!("{columns}x{rows}"), shown(&mut app, columns, rows));
    }
}

#[test]
fn no_size_is_too_small_and_none_too_large() {
    let mut app = app(colourful());
    for keys in ["", "\n", "\n\t", "?", "xl", "x/lex", "\nc", "n"] {
        press(&mut app, keys);
        for columns in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 79, 300] {
            for rows in [0, 1, 2, 3, 4, 5, 8, 13, 24, 80] {
                shown(&mut app, columns, rows);
            }
        }
    }
}

#[test]
fn before_anything_is_known_there_is_a_screen_already() {
    let mut app = App::new(RunId::new("r"), Purpose::ToTheEnd, false);
    insta::assert_snapshot!(shown(&mut app, 60, 8));
    assert!(press(&mut app, "↓\tpPcCrRsf\n\n").is_none());
    assert!(matches!(press(&mut app, "q"), Some(Wish::Leave)));
}

#[test]
fn of_thousands_of_tasks_those_in_sight_are_drawn() {
    let tasks: Vec<Value> = (0..5000).map(|n| task(&format!("t-{n:04}"), "waiting", &json!({}))).collect();
    let mut app = app(view(&tasks, &json!({})));
    shown(&mut app, 80, 24);
    app.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    let screen = shown(&mut app, 80, 24).to_string();
    assert!(screen.contains("› · t-4999") && !screen.contains("t-4000"), "{screen}");
    app.key(KeyEvent::new(KeyCode::PageUp, KeyModifiers::NONE));
    app.key(KeyEvent::new(KeyCode::Home, KeyModifiers::NONE));
    assert!(shown(&mut app, 80, 24).to_string().contains("› · t-0000"));
    press(&mut app, "/T-42");
    let screen = shown(&mut app, 80, 24).to_string();
    assert!(screen.contains("› · t-4200") && screen.contains("of 100 "), "{screen}");
    press(&mut app, "\u{1b}");
    assert_eq!(app.list.span().2, 5000);
}

#[test]
fn who_is_chosen_stays_chosen_wherever_it_moves() {
    let mut app = app(colourful());
    let chosen = |app: &App| app.chosen().unwrap().id.to_string();
    assert_eq!(chosen(&app), "parser", "who needs somebody is first");
    press(&mut app, "↓↓↓");
    assert_eq!(chosen(&app), "lexer");
    for _ in 0..5 {
        press(&mut app, "s");
        assert_eq!(chosen(&app), "lexer");
    }
    let mut later = colourful();
    later.seq = 8;
    later.tasks.reverse();
    app.look(later, NOW);
    assert_eq!(chosen(&app), "lexer");
    // An answer that is older than what is known changes nothing.
    let mut older = colourful();
    (older.seq, older.tasks) = (3, Vec::new());
    app.look(older, NOW);
    assert_eq!(chosen(&app), "lexer");
}

#[test]
fn what_ends_work_is_asked_before_it_is_done() {
    let mut app = app(colourful());
    press(&mut app, "↓↓↓");
    assert!(press(&mut app, "c").is_none());
    assert!(shown(&mut app, 80, 24).to_string().contains("cancel lexer?"));
    // The list may move meanwhile; the question stays about the task that it was asked of.
    let mut later = colourful();
    (later.seq, later.tasks) = (9, later.tasks.into_iter().rev().collect());
    app.look(later, NOW);
    let Some(Wish::Ask(request, _)) = press(&mut app, "y") else { panic!() };
    let Request::Cancel { target: gadugi_core::Target::Tasks(tasks), .. } = *request else { panic!() };
    assert_eq!(tasks, [TaskId::new("lexer")]);
    // Whatever is no yes is a no, also a key that means something else.
    for no in ["cn", "c\n", "cq", "Cc", "R\u{1b}"] {
        assert!(press(&mut app, no).is_none(), "{no:?}");
        assert!(matches!(app.entry, Entry::Keys));
    }
    assert!(press(&mut app, "ry").is_none(), "what runs cannot be retried");
    press(&mut app, "/parser\n");
    let Some(Wish::Ask(request, _)) = press(&mut app, "ry") else { panic!() };
    assert!(matches!(*request, Request::Retry { .. }));
}

#[test]
fn a_pause_is_lifted_by_the_same_key() {
    let mut app = app(colourful());
    press(&mut app, "↓↓↓");
    let Some(Wish::Ask(request, _)) = press(&mut app, "p") else { panic!() };
    assert!(matches!(*request, Request::Pause { .. }));
    press(&mut app, "k");
    assert_eq!(app.chosen().unwrap().id.as_str(), "held");
    let Some(Wish::Ask(request, _)) = press(&mut app, "p") else { panic!() };
    assert!(matches!(*request, Request::Resume { .. }));
    let Some(Wish::Ask(request, _)) = press(&mut app, "P") else { panic!() };
    assert!(matches!(*request, Request::Pause { target: gadugi_core::Target::All, .. }));
}

#[test]
fn control_keys_work_whatever_is_on_the_screen() {
    let mut app = app(colourful());
    for before in ["", "?", "/", "c", "\n"] {
        press(&mut app, before);
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(matches!(app.key(key), Some(Wish::Interrupt)), "{before:?}");
        let key = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
        assert!(matches!(app.key(key), Some(Wish::Suspend)), "{before:?}");
        press(&mut app, "\u{1b}");
    }
}

#[test]
fn what_is_pasted_is_no_command() {
    let mut app = app(colourful());
    app.paste("q\ncy");
    assert!(matches!(app.entry, Entry::Keys));
    press(&mut app, "/");
    app.paste("le\u{1b}[31mx\n");
    assert_eq!(app.filter, "lex");
    assert!(press(&mut app, "q").is_none(), "it belongs to the filter");
    assert_eq!(app.filter, "lexq");
}

#[test]
fn help_and_landing_lie_over_the_screen_until_the_next_key() {
    let mut app = app(colourful());
    press(&mut app, "?");
    insta::assert_snapshot!("help", shown(&mut app, 80, 26));
    assert!(press(&mut app, "q").is_none(), "the key that closes it does nothing else");
    press(&mut app, "l");
    assert_eq!(app.overlay, Some(Overlay::Landing));
    insta::assert_snapshot!("landing", shown(&mut app, 80, 20));
}

#[test]
fn colours_are_only_where_they_are_wanted_and_nothing_depends_on_them() {
    let mut app = app(colourful());
    let with = shown(&mut app, 100, 30);
    app.colours = false;
    let without = shown(&mut app, 100, 30);
    let colours = |screen: &TestBackend| {
        screen
            .buffer()
            .content
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert!(colours(&with) > 50);
    assert_eq!(colours(&without), 0);
    assert_eq!(with.to_string(), without.to_string());
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_a_cell() {
    let evil = "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{9b}31m\u{202e}x\u{200b}\u{8}\r\n\u{7}y";
    let id = "t";
    let mut tasks =
        vec![task(id, "running", &json!({"name": evil, "action": evil, "detail": evil, "prompt": evil}))];
    tasks.push(task("f", "failed", &json!({"detail": evil, "verdict": evil, "state": evil})));
    let more = json!({
        "paused_detail": evil, "paused_because": evil, "status": evil, "sequential_because": evil, "branch": evil,
        "kept": [[evil, evil]], "landed_into": [evil], "limited": {evil: NOW.0 + 5000},
    });
    let mut app = app(view(&tasks, &more));
    app.activity(&Activity {
        task: TaskId::new(id),
        phase: None,
        action: evil.into(),
        usage: Usage::default(),
    });
    for keys in ["", "\n", "\nl", "x/"] {
        press(&mut app, keys);
        app.paste(evil);
        let screen = shown(&mut app, 140, 40);
        for cell in &screen.buffer().content {
            let symbol = cell.symbol();
            assert!(
                !symbol.contains(|c: char| c.is_control() || "\u{202e}\u{200b}".contains(c)),
                "{symbol:?}"
            );
        }
        assert!(!screen.to_string().contains("PWNED"));
    }
}
