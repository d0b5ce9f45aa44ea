use crate::map::testing::{imports, map_of, paths, symbols};

const SOURCE: &str = r#"
use std::fmt;
use crate::net::{self, tcp::{Stream, Listener as L}, udp::*};
pub use self::inner::Thing;
use super::above;
use my_other::deep::Item;
use renamed::Other;
extern crate alloc;

pub const LIMIT: usize = 1;
static HIDDEN: u8 = 0;
macro_rules! shout { () => {} }

pub struct Server<T> { a: T }
pub(crate) enum Kind { A, B }
pub trait Handle {
    type Out;
    const N: usize;
    fn handle(&self);
}
impl<T> Handle for crate::Server<T> {
    type Out = ();
    fn handle(&self) { fn inner() {} let x = 1; }
}
impl<'a, T> Server<T> {
    pub fn new() -> Self { todo!() }
    fn stop(&self) {}
}
pub type Alias = Server<u8>;
fn helper() { use not::seen; }
mod inner { pub fn thing() {} use super::LIMIT; use self::x::y; }
cfg_net! {
    pub mod late;
    pub fn guarded() {}
}
"#;

#[test]
fn what_it_defines_is_found() {
    let map = map_of(&[("src/a.rs", SOURCE)]);
    assert_eq!(
        symbols(&map, "src/a.rs"),
        [
            "LIMIT Constant@10",
            "HIDDEN Constant@11 -",
            "shout Macro@12",
            "Server Class@14",
            "Kind Enum@15",
            "Handle Interface@16",
            "Handle.Out Type@17",
            "Handle.N Constant@18",
            "Handle.handle Method@19",
            "Server.Out Type@22",
            "Server.handle Method@23",
            "Server.new Method@26",
            "Server.stop Method@27 -",
            "Alias Type@29",
            "helper Function@30 -",
            "inner Module@31 -",
            "inner.thing Function@31",
            "guarded Function@34",
        ]
    );
}

const WORKSPACE: [(&str, &str); 12] = [
    ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
    (
        "crates/one/Cargo.toml",
        "[package]\nname = \"one\"\n[dependencies]\nmy-other = { path = \"../other\" }\nrenamed = { package = \"my-other\", path = \"../other\" }\n",
    ),
    ("crates/other/Cargo.toml", "[package]\nname = \"my-other\"\n"),
    ("crates/other/src/lib.rs", "#[path = \"elsewhere/d.rs\"]\npub mod deep;\npub struct Other;\n"),
    ("crates/other/src/elsewhere/d.rs", "pub struct Item;"),
    ("crates/one/src/lib.rs", "mod a;\npub mod net;\npub fn above() {}\n"),
    ("crates/one/src/a.rs", SOURCE),
    ("crates/one/src/a/late.rs", "use super::Server;"),
    ("crates/one/src/net/mod.rs", "pub mod tcp; mod udp;"),
    (
        "crates/one/src/net/tcp.rs",
        "pub struct Stream; pub struct Listener; #[cfg(test)] mod tests { use super::*; use crate::net; }",
    ),
    ("crates/one/src/net/udp.rs", ""),
    ("crates/one/tests/net.rs", "use one::net::tcp::Stream; mod common;"),
];

#[test]
fn imports_lead_to_files() {
    let map = map_of(&WORKSPACE);
    let one = "crates/one/src";
    assert_eq!(
        imports(&map, "crates/one/src/a.rs"),
        [
            "std(fmt) ->".to_owned(),
            format!("crate(net) -> {one}/net/mod.rs"),
            format!("crate::net::tcp(Stream, Listener as L) -> {one}/net/tcp.rs"),
            format!("crate::net::udp(*) -> {one}/net/udp.rs"),
            "self::inner(Thing) ->".to_owned(),
            format!("super(above) -> {one}/lib.rs"),
            "my_other::deep(Item) -> crates/other/src/elsewhere/d.rs".to_owned(),
            "renamed(Other) -> crates/other/src/lib.rs".to_owned(),
            "alloc ->".to_owned(),
            "self(LIMIT) ->".to_owned(),
            "self::inner::x(y) ->".to_owned(),
            format!("late -> {one}/a/late.rs"),
        ]
    );
    assert_eq!(imports(&map, "crates/one/src/a/late.rs"), [format!("super(Server) -> {one}/a.rs")]);
    assert_eq!(
        imports(&map, "crates/one/tests/net.rs"),
        [format!("one::net::tcp(Stream) -> {one}/net/tcp.rs"), "common ->".to_owned()]
    );
    assert_eq!(imports(&map, "crates/one/src/net/tcp.rs")[0], "self(*) ->");
}

#[test]
fn modules_are_found_by_name() {
    let map = map_of(&WORKSPACE);
    for (name, files) in [
        ("crate::net::tcp", "crates/one/src/net/tcp.rs"),
        ("one::net", "crates/one/src/net/mod.rs"),
        ("net::tcp", "crates/one/src/net/tcp.rs"),
        ("my-other", "crates/other/src/lib.rs"),
        ("my_other::deep::Item", "crates/other/src/elsewhere/d.rs"),
        ("net", ""),
        ("crate::nowhere", ""),
    ] {
        assert_eq!(paths(&map, &map.module(name)).join(" "), files, "{name}");
    }
}

#[test]
fn tests_are_found() {
    let map = map_of(&[
        ("Cargo.toml", "[package]\nname = \"x\"\n"),
        ("src/lib.rs", ""),
        ("src/net.rs", ""),
        ("src/net/tests.rs", ""),
        ("src/tests.rs", ""),
        ("src/parser/mod.rs", ""),
        ("src/parser/tests/numbers.rs", ""),
        ("tests/net.rs", ""),
        ("tests/it/parser.rs", ""),
        ("tests/it/main.rs", ""),
    ]);
    let subject = |test: &str| map.subject_of(map.file(test).unwrap()).map_or("", |file| map.path(file));
    assert_eq!(subject("src/net/tests.rs"), "src/net.rs");
    assert_eq!(subject("src/tests.rs"), "src/lib.rs");
    assert_eq!(subject("src/parser/tests/numbers.rs"), "src/parser/mod.rs");
    assert_eq!(subject("tests/it/parser.rs"), "src/parser/mod.rs");
    assert_eq!((subject("tests/it/main.rs"), subject("src/net.rs")), ("", ""));
    assert_eq!(
        paths(&map, map.tests_of(map.file("src/net.rs").unwrap())),
        ["src/net/tests.rs", "tests/net.rs"]
    );
}

#[test]
fn what_a_crate_hands_on_is_found_behind_it() {
    let map = map_of(&[
        ("one/Cargo.toml", "[package]\nname = \"one\"\n"),
        (
            "one/src/lib.rs",
            "mod plan;\nmod support { pub mod signal; }\npub use plan::Plan;\npub use support::signal::Signal;\n",
        ),
        ("one/src/plan.rs", "pub struct Plan;"),
        ("one/src/support/signal.rs", "pub struct Signal;"),
        ("one/tests/support_signal.rs", "use one::{Plan, Signal};"),
    ]);
    assert_eq!(
        imports(&map, "one/tests/support_signal.rs"),
        ["one(Plan, Signal) -> one/src/lib.rs one/src/plan.rs one/src/support/signal.rs"]
    );
    let signal = map.file("one/src/support/signal.rs").unwrap();
    assert_eq!(paths(&map, map.importers(signal)), ["one/src/lib.rs", "one/tests/support_signal.rs"]);
    assert_eq!(paths(&map, map.tests_of(signal)), ["one/tests/support_signal.rs"]);
}
