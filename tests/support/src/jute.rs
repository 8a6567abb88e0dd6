//! ZooKeeper's encoding, written a second time and on purpose without the crate `wire`.

/// Bytes being put together.
#[derive(Debug, Clone, Default)]
pub struct Encoder(pub Vec<u8>);

impl Encoder {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One byte, 0 or 1.
    pub fn bool(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    /// Four bytes.
    pub fn int(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes.
    pub fn long(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A length and bytes; `None` is length -1.
    pub fn buffer(self, value: Option<&[u8]>) -> Self {
        match value {
            None => self.int(-1),
            Some(bytes) => self.int(bytes.len() as i32).raw(bytes),
        }
    }

    /// A string that is there.
    pub fn string(self, value: &str) -> Self {
        self.buffer(Some(value.as_bytes()))
    }

    /// A vector of strings.
    pub fn strings<S: AsRef<str>>(self, values: &[S]) -> Self {
        values.iter().fold(self.int(values.len() as i32), |enc, v| enc.string(v.as_ref()))
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Bytes being taken apart.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], Malformed> {
        if n > self.rest.len() {
            return Err(Malformed(format!("{what} needs {n} bytes, {} left", self.rest.len())));
        }
        let (head, tail) = self.rest.split_at(n);
        self.rest = tail;
        Ok(head)
    }

    /// One byte as a boolean.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.take(1, "bool")?[0] != 0)
    }

    /// Four bytes.
    pub fn int(&mut self) -> Result<i32, Malformed> {
        let bytes = self.take(4, "int")?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Eight bytes.
    pub fn long(&mut self) -> Result<i64, Malformed> {
        let high = self.int()?;
        let low = self.int()?;
        Ok((i64::from(high) << 32) | i64::from(low as u32))
    }

    /// A buffer; `None` when its length is -1.
    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.int()? {
            -1 => Ok(None),
            n if n < 0 => Err(Malformed(format!("buffer length {n}"))),
            n => Ok(Some(self.take(n as usize, "buffer")?)),
        }
    }

    /// A string; null reads as the text `<null>`, which no test uses otherwise.
    pub fn string(&mut self) -> Result<String, Malformed> {
        Ok(match self.buffer()? {
            None => "<null>".to_owned(),
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        })
    }

    /// A vector of strings; null reads as empty.
    pub fn strings(&mut self) -> Result<Vec<String>, Malformed> {
        (0..self.count()?).map(|_| self.string()).collect()
    }

    /// The count of a vector; null reads as 0.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let n = self.int()?;
        if n > self.rest.len() as i32 {
            return Err(Malformed(format!("vector of {n} in {} bytes", self.rest.len())));
        }
        Ok(n.max(0) as usize)
    }

    /// All eleven fields of a Stat.
    pub fn stat(&mut self) -> Result<Stat, Malformed> {
        Ok(Stat {
            czxid: self.long()?,
            mzxid: self.long()?,
            ctime: self.long()?,
            mtime: self.long()?,
            version: self.int()?,
            cversion: self.int()?,
            aversion: self.int()?,
            ephemeral_owner: self.long()?,
            data_length: self.int()?,
            num_children: self.int()?,
            pzxid: self.long()?,
        })
    }
}

/// A znode's Stat as it crosses the wire; the fields are ZooKeeper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub ephemeral_owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}
