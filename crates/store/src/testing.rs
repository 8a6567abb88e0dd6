//! A file system in memory that fails and crashes on request, for tests and for the simulator.
//!
//! It keeps two images: what programs see, and what would survive a power cut. `sync_data` and `sync_dir` carry changes
//! from the first to the second; [`MemFs::crash`] decides which of the others got there by themselves. Directories are
//! durable at once. Everything is deterministic: the only randomness is the seed given to a crash.

mod content;
mod crash;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::content::{Content, PAGE_BYTES};
pub use self::crash::Keep;
use self::crash::{Change, surviving};
use crate::vfs::{LockError, LockGuard, Metadata, Open, Vfs, VfsFile};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
}

/// The file system; clones share it.
#[derive(Clone, Default)]
pub struct MemFs {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Inode>,
    next_file: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
    /// What is not durable yet, oldest first.
    journal: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    /// Grows with every crash: handles of an earlier life are dead.
    life: u64,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    capacity_bytes: Option<u64>,
}

#[derive(Default)]
struct Inode {
    seen: Content,
    durable: Content,
    handles: usize,
}

impl MemFs {
    /// An empty file system.
    #[must_use]
    pub fn new() -> MemFs {
        MemFs::default()
    }

    /// As the trait object that the rest of the crate takes.
    #[must_use]
    pub fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.clone())
    }

    /// Stops everything: open files and locks are gone, and of what was not synced only `keep` is left.
    pub fn crash(&self, keep: Keep) {
        let mut state = self.state();
        let journal = std::mem::take(&mut state.journal);
        for change in surviving(journal, keep) {
            state.make_durable(&change);
        }
        let State { files, durable_names, .. } = &mut *state;
        let named: BTreeSet<u64> = durable_names.values().copied().collect();
        files.retain(|file, _| named.contains(file));
        for inode in files.values_mut() {
            inode.seen = inode.durable.clone();
            inode.handles = 0;
        }
        state.names = state.durable_names.clone();
        state.locks.clear();
        state.faults.clear();
        state.life += 1;
    }

    /// Ends the process that uses it: open files and locks are gone. The system lives on, so everything written can be read,
    /// and what was not synced is still to be lost by a later [`MemFs::crash`].
    pub fn kill(&self) {
        let mut state = self.state();
        for inode in state.files.values_mut() {
            inode.handles = 0;
        }
        state.collect();
        state.locks.clear();
        state.faults.clear();
        state.life += 1;
    }

    /// How many changes a crash would have to decide about.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.state().journal.len()
    }

    /// How many calls were made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets the `nth` call from now fail, 1 being the next one. A failing write still writes half of its bytes.
    pub fn fail_call(&self, nth: u64, fault: Fault) {
        let mut state = self.state();
        let call = state.calls + nth;
        state.faults.insert(call, fault);
    }

    /// Takes back every fault that has not happened yet.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Bounds the space for written pages; holes take none.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// The space that written pages take now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state().used_pages() * PAGE_BYTES
    }

    /// Inverts bits of a byte, on disk and in memory.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) {
        let mut state = self.state();
        let file = *state.names.get(path).expect("flip needs an existing file");
        let inode = state.files.get_mut(&file).expect("names point at files");
        assert!(offset < inode.seen.len, "flip at {offset} of {} bytes", inode.seen.len);
        for content in [&mut inode.seen, &mut inode.durable] {
            let mut byte = [0];
            content.read(offset, &mut byte);
            content.write(offset, &[byte[0] ^ mask]);
        }
    }

    /// The whole content of a file.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let content = &state.files.get(state.names.get(path)?)?.seen;
        let mut bytes = vec![0; usize::try_from(content.len).ok()?];
        content.read(0, &mut bytes);
        Some(bytes)
    }

    /// Puts a file in place, durable at once.
    pub fn write(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.new_file();
        let mut content = Content::default();
        content.write(0, bytes);
        state.files.insert(file, Inode { seen: content.clone(), durable: content, handles: 0 });
        state.names.insert(path.to_owned(), file);
        state.durable_names.insert(path.to_owned(), file);
        state.dirs.extend(path.ancestors().skip(1).map(Path::to_owned));
    }

    /// An independent copy of what a program would see now, all of it durable.
    #[must_use]
    pub fn fork(&self) -> MemFs {
        let copy = MemFs::new();
        let state = self.state();
        let mut target = copy.state();
        for (path, file) in &state.names {
            let content = state.files[file].seen.clone();
            target.files.insert(*file, Inode { seen: content.clone(), durable: content, handles: 0 });
            target.names.insert(path.clone(), *file);
        }
        target.durable_names = target.names.clone();
        target.dirs = state.dirs.clone();
        target.next_file = state.next_file;
        drop(target);
        copy
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and fails it if it is to fail.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        let call = state.calls;
        match state.faults.remove(&call) {
            Some(fault) => Err(fault.error()),
            None => Ok(state),
        }
    }
}

