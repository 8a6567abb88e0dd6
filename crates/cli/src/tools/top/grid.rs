//! A table as lines for a screen: columns as wide as they must be, and the least important ones left out where it is narrow.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// Whether it has numbers, which stand on the right.
    pub is_number: bool,
    /// Those of the highest rank go first where there is not enough room; 0 stays.
    pub rank: u8,
}

/// A text column.
#[must_use]
pub const fn text(head: &'static str, rank: u8) -> Column {
    Column { head, is_number: false, rank }
}

/// A column of numbers.
#[must_use]
pub const fn number(head: &'static str, rank: u8) -> Column {
    Column { head, is_number: true, rank }
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell(pub String, pub Style);

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Cell {
        Cell(value.to_string(), Style::new())
    }
}

/// A figure, or a dash.
#[must_use]
pub fn known(value: Option<impl ToString>) -> Cell {
    Cell::from(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
}

/// A cell in a colour.
#[must_use]
pub fn painted(text: impl Into<String>, colour: Color) -> Cell {
    Cell(text.into(), Style::new().fg(colour))
}

/// The line of heads and those of the rows, for so many columns of a screen.
#[must_use]
pub fn lines(columns: &[Column], rows: &[Vec<Cell>], screen: usize) -> (Line<'static>, Vec<Line<'static>>) {
    let wide = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.0.chars().count());
        cells.chain([columns[at].head.len()]).max().unwrap_or(0)
    };
    let mut shown: Vec<(usize, usize)> = (0..columns.len()).map(|at| (at, wide(at))).collect();
    let room = |shown: &[(usize, usize)]| shown.iter().map(|(_, width)| width + 2).sum::<usize>().saturating_sub(2);
    while room(&shown) > screen {
        let last = shown.iter().map(|(at, _)| columns[*at].rank).max().unwrap_or(0);
        // The last of that rank, so that a table is cut from the right.
        let Some(gone) = shown.iter().rposition(|(at, _)| last > 0 && columns[*at].rank == last) else { break };
        shown.remove(gone);
    }
    let heads: Vec<Cell> = columns.iter().map(|column| Cell(column.head.to_owned(), heading())).collect();
    (line(columns, &heads, &shown), rows.iter().map(|row| line(columns, row, &shown)).collect())
}

/// How heads look.
#[must_use]
pub fn heading() -> Style {
    Style::new().add_modifier(Modifier::BOLD).fg(Color::Cyan)
}

fn line(columns: &[Column], row: &[Cell], shown: &[(usize, usize)]) -> Line<'static> {
    let spans = shown.iter().enumerate().filter_map(|(nth, (at, width))| {
        let Cell(text, style) = row.get(*at)?;
        let fill = " ".repeat(width.saturating_sub(text.chars().count()));
        let gap = if nth == 0 { "" } else { "  " };
        let filled = if columns[*at].is_number { format!("{gap}{fill}{text}") } else { format!("{gap}{text}{fill}") };
        Some(Span::styled(filled, *style))
    });
    Line::from(spans.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_screen_leaves_out_what_matters_least() {
        let columns = [text("NAME", 0), number("A", 2), number("B", 1), number("C", 2)];
        let rows = [vec![Cell::from("x"), Cell::from(1), known(None::<u8>), Cell::from(3)]];
        let shown = |screen| {
            let (head, rows) = lines(&columns, &rows, screen);
            format!("{head}|{}", rows[0])
        };
        assert_eq!(shown(80), "NAME  A  B  C|x     1  -  3");
        assert_eq!(shown(12), "NAME  A  B|x     1  -");
        assert_eq!(shown(9), "NAME  B|x     -");
        assert_eq!(shown(2), "NAME|x   ");
    }
}
