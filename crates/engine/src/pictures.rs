//! Features of the pictures seen last, so that a second question costs no second look.

use crate::position::PictureKey;
use std::sync::Arc;

/// Pictures kept: about ten megabytes each for the 7B model.
const KEPT: usize = 16;

/// Features by content, least recently used first.
pub(crate) struct PictureCache<F> {
    kept: Vec<(PictureKey, Arc<F>)>,
}

impl<F> PictureCache<F> {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        Self {
            kept: Vec::with_capacity(KEPT),
        }
    }

    /// The features of a picture; marks them as used just now.
    pub(crate) fn get(&mut self, key: PictureKey) -> Option<Arc<F>> {
        let at = self.kept.iter().position(|(other, _)| *other == key)?;
        let entry = self.kept.remove(at);
        let features = Arc::clone(&entry.1);
        self.kept.push(entry);
        Some(features)
    }

    /// Keeps the features of a picture.
    pub(crate) fn put(&mut self, key: PictureKey, features: Arc<F>) {
        self.kept.retain(|(other, _)| *other != key);
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((key, features));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}
