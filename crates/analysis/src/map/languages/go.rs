//! Go: a folder is a package, `go.mod` says what its folder is called, and names with a capital are for others.

mod layout;

use hashbrown::{HashMap, HashSet};
use tree_sitter::Node;

use super::{Language, Layout, Reads, Subject};
use crate::map::extract::{Extraction, Walk};
use crate::map::facts::{Facts, ImportKind, RawImport, SymbolKind, Text};
use crate::map::files::{Files, folder_of, name_of};
use crate::map::project::Project;

pub(super) const NAME: &str = "go";

pub(crate) struct Go;

impl Language for Go {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, path: &str) -> Option<Reads> {
        match name_of(path) {
            "go.mod" => Some(Reads::Manifest),
            name => name.ends_with(".go").then_some(Reads::Source),
        }
    }

    fn grammar(&self, _path: &str, _text: &str) -> tree_sitter::Language {
        tree_sitter_go::LANGUAGE.into()
    }

    fn visit<'t>(&self, node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
        match node.kind() {
            "package_clause" => {
                let name = node.named_child(0).map(|name| into.text_of(name));
                into.facts.package = name.map(Text::from);
                Walk::Over
            }
            "import_spec" => import(node, into),
            "function_declaration" => define(node, SymbolKind::Function, into),
            "method_declaration" => {
                let (name, receiver) = (into.field(node, "name"), into.field(node, "receiver"));
                let owner = Some(type_of(receiver).into());
                into.define_in(node, name, SymbolKind::Method, is_exported(name), owner);
                Walk::Over
            }
            "type_spec" | "type_alias" => type_spec(node, into),
            "method_elem" => define(node, SymbolKind::Method, into),
            "const_spec" | "var_spec" => {
                for name in node.children_by_field_name("name", &mut node.walk()) {
                    let name = into.text_of(name);
                    if name != "_" && name != "," {
                        into.define(node, name, SymbolKind::Constant, is_exported(name));
                    }
                }
                Walk::Over
            }
            "source_file" | "import_declaration" | "import_spec_list" | "type_declaration"
            | "const_declaration" | "var_declaration" | "var_spec_list" | "interface_type" | "ERROR" => {
                Walk::Into
            }
            _ => Walk::Over,
        }
    }

    fn finish(&self, into: &mut Extraction<'_>) {
        used_names(into);
    }

    fn manifest<'t>(&self, _path: &str, text: &'t str, into: &mut Facts<'t>) {
        layout::read_manifest(text, into);
    }

    fn layout(&self, project: &Project<'_>) -> Box<dyn Layout> {
        Box::new(layout::Packages::new(project))
    }

    fn subject(&self, path: &str, _files: &Files) -> Option<Subject> {
        let stem = name_of(path).strip_suffix("_test.go")?;
        let beside = |stem: &str| {
            let folder = folder_of(path);
            if folder.is_empty() { format!("{stem}.go") } else { format!("{folder}/{stem}.go") }
        };
        // `page_integration_test.go` is about `page.go`, where there is nothing nearer.
        let shorter = std::iter::successors(Some(stem), |stem| Some(stem.rsplit_once('_')?.0));
        Some(Subject { exactly: shorter.map(beside).collect(), ..Subject::default() })
    }
}

fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

fn define<'t>(node: Node<'_>, kind: SymbolKind, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = into.field(node, "name");
    into.define(node, name, kind, is_exported(name));
    Walk::Over
}

/// `(s *Server[T])` → `Server`
fn type_of(receiver: &str) -> &str {
    let receiver = receiver.trim_matches(['(', ')']).split('[').next().unwrap_or_default();
    receiver.rsplit([' ', '*', '\t']).next().unwrap_or_default()
}

fn type_spec<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let name = into.field(node, "name");
    let kind = match node.child_by_field_name("type").map(|of| of.kind()) {
        Some("interface_type") => SymbolKind::Interface,
        Some("struct_type") => SymbolKind::Class,
        _ => SymbolKind::Type,
    };
    into.define(node, name, kind, is_exported(name));
    if kind == SymbolKind::Interface { Walk::Scope(name.into()) } else { Walk::Over }
}

/// `alias "example.com/x/y"`. The alias is kept until the names that are used of it are known.
fn import<'t>(node: Node<'_>, into: &mut Extraction<'t>) -> Walk<'t> {
    let module = into.field(node, "path").trim_matches(['"', '`']);
    let alias = into.field(node, "name");
    let names = match alias {
        "." => vec![("*".into(), None)],
        "" | "_" => Vec::new(),
        alias => vec![("".into(), Some(alias.into()))],
    };
    into.import(node, module, names, ImportKind::Uses);
    Walk::Over
}

/// What a package is probably called: the last part of its path that is no version, without `go-` and `.v2`.
fn package_of(module: &str) -> &str {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let part = module.rsplit('/').find(|part| !is_version(part)).unwrap_or(module);
    let part = part.split_once(".v").map_or(part, |(part, _)| part);
    let part = part.strip_prefix("go-").unwrap_or(part);
    part.strip_suffix("-go").unwrap_or(part)
}

/// Finds the names that are used of each package (`http.Server`), wherever they stand: a look at every word of the text
/// costs a hundredth of a walk through the tree.
fn used_names(into: &mut Extraction<'_>) {
    let mut found: Vec<Vec<&str>> = vec![Vec::new(); into.facts.imports.len()];
    let called = |import: &RawImport<'_>| match import.names.first() {
        Some((_, Some(alias))) => alias.to_string(),
        Some(_) => String::new(),
        None => package_of(&import.module).to_owned(),
    };
    let packages: HashMap<String, usize> =
        into.facts.imports.iter().enumerate().map(|(at, import)| (called(import), at)).collect();
    let text = into.text;
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut seen: HashSet<(usize, &str)> = HashSet::new();
    for (dot, _) in text.match_indices('.') {
        let start = bytes[..dot].iter().rposition(|byte| !is_word(*byte)).map_or(0, |at| at + 1);
        let length = bytes[dot + 1..].iter().position(|byte| !is_word(*byte));
        let end = length.map_or(bytes.len(), |length| dot + 1 + length);
        if !bytes.get(dot + 1).is_some_and(u8::is_ascii_uppercase) || (start > 0 && bytes[start - 1] == b'.')
        {
            continue;
        }
        if let (Some(word), Some(name)) = (text.get(start..dot), text.get(dot + 1..end))
            && let Some(at) = packages.get(word)
            && seen.insert((*at, name))
        {
            found[*at].push(name);
        }
    }
    for (import, names) in into.facts.imports.iter_mut().zip(found) {
        import.names.retain(|(name, _)| !name.is_empty());
        import.names.extend(names.into_iter().map(|name| (Text::from(name), None)));
    }
}

#[cfg(test)]
mod tests;
