//! A file as the body of an answer: read piece by piece as the client takes it, off the runtime's workers.

use crate::limits::FILE_BODY_CHUNK_BYTES;
use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use store::VfsFile;
use tokio::task::JoinHandle;

/// The body. What holds memory is one piece, however long the file is and however slow the client.
pub struct FileBody {
    state: State,
    offset: u64,
    end: u64,
}

enum State {
    Idle(Box<dyn VfsFile>),
    Reading(JoinHandle<(Box<dyn VfsFile>, io::Result<Bytes>)>),
    /// It has failed, or ended.
    Done,
}

impl FileBody {
    /// The first `bytes` of a file.
    #[must_use]
    pub fn new(file: Box<dyn VfsFile>, bytes: u64) -> FileBody {
        FileBody { state: State::Idle(file), offset: 0, end: bytes }
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Idle(_) if self.offset == self.end => return Poll::Ready(None),
                State::Idle(file) => {
                    let (offset, left) = (self.offset, self.end - self.offset);
                    self.state = State::Reading(tokio::task::spawn_blocking(move || read(file, offset, left)));
                }
                State::Reading(mut reading) => {
                    let outcome = match Pin::new(&mut reading).poll(context) {
                        Poll::Ready(outcome) => outcome,
                        Poll::Pending => {
                            self.state = State::Reading(reading);
                            return Poll::Pending;
                        }
                    };
                    let (file, read) = match outcome {
                        Ok(read) => read,
                        Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                    };
                    if let Ok(bytes) = &read {
                        self.offset += bytes.len() as u64;
                        self.state = State::Idle(file);
                    }
                    return Poll::Ready(Some(read));
                }
            }
        }
    }
}

/// Reads the next piece of what is left. An end before that is an error: the client must not take the rest for the whole.
fn read(file: Box<dyn VfsFile>, offset: u64, left: u64) -> (Box<dyn VfsFile>, io::Result<Bytes>) {
    let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(FILE_BODY_CHUNK_BYTES);
    let mut bytes = vec![0; wanted];
    let outcome = loop {
        match file.read_at(offset, &mut bytes) {
            Ok(0) => break Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(read) => {
                bytes.truncate(read);
                break Ok(Bytes::from(bytes));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    (file, outcome)
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let bytes = ready!(self.poll_bytes(context));
        if let Some(Err(error)) = &bytes {
            tracing::warn!("read a snapshot that is being sent: {error}");
        }
        Poll::Ready(bytes.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use std::path::Path;
    use store::{Open, RealFs, Vfs};

    fn file(bytes: &[u8]) -> (tempfile::TempDir, Box<dyn VfsFile>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let file = RealFs.open(Path::new(&path), Open::Read).unwrap();
        (dir, file)
    }

    #[tokio::test]
    async fn a_file_of_several_pieces_comes_whole() {
        for length in [0, 1, FILE_BODY_CHUNK_BYTES, 3 * FILE_BODY_CHUNK_BYTES + 7] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (_dir, file) = file(&content);
            let body = Body::new(FileBody::new(file, length as u64));
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            assert!(axum::body::to_bytes(body, usize::MAX).await.unwrap() == content, "{length}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_cut_meanwhile_does_not_pass_for_whole() {
        let (_dir, file) = file(b"short");
        assert!(axum::body::to_bytes(Body::new(FileBody::new(file, 6)), usize::MAX).await.is_err());
    }
}
