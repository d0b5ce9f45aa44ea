//! Names, each kept once. Fifty thousand files name the same things millions of times; a number of four bytes stands
//! for each.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A name, by its place in the vocabulary.
pub(crate) type WordId = u32;

/// The longest name that is kept, bytes. Nobody writes a longer one; what is longer is data, and is left out.
pub(crate) const LONGEST_NAME: usize = 512;

/// All names. The first is the empty one.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    text: String,
    /// Where each ends in the text.
    ends: Vec<u32>,
    /// The way back from a name to its number, made when it is first needed.
    index: OnceLock<Index>,
}

#[derive(Clone, Debug)]
struct Index {
    hasher: DefaultHashBuilder,
    table: HashTable<WordId>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { text: String::new(), ends: vec![0], index: OnceLock::new() }
    }
}

impl Vocabulary {
    /// From all names in one text and where each ends. None where that is no vocabulary: the ends are not in order,
    /// not in the text, within a character, or the first name is not the empty one.
    pub(crate) fn from_parts(text: String, ends: Vec<u32>) -> Option<Self> {
        let sorted = ends.first() == Some(&0) && ends.is_sorted();
        let whole = ends.last().copied()? as usize == text.len();
        let fits = sorted && whole && ends.iter().all(|end| text.is_char_boundary(*end as usize));
        fits.then(|| Self { text, ends, index: OnceLock::new() })
    }

    /// How many there are; every number below stands for one.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name; the empty one where there is no such number.
    pub(crate) fn get(&self, id: WordId) -> &str {
        let at = id as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or_default() };
        let end = self.ends.get(at).copied().unwrap_or_default();
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The number of a name that is known.
    pub(crate) fn find(&self, name: &str) -> Option<WordId> {
        if name.is_empty() {
            return Some(0);
        }
        let index = self.index();
        index.table.find(index.hasher.hash_one(name), |id| self.get(*id) == name).copied()
    }

    /// The number of a name, which is added where it is new. One that is too long is the empty one, and so is
    /// everything beyond four gigabytes.
    pub(crate) fn intern(&mut self, name: &str) -> WordId {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return 0;
        }
        self.index();
        let (text, ends) = (&mut self.text, &mut self.ends);
        let Some(Index { hasher, table }) = self.index.get_mut() else { return 0 };
        let spelled = |text: &str, ends: &[u32], id: WordId| {
            let at = id as usize;
            let hash = text.get(ends[at - 1] as usize..ends[at] as usize).unwrap_or_default();
            hasher.hash_one(hash)
        };
        let hash = hasher.hash_one(name);
        let known = table.find(hash, |id| {
            let at = *id as usize;
            text.as_bytes()[ends[at - 1] as usize..ends[at] as usize] == *name.as_bytes()
        });
        if let Some(id) = known {
            return *id;
        }
        let (Ok(id), Ok(end)) = (WordId::try_from(ends.len()), u32::try_from(text.len() + name.len())) else {
            return 0;
        };
        text.push_str(name);
        ends.push(end);
        table.insert_unique(hash, id, |id| spelled(text, ends, *id));
        id
    }

    /// The text of all of them and where each ends.
    pub(crate) fn parts(&self) -> (&str, &[u32]) {
        (&self.text, &self.ends)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let hasher = DefaultHashBuilder::default();
            let mut table = HashTable::with_capacity(self.len());
            for id in 1..self.len() as WordId {
                let hash = hasher.hash_one(self.get(id));
                // A damaged vocabulary could hold a name twice; the first is as good as the second.
                table.insert_unique(hash, id, |id| hasher.hash_one(self.get(*id)));
            }
            Index { hasher, table }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut words = Vocabulary::default();
        let (one, two) = (words.intern("one"), words.intern("zwei"));
        assert_eq!((one, two, words.intern("one")), (1, 2, 1));
        assert_eq!((words.get(one), words.get(two), words.get(99)), ("one", "zwei", ""));
        assert_eq!((words.find("zwei"), words.find("three"), words.find("")), (Some(2), None, Some(0)));
        assert_eq!(words.intern(&"x".repeat(LONGEST_NAME + 1)), 0);
        let many: Vec<WordId> = (0..10_000).map(|n| words.intern(&format!("name{n}"))).collect();
        assert!(many.iter().enumerate().all(|(n, id)| words.get(*id) == format!("name{n}")));
    }

    #[test]
    fn parts_are_checked() {
        let words = Vocabulary::from_parts("aäb".into(), vec![0, 1, 3, 4]).unwrap();
        assert_eq!((words.get(1), words.get(2), words.get(3)), ("a", "ä", "b"));
        assert_eq!(words.find("ä"), Some(2));
        for ends in [vec![], vec![1, 4], vec![0, 2, 4], vec![0, 3, 1, 4], vec![0, 1], vec![0, 5]] {
            assert!(Vocabulary::from_parts("aäb".into(), ends.clone()).is_none(), "{ends:?}");
        }
    }
}
