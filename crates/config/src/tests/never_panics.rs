use std::path::Path;

use proptest::prelude::*;

use crate::{Flags, check_branch_template, document, resolve_with};

fn any_line() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "max_parallel",
        "timeout",
        "executor",
        "budget",
        "model",
        "verify",
        "branch",
        "dir",
        "setup",
        "env",
        "cpus",
        "memory",
        "network",
        "kind",
        "any",
        "interval",
        "review",
        "env_deny",
    ]);
    let sections = prop::sample::select(vec![
        "[run]",
        "[limits]",
        "[workspace]",
        "[monitoring]",
        "[gateway]",
        "[agents.claude]",
        "[[classify]]",
        "[merge]",
    ]);
    prop_oneof![
        (keys.clone(), "\\PC{0,12}").prop_map(|(key, value)| format!("{key} = '{value}'")),
        (keys, any::<f64>()).prop_map(|(key, value)| format!("{key} = {value}")),
        sections.prop_map(str::to_owned),
        "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(lines in prop::collection::vec(any_line(), 0..8)) {
        let text = lines.join("\n");
        if let Err(error) = document::parse(Path::new("f"), &text) {
            let message = error.to_string();
            prop_assert!(message.starts_with("f:") && !message.contains('\n'), "{message:?}");
        }
    }

    #[test]
    fn no_variable_makes_it_panic(which in 0..15_usize, value in "\\PC{0,20}") {
        let name = ["MAX_PARALLEL", "TIMEOUT", "EXECUTOR", "AGENT", "MODEL", "MAX_TURNS", "BUDGET", "TASK_BUDGET",
            "BASE", "VERIFY", "NO_REVIEW", "NO_FALLBACK", "KEEP", "OVERLAP",
            "OVERLAP_THRESHOLD"][which];
        let name = format!("GADUGI_{name}");
        let variable = |asked: &str| (asked == name).then(|| value.clone());
        match resolve_with(Path::new("/nonexistent"), &Flags::default(), &variable) {
            Ok(resolved) => prop_assert!(resolved.settings.timeout.0 > 0),
            Err(error) => prop_assert!(error.to_string().starts_with(&name)),
        }
    }

    #[test]
    fn templates_never_make_it_panic(template in "\\PC{0,30}") {
        let _ = check_branch_template(&template);
    }

    #[test]
    fn what_a_file_may_say_and_what_is_shown_are_one(micros in 1..10_u64.pow(13), bytes in 1..(1_u64 << 50)) {
        use crate::values::{Dollars, Size, Value};
        prop_assert_eq!(Dollars::from_text(&Dollars(micros).show()).unwrap(), Dollars(micros));
        let shown = Size(bytes).show();
        prop_assert_eq!(Size::from_text(shown.trim_matches('"')).unwrap(), Size(bytes));
    }
}
