//! Whether a program asks for a loader: one field of the format that Linux runs.

use anyhow::{Context, Result, ensure};

/// The program header that names the loader.
const PT_INTERP: u32 = 3;

/// The loader that a 64-bit little-endian program asks for, `None` if it is linked statically.
pub fn interpreter(bytes: &[u8]) -> Result<Option<String>> {
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "not a 64-bit little-endian ELF file");
    let table = number(bytes, 32, 8)?;
    let (size, count) = (number(bytes, 54, 2)?, number(bytes, 56, 2)?);
    for nth in 0..count {
        let header = table.checked_add(nth * size).context("the table of headers is within the file")?;
        if number(bytes, header, 4)? == PT_INTERP as usize {
            let (offset, length) = (number(bytes, header + 8, 8)?, number(bytes, header + 32, 8)?);
            let end = offset.checked_add(length).context("the loader's name is within the file")?;
            let name = bytes.get(offset..end).context("the loader's name is within the file")?;
            return Ok(Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize> {
    let end = at.checked_add(length).context("a field is within the file")?;
    let field = bytes.get(at..end).context("a field is within the file")?;
    let value = field.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).context("a field is a number of this machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one program header.
    fn sample(kind: u32, name: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.resize(64 + 56, 0);
        bytes[64 + 8] = 64 + 56;
        bytes[64 + 32] = u8::try_from(name.len()).expect("a short name");
        bytes.extend_from_slice(name);
        bytes
    }

    #[test]
    fn a_loader_is_found() {
        let dynamic = sample(PT_INTERP, b"/lib64/ld-linux-x86-64.so.2\0");
        assert_eq!(interpreter(&dynamic).expect("a program").as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(interpreter(&sample(1, b"")).expect("a program"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(interpreter(b"#!/bin/sh\n").is_err());
        assert!(interpreter(&sample(PT_INTERP, b"/lib")[..80]).is_err());
        let mut far = sample(PT_INTERP, b"/lib");
        far[32..40].fill(0xff);
        assert!(interpreter(&far).is_err());
    }

    #[test]
    fn this_very_program_can_be_read() {
        let program = std::env::current_exe().and_then(std::fs::read).expect("the test program");
        interpreter(&program).expect("a program");
    }
}
