//! From a file or pasted bytes to a picture that can be asked about.

use super::extras::{self, PictureWarning};
use super::rendition::thumbnail;
use super::{folder, request_picture};
use crate::state::App;
use crate::{AppError, Code, Result};
use std::path::{Path, PathBuf};
use visavis_llava::image::{DecodeOptions, MAX_FILE_BYTES, Picture as Pixels};
use visavis_store::{PictureId, PictureRow};

/// Pictures a question takes at most; each takes a seventh of the model's context.
pub const MOST_PICTURES: usize = 8;

/// A picture as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Names it.
    pub id: PictureId,
    /// The file's name; empty when it came without one.
    pub name: String,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Of the original file.
    pub bytes: u64,
    /// What the person should know.
    pub warnings: Vec<PictureWarning>,
}

impl From<visavis_store::PictureUse> for Picture {
    fn from(used: visavis_store::PictureUse) -> Self {
        Self::of(used.picture, used.name)
    }
}

impl Picture {
    pub(crate) fn of(row: PictureRow, name: String) -> Self {
        Self {
            id: row.id,
            name,
            width: row.width,
            height: row.height,
            bytes: row.bytes,
            warnings: serde_json::from_str(&row.warnings).unwrap_or_default(),
        }
    }
}

/// What became of the files a person added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Added {
    /// Those that can be asked about.
    pub pictures: Vec<Picture>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
    /// How many were too many.
    pub left_out: u32,
}

/// A file that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Why.
    pub error: AppError,
}

impl App {
    /// Takes files, and the pictures in folders, in their order; at most [`MOST_PICTURES`].
    pub async fn add_files(&self, paths: Vec<PathBuf>) -> Added {
        let listed = tokio::task::spawn_blocking(move || folder::expand(paths)).await;
        let mut added = Added::default();
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                added.refused.push(Refused {
                    name: String::new(),
                    error: error.into(),
                });
                return added;
            }
        };
        added.refused = listed.refused;
        for path in listed.files {
            if added.pictures.len() == MOST_PICTURES {
                added.left_out += 1;
                continue;
            }
            match self.add_file(&path).await {
                Ok(picture) => added.pictures.push(picture),
                Err(error) => added.refused.push(Refused {
                    name: name_of(&path),
                    error,
                }),
            }
        }
        added
    }

    async fn add_file(&self, path: &Path) -> Result<Picture> {
        let (file, name) = (path.to_owned(), name_of(path));
        let bytes = tokio::task::spawn_blocking(move || read(&file)).await??;
        self.add_bytes(bytes, &name).await
    }

    /// Takes a picture's bytes, as they are pasted.
    pub async fn add_bytes(&self, bytes: Vec<u8>, name: &str) -> Result<Picture> {
        let shown = PathBuf::from(name);
        let decoded = tokio::task::spawn_blocking(move || {
            let pixels = Pixels::decode(&bytes, &shown, &DecodeOptions::default())?;
            let extension = extras::extension(&bytes);
            let warnings = extras::warnings(&bytes, &pixels);
            let small = thumbnail(&pixels);
            Ok::<_, AppError>((bytes, pixels, extension, warnings, small))
        });
        let (bytes, pixels, extension, warnings, small) = decoded.await??;
        let kept = serde_json::to_string(&warnings).map_err(AppError::internal)?;
        let size = (pixels.width, pixels.height);
        let row = self.store.add_picture(bytes, extension, size, kept).await?;
        self.keep_pixels(row.id.clone(), request_picture(pixels));
        // One that cannot be kept is made again when it is wanted.
        if let Some(small) = small
            && let Err(error) =
                self.store
                    .put_rendition(&row.id, super::rendition::THUMBNAIL, &small)
        {
            tracing::warn!(%error, "a thumbnail could not be kept");
        }
        Ok(Picture::of(row, name.to_owned()))
    }
}

/// A file's name as it can be shown: names that are not Unicode lose what is not.
fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The bytes of an ordinary file; what is none is never opened, so that a pipe cannot block.
fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |reason: String| {
        AppError::new(Code::FileUnreadable, "This file could not be read.").details(reason)
    };
    let found = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable("it is not an ordinary file".to_owned()));
    }
    if found.len() == 0 {
        return Err(AppError::new(Code::BadPicture, "This file is empty.")
            .hint("Copy or download it again."));
    }
    if found.len() > MAX_FILE_BYTES {
        return Err(
            AppError::new(Code::BadPicture, "This file is too large.").hint("Save a smaller copy.")
        );
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}
