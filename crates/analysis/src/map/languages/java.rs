//! Java: what a file says its package is, is where its classes are, whatever its folder is called.

mod layout;

use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{ImportKind, SymbolKind, Text};
use crate::map::files::{Files, name_of};
use crate::map::project::Project;

pub(super) const NAME: &str = "java";

/// What the name of a test's class begins or ends with.
const ENDS: [&str; 6] = ["Tests", "Test", "TestCase", "ITCase", "IT", "Spec"];

pub(crate) struct Java;

impl Language for Java {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        path.ends_with(".java").then_some(Reads::Source)
    }

    fn grammar(&self, _path: &str, _text: &str) -> tree_sitter::Language {
        tree_sitter_java::LANGUAGE.into()
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "package_declaration" => {
                let name =
                    node.named_children(&mut node.walk()).find(|child| child.kind() != "marker_annotation");
                into.facts.package = name.map(|name| without_space(into.text_of(name)));
                Walk::Over
            }
            "import_declaration" => import(node, into),
            "class_declaration" | "record_declaration" => define(node, SymbolKind::Class, into),
            "interface_declaration" | "annotation_type_declaration" => {
                define(node, SymbolKind::Interface, into)
            }
            "enum_declaration" => define(node, SymbolKind::Enum, into),
            "method_declaration" | "annotation_type_element_declaration" => {
                let name = into.field(node, "name");
                into.define(node, name, SymbolKind::Method, !is_private(node, into));
                Walk::Over
            }
            "field_declaration" | "constant_declaration" => {
                let exported = !is_private(node, into);
                for declarator in node.children_by_field_name("declarator", &mut node.walk()) {
                    let name = into.field(declarator, "name");
                    into.define(node, name, SymbolKind::Constant, exported);
                }
                Walk::Over
            }
            "program"
            | "class_body"
            | "interface_body"
            | "annotation_type_body"
            | "enum_body"
            | "enum_body_declarations"
            | "ERROR" => Walk::Into,
            _ => Walk::Over,
        }
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Classes::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let stem = name_of(path).strip_suffix(".java")?;
        let bare = ENDS
            .iter()
            .find_map(|end| stem.strip_suffix(end))
            .or_else(|| stem.strip_prefix("Test").filter(|rest| rest.starts_with(char::is_uppercase)));
        match bare.filter(|bare| !bare.is_empty()) {
            // Where the sources of tests lie, everything else helps with tests.
            None => path
                .split('/')
                .any(|part| matches!(part, "test" | "tests" | "androidTest"))
                .then(Subject::default),
            Some(bare) => {
                let mut named = vec![format!("{bare}.java")];
                // `MapAsArrayFunctionalTest`: what it is about stands in front.
                named.extend(shorter(bare).map(|bare| format!("{bare}.java")));
                Some(Subject { named, ..Subject::default() })
            }
        }
    }
}

/// Names with one word less at the end, down to two words.
fn shorter(name: &str) -> impl Iterator<Item = &str> {
    let humps: Vec<usize> =
        name.char_indices().filter(|(at, c)| *at > 0 && c.is_uppercase()).map(|(at, _)| at).collect();
    humps.into_iter().skip(1).rev().map(|at| &name[..at])
}

fn is_private(node: Node<'_>, into: &Extraction<'_>) -> bool {
    let modifiers = node.children(&mut node.walk()).find(|child| child.kind() == "modifiers");
    modifiers
        .is_some_and(|modifiers| into.text_of(modifiers).split_whitespace().any(|word| word == "private"))
}

fn define<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = into.field(node, "name");
    into.define(node, name, kind, !is_private(node, into));
    Walk::Scope(name.into())
}

/// `import a.b.C;`, `import static a.b.C.member;`, `import a.b.*;`
fn import<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let children: Vec<Node<'_>> = node.children(&mut node.walk()).collect();
    let has = |kind: &str| children.iter().any(|child| child.kind() == kind);
    let name = children.iter().find(|child| matches!(child.kind(), "scoped_identifier" | "identifier"));
    let Some(name) = name.map(|name| without_space(into.text_of(*name))) else { return Walk::Over };
    if has("asterisk") {
        into.import(node, name, vec![("*".into(), None)], ImportKind::Uses);
    } else if let Some((module, last)) = name.rsplit_once('.') {
        let names = vec![(Text::Owned(last.to_owned()), None)];
        into.import(node, module.to_owned(), names, ImportKind::Uses);
    }
    Walk::Over
}

fn without_space(text: &str) -> Text<'_> {
    if text.contains(char::is_whitespace) {
        text.split_whitespace().collect::<String>().into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests;
