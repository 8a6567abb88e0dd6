//! A program on a terminal: what is typed goes in, what is shown comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A program that runs on a terminal of its own, 120 columns wide.
pub struct Pty {
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// Everything, with its sequences.
    sent: Arc<Mutex<Vec<u8>>>,
    child: Child,
    limit: Duration,
}

impl Pty {
    /// Starts a program there; nothing may take longer than `limit`.
    ///
    /// # Panics
    /// When there is no terminal to be had, or the program does not start.
    pub fn start(mut command: Command, limit: Duration) -> Pty {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("a terminal of ours");
        unlockpt(&keyboard).expect("a terminal that can be opened");
        tcsetwinsize(&keyboard, Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let name = ptsname(&keyboard, Vec::new()).expect("its name");
        let program = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other side");
        let again = |fd: &OwnedFd| fd.try_clone().expect("a descriptor");
        command.stdin(again(&program)).stdout(again(&program)).stderr(again(&program)).env("TERM", "xterm");
        let child = command.spawn().expect("the program starts");
        // Only the program has its side open now: when it ends there is nothing more to read.
        drop((program, command));
        let keyboard = File::from(keyboard);
        let screen = keyboard.try_clone().expect("a descriptor");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (seen, sent) = (shown.clone(), Arc::<Mutex<Vec<u8>>>::default());
        let all = sent.clone();
        std::thread::spawn(move || collect(screen, &[seen, all]));
        Pty { keyboard, shown, sent, child, limit }
    }

    /// Types.
    ///
    /// # Panics
    /// When the program is gone.
    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the program still reads");
    }

    /// Waits until a text was shown, without colours and motions of the cursor, and forgets what was shown up to its end.
    ///
    /// # Panics
    /// When it is not shown in time.
    pub fn sees(&mut self, text: &str) -> String {
        let found = super::wait::poll(self.limit, || {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let plain = plain(&shown);
            let end = plain.find(text)? + text.len();
            let rest = plain.as_bytes()[end..].to_vec();
            *shown = rest;
            Some(plain[..end].to_owned())
        });
        found.unwrap_or_else(|| panic!("waited in vain for {text:?} in:\n{}", self.screen()))
    }

    /// All that was shown and not yet forgotten, plain.
    pub fn screen(&self) -> String {
        plain(&self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All that the program has sent so far, with the sequences that colour text and move the cursor.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Whether the terminal gives keys to the program as they come, without lines and echo.
    ///
    /// # Panics
    /// When the terminal does not say.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("the terminal's modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ends(&mut self) -> ExitStatus {
        let ended = super::wait::poll(self.limit, || self.child.try_wait().expect("a child"));
        ended.unwrap_or_else(|| panic!("it does not end:\n{}", self.screen()))
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut screen: File, seen: &[Arc<Mutex<Vec<u8>>>]) {
    let mut bytes = [0; 4096];
    // An error is how a terminal says that its other side is closed.
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        for seen in seen {
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        }
    }
}

/// Text without the sequences that colour it and move the cursor.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\x1b' if letters.next() == Some('[') => {
                // To the letter that ends the sequence.
                letters.by_ref().find(|letter| ('@'..='~').contains(letter));
            }
            '\x1b' | '\r' | '\x07' => {}
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_sees_a_terminal() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -t 0 && printf '\\033[31mred\\033[0m? ' && read word && echo \"<$word>\"; exit 3"]);
        let mut pty = Pty::start(command, Duration::from_secs(30));
        pty.sees("red? ");
        pty.types("yes\n");
        pty.sees("<yes>");
        assert_eq!(pty.ends().code(), Some(3));
    }
}
