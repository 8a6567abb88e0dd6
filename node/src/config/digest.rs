//! The super user's `user:hash`. A password in the place of the hash, or the hash of another algorithm, would be nobody's: the server would
//! start, and turn its operator away.
//!
//! No message repeats the value, which is as good as a password to whoever has the time to guess.

use super::kind::DigestAlgorithm;

/// Whether this is somebody's name and a hash of that algorithm.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(digest: &str, algorithm: DigestAlgorithm) -> Result<(), String> {
    let hash_bytes: usize = match algorithm {
        DigestAlgorithm::Sha1 => 20,
        DigestAlgorithm::Sha256 => 32,
        DigestAlgorithm::Sha512 => 64,
    };
    // Three bytes are four characters; where the last three are not whole, `=` takes their places.
    let (letters, all) = ((hash_bytes * 4).div_ceil(3), hash_bytes.div_ceil(3) * 4);
    let (_, hash) =
        digest.split_once(':').ok_or_else(|| "expected `user:hash`, found a text without `:`".to_owned())?;
    let is_base64 = |(at, byte): (usize, u8)| match byte {
        b'+' | b'/' => at < letters,
        b'=' => at >= letters,
        _ => at < letters && byte.is_ascii_alphanumeric(),
    };
    let found = match () {
        () if hash.len() != all => format!("{} characters", hash.chars().count()),
        () if !hash.bytes().enumerate().all(is_base64) => "what is no base64".to_owned(),
        () => return Ok(()),
    };
    Err(format!(
        "expected `user:` and a hash of {all} characters in base64, found {found} behind the `:`. hint: printf user:password | \
         openssl dgst -binary -sha1 | base64 (or the hash that DigestAuthenticationProvider.digestAlg names)"
    ))
}
