//! Reading little-endian fields of a file that may be cut short or lie about itself.

/// A position in a file's bytes. Every read is bounded; nothing is copied.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Why the header cannot be used: a sentence without the file's name.
pub(super) type Fault = String;

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes from here to the end of the file.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| Some((end, self.bytes.get(self.at..end)?)));
        let (end, taken) = taken.ok_or_else(|| self.ends())?;
        self.at = end;
        Ok(taken)
    }

    /// Passes over `count` items of `size` bytes each.
    pub(super) fn skip(&mut self, count: u64, size: usize) -> Result<(), Fault> {
        let bytes = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size));
        self.take(bytes.ok_or_else(|| self.ends())?)?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.ends())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length and as many bytes of UTF-8, at most `longest`.
    pub(super) fn name(&mut self, longest: usize) -> Result<&'a str, Fault> {
        let start = self.at;
        let bytes = self.string()?;
        if bytes.is_empty() || bytes.len() > longest {
            return Err(format!(
                "a name at byte {start} is {} bytes long",
                bytes.len()
            ));
        }
        std::str::from_utf8(bytes).map_err(|_| format!("a name at byte {start} is not text"))
    }

    /// A length and as many bytes.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let len = self.u64()?;
        if len > self.left() as u64 {
            return Err(format!(
                "a string at byte {start} claims {len} bytes, but the file ends at {}",
                self.bytes.len()
            ));
        }
        // Not longer than the file, so it fits.
        self.take(len as usize)
    }

    fn ends(&self) -> Fault {
        format!(
            "its header does not end before the file does, at byte {}",
            self.bytes.len()
        )
    }
}
