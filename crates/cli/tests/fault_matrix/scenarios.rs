//! Small plans that between them reach every kind of event and effect. How each ends does not depend on time: whatever
//! has to come first is waited for by the agents' scripts.

use crate::stage::Stage;
use crate::stage::play::{Deed, What, When, state_of};

/// A plan, and what is done while it runs.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Further arguments of `gadugi run`.
    pub(crate) args: &'static [&'static str],
    pub(crate) set: fn(&Stage),
    /// Faults that it has in any case: some kinds come to pass only in an engine that follows a dead one.
    pub(crate) first: &'static str,
    pub(crate) deeds: &'static [Deed],
}

/// All of them. A kind is tried in the first that reaches it.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "plain", args: &["--verify", VERIFY], set: plain, first: "", deeds: &[] },
    Scenario { name: "uneven", args: &["--max-parallel", "4"], set: uneven, first: "", deeds: &[] },
    Scenario {
        name: "adopted",
        args: &["--verify", VERIFY],
        set: plain,
        first: "effect:launch-step:started:2",
        deeds: &[],
    },
    Scenario {
        name: "asked",
        args: &["--max-parallel", "3"],
        set: asked,
        first: "",
        deeds: &[
            Deed {
                when: When::Told("end unwanted"),
                what: What::Gadugi(&["cancel", "unwanted"]),
                done: |view| state_of(view, "unwanted") == "cancelled",
            },
            Deed {
                when: When::Told("begin held"),
                what: What::Gadugi(&["pause"]),
                done: |view| view["paused_because"] == "asked",
            },
            Deed {
                when: When::Over,
                what: What::Gadugi(&["retry", "late"]),
                done: |view| view["status"] != "finished",
            },
            Deed {
                when: When::Over,
                what: What::Gadugi(&["land"]),
                done: |view| view["landed_into"].as_array().is_some_and(|into| !into.is_empty()),
            },
        ],
    },
    Scenario {
        name: "interrupted",
        args: &[],
        set: interrupted,
        first: "",
        deeds: &[Deed {
            when: When::Told("end long"),
            what: What::Interrupt,
            done: |view| view["paused_because"] == "interrupted",
        }],
    },
    Scenario {
        name: "held",
        args: &[],
        set: held,
        first: "",
        deeds: &[
            Deed {
                when: When::Told("end held"),
                what: What::Gadugi(&["pause", "held"]),
                done: |view| !["running", "waiting"].contains(&state_of(view, "held")),
            },
            Deed {
                when: When::Told("end held"),
                what: What::Gadugi(&["resume", "held"]),
                done: |view| state_of(view, "held") == "succeeded",
            },
        ],
    },
    Scenario { name: "mishaps", args: &["--verify", UNLUCKY_VERIFY], set: mishaps, first: "", deeds: &[] },
    Scenario { name: "strained", args: &["--max-parallel", "1"], set: strained, first: "", deeds: &[] },
    Scenario { name: "limited", args: &[], set: limited, first: "", deeds: &[] },
    Scenario { name: "moved", args: &["--max-parallel", "2"], set: moved, first: "", deeds: &[] },
];

const VERIFY: &str = "echo verify >> \"$LEDGER\"; test -f README.md";

/// Its shim is killed the first time.
const UNLUCKY_VERIFY: &str =
    "mkdir \"$LEDGER.verified\" && kill -KILL $PPID && sleep 60; echo verify >> \"$LEDGER\"";

/// A script that does this between its begin and its end.
fn told(what: &str) -> String {
    format!("run sh tools/begin\n{what}\nrun sh tools/end")
}

/// Setup, dependencies, an order for the sake of one file, phases, and nothing to do.
fn plain(stage: &Stage) {
    stage.write("gadugi.toml", "[workspace]\nsetup = ['echo setup >> \"$LEDGER\"']\n");
    stage.prompt("lexer", "", &told("phase 4\nphase 5\nwrite src/lexer.txt lexer"));
    stage.prompt("parser", "depends_on: [lexer]", &told("run cp src/lexer.txt src/parser.txt"));
    stage.prompt("first", "touches: [src/shared.txt]", &told("append src/shared.txt first\ncommit first"));
    stage.prompt("second", "touches: [src/shared.txt]", &told("append src/shared.txt second"));
    stage.prompt("nothing", "", &told("no-change it is as it should be"));
}

