//! The body of a request for a thread that waits for bytes.

use crate::limits::RESTORE_PIECES_WAITING;
use axum::body::{Body, Bytes, HttpBody};
use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the thread reads. The end of the body comes as an end only if the body came whole.
pub struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
    has_ended: bool,
}

impl BodyReader {
    /// A reader, and what has to run beside it. A client that sends nothing for so long is given up.
    pub fn new(body: Body, idle: Duration) -> (BodyReader, impl Future<Output = ()> + Send + 'static) {
        let (sender, pieces) = mpsc::channel(RESTORE_PIECES_WAITING);
        (BodyReader { pieces, piece: Bytes::new(), has_ended: false }, feed(body, idle, sender))
    }
}

async fn feed(mut body: Body, idle: Duration, pieces: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let piece = match tokio::time::timeout(idle, next).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Ok(bytes),
                // Trailers say nothing of the body.
                Err(_) => continue,
            },
            // An empty piece is the end.
            Ok(None) => Ok(Bytes::new()),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing more came for {} s", idle.as_secs())))
            }
        };
        let is_last = piece.as_ref().map_or(true, Bytes::is_empty);
        // The reader may have seen enough.
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.has_ended {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => {
                    self.has_ended = piece.is_empty();
                    self.piece = piece;
                }
                Some(Err(error)) => return Err(error),
                None => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
        let taken = self.piece.len().min(into.len());
        into[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: Body, idle: Duration) -> io::Result<Vec<u8>> {
        let (mut reader, feeding) = BodyReader::new(body, idle);
        let reading = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        feeding.await;
        reading.await.unwrap()
    }

    /// Never sends anything.
    struct Silent;

    impl HttpBody for Silent {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, io::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end() {
        let long = vec![7; 300_000];
        assert!(read(Body::from(long.clone()), Duration::from_secs(9)).await.unwrap() == long);
        assert!(read(Body::empty(), Duration::from_secs(9)).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_sends_nothing_is_given_up() {
        let error = read(Body::new(Silent), Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
