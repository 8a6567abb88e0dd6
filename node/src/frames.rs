//! Cuts a client's byte stream into frames: a 4-byte length, then that many bytes (`NIOServerCnxn.readLength`).

/// Bytes of the length in front of every frame.
pub const LENGTH_BYTES: usize = 4;

/// A length that no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame length {length} is not within 0 and {max} (jute.maxbuffer)")]
pub struct BadLength {
    /// The length found.
    pub length: i32,
    /// The longest allowed.
    pub max: usize,
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// A complete frame of this many bytes, its length included.
    Complete(usize),
    /// The start of a frame; this many bytes in all are needed before it can be looked at again.
    Partial(usize),
}

/// Looks at the front of `input`. The length is judged before anything is reserved for the frame.
///
/// # Errors
/// On a negative length or one above `bytes_max`.
pub fn front(input: &[u8], bytes_max: usize) -> Result<Front, BadLength> {
    let Some((length, _)) = input.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(Front::Partial(LENGTH_BYTES));
    };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(bytes) if bytes <= bytes_max && bytes + LENGTH_BYTES <= input.len() => {
            Ok(Front::Complete(bytes + LENGTH_BYTES))
        }
        Ok(bytes) if bytes <= bytes_max => Ok(Front::Partial(bytes + LENGTH_BYTES)),
        _ => Err(BadLength { length, max: bytes_max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &[u8], expected: Result<Front, BadLength>) {
        assert_eq!(front(input, 10), expected, "{input:?}");
    }

    #[test]
    fn fronts() {
        check(&[], Ok(Front::Partial(4)));
        check(&[0, 0, 0], Ok(Front::Partial(4)));
        check(&[0, 0, 0, 0], Ok(Front::Complete(4)));
        check(&[0, 0, 0, 2, 7], Ok(Front::Partial(6)));
        check(&[0, 0, 0, 2, 7, 7], Ok(Front::Complete(6)));
        check(&[0, 0, 0, 2, 7, 7, 9, 9], Ok(Front::Complete(6)));
        check(&[0, 0, 0, 10], Ok(Front::Partial(14)));
        check(&[0, 0, 0, 11], Err(BadLength { length: 11, max: 10 }));
        check(&[0xff, 0xff, 0xff, 0xff], Err(BadLength { length: -1, max: 10 }));
        check(b"ruok", Err(BadLength { length: 0x7275_6f6b, max: 10 }));
    }

    proptest! {
        /// However a stream is cut into reads, the same frames come out.
        #[test]
        fn every_cut_gives_the_same_frames(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
            cut in 1usize..40,
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                stream.extend_from_slice(&(body.len() as i32).to_be_bytes());
                stream.extend_from_slice(body);
            }
            let (mut buffer, mut found) = (Vec::new(), Vec::new());
            for piece in stream.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Front::Complete(bytes) = front(&buffer, 64).expect("lengths are small") {
                    found.push(buffer[LENGTH_BYTES..bytes].to_vec());
                    buffer.drain(..bytes);
                }
            }
            prop_assert!(buffer.is_empty());
            prop_assert_eq!(found, bodies);
        }
    }
}
