//! Which words there are, and which are allowed.

/// A word as it arrives: the first four bytes of a connection.
pub type WordBytes = [u8; 4];

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $bytes:literal, $shown:literal;)*) => {
        /// A four-letter word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Word { $($(#[$doc])* $name,)* }

        impl Word {
            /// Every word.
            pub const ALL: &[Word] = &[$(Word::$name),*];

            /// Recognises a word.
            #[must_use]
            pub fn from_bytes(bytes: WordBytes) -> Option<Word> {
                match &bytes { $($bytes => Some(Word::$name),)* _ => None }
            }

            /// The word as Apache names it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Word::$name => $shown,)* }
            }
        }
    };
}

words! {
    /// Settings.
    Conf = b"conf", "conf";
    /// Connections in full.
    Cons = b"cons", "cons";
    /// Reset the figures of all connections.
    Crst = b"crst", "crst";
    /// Sizes of the directories.
    Dirs = b"dirs", "dirs";
    /// Sessions, ephemerals, connections.
    Dump = b"dump", "dump";
    /// Environment.
    Envi = b"envi", "envi";
    /// The trace mask.
    Gtmk = b"gtmk", "gtmk";
    /// Are you there?
    Ruok = b"ruok", "ruok";
    /// Set the trace mask; eight more bytes follow.
    Stmk = b"stmk", "stmk";
    /// Reset the server's figures.
    Srst = b"srst", "srst";
    /// The server's figures.
    Srvr = b"srvr", "srvr";
    /// The same, with connections.
    Stat = b"stat", "stat";
    /// Watches by session.
    Wchc = b"wchc", "wchc";
    /// Watches by path.
    Wchp = b"wchp", "wchp";
    /// Watches counted.
    Wchs = b"wchs", "wchs";
    /// Metrics.
    Mntr = b"mntr", "mntr";
    /// Is this server read-only?
    Isro = b"isro", "isro";
    /// What telnet sends when it is interrupted; Apache counts it among the words to keep its log clean.
    TelnetClose = b"\xff\xf4\xff\xfd", "telnet close";
    /// Digests of past transactions.
    Hash = b"hash", "hash";
}

impl Word {
    /// Bytes that follow the word.
    #[must_use]
    pub fn argument_bytes(self) -> usize {
        if self == Word::Stmk { 8 } else { 0 }
    }
}

/// The words that are answered (`FourLetterCommands.isEnabled`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whitelist(Vec<Word>);

impl Whitelist {
    /// Reads the value of `4lw.commands.whitelist`. `srvr` is always in it, because `zkServer.sh status` needs it;
    /// names that are no words are ignored.
    #[must_use]
    pub fn parse(value: &str) -> Whitelist {
        let mut allowed = vec![Word::Srvr];
        for name in value.split(',').map(str::trim) {
            if name == "*" {
                return Whitelist(Word::ALL.to_vec());
            }
            allowed.extend(Word::ALL.iter().filter(|word| word.name() == name));
        }
        Whitelist(allowed)
    }

    /// Whether a word is answered.
    #[must_use]
    pub fn allows(&self, word: Word) -> bool {
        self.0.contains(&word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_recognised_exactly() {
        for word in Word::ALL.iter().filter(|word| **word != Word::TelnetClose) {
            assert_eq!(Word::from_bytes(word.name().as_bytes().try_into().unwrap()), Some(*word));
        }
        assert_eq!(Word::from_bytes(*b"SRVR"), None);
        assert_eq!(Word::from_bytes([0, 0, 0, 45]), None);
        assert_eq!(Word::from_bytes(0xfff4_fffd_u32.to_be_bytes()), Some(Word::TelnetClose));
    }

    #[test]
    fn whitelists() {
        let check = |value: &str, expected: &[Word]| {
            let list = Whitelist::parse(value);
            let allowed: Vec<Word> = Word::ALL.iter().copied().filter(|word| list.allows(*word)).collect();
            assert_eq!(allowed, expected, "{value}");
        };
        check("", &[Word::Srvr]);
        check(" ruok , mntr,nope,", &[Word::Ruok, Word::Srvr, Word::Mntr]);
        check("srvr,*", Word::ALL);
        check("RUOK", &[Word::Srvr]);
    }
}
