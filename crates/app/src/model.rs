//! The model in use: finding one, looking at it, loading it, and where it stands.

use crate::hardware::{Device, memory};
use crate::state::{App, AppEvent};
use crate::{AppError, Code, Result, places};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;
use visavis_engine::Event;
use visavis_llava::checkpoint::{Checkpoint, Inspection, inspect};

/// Where the model in use is kept.
const KEY: &str = "model";
/// Share of the memory that must stay free for everything else.
const RESERVE: f64 = 0.1;

/// Where the model in use stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    /// None is chosen.
    None,
    /// It is being loaded.
    Loading {
        /// Which.
        model: ModelInfo,
        /// Bytes loaded.
        done: u64,
        /// Bytes in all; 0 while unknown.
        total: u64,
        /// Seconds left.
        eta_seconds: Option<f64>,
    },
    /// It answers.
    Ready {
        /// Which.
        model: ModelInfo,
        /// Where it runs.
        device: Device,
    },
    /// It does not.
    Failed {
        /// Which.
        model: ModelInfo,
        /// Why.
        error: AppError,
    },
}

/// A model in words and numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Names it; the database's number.
    #[serde(skip)]
    pub id: i64,
    /// `LLaVA-1.5 7B`, or the folder's name.
    pub name: String,
    /// `4-bit`, `8-bit`, `16-bit`, `32-bit`.
    pub precision: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes of memory it needs.
    pub memory_bytes: u64,
    /// Positions a thread may have.
    pub context: u32,
    /// Positions one picture takes.
    pub image_tokens: u32,
    /// Side of the square it sees, in pixels.
    pub image_size: u32,
    /// Patches along that side.
    pub patch_grid: u32,
    /// Whether it knows only simple drawings.
    pub practice: bool,
}

/// Whether a model fits into the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The verdict.
    pub verdict: Verdict,
    /// Bytes it needs.
    pub needed_bytes: u64,
    /// Bytes free now.
    pub free_bytes: u64,
    /// Bytes there are.
    pub total_bytes: u64,
}

/// The verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Fits,
    /// It fits when other programs are closed.
    Tight,
    /// There is not enough.
    TooLarge,
}

/// A model that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundModel {
    /// What it is.
    pub model: ModelInfo,
    /// Where it lies.
    pub location: PathBuf,
    /// Whether it fits.
    pub fit: Fit,
    /// Why it will not run.
    pub problems: Vec<AppError>,
    /// Whether it is the one in use.
    pub in_use: bool,
}

impl ModelState {
    /// The model, whatever its state.
    pub fn model(&self) -> Option<&ModelInfo> {
        match self {
            Self::None => None,
            Self::Loading { model, .. }
            | Self::Ready { model, .. }
            | Self::Failed { model, .. } => Some(model),
        }
    }
}

impl App {
    /// Where the model stands.
    pub fn model_state(&self) -> ModelState {
        self.model.borrow().clone()
    }

