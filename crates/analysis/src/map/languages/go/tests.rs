use crate::map::testing::{imports, map_of, paths, symbols};

const SOURCE: &str = r#"package server

import (
	"fmt"
	"example.com/x/internal/store"
	alias "example.com/x/v2/other"
	. "example.com/x/dot"
	_ "example.com/x/side"
)

const Limit, low = 1, 2
var (
	Default = New()
)

type Server[T any] struct{ a int }
type Handler interface {
	Handle(x int) error
}
type ID = string

func New() *Server { local := 1; return store.Open(alias.Thing{}, x.store.Not) }
func (s *Server[T]) start() {}
"#;

#[test]
fn what_it_defines_is_found() {
    let map = map_of(&[("server/a.go", SOURCE)]);
    assert_eq!(
        symbols(&map, "server/a.go"),
        [
            "Limit Constant@11",
            "low Constant@11 -",
            "Default Constant@13",
            "Server Class@16",
            "Handler Interface@17",
            "Handler.Handle Method@18",
            "ID Type@20",
            "New Function@22",
            "Server.start Method@23 -",
        ]
    );
}

#[test]
fn imports_lead_to_files() {
    let map = map_of(&[
        ("go.mod", "module example.com/x // what it is\n\nreplace (\n\texample.com/x/v2 => ./two\n)\n"),
        ("server/a.go", SOURCE),
        ("internal/store/open.go", "package store\nfunc Open() {}\n"),
        ("internal/store/close.go", "package store\nfunc Close() {}\n"),
        ("internal/store/open_test.go", "package store\nfunc Open() {}\n"),
        ("two/other/thing.go", "package other\ntype Thing struct{}\n"),
        ("dot/a.go", "package dot"),
        ("side/a.go", "package side"),
        ("side/b.go", "package side"),
    ]);
    assert_eq!(
        imports(&map, "server/a.go"),
        [
            "fmt ->",
            "example.com/x/internal/store(Open) -> internal/store/open.go",
            "example.com/x/v2/other(Thing) -> two/other/thing.go",
            "example.com/x/dot(*) -> dot/a.go",
            "example.com/x/side -> side/a.go side/b.go",
        ]
    );
    assert_eq!(
        paths(&map, &map.module("example.com/x/internal/store")),
        ["internal/store/close.go", "internal/store/open.go"]
    );
    let subject = map.subject_of(map.file("internal/store/open_test.go").unwrap());
    assert_eq!(subject.map(|file| map.path(file)), Some("internal/store/open.go"));
}
