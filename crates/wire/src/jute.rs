//! Jute primitives: big-endian integers, buffers, strings and vectors (`BinaryInputArchive`, `BinaryOutputArchive`).
//!
//! A buffer, string or vector of length `-1` is null. Trailing bytes after a record are ignored everywhere, as in Apache.

use bytes::{BufMut, Bytes, BytesMut};

/// Apache's default `jute.maxbuffer`: the longest client frame, in bytes.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 0xf_ffff;

/// Why bytes could not be read as a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record needs more bytes than there are.
    #[error("record ends early: {needed} more bytes needed at byte {at}, {left} left")]
    Short {
        /// Offset in the record.
        at: usize,
        /// Bytes the field needs.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// A length is negative (other than -1) or above the limit.
    #[error("unreasonable length {length} at byte {at}, at most {max} expected")]
    Length {
        /// Offset in the record.
        at: usize,
        /// The length found.
        length: i64,
        /// The longest allowed.
        max: usize,
    },
    /// A string is not UTF-8.
    #[error("string at byte {at} is not UTF-8")]
    Utf8 {
        /// Offset in the record.
        at: usize,
    },
    /// A field holds a value that the protocol does not know.
    #[error("{field} has unknown value {value}")]
    Unknown {
        /// The field.
        field: &'static str,
        /// The value found.
        value: i64,
    },
    /// A field that must be there is null.
    #[error("{field} must not be null")]
    Null {
        /// The field.
        field: &'static str,
    },
}

/// The result of a decoder.
pub type Result<T> = std::result::Result<T, DecodeError>;

/// Reads jute primitives from a slice, borrowing from it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// The offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Whether all bytes were read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Takes `len` raw bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if len > left {
            return Err(DecodeError::Short { at: self.at, needed: len, left });
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A boolean: every byte but 0 is true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.u8()? != 0)
    }

    /// A 32-bit integer.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A 64-bit integer.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A buffer; `None` is null.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>> {
        let at = self.at;
        let length = self.i32()?;
        match length {
            -1 => Ok(None),
            0.. => Ok(Some(self.take(length as usize)?)),
            _ => Err(DecodeError::Length { at, length: i64::from(length), max: self.bytes.len() }),
        }
    }

    /// A string; `None` is null.
    pub fn string(&mut self) -> Result<Option<&'a str>> {
        let at = self.at;
        match self.buffer()? {
            None => Ok(None),
            Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| DecodeError::Utf8 { at }),
        }
    }

    /// A string that must not be null.
    pub fn str(&mut self, field: &'static str) -> Result<&'a str> {
        self.string()?.ok_or(DecodeError::Null { field })
    }

    /// A vector's element count; `None` is null. Every element takes at least `element_bytes_min` bytes, so a count that
    /// cannot fit into what is left is refused before anything is allocated for it.
    pub fn count(&mut self, element_bytes_min: usize) -> Result<Option<usize>> {
        let at = self.at;
        let count = self.i32()?;
        let max = (self.bytes.len() - self.at) / element_bytes_min.max(1);
        match count {
            -1 => Ok(None),
            0.. if count as usize <= max => Ok(Some(count as usize)),
            _ => Err(DecodeError::Length { at, length: i64::from(count), max }),
        }
    }

    /// A vector of strings; null reads as empty.
    pub fn strings(&mut self) -> Result<Vec<&'a str>> {
        let count = self.count(4)?.unwrap_or(0);
        let mut strings = Vec::with_capacity(count);
        for _ in 0..count {
            strings.push(self.str("string in vector")?);
        }
        Ok(strings)
    }
}

/// Writes jute primitives.
///
/// Implemented for `BytesMut` and `Vec<u8>`, so that a reply can be encoded straight into a connection's output buffer.
pub trait Writer {
    /// Appends raw bytes.
    fn raw(&mut self, bytes: &[u8]);

    /// One byte.
    fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }

    /// A boolean.
    fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// A 32-bit integer.
    fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// A 64-bit integer.
    fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A buffer or null.
    ///
    /// # Panics
    /// If the buffer is longer than 2 GiB; every buffer that can reach this point came through a frame limit.
    fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.i32(-1),
            Some(bytes) => {
                self.length(bytes.len());
                self.raw(bytes);
            }
        }
    }

    /// A string that is not null.
    fn string(&mut self, value: &str) {
        self.buffer(Some(value.as_bytes()));
    }

    /// A string as Java writes it: characters outside the basic plane become two surrogates of three bytes each
    /// (`BinaryOutputArchive.stringToByteBuffer`). Only text that was never checked as a path can hold such.
    fn java_string(&mut self, value: &str) {
        if value.bytes().all(|byte| byte < 0xf0) {
            return self.string(value);
        }
        let mut bytes = Vec::with_capacity(value.len() + 8);
        for unit in value.encode_utf16() {
            match char::from_u32(u32::from(unit)) {
                Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => bytes.extend([
                    0xe0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6 & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]),
            }
        }
        self.buffer(Some(&bytes));
    }

    /// A length or element count.
    ///
    /// # Panics
    /// If it does not fit 31 bits.
    fn length(&mut self, length: usize) {
        self.i32(i32::try_from(length).expect("jute lengths fit 31 bits: all inputs are bounded by frame limits"));
    }

    /// A vector of strings.
    fn strings<S: AsRef<str>>(&mut self, values: &[S]) {
        self.length(values.len());
        for value in values {
            self.string(value.as_ref());
        }
    }
}

impl Writer for BytesMut {
    fn raw(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

impl Writer for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Appends a frame: a 4-byte length, then what `body` writes.
pub fn frame(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.i32(0);
    body(out);
    let length = u32::try_from(out.len() - start - 4).expect("a frame is far below 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A frame of its own.
#[must_use]
pub fn framed(body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    frame(&mut out, body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_differ() {
        let mut out = Vec::new();
        out.buffer(None);
        out.buffer(Some(b""));
        out.string("x");
        assert_eq!(out, [255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 1, b'x']);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.buffer(), Ok(None));
        assert_eq!(reader.buffer(), Ok(Some(&b""[..])));
        assert_eq!(reader.string(), Ok(Some("x")));
        assert!(reader.is_empty());
    }

    #[test]
    fn java_writes_surrogates() {
        let mut out = Vec::new();
        out.java_string("/é😀");
        assert_eq!(out, [0, 0, 0, 9, b'/', 0xc3, 0xa9, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
    }

    #[test]
    fn lengths_are_checked_before_memory_is_taken() {
        let huge = [0x7f, 0xff, 0xff, 0xff, 1, 2];
        assert!(matches!(Reader::new(&huge).buffer(), Err(DecodeError::Short { .. })));
        assert!(matches!(Reader::new(&huge).strings(), Err(DecodeError::Length { .. })));
        let negative = [0xff, 0xff, 0xff, 0xfe];
        assert!(matches!(Reader::new(&negative).buffer(), Err(DecodeError::Length { length: -2, .. })));
    }
}
