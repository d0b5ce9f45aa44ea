//! Python: packages with and without `__init__.py`, `src` layouts, relative imports.
//!
//! Where modules are looked for is decided by a program's start and cannot be known; it is read from the tree. A folder
//! without `__init__.py` that holds a package is such a place, and so are the folders with a manifest, their `src`, and what a manifest
//! names. A script also finds what lies beside it.

mod layout;

use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject, as_paths};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{Facts, ImportKind, Names, SymbolKind, Text};
use crate::map::files::{Files, folder_of, name_of, split_name};
use crate::map::project::Project;

pub(super) const NAME: &str = "python";

/// What a function's body is called: what is defined in there, nobody else sees.
const BODY: &str = "()";

pub(crate) struct Python;

impl Language for Python {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        match (name_of(path), split_name(path).1) {
            ("pyproject.toml" | "setup.cfg" | "setup.py", _) => Some(Reads::Manifest),
            (_, "py" | "pyi" | "pyw") => Some(Reads::Source),
            _ => None,
        }
    }

    fn grammar(&self, _path: &str, _text: &str) -> tree_sitter::Language {
        tree_sitter_python::LANGUAGE.into()
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "function_definition" => {
                let name = into.field(node, "name");
                let kind = if into.owner().is_some() { SymbolKind::Method } else { SymbolKind::Function };
                define(node, name, kind, into);
                Walk::Scope(BODY.into())
            }
            "class_definition" => {
                let name = into.field(node, "name");
                define(node, name, SymbolKind::Class, into);
                if in_body(into) { Walk::Into } else { Walk::Scope(name.into()) }
            }
            "import_statement" => import(node, into),
            "import_from_statement" => import_from(node, into),
            "assignment" => assignment(node, into),
            "type_alias_statement" => {
                let name = into.field(node, "left");
                define(node, name.split('[').next().unwrap_or_default(), SymbolKind::Type, into);
                Walk::Over
            }
            "expression_statement" if in_body(into) => Walk::Over,
            "module"
            | "block"
            | "decorated_definition"
            | "expression_statement"
            | "if_statement"
            | "elif_clause"
            | "else_clause"
            | "try_statement"
            | "except_clause"
            | "except_group_clause"
            | "finally_clause"
            | "with_statement"
            | "for_statement"
            | "while_statement"
            | "match_statement"
            | "case_clause"
            | "ERROR" => Walk::Into,
            _ => Walk::Over,
        }
    }

    fn manifest<'t>(&self, path: &str, text: &'t str, into: &mut Facts<'t>) {
        if name_of(path) == "pyproject.toml"
            && let Ok(table) = text.parse::<toml::Table>()
        {
            let roots = layout::roots_of(&table).into_iter();
            into.settings.extend(roots.map(|root| ("root".into(), Text::Owned(root))));
        }
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Modules::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let (stem, _) = split_name(path);
        let about = stem.strip_prefix("test_").or_else(|| stem.strip_suffix("_test"));
        if let Some(about) = about {
            let mut named = vec![format!("{about}.py"), format!("_{about}.py")];
            named.extend(as_paths(about).map(|path| format!("{path}.py")));
            named.push(format!("{about}/__init__.py"));
            return Some(Subject { named, ..Subject::default() });
        }
        let folder = folder_of(path).split('/').any(|part| matches!(part, "tests" | "test"));
        (folder || matches!(stem, "conftest" | "tests")).then(Subject::default)
    }
}

fn in_body(into: &Extraction<'_>) -> bool {
    into.owners().any(|owner| owner == BODY)
}

fn define<'t>(node: Node<'_>, name: &'t str, kind: SymbolKind, into: &mut Extraction<'t>) {
    if !in_body(into) {
        let hidden = name.starts_with('_') && !name.starts_with("__");
        into.define(node, name, kind, !hidden);
    }
}

/// `import a.b, c as d`
fn import<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let mut cursor = node.walk();
    for name in node.children_by_field_name("name", &mut cursor) {
        let module = match name.kind() {
            "aliased_import" => into.field(name, "name"),
            _ => into.text_of(name),
        };
        into.import(node, dotted(module), Vec::new(), ImportKind::Uses);
    }
    Walk::Over
}

/// `from .a import b, c as d`
fn import_from<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let mut cursor = node.walk();
    let mut names: Names<'t> = Vec::new();
    for name in node.children_by_field_name("name", &mut cursor) {
        names.push(match name.kind() {
            "aliased_import" => (into.field(name, "name").into(), Some(into.field(name, "alias").into())),
            _ => (into.text_of(name).into(), None),
        });
    }
    if node.children(&mut node.walk()).any(|child| child.kind() == "wildcard_import") {
        names.push(("*".into(), None));
    }
    let module = into.field(node, "module_name");
    // Everything that a module imports is an attribute of it, and packages are made of that.
    let kind = if in_body(into) { ImportKind::Uses } else { ImportKind::HandsOn };
    into.import(node, dotted(module), names, kind);
    Walk::Over
}

/// Without the white space that may stand around the dots.
fn dotted(module: &str) -> Text<'_> {
    if module.contains(char::is_whitespace) {
        return module.split_whitespace().collect::<String>().into();
    }
    module.into()
}

/// `A = 1`, `a, b = …`, `a: int = 1`
fn assignment<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    if in_body(into) {
        return Walk::Over;
    }
    let mut next = Some(node);
    while let Some(assignment) = next.filter(|node| node.kind() == "assignment") {
        if let Some(left) = assignment.child_by_field_name("left") {
            match left.kind() {
                "identifier" => define(node, into.text_of(left), SymbolKind::Constant, into),
                "pattern_list" | "tuple_pattern" => {
                    for part in left.named_children(&mut left.walk()) {
                        if part.kind() == "identifier" {
                            define(node, into.text_of(part), SymbolKind::Constant, into);
                        }
                    }
                }
                _ => {}
            }
        }
        next = assignment.child_by_field_name("right");
    }
    Walk::Over
}

#[cfg(test)]
mod tests;
