//! A sequence inside one input: each piece has a 16-bit length in front, and the last one may be shorter than it says.

/// Cuts an input. Any bytes are some sequence.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        rest = behind;
        Some(piece)
    })
}

/// Joins pieces into an input, for seeds. Those longer than 65535 bytes are cut.
#[must_use]
pub fn unpieces<P: AsRef<[u8]>>(pieces: &[P]) -> Vec<u8> {
    let mut data = Vec::new();
    for piece in pieces {
        let piece = piece.as_ref();
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&piece[..usize::from(length)]);
    }
    data
}
