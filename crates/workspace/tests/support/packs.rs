//! Packs made by hand, as nobody's git would make them.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gadugi_core::CommitId;

use super::sealed::Cell;

pub(crate) const COMMIT: u8 = 1;
pub(crate) const TREE: u8 = 2;
pub(crate) const BLOB: u8 = 3;
pub(crate) const TAG: u8 = 4;

/// A pack under way.
#[derive(Default)]
pub(crate) struct Pack {
    bytes: Vec<u8>,
    objects: u32,
}

impl Pack {
    pub(crate) fn object(&mut self, kind: u8, content: &[u8]) -> &mut Self {
        self.claiming(kind, content.len() as u64, &[], content)
    }

    /// An object that says that it has another size.
    pub(crate) fn claiming(&mut self, kind: u8, size: u64, base: &[u8], content: &[u8]) -> &mut Self {
        self.head(kind, size);
        self.bytes.extend_from_slice(base);
        let mut deflate = ZlibEncoder::new(&mut self.bytes, Compression::default());
        deflate.write_all(content).unwrap();
        deflate.finish().unwrap();
        self
    }

    /// So many zeros, deflated a thousand to one.
    pub(crate) fn zeros(&mut self, bytes: u64) -> &mut Self {
        self.head(BLOB, bytes);
        let mut deflate = ZlibEncoder::new(&mut self.bytes, Compression::best());
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), bytes), &mut deflate).unwrap();
        deflate.finish().unwrap();
        self
    }

    /// A delta against an object of that id.
    pub(crate) fn ref_delta(&mut self, base: &str, delta: &[u8]) -> &mut Self {
        self.claiming(7, delta.len() as u64, &id_bytes(base), delta)
    }

    /// A delta against what lies so many bytes before it.
    pub(crate) fn ofs_delta(&mut self, back: u8, delta: &[u8]) -> &mut Self {
        assert!(back < 0x80);
        self.claiming(6, delta.len() as u64, &[back], delta)
    }

    fn head(&mut self, kind: u8, size: u64) {
        self.objects += 1;
        let mut rest = size >> 4;
        let mut byte = (kind << 4) | (size & 15) as u8;
        while rest > 0 {
            self.bytes.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.bytes.push(byte);
    }

    pub(crate) fn done(&self) -> Vec<u8> {
        self.with_head(2, self.objects)
    }

    pub(crate) fn with_head(&self, version: u32, objects: u32) -> Vec<u8> {
        let mut pack = b"PACK".to_vec();
        pack.extend(version.to_be_bytes());
        pack.extend(objects.to_be_bytes());
        pack.extend_from_slice(&self.bytes);
        let sum = fed("sha1sum", &[], &pack);
        pack.extend(id_bytes(sum.split(' ').next().unwrap()));
        pack
    }
}

/// A delta: from a base of that size to a result of that size, by these instructions.
pub(crate) fn delta(base: u64, result: u64, instructions: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut size in [base, result] {
        while size >= 0x80 {
            bytes.push(size as u8 | 0x80);
            size >>= 7;
        }
        bytes.push(size as u8);
    }
    bytes.extend_from_slice(instructions);
    bytes
}

fn fed(program: &str, args: &[&str], input: &[u8]) -> String {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    })
}

/// The id of an object, whatever is wrong with it.
pub(crate) fn id(kind: u8, content: &[u8]) -> String {
    let kind = ["", "commit", "tree", "blob", "tag"][usize::from(kind)];
    let mut whole = format!("{kind} {}\0", content.len()).into_bytes();
    whole.extend_from_slice(content);
    fed("sha1sum", &[], &whole).split(' ').next().unwrap().to_owned()
}

pub(crate) fn id_bytes(id: &str) -> Vec<u8> {
    (0..id.len() / 2).map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).unwrap()).collect()
}

pub(crate) fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    [mode.as_bytes(), b" ", name, b"\0", &id_bytes(id)].concat()
}

pub(crate) fn commit(tree: &str, parents: &[&str]) -> Vec<u8> {
    let mut text = format!("tree {tree}\n");
    for parent in parents {
        text.push_str(&format!("parent {parent}\n"));
    }
    text.push_str(
        "author A <a@example.com> 1000000000 +0000\ncommitter A <a@example.com> 1000000000 +0000\n\nx\n",
    );
    text.into_bytes()
}

impl Cell<'_> {
    /// An export as the script writes it, with that pack.
    pub(crate) fn forge(&self, tip: &str, head: Option<&str>, pack: &[u8]) {
        let head = head.unwrap_or("-");
        self.forge_text(&format!(
            "gadugi-export 1\nstatus ok\ntip {tip}\nhead {head}\nbranch {head}\non refs/heads/{}\noperation -\n\
             committed 0\nhistory whole\n\n",
            self.branch()
        ), pack);
    }

    pub(crate) fn forge_text(&self, header: &str, pack: &[u8]) {
        std::fs::write(&self.exported, [header.as_bytes(), pack].concat()).unwrap();
    }

    /// An export of one commit on the base with a tree of these entries; other objects may come along.
    pub(crate) fn forge_tree(&self, tree: &[u8], others: &[(u8, Vec<u8>)]) -> CommitId {
        let (base, tree_id) = (self.base.to_string(), id(TREE, tree));
        let content = commit(&tree_id, &[&base]);
        let tip = id(COMMIT, &content);
        let mut pack = Pack::default();
        pack.object(COMMIT, &content).object(TREE, tree);
        for (kind, content) in others {
            pack.object(*kind, content);
        }
        self.forge(&tip, Some(&base), &pack.done());
        CommitId::new(tip)
    }
}
