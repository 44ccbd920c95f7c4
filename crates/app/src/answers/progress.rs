//! How far an answer is, and how long still: measured while it runs, and remembered from the
//! last one for what has not begun.

use crate::state::App;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use visavis_engine::Timings;
use visavis_llava::Stage;

/// Where the speeds are kept.
const KEY: &str = "speeds";
/// Patches of the square that LLaVA-1.5 sees, for a model that was not looked at.
const GRID: u32 = 24;

/// How fast this computer was with the model in use. Zeros where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Speeds {
    /// The model they were measured with.
    model: i64,
    /// Seconds to see a picture.
    picture_s: f64,
    /// Seconds to read a position.
    position_s: f64,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// Seconds until the first word.
    pub eta_seconds: Option<f64>,
    /// While looking.
    pub seeing: Option<Seeing>,
}

/// How much of a picture is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeing {
    /// Which of the question's pictures.
    pub picture: u32,
    /// Patches seen.
    pub patches_done: u32,
    /// Patches it has.
    pub patches_total: u32,
}

/// Follows one piece of work.
pub(crate) struct Gauge {
    speeds: Speeds,
    pictures: u32,
    grid: u32,
    /// Positions that are read once the pictures are seen.
    positions: f64,
    stage: Option<(Stage, Instant, u64)>,
}

impl Gauge {
    /// For a question with this many new pictures and about `positions` to read.
    pub(crate) fn new(app: &App, pictures: usize, positions: f64) -> Self {
        let state = app.model_state();
        let model = state.model();
        let mut speeds = *app.lock(&app.speeds);
        if model.is_none_or(|model| model.id != speeds.model) {
            speeds = Speeds::default();
        }
        Self {
            speeds,
            pictures: u32::try_from(pictures).unwrap_or(1).max(1),
            grid: model.map_or(GRID, |model| model.patch_grid),
            positions,
            stage: None,
        }
    }

    /// What an engine's report means.
    pub(crate) fn read(&mut self, stage: Stage, done: u64, total: u64) -> Progress {
        let (begun, from) = match self.stage {
            Some((same, begun, from)) if same == stage => (begun, from),
            _ => {
                let begun = Instant::now();
                self.stage = Some((stage, begun, done));
                (begun, done)
            }
        };
        let left = rate(begun, done.saturating_sub(from))
            .map(|rate| rate * total.saturating_sub(done) as f64);
        let reading = self.positions * self.speeds.position_s;
        let eta_seconds = match stage {
            Stage::Loading => left,
            Stage::Seeing => left
                .or_else(|| known(self.speeds.picture_s * f64::from(self.pictures)))
                .map(|left| left + reading),
            Stage::Reading => {
                left.or_else(|| known(self.speeds.position_s * total.saturating_sub(done) as f64))
            }
            Stage::Writing | Stage::Converting => None,
        };
        Progress {
            stage,
            done,
            total,
            eta_seconds,
            seeing: (stage == Stage::Seeing).then(|| self.seeing(done, total)),
        }
    }

    /// The engine counts vision blocks of all pictures one after the other; patches clear in the
    /// same measure.
    fn seeing(&self, done: u64, total: u64) -> Seeing {
        let patches = u64::from(self.grid) * u64::from(self.grid);
        let each = (total / u64::from(self.pictures)).max(1);
        let last = u64::from(self.pictures - 1);
        let picture = (done / each).min(last);
        let within = done.saturating_sub(picture * each).min(each);
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Seeing {
            picture: small(picture),
            // In 128 bits: an engine may count in bytes.
            patches_done: small(
                u64::try_from(u128::from(patches) * u128::from(within) / u128::from(each))
                    .unwrap_or(u64::MAX),
            ),
            patches_total: small(patches),
        }
    }
}

/// Seconds for a unit, once there is something to measure.
fn rate(begun: Instant, units: u64) -> Option<f64> {
    let took = begun.elapsed().as_secs_f64();
    (units > 0 && took > 0.1).then(|| took / units as f64)
}

fn known(seconds: f64) -> Option<f64> {
    (seconds > 0.0).then_some(seconds)
}

impl App {
    pub(crate) async fn read_speeds(&self) {
        let kept = self.store.setting(KEY).await.ok().flatten();
        let speeds = kept.and_then(|text| serde_json::from_str(&text).ok());
        *self.lock(&self.speeds) = speeds.unwrap_or_default();
    }

    /// Remembers how fast an answer was.
    pub(crate) async fn note_speeds(&self, timings: &Timings, pictures: usize) {
        let Some(model) = self.model_state().model().map(|model| model.id) else {
            return;
        };
        let speeds = {
            let mut speeds = self.lock(&self.speeds);
            if speeds.model != model {
                *speeds = Speeds::default();
            }
            speeds.model = model;
            if timings.image_s > 0.0 && pictures > 0 {
                speeds.picture_s = timings.image_s / pictures as f64;
            }
            // A few positions say little about many.
            if timings.prefill_tokens >= 64 {
                speeds.position_s = timings.prefill_s / timings.prefill_tokens as f64;
            }
            *speeds
        };
        if let Ok(text) = serde_json::to_string(&speeds) {
            // What is lost here is measured again.
            let _ = self.store.set_setting(KEY, &text).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(pictures: u32) -> Gauge {
        Gauge {
            speeds: Speeds {
                model: 1,
                picture_s: 4.0,
                position_s: 0.01,
            },
            pictures,
            grid: 24,
            positions: 600.0,
            stage: None,
        }
    }

    #[test]
    fn patches_clear_picture_by_picture() {
        let mut gauge = gauge(2);
        let mut at = |done| {
            let seeing = gauge.read(Stage::Seeing, done, 46).seeing.unwrap();
            (seeing.picture, seeing.patches_done)
        };
        assert_eq!(at(0), (0, 0));
        assert_eq!(at(22), (0, 576 * 22 / 23));
        assert_eq!(at(23), (1, 0));
        assert_eq!(at(46), (1, 576));
    }

    #[test]
    fn what_was_measured_before_tells_the_time_at_the_beginning() {
        let mut gauge = gauge(1);
        let eta = gauge.read(Stage::Seeing, 0, 23).eta_seconds.unwrap();
        assert!((eta - 10.0).abs() < 1e-9, "{eta}");
        assert_eq!(gauge.read(Stage::Writing, 3, 512).eta_seconds, None);
    }

    #[test]
    fn strange_counts_do_no_harm() {
        let mut gauge = gauge(3);
        for (done, total) in [(5, 0), (9, 4), (u64::MAX, u64::MAX)] {
            let seeing = gauge.read(Stage::Seeing, done, total).seeing.unwrap();
            assert!(seeing.patches_done <= seeing.patches_total);
        }
    }
}
