//! Plain tables: columns as wide as they must be, the last one cut where the terminal ends.

use crate::text;

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table. Cells are cleaned when they are added: they may hold anything.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    /// Columns that go where there is little room, the first one first.
    spare: &'static [&'static str],
}

/// Between two columns.
const GAP: &str = "  ";
/// The least that is left of a column that is cut.
const LEAST: usize = 8;
/// What a column should have at least before a spare one goes.
const COMFORT: usize = 12;

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), spare: &[] }
    }

    /// Names columns that go, in this order, where there is little room.
    pub(crate) fn spare(mut self, names: &'static [&'static str]) -> Self {
        self.spare = names;
        self
    }

    /// Adds a row: as many cells as there are columns.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter().map(|cell| text::line(cell.as_ref()));
        self.rows.push(cells.chain(std::iter::repeat(String::new())).take(self.columns.len()).collect());
    }

    /// The lines, with a head, within so many columns where a number is named.
    pub(crate) fn render(&self, columns: Option<usize>) -> String {
        if let Some(narrower) = columns.and_then(|columns| self.narrower(columns)) {
            return narrower.render(columns);
        }
        let widths = self.widths(columns);
        let head = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let cell = text::cut(cell, *width);
                let pad = " ".repeat(width.saturating_sub(text::width(&cell)));
                if !line.is_empty() {
                    line.push_str(GAP);
                }
                match align {
                    Align::Left => line.extend([cell.as_str(), &pad]),
                    Align::Right => line.extend([pad.as_str(), &cell]),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// This table without its first spare column, where all of them have too little room.
    fn narrower(&self, columns: usize) -> Option<Self> {
        let (name, spare) = self.spare.split_first()?;
        let needed: usize = self.natural_widths().into_iter().map(|width| width.min(COMFORT)).sum();
        if needed + GAP.len() * self.columns.len().saturating_sub(1) <= columns {
            return None;
        }
        let gone = self.columns.iter().position(|(column, _)| column == name)?;
        let (mut columns, mut rows) = (self.columns.clone(), self.rows.clone());
        columns.remove(gone);
        rows.iter_mut().for_each(|row| drop(row.remove(gone)));
        Some(Self { columns, rows, spare })
    }

    fn natural_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(name, _)| text::width(name)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(text::width(cell));
            }
        }
        widths
    }

    fn widths(&self, columns: Option<usize>) -> Vec<usize> {
        let mut widths = self.natural_widths();
        let Some(columns) = columns else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(columns);
        // The last column gives first: it holds the longest words; then the widest.
        while over > 0 {
            let last = widths.len() - 1;
            let at = if widths[last] > LEAST {
                last
            } else {
                let widest = (0..widths.len()).max_by_key(|at| widths[*at]).unwrap_or(last);
                if widths[widest] <= LEAST {
                    break;
                }
                widest
            };
            let taken = over.min(widths[at] - LEAST);
            widths[at] -= taken;
            over -= taken;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("TASK", Align::Left), ("COST", Align::Right), ("DETAIL", Align::Left)]);
        table.row(["parser", "$0.10", "a long line of words that goes on\nand on \u{1b}[31mred"]);
        table.row(["日本", "$10.00", ""]);
        table
    }

    #[test]
    fn columns_stand_under_each_other() {
        insta::assert_snapshot!(table().render(None));
    }

    #[test]
    fn spare_columns_go_where_there_is_little_room() {
        let table = table().spare(&["DETAIL", "COST"]);
        let head = |columns| table.render(columns).lines().next().unwrap_or_default().to_owned();
        assert_eq!(head(None), "TASK      COST  DETAIL");
        assert_eq!(head(Some(40)), "TASK      COST  DETAIL");
        assert_eq!(head(Some(20)), "TASK      COST");
        assert_eq!(head(Some(10)), "TASK");
        assert!(table.render(Some(20)).lines().all(|line| text::width(line) <= 20));
    }

    #[test]
    fn the_last_column_is_cut_where_the_terminal_ends() {
        let text = table().render(Some(40));
        assert!(text.lines().all(|line| text::width(line) <= 40), "{text}");
        assert!(text.contains('…'));
        assert!(table().render(Some(5)).lines().count() == 3);
    }
}
