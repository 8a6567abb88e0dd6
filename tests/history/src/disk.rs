//! A small file system of its own for one server, so that it can be filled without harm to anybody else.

use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::namespace::{is_leftover, unique_name};

/// What takes the room; not a name that a server would look at.
const BALLAST: &str = "ballast";

/// In a server's directory, where that is to stay when the test has ended: what was in the data directory.
pub const KEPT: &str = "kept";

/// A mounted tmpfs, unmounted on drop.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `size_bytes` on the directory `path`.
    ///
    /// # Panics
    /// Where mounting is not permitted.
    pub fn mount(path: &Path, size_bytes: u64) -> Self {
        let options = CString::new(format!("size={size_bytes}")).expect("a number holds no zero byte");
        // The name of the source shows in the table of mounts, by which leftovers are found.
        mount(unique_name("disk"), path, "tmpfs", MountFlags::empty(), options.as_c_str())
            .unwrap_or_else(|e| panic!("mount a tmpfs on {}: {e}. hint: run as root", path.display()));
        Self { path: path.to_owned() }
    }

    /// Writes until there is no room left; called again, it takes what has become free meanwhile.
    ///
    /// # Panics
    /// On any other error.
    pub fn fill(&self) {
        let path = self.path.join(BALLAST);
        let mut file = File::options().create(true).append(true).open(&path).expect("the ballast can be opened");
        // Whole pages until one no longer fits: then nobody else gets one either.
        loop {
            match file.write_all(&[0xB5; 4096]) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::StorageFull => return,
                Err(e) => panic!("fill {}: {e}", path.display()),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When the ballast cannot be removed.
    pub fn empty(&self) {
        std::fs::remove_file(self.path.join(BALLAST)).expect("the ballast can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached, it goes with its last user; a server that is still ending must not keep it.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

/// Unmounts the disks of test programs that were killed, and removes their servers' directories.
pub fn remove_leftovers() {
    // Another test program may be at the same work; what counts is that it is gone.
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let lines = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?))
    });
    for (_, path) in lines.filter(|(source, _)| is_leftover(source)) {
        let _ = unmount(path, UnmountFlags::DETACH);
    }
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_str().is_some_and(is_leftover)) {
        // Asked for by a person, who takes it away.
        if !entry.path().join(KEPT).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