impl fmt::Debug for MemFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemFs").field("files", &self.paths()).finish_non_exhaustive()
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Io => io::Error::other("injected I/O error"),
            Fault::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
        }
    }
}

impl State {
    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    /// Carries one change to the durable image.
    fn make_durable(&mut self, change: &Change) {
        match change {
            Change::Write { file, offset, bytes } => {
                if let Some(inode) = self.files.get_mut(file) {
                    inode.durable.write(*offset, bytes);
                }
            }
            Change::SetLen { file, len } => {
                if let Some(inode) = self.files.get_mut(file) {
                    inode.durable.set_len(*len);
                }
            }
            Change::Link { path, file } => {
                self.durable_names.insert(path.clone(), *file);
            }
            Change::Unlink { path } => {
                self.durable_names.remove(path);
            }
            Change::Rename { from, to, file } => {
                self.durable_names.remove(from);
                self.durable_names.insert(to.clone(), *file);
            }
        }
    }

    /// Makes the changes that `pick` selects durable and forgets them.
    fn flush(&mut self, pick: impl Fn(&Change) -> bool) {
        let journal = std::mem::take(&mut self.journal);
        for change in journal {
            if pick(&change) {
                self.make_durable(&change);
            } else {
                self.journal.push(change);
            }
        }
    }

