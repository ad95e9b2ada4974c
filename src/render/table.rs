//! Tables as kubectl prints them: columns without lines, heads in capitals. Text columns are wrapped to the terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Width};

use crate::output::View;

/// Spaces between columns.
const GAP: u16 = 3;

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    head: String,
    right: bool,
    wraps: bool,
}

impl Column {
    /// For names.
    pub(crate) fn left(head: &str) -> Self {
        Self { head: head.to_owned(), right: false, wraps: false }
    }

    /// For numbers.
    pub(crate) fn right(head: &str) -> Self {
        Self { right: true, ..Self::left(head) }
    }

    /// For text, which is wrapped when the terminal is narrow.
    pub(crate) fn text(head: &str) -> Self {
        Self { wraps: true, ..Self::left(head) }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.push(cells.into());
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// Takes a column out.
    pub(crate) fn drop_column(&mut self, column: usize) {
        self.columns.remove(column);
        for row in &mut self.rows {
            row.remove(column);
        }
    }

    /// As lines, each with a line break at its end and `indent` spaces in front.
    pub(crate) fn render(&self, view: View, indent: u16) -> String {
        if self.is_cramped(view, indent) { self.stacked(view, indent) } else { self.aligned(view, indent) }
    }

    /// Whether names and numbers leave the text at the end of a row too little of the terminal.
    fn is_cramped(&self, view: View, indent: u16) -> bool {
        /// What text needs to be read with ease.
        const ROOMY: usize = 32;
        let (Some(width), Some((text, names))) = (view.width, self.columns.split_last()) else {
            return false;
        };
        if !text.wraps || names.is_empty() || names.iter().any(|column| column.wraps) {
            return false;
        }
        let cells = |index: usize| self.rows.iter().map(move |row| row[index].chars().count()).max().unwrap_or(0);
        let taken: usize = (0..names.len()).map(|index| cells(index) + usize::from(GAP)).sum();
        let longest = cells(names.len());
        usize::from(width) < usize::from(indent) + taken + longest.min(ROOMY)
    }

    /// With the text of each row on lines of its own below it.
    fn stacked(&self, view: View, indent: u16) -> String {
        const DEEPER: u16 = 4;
        let mut names = self.clone();
        names.drop_column(self.columns.len() - 1);
        let names = names.aligned(view, indent);
        let heads = names.lines().count() - self.rows.len();
        let mut text = String::new();
        for (number, line) in names.lines().enumerate() {
            let _ = writeln!(text, "{line}");
            let row = number.checked_sub(heads).and_then(|row| self.rows[row].last());
            if let Some(cell) = row {
                let mut below = Self::new(vec![Column::text("")]);
                below.row([cell.clone()]);
                text += &below.aligned(view, indent + DEEPER);
            }
        }
        text
    }

    fn aligned(&self, view: View, indent: u16) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let heads = self.columns.iter().map(|column| column.head.lines().count()).max().unwrap_or(0);
        if heads > 0 {
            // Heads of several lines end on the same line, next to their columns.
            let lowered = |column: &Column| "\n".repeat(heads - column.head.lines().count().max(1)) + &column.head;
            table.set_header(self.columns.iter().map(|column| cell(&lowered(column), column)));
        }
        for row in &self.rows {
            table.add_row(row.iter().zip(&self.columns).map(|(text, column)| cell(&clean(text), column)));
        }
        if let Some(width) = view.width {
            table.set_width(width.saturating_sub(indent).max(1));
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        let last = self.columns.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { GAP }));
            column.set_constraint(if self.columns[index].wraps {
                ColumnConstraint::LowerBoundary(Width::Fixed(self.narrowest(index)))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
        let head = view.styles.head;
        let mut text = String::new();
        for (number, line) in table.lines().enumerate() {
            let line = format!("{:1$}{2}", "", usize::from(indent), line);
            let line = line.trim_end();
            let _ = if number < heads { writeln!(text, "{head}{line}{head:#}") } else { writeln!(text, "{line}") };
        }
        text
    }

    /// A text column is not made narrower than this, so that it does not become a strip of single words.
    fn narrowest(&self, column: usize) -> u16 {
        const READABLE: usize = 16;
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        let widest = cells.max().unwrap_or(0).max(self.columns[column].head.chars().count());
        widest.clamp(1, READABLE) as u16
    }
}

fn cell(text: &str, column: &Column) -> Cell {
    Cell::new(text).set_alignment(if column.right { CellAlignment::Right } else { CellAlignment::Left })
}

/// Text of an input without what a terminal would take for commands.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::{narrow, wide};

    fn table() -> Table {
        let mut table = Table::new(vec![Column::left("NAME"), Column::right("PODS"), Column::text("WHY")]);
        table.row(["a".into(), "7".into(), "short".into()]);
        table.row([
            "a-longer-name".into(),
            "12".into(),
            "a text that goes on for more than one line of a narrow terminal".into(),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_end_where_text_ends() {
        assert_eq!(
            table().render(wide(), 2),
            "  NAME            PODS   WHY\n  \
               a                  7   short\n  \
               a-longer-name     12   a text that goes on for more than one line of a narrow terminal\n"
        );
    }

    #[test]
    fn text_is_wrapped_to_the_terminal() {
        let text = table().render(narrow(60), 2);
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        assert!(text.lines().count() == 4, "{text}");
        assert!(text.contains("a-longer-name     12   a text"), "names and numbers stay whole:\n{text}");
    }

    #[test]
    fn text_moves_below_when_names_leave_no_room() {
        let text = table().render(narrow(36), 2);
        assert!(text.lines().all(|line| line.len() <= 36), "{text}");
        assert!(text.starts_with("  NAME            PODS\n  a                  7\n      short\n"), "{text}");
    }

    #[test]
    fn a_terminal_gets_no_commands_from_names() {
        let mut table = Table::new(vec![Column::left("NAME")]);
        table.row(["a\u{1b}[31mb".into()]);
        assert_eq!(table.render(wide(), 0), "NAME\na\u{fffd}[31mb\n");
    }
}
