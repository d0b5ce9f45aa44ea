//! Rust: crates of Cargo's manifests, their module trees, and paths through them.
//!
//! `use` trees are taken apart into one import for each module. What stands in braces behind a macro at the level of items
//! (`cfg_net! { mod tcp; }`) is read as items: conditional modules are written so, and nothing else would be known of them.

mod layout;
mod manifest;

use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject, as_paths};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{Facts, ImportKind, Names, SymbolKind, Text};
use crate::map::files::{Files, folder_of, join, name_of};
use crate::map::project::Project;

pub(super) const NAME: &str = "rust";

/// Before the name of an inline module among the scopes, to tell it from a type.
const MODULE: &str = "mod ";

pub(crate) struct Rust;

impl Language for Rust {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        match name_of(path) {
            "Cargo.toml" => Some(Reads::Manifest),
            name => name.ends_with(".rs").then_some(Reads::Source),
        }
    }

    fn grammar(&self, _path: &str, _text: &str) -> tree_sitter::Language {
        tree_sitter_rust::LANGUAGE.into()
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "function_item" | "function_signature_item" => {
                let method = into.owner().is_some_and(|owner| !owner.starts_with(MODULE));
                define(node, if method { SymbolKind::Method } else { SymbolKind::Function }, into)
            }
            "struct_item" | "union_item" => define(node, SymbolKind::Class, into),
            "enum_item" => define(node, SymbolKind::Enum, into),
            "type_item" | "associated_type" => define(node, SymbolKind::Type, into),
            "const_item" | "static_item" => define(node, SymbolKind::Constant, into),
            "macro_definition" => define(node, SymbolKind::Macro, into),
            "trait_item" => {
                define(node, SymbolKind::Interface, into);
                Walk::Scope(into.field(node, "name").into())
            }
            "impl_item" => Walk::Scope(type_name(into.field(node, "type")).into()),
            "mod_item" => module(node, into),
            "use_declaration" => {
                if let Some(argument) = node.child_by_field_name("argument") {
                    import(node, argument, into);
                }
                Walk::Over
            }
            "extern_crate_declaration" => {
                let name = into.field(node, "name");
                into.import(node, name, Vec::new(), ImportKind::Uses);
                Walk::Over
            }
            "macro_invocation" => {
                let last = node.child(node.child_count().saturating_sub(1));
                if let Some(last) = last.filter(|last| into.text_of(*last).starts_with('{')) {
                    into.parse_again(last);
                }
                Walk::Over
            }
            "source_file" | "declaration_list" | "foreign_mod_item" | "expression_statement" | "ERROR" => {
                Walk::Into
            }
            _ => Walk::Over,
        }
    }

    fn manifest<'t>(&self, _path: &str, text: &'t str, into: &mut Facts<'t>) {
        manifest::read(text, into);
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Crates::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let stem = name_of(path).strip_suffix(".rs")?;
        let folder = folder_of(path);
        if matches!(stem, "tests" | "test") {
            return Some(Subject { exactly: module_files(folder), ..Subject::default() });
        }
        let bare = stem.strip_suffix("_tests").or_else(|| stem.strip_suffix("_test"));
        let bare = bare.or_else(|| stem.strip_prefix("test_"));
        // Of `tests` folders the innermost counts: `crates/a/tests/it/x.rs`, `src/parser/tests/x.rs`.
        let parts: Vec<&str> = folder.split('/').collect();
        let Some(at) = parts.iter().rposition(|part| matches!(*part, "tests" | "test")) else {
            let bare = bare?;
            let exactly = [format!("{bare}.rs"), format!("{bare}/mod.rs")];
            let exactly = exactly.iter().filter_map(|name| join(folder, name)).collect();
            return Some(Subject { exactly, ..Subject::default() });
        };
        let above = parts[..at].join("/");
        let bare = bare.unwrap_or(stem);
        if matches!(bare, "main" | "mod" | "lib" | "common") {
            return Some(Subject::default());
        }
        let below = [format!("src/{bare}.rs"), format!("src/{bare}/mod.rs"), format!("{bare}.rs")];
        let mut exactly: Vec<String> = below.iter().filter_map(|name| join(&above, name)).collect();
        let own = above.split('/').any(|part| part == "src");
        exactly.extend(own.then(|| module_files(&above)).into_iter().flatten());
        let named = std::iter::once(bare.to_owned()).chain(as_paths(bare));
        let named = named.flat_map(|path| [format!("{path}.rs"), format!("{path}/mod.rs")]);
        Some(Subject { exactly, named: named.collect() })
    }
}

/// The files that the module of a folder can have: `src/a` → `src/a.rs`, `src/a/mod.rs`, and of a crate its root.
fn module_files(folder: &str) -> Vec<String> {
    let below = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    vec![format!("{folder}.rs"), below("mod.rs"), below("lib.rs"), below("main.rs")]
}

fn is_public(node: Node<'_>) -> bool {
    node.children(&mut node.walk()).any(|child| child.kind() == "visibility_modifier")
}

fn define<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    let in_trait = node.parent().and_then(|list| list.parent()).is_some_and(|of| {
        of.kind() == "trait_item" || (of.kind() == "impl_item" && of.child_by_field_name("trait").is_some())
    });
    let exported = is_public(node) || in_trait || kind == SymbolKind::Macro;
    let owner = into.owner().map(|owner| match owner.strip_prefix(MODULE) {
        Some(module) => module.to_owned().into(),
        None => owner.clone(),
    });
    let name = into.field(node, "name");
    if name != "_" {
        into.define_in(node, name, kind, exported, owner);
    }
    Walk::Over
}