    fn inode(&mut self, file: u64, life: u64) -> io::Result<&mut Inode> {
        if life != self.life {
            return Err(io::Error::other("this handle was opened before the crash"));
        }
        self.files.get_mut(&file).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// The pages of every file that has a name or a handle.
    fn used_pages(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        let used = self.files.iter().filter(|(file, inode)| inode.handles > 0 || named.contains(file));
        used.map(|(_, inode)| inode.seen.pages.len() as u64).sum()
    }

    /// How many of `bytes` still fit.
    fn room(&self, file: u64, offset: u64, bytes: usize) -> usize {
        let Some(capacity) = self.capacity_bytes else { return bytes };
        let mut free_pages = (capacity / PAGE_BYTES).saturating_sub(self.used_pages());
        let pages = &self.files[&file].seen.pages;
        let mut fits = 0;
        while fits < bytes {
            let at = offset + fits as u64;
            if !pages.contains_key(&(at / PAGE_BYTES)) {
                if free_pages == 0 {
                    break;
                }
                free_pages -= 1;
            }
            fits = bytes.min(fits + (PAGE_BYTES - at % PAGE_BYTES) as usize);
        }
        fits
    }

    fn write(&mut self, file: u64, life: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inode(file, life)?.seen.write(offset, bytes);
        self.journal.push(Change::Write { file, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    /// Forgets files without name or handle, once nothing unsynced speaks of them.
    fn collect(&mut self) {
        let named: BTreeSet<u64> = self.names.values().chain(self.durable_names.values()).copied().collect();
        let spoken: BTreeSet<u64> = self
            .journal
            .iter()
            .filter_map(|change| match change {
                Change::Link { file, .. } | Change::Rename { file, .. } => Some(*file),
                _ => None,
            })
            .collect();
        self.files.retain(|file, inode| inode.handles > 0 || named.contains(file) || spoken.contains(file));
        let files = &self.files;
        self.journal.retain(|change| match change {
            Change::Write { file, .. } | Change::SetLen { file, .. } => files.contains_key(file),
            _ => true,
        });
    }
}

impl Vfs for MemFs {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.call()?;
        if !state.dirs.contains(dir) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.call()?;
        if state.dirs.contains(path) {
            return Ok(Metadata { len: 0, is_dir: true });
        }
        let file = state.names.get(path).and_then(|file| state.files.get(file));
        let inode = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Metadata { len: inode.seen.len, is_dir: false })
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.call()?.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn VfsFile>> {
        let mut state = self.call()?;
        let existing = state.names.get(path).copied();
        let file = match (how, existing) {
            (Open::Read | Open::Write, Some(file)) => file,
            (Open::CreateEmpty, Some(file)) => {
                let life = state.life;
                state.inode(file, life)?.seen.set_len(0);
                state.journal.push(Change::SetLen { file, len: 0 });
                file
            }
            (Open::CreateNew, Some(_)) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            (Open::Read | Open::Write, None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
            (Open::CreateNew | Open::CreateEmpty, None) => {
                if !path.parent().is_some_and(|parent| state.dirs.contains(parent)) {
                    return Err(io::Error::from(io::ErrorKind::NotFound));
                }
                let file = state.new_file();
                state.files.insert(file, Inode::default());
                state.names.insert(path.to_owned(), file);
                state.journal.push(Change::Link { path: path.to_owned(), file });
                file
            }
        };
        let life = state.life;
        state.inode(file, life)?.handles += 1;
        drop(state);
        Ok(Box::new(MemFile { fs: self.clone(), file, life, writable: how != Open::Read }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let file = state.names.remove(from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), file);
        state.journal.push(Change::Rename { from: from.to_owned(), to: to.to_owned(), file });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        state.names.remove(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.journal.push(Change::Unlink { path: path.to_owned() });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        if !state.dirs.contains(dir) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        state.flush(|change| match change {
            Change::Link { path, .. } | Change::Unlink { path } | Change::Rename { to: path, .. } => {
                path.parent() == Some(dir)
            }
            Change::Write { .. } | Change::SetLen { .. } => false,
        });
        state.collect();
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>, LockError> {
        let mut state = self.call().map_err(LockError::Io)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(LockError::Held("a server on this MemFs".to_owned()));
        }
        let life = state.life;
        drop(state);
        Ok(Box::new(MemLock { fs: self.clone(), path: path.to_owned(), life }))
    }
}

#[derive(Debug)]
struct MemFile {
    fs: MemFs,
    file: u64,
    life: u64,
    writable: bool,
}

impl MemFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from(io::ErrorKind::PermissionDenied)) }
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        if let Ok(inode) = self.fs.state().inode(self.file, self.life) {
            inode.handles -= 1;
        }
    }
}

impl VfsFile for MemFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.fs.call()?.inode(self.file, self.life)?.seen.len)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.fs.call()?.inode(self.file, self.life)?.seen.read(offset, into))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        let mut state = match self.fs.call() {
            Ok(state) => state,
            Err(error) => {
                self.fs.state().write(self.file, self.life, offset, &bytes[..bytes.len() / 2])?;
                return Err(error);
            }
        };
        state.inode(self.file, self.life)?;
        let fits = state.room(self.file, offset, bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(Fault::NoSpace.error());
        }
        state.write(self.file, self.life, offset, &bytes[..fits])?;
        Ok(fits)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.fs.call()?;
        state.inode(self.file, self.life)?.seen.set_len(len);
        state.journal.push(Change::SetLen { file: self.file, len });
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.fs.call()?;
        state.inode(self.file, self.life)?;
        let synced = self.file;
        state.flush(|change| match change {
            Change::Write { file, .. } | Change::SetLen { file, .. } => *file == synced,
            _ => false,
        });
        Ok(())
    }
}

#[derive(Debug)]
struct MemLock {
    fs: MemFs,
    path: PathBuf,
    life: u64,
}

impl LockGuard for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.fs.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}
