//! The file that says which process `start` has started (`ZOOPIDFILE`).

use rustix::process::Pid;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// The file in the data directory where `ZOOPIDFILE` names no other.
pub const NAME: &str = "zookeeper_server.pid";
/// More than any process id.
const TEXT_BYTES_MAX: u64 = 64;

/// A pid file, which need not be there.
#[derive(Debug, Clone)]
pub struct PidFile {
    /// Where it is.
    pub path: PathBuf,
}

/// What a pid file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A process, which need not be there any more.
    Process(Pid),
    /// Something else than one process id.
    Nonsense,
}

impl PidFile {
    /// What it says; `None` where there is no such file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> io::Result<Option<Content>> {
        let mut text = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(TEXT_BYTES_MAX).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        // Zero and less stand for groups of processes.
        let pid = number.filter(|number: &i32| *number > 0).and_then(Pid::from_raw);
        Ok(Some(pid.map_or(Content::Nonsense, Content::Process)))
    }

    /// Writes it whole or not at all, and never into what a link of that name points to. Without a newline, as the script does.
    ///
    /// # Errors
    /// When the directory is missing or may not be written.
    pub fn write(&self, pid: Pid) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = self.path.with_file_name(name);
        let written = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .and_then(|mut file| write!(file, "{}", pid.as_raw_nonzero()))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            // Not there where it could not be made; the first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Takes it away; one that is gone is no error.
    ///
    /// # Errors
    /// When its directory may not be written.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes it away if it still names this process.
    ///
    /// # Errors
    /// When it cannot be read, or its directory may not be written.
    pub fn remove_of(&self, pid: Pid) -> io::Result<()> {
        if self.read()? == Some(Content::Process(pid)) { self.remove() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_whole_and_read_with_care() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = PidFile { path: dir.path().join(NAME) };
        assert_eq!(file.read().unwrap(), None);
        let pid = Pid::from_raw(4711).unwrap();
        file.write(pid).unwrap();
        file.write(pid).unwrap();
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "4711");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        for (text, expected) in [
            ("4711\n", Content::Process(pid)),
            ("", Content::Nonsense),
            ("-1", Content::Nonsense),
            ("0", Content::Nonsense),
            ("1 2", Content::Nonsense),
            ("99999999999999999999", Content::Nonsense),
            ("\u{fffd}", Content::Nonsense),
        ] {
            fs::write(&file.path, text).unwrap();
            assert_eq!(file.read().unwrap(), Some(expected), "{text:?}");
        }
        file.remove_of(pid).unwrap();
        assert!(file.path.exists(), "another process's");
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn it_does_not_write_through_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let other = dir.path().join("other");
        fs::write(&other, "precious").unwrap();
        let file = PidFile { path: dir.path().join(NAME) };
        std::os::unix::fs::symlink(&other, &file.path).unwrap();
        file.write(Pid::from_raw(1).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    }
}
