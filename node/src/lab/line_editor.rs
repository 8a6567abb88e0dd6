//! The line being typed at the prompt: keys in, text and cursor out. Pure; the terminal only draws it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::prompt;
use super::table::width_of_char;

/// A longer line takes no more characters.
const LINE_CHARS_MAX: usize = 200;
/// Lines that can be called back.
const HISTORY_LINES_MAX: usize = 100;

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// The line may look different now.
    Edited,
    /// This line is complete.
    Entered(String),
    /// Ctrl-C, or Ctrl-D on an empty line.
    Leave,
    /// Ctrl-L.
    Redraw,
}

/// The line, the cursor, and the lines before.
#[derive(Debug, Default)]
pub struct LineEditor {
    line: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    /// Which line of the history is shown; its length means the new one.
    at: usize,
}

impl LineEditor {
    /// Takes one key.
    pub fn press(&mut self, key: KeyEvent) -> Typed {
        if key.kind == KeyEventKind::Release {
            return Typed::Edited;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        match key.code {
            KeyCode::Char(c) if !c.is_control() && self.line.len() < LINE_CHARS_MAX => {
                self.line.insert(self.cursor, c);
                self.cursor += 1;
            }
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.line.len(),
            KeyCode::Up => self.recall(self.at.saturating_sub(1)),
            KeyCode::Down => self.recall(self.at + 1),
            KeyCode::Tab => self.complete(),
            KeyCode::Enter => return Typed::Entered(self.enter()),
            _ => {}
        }
        Typed::Edited
    }

    fn control(&mut self, code: KeyCode) -> Typed {
        match code {
            KeyCode::Char('c') => return Typed::Leave,
            KeyCode::Char('d') if self.line.is_empty() => return Typed::Leave,
            KeyCode::Char('l') => return Typed::Redraw,
            // A terminal may send Enter as Ctrl-J.
            KeyCode::Char('j') => return Typed::Entered(self.enter()),
            KeyCode::Char('a') => self.cursor = 0,
            KeyCode::Char('e') => self.cursor = self.line.len(),
            KeyCode::Char('k') => self.line.truncate(self.cursor),
            KeyCode::Char('u') => {
                self.line.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') => {
                let before = &self.line[..self.cursor];
                let word_end = before.iter().rposition(|c| *c != ' ').map_or(0, |at| at + 1);
                let start = before[..word_end].iter().rposition(|c| *c == ' ').map_or(0, |at| at + 1);
                self.line.drain(start..self.cursor);
                self.cursor = start;
            }
            _ => {}
        }
        Typed::Edited
    }

    /// The part of the line that fits into `width` columns, and the cursor's column in it.
    pub fn view(&self, width: usize) -> (String, usize) {
        let mut start = self.cursor;
        let mut column = 0;
        // One column stays free for the cursor after the last character.
        while start > 0 && column + width_of_char(self.line[start - 1]) < width {
            start -= 1;
            column += width_of_char(self.line[start]);
        }
        let mut shown = String::new();
        let mut left = width.saturating_sub(1);
        for c in &self.line[start..] {
            let Some(rest) = left.checked_sub(width_of_char(*c)) else { break };
            left = rest;
            shown.push(*c);
        }
        (shown, column)
    }

    fn enter(&mut self) -> String {
        let line: String = self.line.drain(..).collect();
        self.cursor = 0;
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            if self.history.len() == HISTORY_LINES_MAX {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        self.at = self.history.len();
        line
    }

    fn recall(&mut self, at: usize) {
        self.at = at.min(self.history.len());
        self.line = self.history.get(self.at).map(|line| line.chars().collect()).unwrap_or_default();
        self.cursor = self.line.len();
    }

    fn complete(&mut self) {
        let typed: String = self.line.iter().collect();
        if self.cursor == self.line.len()
            && let Some(rest) = prompt::completion(&typed)
        {
            self.line.extend(rest.chars());
            self.cursor = self.line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    fn typed(editor: &mut LineEditor, text: &str) {
        for c in text.chars() {
            editor.press(key(KeyCode::Char(c)));
        }
    }

    #[test]
    fn editing_within_the_line() {
        let mut editor = LineEditor::default();
        typed(&mut editor, "kll 3");
        for _ in 0..4 {
            editor.press(key(KeyCode::Left));
        }
        typed(&mut editor, "i");
        editor.press(key(KeyCode::End));
        editor.press(key(KeyCode::Backspace));
        typed(&mut editor, "2");
        assert_eq!(editor.view(40), ("kill 2".to_owned(), 6));
        editor.press(control('w'));
        assert_eq!(editor.view(40), ("kill ".to_owned(), 5));
        editor.press(control('w'));
        assert_eq!(editor.view(40), (String::new(), 0));
        assert_eq!(editor.press(control('d')), Typed::Leave);
    }

    #[test]
    fn lines_can_be_called_back() {
        let mut editor = LineEditor::default();
        typed(&mut editor, "kill 3");
        assert_eq!(editor.press(key(KeyCode::Enter)), Typed::Entered("kill 3".to_owned()));
        typed(&mut editor, "start 3");
        editor.press(key(KeyCode::Enter));
        editor.press(key(KeyCode::Up));
        editor.press(key(KeyCode::Up));
        editor.press(key(KeyCode::Up));
        assert_eq!(editor.view(40).0, "kill 3");
        editor.press(key(KeyCode::Down));
        assert_eq!(editor.view(40).0, "start 3");
        editor.press(key(KeyCode::Down));
        assert_eq!(editor.view(40).0, "");
    }

    #[test]
    fn a_long_line_scrolls_with_the_cursor() {
        let mut editor = LineEditor::default();
        typed(&mut editor, "0123456789");
        assert_eq!(editor.view(5), ("6789".to_owned(), 4));
        editor.press(key(KeyCode::Home));
        assert_eq!(editor.view(5), ("0123".to_owned(), 0));
        assert_eq!(editor.view(0), (String::new(), 0));
    }

    #[test]
    fn tab_completes_and_growth_is_bounded() {
        let mut editor = LineEditor::default();
        typed(&mut editor, "res");
        editor.press(key(KeyCode::Tab));
        assert_eq!(editor.view(40).0, "restart ");
        typed(&mut editor, &"x".repeat(1000));
        assert_eq!(editor.view(2000).0.len(), LINE_CHARS_MAX);
    }
}
