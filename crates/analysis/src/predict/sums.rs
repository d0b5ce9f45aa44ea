//! Tables that sum and count, with an entry for each file, used again for one prompt after another.

/// A sum for each of many things, most of which stay at nothing.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    values: Vec<f64>,
    touched: Vec<u32>,
}

impl Sums {
    /// Empties it, and makes it fit so many things.
    pub(crate) fn clear(&mut self, length: usize) {
        for at in self.touched.drain(..) {
            self.values[at as usize] = 0.0;
        }
        self.values.resize(length.max(self.values.len()), 0.0);
    }

    /// Adds what is more than nothing.
    pub(crate) fn add(&mut self, at: u32, value: f64) {
        let sum = &mut self.values[at as usize];
        if *sum == 0.0 && value != 0.0 {
            self.touched.push(at);
        }
        *sum += value;
    }

    /// Raises it to a value, where that is greater.
    pub(crate) fn raise(&mut self, at: u32, value: f64) {
        let now = self.get(at);
        if value > now {
            self.add(at, value - now);
        }
    }

    pub(crate) fn get(&self, at: u32) -> f64 {
        self.values.get(at as usize).copied().unwrap_or(0.0)
    }

    /// What is not nothing, in the order in which it came to be.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.touched.iter().map(|at| (*at, self.values[*at as usize]))
    }

    /// The greatest, at most so many; of equals those that come first in the table.
    pub(crate) fn top(&self, most: usize) -> Vec<(u32, f64)> {
        top(self.iter().collect(), most)
    }
}

/// The greatest of them, in order, at most so many; of equals those with the lower number.
pub(crate) fn top(mut items: Vec<(u32, f64)>, most: usize) -> Vec<(u32, f64)> {
    let order = |one: &(u32, f64), other: &(u32, f64)| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0));
    if items.len() > most {
        if most == 0 {
            return Vec::new();
        }
        items.select_nth_unstable_by(most - 1, order);
        items.truncate(most);
    }
    items.sort_unstable_by(order);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_used_again() {
        let mut sums = Sums::default();
        sums.clear(4);
        sums.add(3, 1.0);
        sums.add(1, 2.0);
        sums.add(3, 1.5);
        sums.raise(1, 1.0);
        assert_eq!(sums.top(9), [(3, 2.5), (1, 2.0)]);
        assert_eq!(sums.top(1), [(3, 2.5)]);
        assert_eq!(sums.top(0), []);
        sums.clear(2);
        assert_eq!(sums.iter().count(), 0);
        assert_eq!((sums.get(3), sums.get(77)), (0.0, 0.0));
    }

    #[test]
    fn equals_go_by_number() {
        assert_eq!(top(vec![(5, 1.0), (2, 1.0), (9, 3.0), (3, 1.0)], 3), [(9, 3.0), (2, 1.0), (3, 1.0)]);
    }
}
