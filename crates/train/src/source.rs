//! Where conversations come from: LLaVA JSON files with a picture folder, or drawn while training.

use crate::batch::Sample;
use crate::conversation::{self, Row};
use crate::labels::{Template, tokens};
use crate::scenes::{Generator, Mix, Options, Split};
use crate::settings::{Drawn, Settings};
use crate::{Error, Result};
use std::path::PathBuf;
use visavis_llava::Tokenizer;
use visavis_llava::image::{DecodeOptions, Picture, Preprocess};

/// Conversations by number, in any order and on any thread.
pub trait Source: Send + Sync {
    /// Length of each, negative for text without a picture.
    fn lengths(&self) -> &[i64];

    /// One of them, ready to be learned; the same each time.
    ///
    /// # Errors
    /// Its picture cannot be read.
    fn sample(&self, index: usize) -> Result<Sample>;
}

/// How samples are made ready.
#[derive(Clone)]
pub struct Preparation {
    /// How conversations are written.
    pub template: Template,
    /// How pictures are prepared.
    pub preprocess: Preprocess,
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
}

/// The source that `settings` name.
///
/// # Errors
/// A file cannot be read or has a broken row, or the drawing options cannot be used.
pub fn open(settings: &Settings, preparation: Preparation) -> Result<Box<dyn Source>> {
    if let Some(drawn) = &settings.drawn {
        return Ok(Box::new(DrawnSource::new(drawn, preparation)?));
    }
    let mut rows = Vec::new();
    for path in &settings.data {
        let of = |row| (path.clone(), row);
        rows.extend(conversation::read(path)?.into_iter().map(of));
    }
    Ok(Box::new(Files::new(
        rows,
        settings.pictures.clone(),
        preparation,
    )))
}

/// Rows of files.
pub struct Files {
    rows: Vec<(PathBuf, Row)>,
    lengths: Vec<i64>,
    pictures: PathBuf,
    preparation: Preparation,
}

impl Files {
    /// `rows` with the files they come from; their pictures lie below `pictures`.
    pub fn new(rows: Vec<(PathBuf, Row)>, pictures: PathBuf, preparation: Preparation) -> Self {
        let lengths = rows.iter().map(|(_, row)| row.modality_length()).collect();
        Self {
            rows,
            lengths,
            pictures,
            preparation,
        }
    }
}

impl Source for Files {
    fn lengths(&self) -> &[i64] {
        &self.lengths
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let Some((path, row)) = self.rows.get(index) else {
            return Err(Error::Setting(format!("there is no conversation {index}")));
        };
        let Preparation {
            template,
            preprocess,
            tokenizer,
        } = &self.preparation;
        let pixels = row
            .image
            .as_ref()
            .map(|image| {
                let picture = Picture::open(&self.pictures.join(image), &DecodeOptions::default());
                picture
                    .map(|p| preprocess.pixels(&p))
                    .map_err(|e| Error::Row {
                        path: path.clone(),
                        row: row.number,
                        id: row.id.clone(),
                        reason: format!("{e}; visavis data check lists all such rows"),
                    })
            })
            .transpose()?;
        Ok(Sample {
            tokens: tokens(row, *template, tokenizer)?,
            pixels,
        })
    }
}

/// Scenes.
pub struct DrawnSource {
    generator: Generator,
    captions: f64,
    lengths: Vec<i64>,
    preparation: Preparation,
}

impl DrawnSource {
    /// Scenes as `drawn` describes them.
    ///
    /// # Errors
    /// An option cannot be used.
    pub fn new(drawn: &Drawn, preparation: Preparation) -> Result<Self> {
        let options = Options {
            seed: drawn.seed,
            split: Split::Train,
            mix: Mix::level(drawn.level),
            turns: drawn.turns,
            side: drawn.side,
            ..Options::default()
        };
        let generator =
            Generator::new(options).map_err(|e| Error::Setting(format!("drawn: {e}")))?;
        Ok(Self {
            generator,
            captions: drawn.captions,
            lengths: vec![1; drawn.count],
            preparation,
        })
    }

    /// Conversation `index`, before it is tokenised.
    fn row(&self, index: usize) -> (Row, Picture) {
        let number = index as u64;
        let plain = self.preparation.template == Template::Plain;
        // Every stretch of a thousand has its share.
        let described = plain || ((index * 619) % 1000) as f64 / 1000.0 < self.captions;
        let sample = if described {
            self.generator.caption(number)
        } else {
            self.generator.conversation(number)
        };
        let image = self.generator.picture_as_filed(&sample);
        let picture = Picture {
            width: image.width(),
            height: image.height(),
            rgb: image.into_raw(),
        };
        let turns = sample
            .turns
            .into_iter()
            .map(|turn| conversation::Turn {
                question: turn.question,
                answer: turn.answer,
            })
            .collect();
        let row = Row {
            number: index + 1,
            id: index.to_string(),
            image: Some(PathBuf::new()),
            turns,
        };
        (row, picture)
    }

    /// Every text of sample `index`, for learning a vocabulary.
    pub fn texts(&self, index: usize) -> Vec<String> {
        let (row, _) = self.row(index);
        row.turns
            .into_iter()
            .flat_map(|t| [t.question, t.answer])
            .collect()
    }
}

impl Source for DrawnSource {
    fn lengths(&self) -> &[i64] {
        &self.lengths
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let (row, picture) = self.row(index);
        let Preparation {
            template,
            preprocess,
            tokenizer,
        } = &self.preparation;
        Ok(Sample {
            tokens: tokens(&row, *template, tokenizer)?,
            pixels: Some(preprocess.pixels(&picture)),
        })
    }
}
