//! Keys and values of the positions a sequence has computed.

/// One sequence's KV cache.
pub struct KvCache {}

impl KvCache {
    /// Positions held.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        todo!()
    }

    /// Forgets every position from `len` on.
    pub fn truncate(&mut self, _len: usize) {
        todo!()
    }
}
