//! JavaScript and TypeScript: modules by path, by `tsconfig` and `jsconfig`, and by the names of the repository's own packages.
//!
//! `require` and `import()` can stand anywhere; they are found by their spelling, which also finds the types that
//! comments import.

mod config;
mod layout;
mod resolve;

use hashbrown::HashSet;
use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{Facts, ImportKind, Names, SymbolKind, Text};
use crate::map::files::{Files, folder_of, join, name_of, split_name};
use crate::map::project::Project;

pub(super) const NAME: &str = "javascript";

/// Extensions of sources, in the order in which an import without one is looked for.
const EXTENSIONS: [&str; 8] = ["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs"];

/// What stands before the extension of a test.
const ENDS: [&str; 7] = [".test", ".spec", ".test-d", ".e2e", "-test", "_test", ".unit"];

pub(crate) struct JavaScript;

impl Language for JavaScript {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        let name = name_of(path);
        let config = name.strip_suffix(".json").is_some_and(|stem| {
            stem == "package" || ["tsconfig", "jsconfig"].iter().any(|start| stem.starts_with(start))
        });
        if config {
            return Some(Reads::Manifest);
        }
        EXTENSIONS.contains(&split_name(path).1).then_some(Reads::Source)
    }

    fn grammar(&self, path: &str, _text: &str) -> tree_sitter::Language {
        match split_name(path).1 {
            "ts" | "mts" | "cts" => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            "tsx" => tree_sitter_typescript::LANGUAGE_TSX.into(),
            _ => tree_sitter_javascript::LANGUAGE.into(),
        }
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "import_statement" => import(node, into),
            "export_statement" => export(node, into),
            "function_declaration" | "generator_function_declaration" | "function_signature" => {
                define(node, SymbolKind::Function, into)
            }
            "class_declaration" | "abstract_class_declaration" => scope(node, SymbolKind::Class, into),
            "interface_declaration" => define(node, SymbolKind::Interface, into),
            "type_alias_declaration" => define(node, SymbolKind::Type, into),
            "enum_declaration" => define(node, SymbolKind::Enum, into),
            "internal_module" => scope(node, SymbolKind::Module, into),
            "method_definition" | "abstract_method_signature" | "method_signature" => member(node, into),
            "public_field_definition" | "field_definition" => member(node, into),
            "variable_declarator" => variable(node, into),
            "assignment_expression" => assignment(node, into),
            "program"
            | "lexical_declaration"
            | "variable_declaration"
            | "class_body"
            | "ambient_declaration"
            | "module"
            | "statement_block"
            | "expression_statement"
            | "ERROR" => Walk::Into,
            _ => Walk::Over,
        }
    }

    fn finish(&self, into: &mut Extraction<'_>) {
        let exported: HashSet<&str> = into.exported.iter().map(|name| &**name).collect();
        for symbol in &mut into.facts.symbols {
            symbol.exported |= exported.contains(&*symbol.name);
        }
        drop(exported);
        called(into);
    }

    fn manifest<'t>(&self, path: &str, text: &'t str, into: &mut Facts<'t>) {
        config::read(path, text, into);
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Modules::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let (stem, extension) = split_name(path);
        if !EXTENSIONS.contains(&extension) {
            return None;
        }
        let folder = folder_of(path);
        let bare = ENDS.iter().find_map(|end| stem.strip_suffix(end));
        let in_tests = folder
            .split('/')
            .any(|part| matches!(part, "test" | "tests" | "__tests__" | "spec" | "e2e" | "cypress"));
        let bare = match bare {
            Some(bare) => bare,
            None if in_tests && !matches!(stem, "index" | "setup" | "utils" | "helpers") => stem,
            None => return in_tests.then(Subject::default),
        };
        let names: Vec<String> = EXTENSIONS.iter().map(|extension| format!("{bare}.{extension}")).collect();
        // Beside it, or beside the folder of tests.
        let above = folder_of(folder);
        let exactly = names
            .iter()
            .filter_map(|name| join(folder, name))
            .chain(names.iter().filter_map(|name| join(above, name)));
        Some(Subject { exactly: exactly.collect(), named: names.clone() })
    }
}

/// The text between quotes.
fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\'', '`'])
}

