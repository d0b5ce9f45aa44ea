use super::*;

fn read_text(text: &str) -> Result<(FrontMatter, Vec<String>), Vec<String>> {
    let range = split(text).yaml.expect("front matter");
    let agents = ["claude".to_owned(), "scripted".to_owned()];
    read("p.md", text, range, Known { agents: &agents })
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn error(yaml: &str) -> String {
    let mut errors = read_text(&format!("---\n{yaml}\n---\n# X\n")).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn front_matter_is_divided_from_the_text() {
    for (text, yaml, body) in [
        ("---\nid: a\n---\n# T\n", Some("id: a\n"), "# T\n"),
        ("---\r\nid: a\r\n---\r\n# T\r\n", Some("id: a\r\n"), "# T\r\n"),
        ("\u{feff}---\nid: a\n...\nrest", Some("id: a\n"), "rest"),
        ("---\n---\nrest", Some(""), "rest"),
        ("---\nid: a\n---", Some("id: a\n"), ""),
        ("---\n\nwords\n\n---\nmore", None, "---\n\nwords\n\n---\nmore"),
        ("---\nnever closed", None, "---\nnever closed"),
        ("# T\n---\nid: a\n---\n", None, "# T\n---\nid: a\n---\n"),
        ("", None, ""),
    ] {
        let split = split(text);
        assert_eq!((split.yaml.map(|range| &text[range]), &text[split.body..]), (yaml, body), "{text:?}");
        assert_eq!(without_front_matter(text), body);
    }
}

#[test]
fn every_key_is_read() {
    let (matter, warnings) = read_text(
        "---\nid: parser-errors\ndepends_on: [lexer, 7]\ntouches: [src/parser/**, ./a.rs]\nkind: bug-fix\npriority: 10\n\
         timeout: 90m\nagent: claude\nmodel: some-model\nbudget: 2.50\nverify: cargo test -p parser\n\
         done_when: [{exists: src/e.rs}, {contains: {file: C.md, text: parser}}, {run: make check}]\n\
         executor: docker\nnetwork: [api.example.com:443, '[::1]:80']\n---\n",
    )
    .unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(matter.id.unwrap().value, "parser-errors");
    assert_eq!(matter.depends_on.iter().map(|name| name.value.as_str()).collect::<Vec<_>>(), ["lexer", "7"]);
    assert_eq!(matter.touches.unwrap(), ["src/parser/**", "a.rs"]);
    assert_eq!(matter.kind, Some(Kind::BugFix));
    assert_eq!(matter.priority, Some(10));
    assert_eq!(matter.timeout, Some(Millis::seconds(5400)));
    assert_eq!(matter.agent.as_deref(), Some("claude"));
    assert_eq!(matter.model.as_deref(), Some("some-model"));
    assert_eq!(matter.budget_microusd, Some(2_500_000));
    assert_eq!(matter.verify.as_deref(), Some("cargo test -p parser"));
    assert_eq!(
        matter.done_when,
        [
            DoneWhen::Exists("src/e.rs".into()),
            DoneWhen::Contains { file: "C.md".into(), text: "parser".into() },
            DoneWhen::Run("make check".into()),
        ]
    );
    assert_eq!(matter.executor, Some(ExecutorKind::Docker));
    assert_eq!(matter.network, ["api.example.com:443", "[::1]:80"]);
}

#[test]
fn timeouts_without_a_unit_are_hours() {
    for (text, seconds) in
        [("2", 7200), ("0.5", 1800), ("30s", 30), ("2h", 7200), ("1h30m", 5400), ("\"1\"", 3600)]
    {
        let (matter, _) = read_text(&format!("---\ntimeout: {text}\n---\n")).unwrap();
        assert_eq!(matter.timeout, Some(Millis::seconds(seconds)), "{text}");
    }
}

#[test]
fn keys_without_a_value_say_nothing() {
    let (matter, warnings) = read_text("---\nid:\ndepends_on:\ntouches: ~\nkind:\n---\n").unwrap();
    assert_eq!((matter, warnings), (FrontMatter::default(), Vec::new()));
    let (matter, _) = read_text("---\ntouches: []\n---\n").unwrap();
    assert_eq!(matter.touches, Some(Vec::new()));
}

#[test]
fn unknown_keys_are_warned_about() {
    let (_, warnings) = read_text("---\nid: a\ndepend_on: [b]\nauthor: me\n---\n").unwrap();
    assert_eq!(
        warnings,
        [
            "p.md:3:1: unknown key `depend_on` is ignored; did you mean `depends_on`?",
            "p.md:4:1: unknown key `author` is ignored",
        ]
    );
}

#[test]
fn every_mistake_has_its_place() {
    for (yaml, expected) in [
        (
            "kind: feture",
            "p.md:2:7: expected one of test-coverage, bug-fix, feature, refactoring, documentation, configuration, found \"feture\" (did you mean feature?)",
        ),
        (
            "kind: [feature]",
            "p.md:2:7: expected one of test-coverage, bug-fix, feature, refactoring, documentation, configuration, found a list",
        ),
        ("timeout: soon", "p.md:2:10: expected a duration such as 90m, 30s or 1h30m, found \"soon\""),
        ("timeout: 0", "p.md:2:10: expected a duration longer than nothing, found \"0\""),
        ("timeout: -5m", "p.md:2:10: expected a duration such as 90m, 30s or 1h30m, found \"-5m\""),
        ("budget: -1", "p.md:2:9: expected a number of US dollars, 0 or more, found -1"),
        ("budget: .nan", "p.md:2:9: value `.nan` is not a finite number"),
        ("budget: lots", "p.md:2:9: expected a number of US dollars, 0 or more, found \"lots\""),
        ("priority: high", "p.md:2:11: expected a whole number, found \"high\""),
        ("priority: 1.5", "p.md:2:11: expected a whole number, found 1.5"),
        ("touches: ['a/**', 'src/[']", "p.md:2:19: bad pattern: unclosed character class; missing ']'"),
        ("touches: [../x]", "p.md:2:11: expected a path or pattern inside the repository, found \"../x\""),
        (
            "touches: /etc/passwd",
            "p.md:2:10: expected a path or pattern inside the repository, found \"/etc/passwd\"",
        ),
        (
            "executor: kubernetes",
            "p.md:2:11: the executor kubernetes is a reserved name: it is not built yet",
        ),
        ("executor: ssh", "p.md:2:11: expected local or docker, found \"ssh\""),
        ("agent: gemini", "p.md:2:8: the agent gemini is a reserved name: there is no adapter for it yet"),
        ("agent: clod", "p.md:2:8: expected one of the agents claude, scripted, found \"clod\""),
        ("model: 4", "p.md:2:8: expected text, found 4"),
        ("verify: ' '", "p.md:2:9: expected text, found \"\""),
        (
            "network: [example.com]",
            "p.md:2:11: expected host:port, such as api.example.com:443, found \"example.com\"",
        ),
        ("network: ['a b:1']", "p.md:2:11: expected host:port, such as api.example.com:443, found \"a b:1\""),
        ("depends_on: [{a: b}]", "p.md:2:14: expected the id or the prompt file of a task, found a mapping"),
        (
            "id: ../x",
            "p.md:2:5: expected an id (letters, digits, `.`, `_`, `-`; no dot or dash first, no `..`, at most 60), found \"../x\"",
        ),
        (
            "done_when: [{exists: a, run: b}]",
            "p.md:2:13: expected one condition in each item: {exists: PATH}, {contains: {file: PATH, text: TEXT}} or {run: COMMAND}",
        ),
        (
            "done_when: [{contains: {file: a}}]",
            "p.md:2:24: expected {file: PATH, text: TEXT}, found a mapping",
        ),
        ("a: 1\na: 2", "p.md:3:1: duplicate mapping key: a not allowed here"),
        ("id: [a", "p.md:2:5: unclosed bracket '['"),
        ("just words", "p.md:2:1: expected keys with values, found \"just words\""),
        ("- a", "p.md:2:1: expected keys with values, found a list"),
        ("touches: [**/x]", "p.md:2:11: reference to unknown value"),
    ] {
        assert_eq!(error(yaml), expected, "{yaml}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = read_text("---\nkind: x\nbudget: -1\npriority: y\n---\n").unwrap_err();
    assert_eq!(errors.len(), 3);
}

#[test]
fn bombs_end_in_an_error() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let last = level - 1;
        let aliases = vec![format!("*a{last}"); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(error(&bomb).starts_with("p.md:"));
    assert!(error(&format!("touches: {}{}", "[".repeat(500), "]".repeat(500))).starts_with("p.md:2:"));
    assert!(error(&format!("touches: [{}]", "x, ".repeat(12_000))).starts_with("p.md:"));
    assert!(
        error(&format!("id: {}", "x".repeat(MAX_FRONT_MATTER_BYTES))).contains("at most 65536 are possible")
    );
}