/// `&'a mut path::Type<T>` → `Type`
fn type_name(of: &str) -> &str {
    let of = of.split('<').next().unwrap_or_default().trim();
    let of = of.rsplit("::").next().unwrap_or_default();
    of.rsplit(['&', ' ', '*']).next().unwrap_or_default()
}

/// The inline modules that a node stands in.
fn inline(into: &Extraction<'_>) -> Vec<String> {
    into.owners().filter_map(|owner| Some(owner.strip_prefix(MODULE)?.to_owned())).collect()
}

/// `mod name { … }`, or `mod name;`, which another file is.
fn module<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = into.field(node, "name");
    if node.child_by_field_name("body").is_some() {
        define(node, SymbolKind::Module, into);
        return Walk::Scope(Text::Owned(format!("{MODULE}{name}")));
    }
    let mut path = inline(into);
    path.push(name.to_owned());
    let mut names = Vec::new();
    let mut before = node.prev_sibling();
    while let Some(attribute) = before.filter(|node| matches!(node.kind(), "attribute_item" | "line_comment"))
    {
        let text = into.text_of(attribute);
        let value = text.strip_prefix("#[path").map(|rest| rest.trim_start_matches([' ', '=']));
        if let Some(file) = value.and_then(|value| value.strip_prefix('"')?.split('"').next()) {
            names.push((file.into(), None));
        }
        before = attribute.prev_sibling();
    }
    into.import(node, path.join("::"), names, ImportKind::Declares);
    Walk::Over
}

/// Takes a `use` tree apart, without recursion: what is left to do is a list.
fn import(node: Node<'_>, argument: Node<'_>, into: &mut Extraction<'_>) {
    let kind = if is_public(node) { ImportKind::HandsOn } else { ImportKind::Uses };
    let mut found: Vec<(String, Names<'_>)> = Vec::new();
    let mut take = |module: String, name: Option<(Text<'static>, Option<Text<'static>>)>| {
        let at = found.iter().position(|(known, _)| *known == module).unwrap_or(found.len());
        if at == found.len() {
            found.push((module, Vec::new()));
        }
        found[at].1.extend(name);
    };
    let mut todo = vec![(String::new(), argument)];
    while let Some((prefix, part)) = todo.pop() {
        let text = |node: Node<'_>| into.text_of(node).split_whitespace().collect::<String>();
        match part.kind() {
            "scoped_use_list" => {
                let path = part.child_by_field_name("path").map(text).unwrap_or_default();
                todo.extend(part.child_by_field_name("list").map(|list| (joined(&prefix, &path), list)));
            }
            "use_list" => {
                let parts: Vec<Node<'_>> = part.named_children(&mut part.walk()).collect();
                todo.extend(parts.into_iter().rev().map(|part| (prefix.clone(), part)));
            }
            "use_as_clause" => {
                let path = part.child_by_field_name("path").map(text).unwrap_or_default();
                let alias = into.field(part, "alias").to_owned();
                let (module, name) = leaf(&joined(&prefix, &path));
                take(module, name.map(|name| (name.into(), Some(alias.into()))));
            }
            "use_wildcard" => {
                let path = text(part);
                let path = path.strip_suffix('*').unwrap_or(&path);
                take(joined(&prefix, path.trim_end_matches("::")), Some(("*".into(), None)));
            }
            "identifier" | "scoped_identifier" | "self" | "crate" | "super" | "metavariable" => {
                let (module, name) = leaf(&joined(&prefix, &text(part)));
                take(module, name.map(|name| (name.into(), None)));
            }
            _ => {}
        }
    }
    let inline = inline(into);
    for (module, names) in found {
        into.import(node, absolute(&module, &inline), names, kind);
    }
}

fn joined(prefix: &str, path: &str) -> String {
    let path = path.trim_start_matches("::");
    match (prefix.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => prefix.to_owned(),
        _ => format!("{prefix}::{path}"),
    }
}

/// `a::b::c` → `a::b`, `c`; `a::b::self` → `a`, `b`; `a` → `a`.
fn leaf(path: &str) -> (String, Option<String>) {
    let path = path.strip_suffix("::self").unwrap_or(path);
    match path.rsplit_once("::") {
        Some((module, name)) => (module.to_owned(), Some(name.to_owned())),
        None => (path.to_owned(), None),
    }
}

/// The same path as it reads outside of the inline modules that it stands in.
fn absolute(module: &str, inline: &[String]) -> String {
    if inline.is_empty() {
        return module.to_owned();
    }
    let mut inside = inline.len();
    let mut rest = module;
    let relative =
        rest == "self" || rest.starts_with("self::") || rest == "super" || rest.starts_with("super::");
    if !relative {
        return module.to_owned();
    }
    loop {
        let (first, more) = rest.split_once("::").unwrap_or((rest, ""));
        match first {
            "self" => {}
            "super" if inside > 0 => inside -= 1,
            _ => break,
        }
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    let mut path = vec!["self"];
    path.extend(inline[..inside].iter().map(String::as_str));
    path.extend((!rest.is_empty()).then_some(rest));
    path.join("::")
}

#[cfg(test)]
mod tests;