/// `import a, { b as c } from 'm'`, `import * as n from 'm'`, `import x = require('m')`
fn import<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let mut names = Names::new();
    let mut module = into.field(node, "source");
    let mut todo: Vec<Node<'_>> = node.named_children(&mut node.walk()).collect();
    todo.reverse();
    while let Some(part) = todo.pop() {
        match part.kind() {
            "import_clause" | "named_imports" => {
                let parts: Vec<Node<'_>> = part.named_children(&mut part.walk()).collect();
                todo.extend(parts.into_iter().rev());
            }
            "identifier" => names.push(("default".into(), Some(into.text_of(part).into()))),
            "namespace_import" => {
                names.push(("*".into(), part.named_child(0).map(|name| into.text_of(name).into())));
            }
            "import_specifier" => names.push(specifier(part, into)),
            "import_require_clause" => module = into.field(part, "source"),
            _ => {}
        }
    }
    if !module.is_empty() {
        into.import(node, unquoted(module), names, ImportKind::Uses);
    }
    Walk::Over
}

fn specifier<'t>(node: Node<'_>, into: &Extraction<'t>) -> (Text<'t>, Option<Text<'t>>) {
    let alias = into.field(node, "alias");
    (unquoted(into.field(node, "name")).into(), (!alias.is_empty()).then(|| alias.into()))
}

/// `export { a as b } from 'm'`, `export * from 'm'`, `export { a }`, `export default a`, `export const …`
fn export<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let children: Vec<Node<'_>> = node.children(&mut node.walk()).collect();
    let clause = children.iter().find(|child| child.kind() == "export_clause");
    let specifiers =
        clause.into_iter().flat_map(|clause| clause.named_children(&mut clause.walk()).collect::<Vec<_>>());
    let mut names: Names<'t> = specifiers
        .filter(|part| part.kind() == "export_specifier")
        .map(|part| specifier(part, into))
        .collect();
    let module = into.field(node, "source");
    if !module.is_empty() {
        if clause.is_none() {
            let under = children.iter().find(|child| child.kind() == "namespace_export");
            let under = under.and_then(|under| under.named_child(0)).map(|name| into.text_of(name).into());
            names.push(("*".into(), under));
        }
        into.import(node, unquoted(module), names, ImportKind::HandsOn);
        return Walk::Over;
    }
    into.exported.extend(names.into_iter().map(|(name, _)| name));
    if let Some(value) = node.child_by_field_name("value").filter(|value| value.kind() == "identifier") {
        into.exported.push(into.text_of(value).into());
    }
    Walk::Into
}

fn is_exported(node: Node<'_>) -> bool {
    let mut next = node.parent();
    for _ in 0..3 {
        match next.map(|node| (node.kind(), node)) {
            Some(("export_statement" | "ambient_declaration", _)) => return true,
            Some(("lexical_declaration" | "variable_declaration", node)) => next = node.parent(),
            _ => return false,
        }
    }
    false
}

fn define<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = into.field(node, "name");
    into.define(node, name, kind, is_exported(node));
    Walk::Over
}

fn scope<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    let _ = define(node, kind, into);
    Walk::Scope(into.field(node, "name").into())
}

/// A method or a field of a class.
fn member<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = match into.field(node, "name") {
        "" => into.field(node, "property"),
        name => name,
    };
    let function = node.child_by_field_name("value").is_some_and(is_function);
    let kind = match node.kind() {
        "public_field_definition" | "field_definition" if !function => SymbolKind::Constant,
        _ => SymbolKind::Method,
    };
    let mut cursor = node.walk();
    let mut modifiers = node.children(&mut cursor).filter(|child| child.kind() == "accessibility_modifier");
    let hidden = name.starts_with('#') || modifiers.any(|modifier| into.text_of(modifier) == "private");
    if !name.starts_with('[') && name != "constructor" {
        into.define(node, unquoted(name), kind, !hidden);
    }
    Walk::Over
}

fn is_function(node: Node<'_>) -> bool {
    matches!(node.kind(), "arrow_function" | "function_expression" | "generator_function" | "function")
}

