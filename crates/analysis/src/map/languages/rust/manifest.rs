//! What matters of a `Cargo.toml`.
//!
//! `package` is the name of the package, `lib` the name and the path of its library, `target` the path of another target,
//! `rename` a dependency that is called otherwise here.

use crate::map::facts::{Facts, Text};

/// Kinds of targets beside the library.
const TARGETS: [&str; 4] = ["bin", "test", "example", "bench"];

/// Tables of dependencies.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn read(text: &str, into: &mut Facts<'_>) {
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let mut set = |key: &'static str, value: String| into.settings.push((key.into(), Text::Owned(value)));
    let text_of = |value: Option<&toml::Value>| Some(value?.as_str()?.to_owned());
    let name = text_of(table.get("package").and_then(|package| package.get("name")));
    let lib = table.get("lib");
    if let Some(name) = &name {
        set("package", name.clone());
        let own = text_of(lib.and_then(|lib| lib.get("name"))).unwrap_or_else(|| name.replace('-', "_"));
        let path = text_of(lib.and_then(|lib| lib.get("path"))).unwrap_or_else(|| "src/lib.rs".to_owned());
        set("lib", format!("{own} {path}"));
    }
    let build = table.get("package").and_then(|package| package.get("build"));
    text_of(build).into_iter().for_each(|path| set("target", path));
    for kind in TARGETS {
        let all = table.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
        all.filter_map(|target| text_of(target.get("path"))).for_each(|path| set("target", path));
    }
    let workspace = table.get("workspace").and_then(toml::Value::as_table);
    let tables = DEPENDENCIES.iter().filter_map(|kind| table.get(*kind));
    for dependencies in tables.chain(workspace.and_then(|workspace| workspace.get("dependencies"))) {
        for (name, dependency) in dependencies.as_table().into_iter().flatten() {
            if let Some(package) = text_of(dependency.get("package")) {
                set("rename", format!("{} {}", name.replace('-', "_"), package));
            }
        }
    }
}
