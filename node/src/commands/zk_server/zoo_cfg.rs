//! `zoo.cfg` as the script reads it: line by line, by key, without understanding the rest.
//!
//! The script works on a file that the server would refuse, and so must this: whoever asks for the status of a server whose
//! file was spoilt meanwhile wants to hear of the server that runs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any `zoo.cfg`; what is behind it is not read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The text of a configuration file, static or dynamic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZooCfg {
    text: String,
}

impl ZooCfg {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn read(path: &Path) -> io::Result<ZooCfg> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(ZooCfg { text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// The value of a key, without the blanks around it; the last one where there are several, as in the server. `None` where it
    /// is not there or empty.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        let mut values = self.text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim())
        });
        values.next_back().filter(|value| !value.is_empty())
    }

    /// What follows the semicolon in a server's line: `2181` or `10.0.0.1:2181`.
    #[must_use]
    pub fn client_part(&self, myid: &str) -> Option<&str> {
        let (_, client) = self.value(&format!("server.{myid}"))?.rsplit_once(';')?;
        Some(client.trim()).filter(|client| !client.is_empty())
    }
}

#[cfg(test)]
impl From<&str> for ZooCfg {
    fn from(text: &str) -> ZooCfg {
        ZooCfg { text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_whole_name() {
        let cfg = ZooCfg::from(
            "# clientPort=1\nclientPortAddress=::1\n  clientPort = 2181 \r\ndataDirectory=/no\ndataDir=/a=b\nempty=\n",
        );
        let check = |key: &str, expected: Option<&str>| assert_eq!(cfg.value(key), expected, "{key}");
        check("clientPort", Some("2181"));
        check("clientPortAddress", Some("::1"));
        check("dataDir", Some("/a=b"));
        check("empty", None);
        check("secureClientPort", None);
        assert_eq!(ZooCfg::from("a=1\na=2").value("a"), Some("2"));
    }

    #[test]
    fn a_line_of_a_server_may_have_a_client_part() {
        let cfg = ZooCfg::from("server.1=a:2888:3888;2181\nserver.11=b:2888:3888;[::1]:2182\nserver.3=c:2888:3888\n");
        assert_eq!(cfg.client_part("1"), Some("2181"));
        assert_eq!(cfg.client_part("11"), Some("[::1]:2182"));
        assert_eq!((cfg.client_part("3"), cfg.client_part("4")), (None, None));
    }
}