    /// Looks at the model that a person picked, and remembers it for [`App::use_model`].
    pub async fn look_at_model(&self, path: &Path) -> Result<FoundModel> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let practice = self
            .demo
            .as_deref()
            .is_some_and(|demo| demo.canonicalize().ok().as_deref() == Some(path.as_path()));
        let looked = path.clone();
        let (mut info, problems) =
            tokio::task::spawn_blocking(move || look(&looked, practice)).await??;
        let kept = serde_json::to_string(&info).map_err(AppError::internal)?;
        info.id = self.store.put_model(&path, &kept).await?;
        Ok(self.found(info, path, problems))
    }

    /// The models that are known: chosen before, installed, or the practice model.
    pub async fn known_models(&self) -> Result<Vec<FoundModel>> {
        let known = self.store.models().await?;
        let mut found = Vec::new();
        for model in &known {
            // What was moved away is no longer offered.
            if !model.location.exists() {
                continue;
            }
            if let Ok(mut info) = serde_json::from_str::<ModelInfo>(&model.info) {
                info.id = model.id;
                found.push(self.found(info, model.location.clone(), Vec::new()));
            }
        }
        let others = places::installed(self.folder()).into_iter();
        for path in others.chain(self.demo.clone()) {
            let path = path.canonicalize().unwrap_or(path);
            if !known.iter().any(|model| model.location == path) {
                found.extend(self.look_at_model(&path).await.ok());
            }
        }
        Ok(found)
    }

    fn found(&self, model: ModelInfo, location: PathBuf, problems: Vec<AppError>) -> FoundModel {
        let in_use = self
            .model
            .borrow()
            .model()
            .is_some_and(|used| used.id == model.id);
        FoundModel {
            fit: fit(model.memory_bytes, memory()),
            model,
            location,
            problems,
            in_use,
        }
    }

    /// Keeps a model as the one in use and loads it. Returns at once; the state tells how it
    /// goes.
    pub async fn use_model(&self, id: i64) -> Result<()> {
        let known = self.store.model(id).await?;
        let mut info: ModelInfo = serde_json::from_str(&known.info).map_err(AppError::internal)?;
        info.id = id;
        self.store.set_setting(KEY, &id.to_string()).await?;
        self.load_model(info, known.location);
        Ok(())
    }

    /// Loads the model in use again.
    pub async fn reload_model(&self) -> Result<()> {
        let id = self.model.borrow().model().map(|model| model.id);
        match id {
            Some(id) => self.use_model(id).await,
            None => Ok(()),
        }
    }

    /// Loads the model that was in use last, or the first one there is.
    pub(crate) async fn load_remembered(&self) -> Result<()> {
        let kept = self.store.setting(KEY).await?;
        if let Some(id) = kept.and_then(|id| id.parse().ok())
            && let Ok(known) = self.store.model(id).await
        {
            if known.location.exists() {
                return self.use_model(id).await;
            }
            if let Ok(mut model) = serde_json::from_str::<ModelInfo>(&known.info) {
                model.id = id;
                let error = AppError::new(Code::BadModel, "The model is no longer where it was.")
                    .hint("Connect its drive, or choose it again.")
                    .details(known.location.display().to_string());
                self.set_model(ModelState::Failed { model, error });
                return Ok(());
            }
        }
        let named = std::env::var_os("VISAVIS_MODEL").map(PathBuf::from);
        let installed = places::installed(self.folder());
        for path in named.into_iter().chain(installed).chain(self.demo.clone()) {
            if let Ok(found) = self.look_at_model(&path).await
                && found.problems.is_empty()
            {
                return self.use_model(found.model.id).await;
            }
        }
        Ok(())
    }

    fn load_model(&self, model: ModelInfo, location: PathBuf) {
        let load = self.loads.fetch_add(1, Ordering::AcqRel) + 1;
        self.set_model(ModelState::Loading {
            model: model.clone(),
            done: 0,
            total: model.bytes,
            eta_seconds: None,
        });
        let app = self.clone();
        let device = self.settings().device;
        tokio::spawn(async move {
            let begun = Instant::now();
            // With a graphics card's host installed this asks the card, which takes seconds.
            let engine = std::sync::Arc::clone(&app.engine);
            let started = tokio::task::spawn_blocking(move || engine.load(location, device)).await;
            let Ok(mut events) = started else { return };
            while let Some(event) = events.next().await {
                let state = match event {
                    Event::Progress { done, total, .. } => ModelState::Loading {
                        model: model.clone(),
                        done,
                        total,
                        eta_seconds: left(begun, done, total),
                    },
                    Event::Ready => ModelState::Ready {
                        model: model.clone(),
                        device: Device::named(&app.engine.status().device),
                    },
                    Event::Failed(failure) => ModelState::Failed {
                        model: model.clone(),
                        error: load_error(failure),
                    },
                    Event::Text { .. } | Event::Done(_) => continue,
                };
                if app.loads.load(Ordering::Acquire) != load {
                    return;
                }
                app.set_model(state);
            }
        });
    }

    /// Notes that the model is gone, when an answer learned so.
    pub(crate) fn model_crashed(&self, error: &AppError) {
        if let ModelState::Ready { model, .. } = self.model_state() {
            self.set_model(ModelState::Failed {
                model,
                error: error.clone(),
            });
        }
    }

    fn set_model(&self, state: ModelState) {
        self.model.send_replace(state.clone());
        self.tell(AppEvent::Model(state));
    }
}

