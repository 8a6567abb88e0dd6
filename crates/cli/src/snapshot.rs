//! `zk snapshot`: checks a snapshot's seals and prints what it holds.

use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::io::{BufRead, Write};
use std::path::Path;
use store::{RealFs, SnapshotFile, SnapshotReader, list_snapshots};
use tree::image::{Loader, LoaderSettings};
use tree::{Tree, TreeSettings};
use wire::Zxid;

/// The longest record of a snapshot that is read.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// Prints a snapshot's sums, and its znodes if asked to.
pub fn print(path: &Path, nodes: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let file = find(path)?;
    let mut reader = SnapshotReader::open(&RealFs, &file)?;
    let tree = load(&mut reader).with_context(|| format!("read {}", file.path.display()))?;
    let trailer = reader.finish()?;
    if nodes {
        for path in tree.paths() {
            let Some(stat) = tree.stat(&path) else { continue };
            writeln!(
                out,
                "{path} data {} version {} children {} czxid {} mzxid {} ephemeralOwner {:#x}",
                stat.data_length,
                stat.version,
                stat.num_children,
                Zxid(stat.czxid),
                Zxid(stat.mzxid),
                stat.ephemeral_owner
            )?;
        }
    }
    writeln!(out, "snapshot {} at {}", file.path.display(), file.zxid)?;
    writeln!(
        out,
        "{} znodes, {} ephemerals, {} sessions, {} bytes of paths and data",
        tree.node_count(),
        tree.ephemerals_count(),
        tree.sessions().len(),
        tree.approximate_data_size()
    )?;
    match trailer.digest {
        Some(digest) => writeln!(out, "digest {} after {}", digest.digest, digest.zxid)?,
        None => writeln!(out, "no digest")?,
    }
    Ok(())
}

/// Reads the tree of a snapshot, whose seals are checked; of a directory, the newest one.
///
/// # Errors
/// When there is none, or it is damaged.
pub fn read(path: &Path) -> anyhow::Result<Tree> {
    let file = find(path)?;
    let mut reader = SnapshotReader::open(&RealFs, &file)?;
    let tree = load(&mut reader).with_context(|| format!("read {}", file.path.display()))?;
    reader.finish()?;
    Ok(tree)
}

fn find(path: &Path) -> anyhow::Result<SnapshotFile> {
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let found = list_snapshots(&RealFs, dir)?;
    let wanted = |file: &SnapshotFile| path.is_dir() || file.path.file_name() == path.file_name();
    let name = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy();
    match found.into_iter().filter(wanted).max_by_key(|file| file.zxid) {
        Some(file) => Ok(file),
        None if path.is_dir() => bail!("no snapshot in {}", path.display()),
        None => bail!("`{name}` is not a snapshot: expected snapshot.<hex zxid>, with .gz or .snappy where packed"),
    }
}

fn load(reader: &mut SnapshotReader) -> anyhow::Result<Tree> {
    let mut loader = Loader::new(LoaderSettings { tree: TreeSettings::default(), record_bytes_max: RECORD_BYTES_MAX });
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            bail!("the file ends early");
        }
        let progress = loader.push(bytes)?;
        reader.consume(progress.consumed);
        if progress.done {
            return Ok(loader.finish()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::{Compression, SnapshotTrailer, SnapshotWriter};

    #[test]
    fn prints_the_initial_tree_in_every_packing() {
        for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::new(TreeSettings::default());
            let mut writer =
                SnapshotWriter::create(&(Arc::new(RealFs) as _), dir.path(), Zxid(5), compression).unwrap();
            let mut image = tree::image::Writer::new(&tree);
            let mut bytes = Vec::new();
            while image.next_chunk(&tree, &mut bytes, 1 << 16).unwrap() {}
            writer.append(&bytes).unwrap();
            writer.finish(SnapshotTrailer::default()).unwrap();
            let mut out = Vec::new();
            print(dir.path(), true, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains("/zookeeper/config data 0"), "{text}");
            assert!(text.contains("at 0x5\n"), "{text}");
        }
    }
}
