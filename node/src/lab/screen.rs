//! The terminal: finished lines scroll up and stay in its history; beneath them a block, the table and the prompt, is
//! drawn again and again. Nothing else of the terminal is touched, so copying and scrolling back work as ever.

use std::collections::VecDeque;
use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use super::table::{Paint, Row, Style, clip, render, width_of};

/// Lines kept to fill the screen again after its size has changed.
const KEPT_LINES_MAX: usize = 200;
/// What stands before the typed line.
const PROMPT: &str = "lab> ";

/// A line with its look.
pub type Line = (Style, String);

/// The lines beneath the finished ones; the last is the prompt.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    lines: Vec<String>,
    cursor_column: usize,
}

/// What a block shows.
pub struct View<'a> {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// For clients.
    pub connection: &'a str,
    /// The servers.
    pub rows: &'a [Row],
    /// The typed line and the cursor in it, given the columns there are for it.
    pub typed: &'a dyn Fn(usize) -> (String, usize),
}

impl Block {
    /// Composes the block. Pure. On a low terminal the last servers give way, then the rest; the prompt always stays.
    pub fn compose(view: &View<'_>, paint: Paint) -> Block {
        // A full last column makes some terminals wrap.
        let width = usize::from(view.size.0).saturating_sub(1);
        let height = usize::from(view.size.1);
        let mut lines = vec![String::new()];
        let table = render(view.rows, width, paint);
        let room = height.saturating_sub(4).max(1);
        let hidden = table.len().saturating_sub(room);
        let shown = if hidden > 0 { room.saturating_sub(1) } else { table.len() };
        lines.extend(table.into_iter().take(shown));
        if hidden > 0 {
            let more = format!("… {} more, `status` shows all", view.rows.len() + 1 - shown.max(1));
            lines.push(paint.apply(Style::Dim, &clip(&more, width)));
        }
        lines.push(paint.apply(Style::Dim, &clip(&format!("connect to {}", view.connection), width)));
        let (typed, cursor) = (view.typed)(width.saturating_sub(PROMPT.len()));
        lines.push(format!("{}{typed}", paint.apply(Style::Bold, PROMPT)));
        let surplus = lines.len().saturating_sub(height.max(1));
        lines.drain(..surplus);
        Block { lines, cursor_column: PROMPT.len() + cursor }
    }
}

/// What is drawn now.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    paint: Paint,
    /// Lines of the block on the screen; the cursor is on the last of them.
    block_lines: u16,
    kept: VecDeque<Line>,
}

impl<W: Write> Screen<W> {
    /// A screen on which nothing is drawn yet.
    pub fn new(out: W, paint: Paint) -> Screen<W> {
        Screen { out, paint, block_lines: 0, kept: VecDeque::new() }
    }

