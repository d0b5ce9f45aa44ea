//! C and C++: a header is found beside the file, else by the end of its path in whichever folder the build would search.
//!
//! What a header is written in is told by its words; where it could be either, C is the quicker to parse.

mod layout;

use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{ImportKind, SymbolKind, Text};
use crate::map::files::{Files, folder_of, join, split_name};
use crate::map::project::Project;

pub(super) const NAME: &str = "c";

const PLAIN: [&str; 2] = ["c", "h"];
const CPP: [&str; 13] =
    ["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "tpp", "cu", "cuh"];

/// Words at the beginning of a line by which a header is C++.
const WORDS: [&str; 6] = ["class ", "namespace ", "template", "using ", "public:", "private:"];

pub(crate) struct C;

impl Language for C {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        let extension = split_name(path).1;
        (PLAIN.contains(&extension) || CPP.contains(&extension)).then_some(Reads::Source)
    }

    fn grammar(&self, path: &str, text: &str) -> tree_sitter::Language {
        match split_name(path).1 {
            "c" => tree_sitter_c::LANGUAGE.into(),
            "h" if !text.lines().any(is_cpp) => tree_sitter_c::LANGUAGE.into(),
            _ => tree_sitter_cpp::LANGUAGE.into(),
        }
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "preproc_include" => {
                // The quotes stay: they say where to look first.
                let path = into.field(node, "path");
                if path.starts_with(['"', '<']) {
                    into.import(node, path, Vec::new(), ImportKind::Uses);
                }
                Walk::Over
            }
            "preproc_def" | "preproc_function_def" => {
                let name = into.field(node, "name");
                let kind =
                    if node.kind() == "preproc_def" { SymbolKind::Constant } else { SymbolKind::Macro };
                // A guard against being included twice defines nothing.
                if kind == SymbolKind::Macro || node.child_by_field_name("value").is_some() {
                    into.define_in(node, name, kind, true, None);
                }
                Walk::Over
            }
            "function_definition" | "declaration" | "field_declaration" => declaration(node, into),
            "struct_specifier" | "class_specifier" | "union_specifier" => {
                specifier(node, SymbolKind::Class, into)
            }
            "enum_specifier" => specifier(node, SymbolKind::Enum, into),
            "type_definition" => {
                let mut cursor = node.walk();
                for declarator in node.children_by_field_name("declarator", &mut cursor) {
                    if let Some(name) = innermost(declarator) {
                        let name = into.text_of(name);
                        into.define(node, name, SymbolKind::Type, true);
                    }
                }
                Walk::Into
            }
            "alias_declaration" | "concept_definition" => {
                let name = into.field(node, "name");
                into.define(node, name, SymbolKind::Type, true);
                Walk::Over
            }
            "namespace_definition" => match into.field(node, "name") {
                "" => Walk::Into,
                name => Walk::Scope(name.into()),
            },
            "translation_unit"
            | "linkage_specification"
            | "declaration_list"
            | "preproc_if"
            | "preproc_ifdef"
            | "preproc_else"
            | "preproc_elif"
            | "preproc_elifdef"
            | "template_declaration"
            | "field_declaration_list"
            | "ERROR" => Walk::Into,
            _ => Walk::Over,
        }
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Headers::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let (stem, _) = split_name(path);
        const ENDS: [&str; 7] = ["_test", "_tests", "_unittest", "-test", "Test", "Tests", ".test"];
        let bare = ENDS.iter().find_map(|end| stem.strip_suffix(end));
        let bare =
            bare.or_else(|| ["test_", "test-", "tst_"].iter().find_map(|start| stem.strip_prefix(start)));
        let folder = folder_of(path);
        let in_tests =
            folder.split('/').any(|part| matches!(part, "test" | "tests" | "unittest" | "unittests"));
        match bare {
            Some(bare) => Some(about(bare, folder)),
            None if in_tests => Some(about(stem, folder)),
            None => None,
        }
    }
}

/// A source of that name, else a header.
fn about(bare: &str, folder: &str) -> Subject {
    let all = ["c", "cc", "cpp", "cxx", "h", "hpp", "hh"].map(|extension| format!("{bare}.{extension}"));
    let exactly = all.iter().filter_map(|name| join(folder, name)).collect();
    Subject { exactly, named: all.to_vec() }
}

fn is_cpp(line: &str) -> bool {
    let line = line.trim_start();
    WORDS.iter().any(|word| line.starts_with(word)) || line.contains("::")
}

fn is_static(node: Node<'_>, into: &Extraction<'_>) -> bool {
    let mut cursor = node.walk();
    node.children(&mut cursor)
        .any(|child| child.kind() == "storage_class_specifier" && into.text_of(child) == "static")
}

/// The identifier that a declarator is about.
fn innermost(declarator: Node<'_>) -> Option<Node<'_>> {
    let mut node = declarator;
    loop {
        node = match node.child_by_field_name("declarator") {
            Some(inner) => inner,
            // `(*name)`
            None if matches!(node.kind(), "parenthesized_declarator" | "reference_declarator") => {
                node.named_child(0)?
            }
            None => return Some(node),
        };
    }
}

fn is_function(declarator: Node<'_>) -> bool {
    let mut node = Some(declarator);
    while let Some(now) = node {
        match now.kind() {
            // A pointer to a function is a variable.
            "function_declarator" => {
                return now
                    .child_by_field_name("declarator")
                    .is_none_or(|of| of.kind() != "parenthesized_declarator");
            }
            "init_declarator" => return false,
            _ => node = now.child_by_field_name("declarator").or_else(|| now.named_child(0)),
        }
    }
    false
}

/// Functions, methods, variables, and types that are written into a declaration.
fn declaration<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let member = node.kind() == "field_declaration" || into.owner().is_some();
    let hidden = is_static(node, into) && !member;
    let mut cursor = node.walk();
    for declarator in node.children_by_field_name("declarator", &mut cursor) {
        let function = is_function(declarator);
        // Fields are many and say little; what an `extern` names is defined elsewhere, and so is a function without a body
        // in a source, but a header that declares it is where others look.
        if !function && member {
            continue;
        }
        let Some(name) = innermost(declarator) else { continue };
        let text = into.text_of(name);
        let (owner, text) = match text.rsplit_once("::") {
            Some((owner, text)) => {
                let owner =
                    owner.split('<').next().unwrap_or_default().rsplit("::").next().unwrap_or_default();
                (Some(Text::from(owner)), text)
            }
            None => (into.owner().cloned(), text),
        };
        let around =
            node.parent().filter(|of| of.kind() == "template_declaration").and_then(|of| of.parent());
        let in_class =
            around.or_else(|| node.parent()).is_some_and(|of| of.kind() == "field_declaration_list");
        let kind = match (function, in_class || (owner.is_some() && owner != into.owner().cloned())) {
            (true, true) => SymbolKind::Method,
            (true, false) => SymbolKind::Function,
            (false, _) => SymbolKind::Constant,
        };
        into.define_in(node, text, kind, !hidden, owner);
    }
    // `struct x { … } y;`
    if node.kind() == "function_definition" { Walk::Over } else { Walk::Into }
}

/// `struct name { … }`; without braces it only names one.
fn specifier<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    if node.child_by_field_name("body").is_none() {
        return Walk::Over;
    }
    let name = into.field(node, "name");
    into.define(node, name, kind, true);
    if kind == SymbolKind::Enum {
        return Walk::Over;
    }
    let name = name.rsplit("::").next().unwrap_or_default();
    Walk::Scope(name.split('<').next().unwrap_or_default().into())
}

#[cfg(test)]
mod tests;
