//! A tarball that is the same wherever and whenever it is made: sorted names, one date, no owner.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Something in a tarball.
#[derive(Debug)]
pub enum Entry {
    /// A file that is run.
    Program(Vec<u8>),
    /// A file that is read.
    File(Vec<u8>),
    /// A link to a name beside it.
    Link(String),
}

impl Entry {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Entry::Program(bytes) | Entry::File(bytes) => bytes.len() as u64,
            Entry::Link(_) => 0,
        }
    }

    /// What a listing says behind the name.
    pub fn remark(&self) -> String {
        match self {
            Entry::Link(target) => format!(" -> {target}"),
            Entry::Program(_) | Entry::File(_) => String::new(),
        }
    }
}

/// What goes into a tarball.
#[derive(Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds an entry under a path.
    pub fn add(&mut self, path: String, entry: Entry) -> Result<()> {
        ensure!(!self.entries.contains_key(&path), "{path} is in the tarball twice");
        self.entries.insert(path, entry);
        Ok(())
    }

    /// By path, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Writes the tarball; everything is beneath the directory `stem` and dated `date`, in seconds since 1970.
    pub fn write(&self, path: &Path, stem: &str, date: u64) -> Result<()> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        self.write_to(file, stem, date).with_context(|| format!("write {}", path.display()))
    }

    fn write_to(&self, out: impl Write, stem: &str, date: u64) -> Result<()> {
        // The head of the compressed file has a date and a system as well: neither is given.
        let gzip = GzBuilder::new().mtime(0).write(out, Compression::best());
        let mut tar = Builder::new(gzip);
        for (path, entry) in &self.entries {
            let mut header = Header::new_ustar();
            header.set_mtime(date);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(entry.len());
            header.set_mode(if matches!(entry, Entry::File(_)) { 0o644 } else { 0o755 });
            let path = format!("{stem}/{path}");
            match entry {
                Entry::Program(bytes) | Entry::File(bytes) => {
                    header.set_entry_type(EntryType::Regular);
                    tar.append_data(&mut header, &path, bytes.as_slice())?;
                }
                Entry::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    tar.append_link(&mut header, &path, target)?;
                }
            }
        }
        tar.into_inner()?.finish()?.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sample(order: &[&str]) -> Archive {
        let mut archive = Archive::default();
        for path in order {
            let entry = match *path {
                "bin/a" => Entry::Program(b"program".to_vec()),
                "bin/b" => Entry::Link("a".to_owned()),
                _ => Entry::File(b"text".to_vec()),
            };
            archive.add((*path).to_owned(), entry).expect("each once");
        }
        archive
    }

    fn bytes(archive: &Archive) -> Vec<u8> {
        let mut out = Vec::new();
        archive.write_to(&mut out, "zookube-1", 1_700_000_000).expect("a buffer takes all");
        out
    }

    #[test]
    fn the_order_of_adding_does_not_matter() {
        let one = bytes(&sample(&["bin/a", "bin/b", "LICENSE"]));
        assert_eq!(one, bytes(&sample(&["LICENSE", "bin/b", "bin/a"])));
    }

    #[test]
    fn the_tarball_has_what_was_added() {
        let bytes = bytes(&sample(&["LICENSE", "bin/b", "bin/a"]));
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let mut found = Vec::new();
        for entry in tar.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let header = entry.header().clone();
            let link = header.link_name().expect("a name").map(|name| name.display().to_string());
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            assert_eq!((header.mtime().expect("a date"), header.uid().expect("an owner")), (1_700_000_000, 0));
            let path = header.path().expect("a path").display().to_string();
            found.push((path, header.mode().expect("a mode"), text, link));
        }
        let expected = [
            ("zookube-1/LICENSE", 0o644, "text", None),
            ("zookube-1/bin/a", 0o755, "program", None),
            ("zookube-1/bin/b", 0o755, "", Some("a")),
        ];
        let expected =
            expected.map(|(path, mode, text, link)| (path.to_owned(), mode, text.to_owned(), link.map(str::to_owned)));
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_is_packed_twice() {
        let mut archive = sample(&["LICENSE"]);
        assert!(archive.add("LICENSE".to_owned(), Entry::File(Vec::new())).is_err());
    }
}