/// `const a = …`, `const { a, b } = require('m')`
fn variable<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let Some(name) = node.child_by_field_name("name") else { return Walk::Over };
    let value = node.child_by_field_name("value");
    if let Some(module) = value.and_then(|value| required(value, into)) {
        into.import(node, module, taken(name, into), ImportKind::Uses);
        return Walk::Over;
    }
    let kind = match value.map(|value| (is_function(value), value.kind())) {
        Some((true, _)) => SymbolKind::Function,
        Some((_, "class")) => SymbolKind::Class,
        _ => SymbolKind::Constant,
    };
    match name.kind() {
        "identifier" => into.define(node, into.text_of(name), kind, is_exported(node)),
        "object_pattern" => {
            for (name, alias) in taken(name, into) {
                if let (Text::Borrowed(name), None) | (_, Some(Text::Borrowed(name))) = (name, alias) {
                    into.define(node, name, kind, is_exported(node));
                }
            }
        }
        _ => {}
    }
    Walk::Over
}

/// The module of `require('m')`, `await import('m')`, `require('m').name`.
fn required<'t>(value: Node<'_>, into: &Extraction<'t>) -> Option<&'t str> {
    let mut call = value;
    while let "await_expression" | "member_expression" | "parenthesized_expression" = call.kind() {
        call = call.named_child(0)?;
    }
    let function = call.child_by_field_name("function").map(|function| into.text_of(function));
    if call.kind() != "call_expression" || !matches!(function, Some("require" | "import")) {
        return None;
    }
    let argument = call.child_by_field_name("arguments")?.named_child(0)?;
    (argument.kind() == "string").then(|| unquoted(into.text_of(argument)))
}

/// The names of `{ a, b: c }`; everything, under one name, of an identifier.
fn taken<'t>(pattern: Node<'_>, into: &Extraction<'t>) -> Names<'t> {
    if pattern.kind() == "identifier" {
        return vec![("*".into(), Some(into.text_of(pattern).into()))];
    }
    let mut names = Names::new();
    for part in pattern.named_children(&mut pattern.walk()) {
        match part.kind() {
            "shorthand_property_identifier_pattern" => names.push((into.text_of(part).into(), None)),
            "pair_pattern" => {
                names.push((into.field(part, "key").into(), Some(into.field(part, "value").into())));
            }
            "object_assignment_pattern" => names.push((into.field(part, "left").into(), None)),
            _ => {}
        }
    }
    names
}

/// `exports.a = …`, `module.exports = { a, b }`, `A.prototype.b = function …`
fn assignment<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let (left, Some(right)) = (into.field(node, "left"), node.child_by_field_name("right")) else {
        return Walk::Over;
    };
    let kind = if is_function(right) { SymbolKind::Function } else { SymbolKind::Constant };
    if let Some(module) = required(right, into) {
        let kind = if left.starts_with("module.exports") { ImportKind::HandsOn } else { ImportKind::Uses };
        into.import(node, module, vec![("*".into(), None)], kind);
    } else if left == "module.exports" {
        match right.kind() {
            "identifier" => into.exported.push(into.text_of(right).into()),
            "object" => {
                for part in right.named_children(&mut right.walk()) {
                    if part.kind() == "shorthand_property_identifier" {
                        into.exported.push(into.text_of(part).into());
                    }
                }
            }
            _ => {}
        }
    } else if let Some(name) = left.strip_prefix("module.exports.").or_else(|| left.strip_prefix("exports."))
    {
        into.define(node, name, kind, true);
    } else if let Some((owner, name)) = left.split_once(".prototype.")
        && !name.contains('.')
    {
        into.define_in(node, name, SymbolKind::Method, true, Some(owner.into()));
    }
    Walk::Over
}

/// Takes the modules of every `require('m')` and `import('m')` that is not known yet.
fn called(into: &mut Extraction<'_>) {
    let mut known: HashSet<String> =
        into.facts.imports.iter().map(|import| import.module.to_string()).collect();
    let (mut line, mut counted) = (1, 0);
    let text = into.text;
    let calls = text.match_indices('(').filter(|(at, _)| {
        let before = &text.as_bytes()[..*at];
        let word = before.ends_with(b"require") || before.ends_with(b"import");
        let length = if before.ends_with(b"import") { 6 } else { 7 };
        word && before.len().checked_sub(length + 1).is_none_or(|at| !before[at].is_ascii_alphanumeric())
    });
    for (at, _) in calls {
        let rest = text[at + 1..].trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else { continue };
        let Some(module) = rest[1..].split([quote, '\n']).next() else { continue };
        if module.is_empty() || module.contains("${") || !known.insert(module.to_owned()) {
            continue;
        }
        line += text[counted..at].matches('\n').count() as u32;
        counted = at;
        into.import_at(line, module, Names::new(), ImportKind::Uses);
    }
}

#[cfg(test)]
mod tests;
