//! What follows a SNAP packet: a snapshot's body and a signature, raw (`Learner.syncWithLeader`).

use bytes::{Buf, BytesMut};
use tree::Tree;
use tree::image::{ImageError, Loader, LoaderSettings};
use wire::Writer;
use wire::quorum::SNAPSHOT_SIGNATURE;

/// Bytes of the signature as a string with its length.
const SIGNATURE_BYTES: usize = 4 + SNAPSHOT_SIGNATURE.len();

/// Why the stream is not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] ImageError),
    /// The signature is missing.
    #[error("the body is not followed by {SNAPSHOT_SIGNATURE:?}")]
    Signature,
}

/// Takes the stream in pieces.
pub struct SnapshotStream {
    /// `None` once the body is complete.
    loader: Option<Loader>,
    tree: Option<Tree>,
}

impl SnapshotStream {
    /// Expects the first byte behind the SNAP packet.
    #[must_use]
    pub fn new(settings: LoaderSettings) -> SnapshotStream {
        SnapshotStream { loader: Some(Loader::new(settings)), tree: None }
    }

    /// Takes bytes off the front of `input`; answers the tree once the signature was there, and leaves what follows.
    ///
    /// # Errors
    /// When it is no snapshot.
    pub fn push(&mut self, input: &mut BytesMut) -> Result<Option<Tree>, StreamError> {
        if let Some(loader) = &mut self.loader {
            let progress = loader.push(input)?;
            input.advance(progress.consumed);
            if !progress.done {
                return Ok(None);
            }
            if let Some(loader) = self.loader.take() {
                self.tree = Some(loader.finish()?);
            }
        }
        if input.len() < SIGNATURE_BYTES {
            return Ok(None);
        }
        let mut expected = Vec::with_capacity(SIGNATURE_BYTES);
        expected.string(SNAPSHOT_SIGNATURE);
        if input.split_to(SIGNATURE_BYTES) != expected[..] {
            return Err(StreamError::Signature);
        }
        Ok(self.tree.take())
    }

    /// Appends the signature.
    pub fn sign(out: &mut impl Writer) {
        out.string(SNAPSHOT_SIGNATURE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::{TreeSettings, image};

    fn stream() -> BytesMut {
        let tree = Tree::new(TreeSettings::default());
        let mut bytes = BytesMut::new();
        let mut body = image::Writer::new(&tree);
        while body.next_chunk(&tree, &mut bytes, 16).expect("the same tree") {}
        SnapshotStream::sign(&mut bytes);
        bytes
    }

    fn settings() -> LoaderSettings {
        LoaderSettings { tree: TreeSettings::default(), record_bytes_max: 1 << 20 }
    }

    #[test]
    fn a_stream_in_pieces_of_any_size_becomes_the_tree_and_what_follows_is_left() {
        let whole = stream();
        for size in [1, 2, 3, 7, 64, whole.len()] {
            let (mut reader, mut input, mut found) = (SnapshotStream::new(settings()), BytesMut::new(), None);
            for piece in whole.chunks(size) {
                assert!(found.is_none(), "pieces of {size}");
                input.extend_from_slice(piece);
                found = reader.push(&mut input).expect("a good stream");
            }
            let tree = found.expect("a tree");
            assert_eq!(tree.paths(), Tree::new(TreeSettings::default()).paths());
            assert!(input.is_empty());
        }
        let (mut reader, mut input) = (SnapshotStream::new(settings()), whole);
        input.extend_from_slice(b"next");
        assert!(reader.push(&mut input).expect("a good stream").is_some());
        assert_eq!(&input[..], b"next");
    }

    #[test]
    fn another_signature_is_refused() {
        let mut bytes = stream();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(matches!(SnapshotStream::new(settings()).push(&mut bytes), Err(StreamError::Signature)));
    }
}
