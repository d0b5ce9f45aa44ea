//! Where C's headers are.

use super::NAME;
use crate::map::entry::FileId;
use crate::map::files::{common_folders, folder_of, join, name_of};
use crate::map::languages::{Layout, Reads};
use crate::map::project::Project;
use crate::map::record::ImportAt;

/// Headers that the language itself has: what is included by one of these names in angle brackets is that one, unless
/// it lies beside a folder called `include`.
const STANDARD: [&str; 44] = [
    "assert.h",
    "complex.h",
    "ctype.h",
    "errno.h",
    "fcntl.h",
    "fenv.h",
    "float.h",
    "inttypes.h",
    "iso646.h",
    "limits.h",
    "locale.h",
    "math.h",
    "memory.h",
    "netdb.h",
    "poll.h",
    "pthread.h",
    "pwd.h",
    "sched.h",
    "setjmp.h",
    "signal.h",
    "stdalign.h",
    "stdarg.h",
    "stdatomic.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "stdnoreturn.h",
    "string.h",
    "strings.h",
    "syslog.h",
    "termios.h",
    "tgmath.h",
    "threads.h",
    "time.h",
    "uchar.h",
    "unistd.h",
    "utime.h",
    "wchar.h",
    "wctype.h",
    "dirent.h",
    "dlfcn.h",
    "malloc.h",
];

/// Nothing is worked out beforehand: headers are found by their names.
pub(super) struct Headers {
    any: bool,
}

impl Headers {
    pub(super) fn new(project: &Project<'_>) -> Self {
        Self { any: project.files_of(NAME, Reads::Source).next().is_some() }
    }
}

impl Layout for Headers {
    fn resolve(&self, project: &Project<'_>, from: FileId, import: &ImportAt<'_>, into: &mut Vec<FileId>) {
        let written = project.word(import.module);
        let quoted = written.starts_with('"');
        let path = written.trim_matches(['"', '<', '>']);
        let own = project.files.path(from);
        let beside = join(folder_of(own), path).and_then(|path| project.files.find(&path));
        if let Some(beside) = beside.filter(|_| quoted) {
            into.push(beside);
        } else if quoted || !STANDARD.contains(&path) {
            // What a build makes of `x.h.in` is called `x.h`.
            let found = nearest(project, own, path);
            into.extend(found.or_else(|| nearest(project, own, &format!("{path}.in"))));
        }
    }

    fn module(&self, project: &Project<'_>, name: &str, into: &mut Vec<FileId>) {
        if self.any && name.ends_with(".h") && name.contains('/') {
            into.extend(nearest(project, "", name));
        }
    }
}

/// The file whose path ends so: of several the one that shares the most folders with the file that asks, and of those the
/// one with the shortest path.
fn nearest(project: &Project<'_>, from: &str, path: &str) -> Option<FileId> {
    let path = path.trim_start_matches("./");
    // `../include/x.h` of a build's search path: what counts is the end.
    let path = path.rsplit("../").next().unwrap_or(path);
    let fits = |file: &&FileId| {
        let before = project.files.path(**file).strip_suffix(path);
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    let near = |file: &&FileId| {
        let other = project.files.path(**file);
        (common_folders(from, other), std::cmp::Reverse((other.len(), other)))
    };
    project.files.named(name_of(path)).iter().filter(fits).max_by_key(near).copied()
}