/// Seconds left of work that has done `done` of `total` since `begun`.
pub(crate) fn left(begun: Instant, done: u64, total: u64) -> Option<f64> {
    let took = begun.elapsed().as_secs_f64();
    (done > 0 && total >= done && took > 0.2).then(|| took * (total - done) as f64 / done as f64)
}

fn load_error(failure: visavis_engine::Failure) -> AppError {
    let mut error = AppError::from(failure);
    if error.code == Code::Cancelled {
        error.message = "Loading the model was stopped.".to_owned();
    }
    error
}

/// Whether `needed` bytes fit into `(free, total)` bytes of memory.
fn fit(needed: u64, (free, total): (u64, u64)) -> Fit {
    let usable = (total as f64 * (1.0 - RESERVE)) as u64;
    let verdict = match needed {
        _ if needed > usable => Verdict::TooLarge,
        _ if needed > free => Verdict::Tight,
        _ => Verdict::Fits,
    };
    Fit {
        verdict,
        needed_bytes: needed,
        free_bytes: free,
        total_bytes: total,
    }
}

/// What is in the file or folder, and why it will not run.
fn look(path: &Path, practice: bool) -> Result<(ModelInfo, Vec<AppError>)> {
    let inspection = inspect(path)?;
    let config = Checkpoint::open(path)?.config;
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let name = match (config.language.hidden, config.language.layers) {
        (4096, 32) => "LLaVA-1.5 7B".to_owned(),
        (5120, 40) => "LLaVA-1.5 13B".to_owned(),
        _ => path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    let info = ModelInfo {
        id: 0,
        name,
        precision: precision(&inspection).to_owned(),
        bytes: inspection.bytes,
        memory_bytes: inspection.memory_bytes,
        context: small(inspection.context),
        image_tokens: small(inspection.image_tokens),
        image_size: small(inspection.image_size),
        patch_grid: small(config.vision.grid()),
        practice,
    };
    let problems = inspection
        .problems
        .iter()
        .map(|problem| AppError::new(Code::BadModel, "This model will not run.").details(problem));
    Ok((info, problems.collect()))
}

/// How finely the weights are kept, by the element type that most of them have. Norms are f32 in
/// every file.
fn precision(inspection: &Inspection) -> &'static str {
    let types = inspection.types.iter();
    let main = types
        .filter(|(name, _)| !name.eq_ignore_ascii_case("f32"))
        .max_by_key(|(_, count)| **count)
        .map_or("f32", |(name, _)| name.as_str());
    let main = main.to_lowercase();
    let known = [
        ("q2", "2-bit"),
        ("q3", "3-bit"),
        ("q4", "4-bit"),
        ("q5", "5-bit"),
        ("q6", "6-bit"),
        ("q8", "8-bit"),
        ("f16", "16-bit"),
        ("bf16", "16-bit"),
    ];
    known
        .iter()
        .find(|(start, _)| main.starts_with(start))
        .map_or("32-bit", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_depends_on_what_is_free_and_what_there_is() {
        let gb = |n: u64| n << 30;
        let verdict = |needed, free, total| fit(gb(needed), (gb(free), gb(total))).verdict;
        assert_eq!(verdict(5, 8, 16), Verdict::Fits);
        assert_eq!(verdict(10, 8, 16), Verdict::Tight);
        assert_eq!(verdict(15, 15, 16), Verdict::TooLarge);
    }

    #[test]
    fn a_model_is_described_by_what_is_in_it() {
        let tiny = visavis_testkit::TinyModel::preset("base");
        let (info, problems) = look(tiny.path(), false).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(info.precision, "32-bit");
        assert_eq!(info.image_tokens as usize, tiny.spec.image_tokens());
        assert!(info.bytes > 0 && info.memory_bytes > info.bytes);
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(
            look(nothing.path(), false).unwrap_err().code,
            Code::BadModel
        );
    }
}
