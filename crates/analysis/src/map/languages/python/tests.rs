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