    /// Adds finished lines and draws the block beneath them.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, finished: Vec<Line>, block: &Block) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate, Hide)?;
        self.rewind()?;
        if !finished.is_empty() {
            queue!(self.out, Clear(ClearType::FromCursorDown))?;
        }
        for line in finished {
            self.print_finished(&line)?;
            self.keep(line);
        }
        self.print_block(block)
    }

    /// Draws everything anew, after the size has changed: what terminals do with old lines then differs.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn redraw(&mut self, block: &Block, size: (u16, u16)) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate, Hide, Clear(ClearType::All), MoveTo(0, 0))?;
        let mut room = usize::from(size.1).saturating_sub(block.lines.len());
        let rows = |line: &Line| width_of(&line.1).max(1).div_ceil(usize::from(size.0).max(1));
        let mut first = self.kept.len();
        while first > 0 && rows(&self.kept[first - 1]) <= room {
            first -= 1;
            room -= rows(&self.kept[first]);
        }
        for at in first..self.kept.len() {
            let line = self.kept[at].clone();
            self.print_finished(&line)?;
        }
        self.print_block(block)
    }

    /// Removes the block; the lines stay.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn finish(&mut self, finished: &[Line]) -> io::Result<()> {
        self.rewind()?;
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.block_lines = 0;
        finished.iter().try_for_each(|line| self.print_finished(line))?;
        self.out.flush()
    }

    fn rewind(&mut self) -> io::Result<()> {
        // Moving up by 0 lines would move by 1.
        if self.block_lines > 1 {
            queue!(self.out, MoveUp(self.block_lines - 1))?;
        }
        queue!(self.out, MoveToColumn(0))
    }

    fn print_finished(&mut self, (style, text): &Line) -> io::Result<()> {
        queue!(self.out, Print(self.paint.apply(*style, text)), Print("\r\n"))
    }

    fn print_block(&mut self, block: &Block) -> io::Result<()> {
        for (nth, line) in block.lines.iter().enumerate() {
            let end = if nth + 1 < block.lines.len() { "\r\n" } else { "" };
            queue!(self.out, Print(line), Clear(ClearType::UntilNewLine), Print(end))?;
        }
        let column = u16::try_from(block.cursor_column).unwrap_or(u16::MAX);
        queue!(self.out, Clear(ClearType::FromCursorDown), MoveToColumn(column), Show, EndSynchronizedUpdate)?;
        self.block_lines = u16::try_from(block.lines.len()).unwrap_or(u16::MAX);
        self.out.flush()
    }

    fn keep(&mut self, line: Line) {
        if self.kept.len() == KEPT_LINES_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::State;
    use super::*;

    fn rows(count: u64) -> Vec<Row> {
        let row = |id| Row {
            id,
            state: State::Follower,
            epoch: None,
            zxid: None,
            sessions: None,
            connections: None,
            rss_kib: None,
            pid: None,
            address: "127.0.0.1:2181".to_owned(),
            up: None,
        };
        (1..=count).map(row).collect()
    }

    fn composed(size: (u16, u16), servers: u64) -> Block {
        let typed = |width: usize| (clip("kill 3", width), 6);
        Block::compose(&View { size, connection: "127.0.0.1:2181", rows: &rows(servers), typed: &typed }, Paint::Plain)
    }

    #[test]
    fn a_block_ends_with_the_prompt() {
        let block = composed((80, 24), 2);
        assert_eq!(block.lines.len(), 6);
        assert_eq!(&block.lines[4..], ["connect to 127.0.0.1:2181", "lab> kill 3"]);
        assert_eq!(block.cursor_column, 11);
    }

    #[test]
    fn no_terminal_is_too_small() {
        for columns in 1..60 {
            for height in 1..20 {
                let block = composed((columns, height), 9);
                assert!(block.lines.len() <= usize::from(height), "{columns}x{height}: {block:?}");
                let last = block.lines.last().expect("a prompt");
                assert!(last.starts_with("lab> "), "{columns}x{height}: {block:?}");
                // The prompt itself is the only thing that may be wider than the narrowest terminals.
                let widest = block.lines.iter().map(|line| width_of(line)).max().unwrap_or(0);
                assert!(widest <= usize::from(columns - 1).max(PROMPT.len()), "{columns}x{height}: {block:?}");
            }
        }
        let low = composed((80, 8), 9);
        assert_eq!(low.lines[4], "… 7 more, `status` shows all", "{low:?}");
    }

    #[test]
    fn the_block_is_drawn_over_itself_and_lines_stay_above() {
        let mut bytes = Vec::new();
        let mut screen = Screen::new(&mut bytes, Paint::Plain);
        let block = Block { lines: vec!["table".to_owned(), "lab> ".to_owned()], cursor_column: 5 };
        screen.draw(vec![(Style::None, "started".to_owned())], &block).expect("a buffer takes all");
        screen.draw(Vec::new(), &block).expect("a buffer takes all");
        screen.redraw(&block, (80, 24)).expect("a buffer takes all");
        let drawn = String::from_utf8(bytes).expect("text");
        let (begin, end) = ("\u{1b}[?2026h\u{1b}[?25l", "\u{1b}[J\u{1b}[6G\u{1b}[?25h\u{1b}[?2026l");
        let block = "table\u{1b}[K\r\nlab> \u{1b}[K";
        let first = format!("{begin}\u{1b}[1G\u{1b}[Jstarted\r\n{block}{end}");
        let second = format!("{begin}\u{1b}[1A\u{1b}[1G{block}{end}");
        let third = format!("{begin}\u{1b}[2J\u{1b}[1;1Hstarted\r\n{block}{end}");
        assert_eq!(drawn, first + &second + &third);
    }
}
