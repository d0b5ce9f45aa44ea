use crate::map::testing::{imports, map_of, paths, symbols};

const SOURCE: &str = r#"
"""Docs."""
from __future__ import annotations
import os, pkg.util as u
from .sibling import one, two as zwei
from . import other
from pkg.base import *

LIMIT: int = 3
_hidden = low, high = 1, 2
type Pairs[T] = list[T]

class Server(Base):
    retries = 3

    def start(self):
        from .late import thing
        local = 1
        def inner(): pass

    async def stop(self): ...

    class Meta:
        key = 1

@decorated
def _helper():
    class Local:
        def method(self): pass

if TYPE_CHECKING:
    from pkg.types import Kind
else:
    def fallback(): pass
"#;

#[test]
fn what_it_defines_is_found() {
    let map = map_of(&[("pkg/a.py", SOURCE)]);
    assert_eq!(
        symbols(&map, "pkg/a.py"),
        [
            "LIMIT Constant@9",
            "_hidden Constant@10 -",
            "low Constant@10",
            "high Constant@10",
            "Pairs Type@11",
            "Server Class@13",
            "Server.retries Constant@14",
            "Server.start Method@16",
            "Server.stop Method@21",
            "Server.Meta Class@23",
            "Meta.key Constant@24",
            "_helper Function@27 -",
            "fallback Function@34",
        ]
    );
}

#[test]
fn imports_lead_to_files() {
    let map = map_of(&[
        ("pkg/__init__.py", ""),
        ("pkg/a.py", SOURCE),
        ("pkg/sibling.py", ""),
        ("pkg/other/__init__.py", ""),
        ("pkg/base.py", ""),
        ("pkg/late.py", ""),
        ("pkg/types.py", ""),
        ("pkg/util.py", ""),
        ("os.py/x", ""),
    ]);
    assert_eq!(
        imports(&map, "pkg/a.py"),
        [
            "os ->",
            "pkg.util -> pkg/util.py",
            ".sibling(one, two as zwei) -> pkg/sibling.py",
            ".(other) -> pkg/other/__init__.py",
            "pkg.base(*) -> pkg/base.py",
            ".late(thing) -> pkg/late.py",
            "pkg.types(Kind) -> pkg/types.py",
        ]
    );
    assert_eq!(paths(&map, map.importers(map.file("pkg/late.py").unwrap())), ["pkg/a.py"]);
}

#[test]
fn names_are_followed_to_where_they_are_defined() {
    let map = map_of(&[
        ("src/pkg/__init__.py", "from .app import App as Application, helper\nfrom .all import *\n"),
        ("src/pkg/app.py", "from .deep import helper\nclass App: pass\n"),
        ("src/pkg/deep.py", "def helper(): pass\n"),
        ("src/pkg/all.py", "ANSWER = 42\n"),
        ("tests/test_app.py", "from pkg import Application, helper, ANSWER, missing\n"),
    ]);
    let package = map.file("src/pkg/__init__.py").unwrap();
    let origin = |name: &str| map.origin(package, name).map(|found| map.path(found.file));
    assert_eq!(origin("Application"), Some("src/pkg/app.py"));
    assert_eq!((origin("helper"), origin("ANSWER")), (Some("src/pkg/deep.py"), Some("src/pkg/all.py")));
    assert_eq!((origin("missing"), origin("App")), (None, None));
    assert_eq!(
        imports(&map, "tests/test_app.py"),
        [
            "pkg(Application, helper, ANSWER, missing) -> src/pkg/__init__.py src/pkg/all.py src/pkg/app.py src/pkg/deep.py"
        ]
    );
    assert_eq!(paths(&map, map.tests_of(map.file("src/pkg/app.py").unwrap())), ["tests/test_app.py"]);
}

#[test]
fn modules_are_found_where_programs_find_them() {
    let map = map_of(&[
        ("pyproject.toml", "[tool.setuptools.packages.find]\nwhere = [\"code\"]\n"),
        ("code/top/mod.py", "class Thing: pass\n"),
        ("src/space/one/__init__.py", ""),
        ("src/space/one/a.py", "from space.two import b\nimport space.two.b\nfrom .. import gone\n"),
        ("src/space/two/b.py", "import json, helper\n"),
        ("scripts/json.py", ""),
        ("scripts/run.py", "import json\nimport helper\nfrom top.mod import Thing\n"),
        ("scripts/helper.py", ""),
        ("a/lib/__init__.py", ""),
        ("b/lib/__init__.py", ""),
        ("b/main.py", "import lib"),
    ]);
    assert_eq!(
        imports(&map, "src/space/one/a.py"),
        ["space.two(b) -> src/space/two/b.py", "space.two.b -> src/space/two/b.py", "..(gone) ->"]
    );
    assert_eq!(imports(&map, "src/space/two/b.py"), ["json ->", "helper ->"]);
    assert_eq!(
        imports(&map, "scripts/run.py"),
        ["json -> scripts/json.py", "helper -> scripts/helper.py", "top.mod(Thing) -> code/top/mod.py"]
    );
    assert_eq!(imports(&map, "b/main.py"), ["lib -> b/lib/__init__.py"]);
    for (name, file) in [
        ("top.mod", "code/top/mod.py"),
        ("top.mod.Thing", "code/top/mod.py"),
        ("top.mod.Not", ""),
        ("json", ""),
    ] {
        assert_eq!(paths(&map, &map.module(name)).join(" "), file, "{name}");
    }
}
