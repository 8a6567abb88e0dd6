//! snappy-java's stream (`SnappyOutputStream`, `SnappyInputStream`), which is not the standard framing format.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | i32 version 1 | i32 compatible with 1 | (i32 length | raw snappy block)*
//! ```

use std::io::{self, Read, Write};

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// The first bytes of every stream.
pub(crate) const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Plain bytes per block (`SnappyOutputStream.DEFAULT_BLOCK_SIZE`).
const BLOCK_BYTES: usize = 32 * 1024;
/// The largest plain block a reader accepts.
const BLOCK_BYTES_MAX: usize = 4 << 20;

/// Packs what is written to it.
pub(crate) struct SnappyWriter<W: Write> {
    out: W,
    plain: Vec<u8>,
    packed: Vec<u8>,
    encoder: Encoder,
}

impl<W: Write> SnappyWriter<W> {
    pub(crate) fn new(mut out: W) -> io::Result<SnappyWriter<W>> {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSIONS)?;
        let packed = vec![0; max_compress_len(BLOCK_BYTES)];
        Ok(SnappyWriter { out, plain: Vec::with_capacity(BLOCK_BYTES), packed, encoder: Encoder::new() })
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let packed_bytes = self.encoder.compress(&self.plain, &mut self.packed).map_err(io::Error::other)?;
        let length = u32::try_from(packed_bytes).map_err(io::Error::other)?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&self.packed[..packed_bytes])?;
        self.plain.clear();
        Ok(())
    }

    /// Writes the last block.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.write_block()?;
        self.out.flush()
    }

    /// The destination.
    pub(crate) fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }
}

impl<W: Write> Write for SnappyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.plain.len());
        self.plain.extend_from_slice(&bytes[..taken]);
        if self.plain.len() == BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Blocks are full but for the last one, as in Java, whoever flushes in between.
        self.out.flush()
    }
}

/// Unpacks what it reads.
pub(crate) struct SnappyReader<R: Read> {
    input: R,
    started: bool,
    packed: Vec<u8>,
    plain: Vec<u8>,
    position: usize,
    decoder: Decoder,
}

impl<R: Read> SnappyReader<R> {
    pub(crate) fn new(input: R) -> SnappyReader<R> {
        let decoder = Decoder::new();
        SnappyReader { input, started: false, packed: Vec::new(), plain: Vec::new(), position: 0, decoder }
    }

    /// Unpacks the next block; `false` at the end of the stream.
    fn next_block(&mut self) -> io::Result<bool> {
        if !self.started {
            let mut magic = [0; 4];
            self.input.read_exact(&mut magic)?;
            self.expect_header(magic)?;
            self.started = true;
        }
        loop {
            let Some(head) = self.read_head()? else { return Ok(false) };
            if head == MAGIC[..4] {
                // Streams may follow each other.
                self.expect_header(head)?;
                continue;
            }
            let length = u32::from_be_bytes(head) as usize;
            if length == 0 || length > max_compress_len(BLOCK_BYTES_MAX) {
                return Err(invalid(format!("snappy block of {length} bytes")));
            }
            self.packed.resize(length, 0);
            self.input.read_exact(&mut self.packed)?;
            let plain_bytes = decompress_len(&self.packed).map_err(|error| invalid(error.to_string()))?;
            if plain_bytes > BLOCK_BYTES_MAX {
                return Err(invalid(format!("snappy block of {plain_bytes} plain bytes")));
            }
            self.plain.resize(plain_bytes, 0);
            let unpacked = self.decoder.decompress(&self.packed, &mut self.plain);
            unpacked.map_err(|error| invalid(error.to_string()))?;
            self.position = 0;
            return Ok(true);
        }
    }

    /// The four bytes before a block; `None` where the stream ends.
    fn read_head(&mut self) -> io::Result<Option<[u8; 4]>> {
        let mut head = [0; 4];
        let mut filled = 0;
        while filled < head.len() {
            match self.input.read(&mut head[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(head))
    }

    fn expect_header(&mut self, start: [u8; 4]) -> io::Result<()> {
        let mut rest = [0; 12];
        self.input.read_exact(&mut rest)?;
        if start != MAGIC[..4] || rest[..4] != MAGIC[4..] {
            return Err(invalid("no snappy-java stream".to_owned()));
        }
        let compatible = i32::from_be_bytes([rest[8], rest[9], rest[10], rest[11]]);
        if compatible > 1 {
            return Err(invalid(format!("snappy-java stream of version {compatible}, expected 1")));
        }
        Ok(())
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.position == self.plain.len() {
            if into.is_empty() || !self.next_block()? {
                return Ok(0);
            }
        }
        let taken = into.len().min(self.plain.len() - self.position);
        into[..taken].copy_from_slice(&self.plain[self.position..self.position + taken]);
        self.position += taken;
        Ok(taken)
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
