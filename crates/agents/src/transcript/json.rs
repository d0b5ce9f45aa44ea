//! JSON that others wrote, read with little work and without trust: fields by name, wrong types as none, nothing built for what
//! nobody asks for.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::MOST;
use crate::claude::mended;

/// Levels that are indented; a line can hold millions of them.
const DEEPEST: usize = 32;

/// An object's first [`MOST`] fields.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(crate) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The value of a field; the last, where there are several. `null` is none.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| known == name)?;
        (value.get() != "null").then_some(*value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(self.raw(name)?)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value.get() == "true")
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::read(self.raw(name)?.get())
    }

    /// The objects among its fields.
    pub(crate) fn objects_within(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.iter().filter_map(|(_, value)| Self::read(value.get()))
    }

    /// The objects of a list, [`MOST`] at most; what is none is left out.
    pub(crate) fn objects(&self, name: &str) -> Option<Vec<Self>> {
        let list: List<'_> = serde_json::from_str(self.raw(name)?.get()).ok()?;
        Some(list.0.into_iter().filter_map(|item| Self::read(item.get())).collect())
    }

    /// The items of a list, [`MOST`] at most.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.raw(name)?.get()).ok().map(|List(list)| list)
    }
}

/// A string's text. Half a character, as JavaScript writes it, is replaced.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    serde_json::from_str(json).or_else(|_| serde_json::from_str(&mended(json.as_bytes()))).ok()
}

/// The strings of a list.
pub(crate) fn strings(list: Vec<&RawValue>) -> Vec<String> {
    list.into_iter().filter_map(text).collect()
}

/// The value with a line for each field and item, at most `most` bytes and one line that says so.
pub(crate) fn pretty(json: &str, most: usize) -> String {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len().min(most));
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        if out.len() >= most {
            out.truncate(out.trim_end().len());
            return out + "\n…";
        }
        let end = match bytes[at] {
            b'"' => string_end(bytes, at),
            open @ (b'{' | b'[') => {
                out.push(char::from(open));
                let inside = at + 1 + blanks(&bytes[at + 1..]);
                if let Some(close @ (b'}' | b']')) = bytes.get(inside) {
                    out.push(char::from(*close));
                    at = inside + 1;
                    continue;
                }
                depth += 1;
                new_line(&mut out, depth);
                at = inside;
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                at + 1
            }
            _ => at + 1,
        };
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            // Strings begin and end with a byte of their own, and so do numbers and words, byte by byte.
            _ => out.push_str(json.get(at..end).unwrap_or_default()),
        }
        match bytes[at] {
            b',' => new_line(&mut out, depth),
            b':' => out.push(' '),
            _ => {}
        }
        at = end;
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the string that begins there ends.
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    bytes.len()
}

/// A list's first [`MOST`] items.
#[derive(Debug)]
struct List<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while fields.len() < MOST
                    && let Some(field) = map.next_entry()?
                {
                    fields.push(field);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MOST
                    && let Some(item) = seq.next_element()?
                {
                    items.push(item);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_indented_as_they_are() {
        for (json, shown) in [
            ("{}", "{}"),
            ("[ ]", "[]"),
            (r#"{"a":1,"b":[true,null]}"#, "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ]\n}"),
            (r#" {"a\"}":"x,\\" } "#, "{\n  \"a\\\"}\": \"x,\\\\\"\n}"),
            ("\"ä\u{202e}\\u0041\"", "\"ä\u{202e}\\u0041\""),
            ("-1.5e3", "-1.5e3"),
        ] {
            assert_eq!(pretty(json, 1_000), shown, "{json}");
            let as_read: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(shown).unwrap(), as_read);
        }
        assert_eq!(pretty("[1,2,3]", 6), "[\n  1,\n…");
        let deep = "[".repeat(1_000_000);
        assert!(pretty(&deep, 10_000).len() < 11_000);
    }

    #[test]
    fn fields_of_any_type_are_read_or_none() {
        let object =
            Object::read(r#"{"a":"x\ud83d","b":3,"c":true,"d":null,"e":[1,{"f":"g"}],"b":4}"#).unwrap();
        assert_eq!(object.text("a").as_deref(), Some("x\u{fffd}"));
        assert_eq!((object.text("b"), object.whole("b"), object.number("b")), (None, Some(4), Some(4.0)));
        assert!(object.flag("c") && !object.flag("b") && !object.flag("z"));
        assert!(object.raw("d").is_none() && object.object("e").is_none());
        let inner = object.objects("e").unwrap();
        assert_eq!((inner.len(), inner[0].text("f").as_deref()), (1, Some("g")));
        assert_eq!(object.list("e").unwrap().len(), 2);
        assert!(Object::read("[]").is_none() && Object::read("{").is_none());
        let many = format!("{{{}\"z\":1}}", "\"a\":0,".repeat(100_000));
        assert_eq!(Object::read(&many).unwrap().0.len(), MOST);
    }
}