/// A failure and what depends on it, and a conflict.
fn uneven(stage: &Stage) {
    let other = "git show \"gadugi/$GADUGI_RUN_ID:left.txt\"";
    stage.write("tools/wait", &format!("until {other} > /dev/null 2>&1; do sleep 0.01; done\n"));
    stage.write("tools/change", "sed -i \"2s/.*/$1/\" src/shared.txt; echo \"$1\" > \"$1.txt\"\n");
    stage.prompt("broken", "", &told("write half.txt half\nfail it cannot be done"));
    stage.prompt("behind", "depends_on: [broken]", &told("write behind.txt x"));
    stage.prompt("left", "", &told("run sh tools/change left"));
    stage.prompt("right", "", &told("run sh tools/wait\nrun sh tools/change right"));
}

/// Cancelled, paused and resumed, tried again, landed.
fn asked(stage: &Stage) {
    stage.prompt("unwanted", "", &told("write unwanted.txt x").replace("tools/end", "tools/end; sleep 600"));
    // The pause has begun once the task that is not wanted is over and somebody asked for it: the rest can wait.
    stage.prompt("held", "", &told("sleep 500ms\nwrite held.txt held"));
    stage.prompt("next", "depends_on: [held]", &told("run cp held.txt next.txt"));
    stage.prompt(
        "late",
        "",
        "run sh tools/begin\nrun sh tools/end\nattempt 1 fail not yet\nwrite late.txt late",
    );
}

/// Stopped by Ctrl-C and taken up again.
fn interrupted(stage: &Stage) {
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage.prompt(
        "long",
        "",
        "write begun.txt x\nrun sh tools/begin\nrun sh tools/end\nfresh hang\nwrite done.txt x",
    );
    stage.prompt("later", "depends_on: [long]", &told("run cp done.txt later.txt"));
}

/// One task is paused, and released.
fn held(stage: &Stage) {
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    stage.prompt("held", "", "run sh tools/begin\nrun sh tools/end\nfresh hang\nwrite held.txt x");
    stage.prompt("other", "", &told("write other.txt x"));
}

/// Time that is over, a step that loses its shim, a verification that loses its own.
fn mishaps(stage: &Stage) {
    stage.write("gadugi.toml", "[run]\ngrace = \"1s\"\n");
    let parent = "$(awk '/PPid/{print $2}' \"/proc/$1/status\")";
    stage.write("tools/die", &format!("mkdir \"$LEDGER.died\" && kill -KILL {parent} && sleep 60\n"));
    stage.prompt("slow", "timeout: 1s", "run sh tools/begin\nrun sh tools/end\nhang");
    stage.prompt(
        "unlucky",
        "",
        "run sh tools/die $PPID\nrun sh tools/begin\nrun sh tools/end\nwrite lucky.txt x",
    );
}

/// A step that gives no sign of life for a while, a clock that jumps, a disk that is nearly full when a task has been
/// merged. Each is over once it is on record.
fn strained(stage: &Stage) {
    // Again and again: a lie that an engine heard who died of it was never told.
    let lie = "mkdir -p \"$HOME/lies\"
until grep -q \"^event:$2:after\" \"$HOME/faults\"; do touch \"$HOME/lies/$1\"; sleep 0.02; done
rm -f \"$HOME/lies/$1\"
";
    stage.write("tools/lie", lie);
    let seen = "until grep -q \"^event:$1:after\" \"$HOME/faults\"; do sleep 0.02; done\n";
    stage.write("tools/wait", seen);
    let quiet = "run sh tools/lie quiet step-suspected\nrun sh tools/wait step-cleared";
    stage.prompt(
        "quiet",
        "",
        &told(&format!("{quiet}\nrun sh tools/lie clock clock-jumped\nwrite quiet.txt x")),
    );
    let full = "run sh tools/lie disk dispatch-held\nrun sh tools/wait dispatch-freed";
    stage.prompt("full", "depends_on: [quiet]", &told(&format!("{full}\nwrite full.txt x")));
}

/// An account whose limit is reached, and a model API that is overloaded.
fn limited(stage: &Stage) {
    stage.prompt(
        "limited",
        "",
        "run sh tools/begin\nrun sh tools/end\nfresh usage-limit 1\nwrite limited.txt x",
    );
    stage.prompt(
        "overloaded",
        "",
        "run sh tools/begin\nrun sh tools/end\nfresh overloaded\nwrite over.txt x",
    );
}

/// Somebody else moves the integration branch.
fn moved(stage: &Stage) {
    stage.write(
        "tools/move",
        "branch=refs/heads/gadugi/$GADUGI_RUN_ID
export GIT_INDEX_FILE=\"$LEDGER.index\"
git read-tree $branch
git update-index --add --cacheinfo 100644,$(echo moved | git hash-object -w --stdin),moved.txt
git update-ref $branch $(echo moved | git commit-tree -p $branch $(git write-tree))
",
    );
    stage.prompt("mover", "", &told("run sh tools/move\nwrite mover.txt x"));
    stage.prompt("next", "depends_on: [mover]", &told("run cp moved.txt next.txt"));
}
