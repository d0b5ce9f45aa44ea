//! A list for each of many things, all in one piece of memory.

/// Lists by the numbers of their things, from 0.
#[derive(Debug)]
pub(crate) struct Lists<T> {
    /// Where each list begins, and behind the last where that ends.
    first: Vec<u32>,
    items: Vec<T>,
}

impl<T> Default for Lists<T> {
    /// Of nothing.
    fn default() -> Self {
        Self { first: vec![0], items: Vec::new() }
    }
}

impl<T: Copy> Lists<T> {
    /// From pairs of a thing and an item of its list; the order of the items stays.
    pub(crate) fn new(length: usize, pairs: &[(u32, T)]) -> Self {
        let mut first = vec![0_u32; length + 1];
        for (at, _) in pairs {
            first[*at as usize + 1] += 1;
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut next = first.clone();
        let mut items: Vec<T> = pairs.iter().map(|(_, item)| *item).collect();
        for (at, item) in pairs {
            let place = &mut next[*at as usize];
            items[*place as usize] = *item;
            *place += 1;
        }
        Self { first, items }
    }

    /// Adds the list of the next thing.
    pub(crate) fn push(&mut self, list: &[T]) {
        self.items.extend_from_slice(list);
        self.first.push(self.items.len() as u32);
    }

    /// The list of that thing; nothing where there is no such thing.
    pub(crate) fn of(&self, at: u32) -> &[T] {
        match self.first.get(at as usize..at as usize + 2) {
            Some([start, end]) => &self.items[*start as usize..*end as usize],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_order() {
        let by_pairs = Lists::new(3, &[(2, 'a'), (0, 'b'), (2, 'c')]);
        let mut one_by_one = Lists::default();
        [&['b'][..], &[], &['a', 'c']].into_iter().for_each(|list| one_by_one.push(list));
        for lists in [by_pairs, one_by_one] {
            assert_eq!(
                (lists.of(0), lists.of(1), lists.of(2), lists.of(7)),
                (&['b'][..], &[][..], &['a', 'c'][..], &[][..])
            );
        }
    }
}
