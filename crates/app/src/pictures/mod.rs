//! Pictures: taking them in, showing them, and handing them to the model.

mod add;
mod extras;
mod folder;
mod rendition;

pub use add::{Added, MOST_PICTURES, Picture, Refused};
pub use extras::PictureWarning;
pub use rendition::{Rendition, Shown};

use crate::Result;
use crate::state::App;
use std::collections::VecDeque;
use std::sync::Arc;
use visavis_engine::RequestPicture;
use visavis_llava::image::{DecodeOptions, Picture as Pixels};
use visavis_store::{PictureId, PictureRow};

/// Bytes of decoded pictures that are kept for the next question.
const KEPT_BYTES: usize = 192 << 20;

/// Decoded pictures, the last used last: what is read ahead is asked about right after.
#[derive(Default)]
pub(crate) struct Decoded {
    kept: VecDeque<(PictureId, RequestPicture)>,
}

impl Decoded {
    fn get(&mut self, id: &PictureId) -> Option<RequestPicture> {
        let at = self.kept.iter().position(|(kept, _)| kept == id)?;
        let entry = self.kept.remove(at)?;
        let picture = entry.1.clone();
        self.kept.push_back(entry);
        Some(picture)
    }

    fn put(&mut self, id: PictureId, picture: RequestPicture) {
        self.kept.retain(|(kept, _)| *kept != id);
        self.kept.push_back((id, picture));
        let bytes = |(_, picture): &(PictureId, RequestPicture)| picture.rgb.len();
        while self.kept.len() > 1 && self.kept.iter().map(bytes).sum::<usize>() > KEPT_BYTES {
            self.kept.pop_front();
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}

impl App {
    /// The pixels of a picture, as the model takes them.
    pub(crate) async fn pixels(&self, row: &PictureRow) -> Result<RequestPicture> {
        if let Some(picture) = self.lock(&self.decoded).get(&row.id) {
            return Ok(picture);
        }
        let path = self.store.picture_path(row);
        let decoded =
            tokio::task::spawn_blocking(move || Pixels::open(&path, &DecodeOptions::default()))
                .await??;
        let picture = request_picture(decoded);
        self.keep_pixels(row.id.clone(), picture.clone());
        Ok(picture)
    }

    fn keep_pixels(&self, id: PictureId, picture: RequestPicture) {
        self.lock(&self.decoded).put(id, picture);
    }
}

fn request_picture(pixels: Pixels) -> RequestPicture {
    RequestPicture {
        width: pixels.width,
        height: pixels.height,
        rgb: Arc::new(pixels.rgb),
    }
}
