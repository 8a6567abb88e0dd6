//! A table in plain text: columns as wide as they must be, numbers to the right, colours that take no room.

use crate::shell::screen::Paint;

/// A cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A cell in a colour.
    #[must_use]
    pub fn painted(text: impl Into<String>, paint: Paint) -> Cell {
        Cell { text: text.into(), paint: Some(paint) }
    }

    /// A figure, or a dash where it is not known.
    #[must_use]
    pub fn known(value: Option<impl ToString>) -> Cell {
        Cell::from(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), paint: None }
    }
}

/// Which side of a column its cells stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Writes a table with its heads. The last column is not filled up.
#[must_use]
pub fn render(heads: &[(&str, Side)], rows: &[Vec<Cell>], colours: bool) -> String {
    let head: Vec<Cell> = heads.iter().map(|(name, _)| Cell::painted(*name, Paint::Dim)).collect();
    let all = || std::iter::once(&head).chain(rows);
    let wide = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(wide).collect();
    let mut text = String::new();
    for row in all() {
        let cells: Vec<String> = row
            .iter()
            .zip(heads)
            .zip(&widths)
            .map(|((cell, (_, side)), width)| {
                let fill = " ".repeat(width - cell.text.chars().count());
                let shown =
                    cell.paint.filter(|_| colours).map_or_else(|| cell.text.clone(), |paint| paint.paint(&cell.text));
                if *side == Side::Left { shown + &fill } else { fill + &shown }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colours() {
        let heads = [("A", Side::Left), ("COUNT", Side::Right), ("NOTE", Side::Left)];
        let rows = [vec![Cell::painted("ab", Paint::Red), Cell::known(Some(5)), Cell::known(None::<u8>)]];
        assert_eq!(render(&heads, &rows, false), "A   COUNT  NOTE\nab      5  -\n");
        assert!(render(&heads, &rows, true).contains("\x1b[31mab\x1b[0m      5  -"));
    }
}
