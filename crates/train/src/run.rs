//! A training run: from a recipe to a trained model, however often it is interrupted.
//!
//! The run's folder holds `model` (or `adapter`), which is whole whenever it is there, `loss.csv`
//! and `loss.svg`, and `state`, which nobody needs once the run is finished.

use crate::batch::Sample;
use crate::curve::{Curve, Point};
use crate::learner::{Compute, Learner};
use crate::optimiser::Optimiser;
use crate::order::Order;
use crate::schedule::Schedule;
use crate::settings::{Precision, Settings, Stage};
use crate::source::{self, Preparation, Source};
use crate::state::{self, Facts};
use crate::{Error, Result, adapter, fresh, publish};
use candle_core::Tensor;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use visavis_llava::checkpoint::Checkpoint;

/// Steps whose conversations are made ready ahead.
const AHEAD: usize = 2;

/// Where a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The step just finished, with its loss.
    pub point: Point,
    /// Steps in all.
    pub steps: u64,
    /// Conversations a second since this start.
    pub speed: f64,
    /// Time left at that speed.
    pub left: Duration,
}

/// Receives progress and may ask to stop.
pub trait Watch {
    /// A step is done. `false` stops the run after a checkpoint.
    fn step(&mut self, progress: &Progress) -> bool;

    /// Something worth a line, such as where a run goes on from.
    fn note(&mut self, text: &str);
}

/// What a run left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The trained model's folder, or the adapter's.
    pub model: PathBuf,
    /// Mean loss of the last twentieth of the steps.
    pub loss: f64,
    /// Steps in all.
    pub steps: u64,
    /// Conversations learned from.
    pub conversations: u64,
    /// Seconds of computing, over all starts.
    pub seconds: f64,
}

/// Trains as `settings` say; goes on where an earlier start of the same run ended.
///
/// # Errors
/// Settings, data or checkpoint cannot be used; another run uses the folder; the loss is not a
/// number; the disk is full; [`Error::Stopped`] when the watch asked for it.
pub fn train(settings: &Settings, watch: &mut dyn Watch) -> Result<Outcome> {
    settings.check()?;
    std::fs::create_dir_all(&settings.out).map_err(|e| Error::write(&settings.out, e))?;
    let _lock = lock(&settings.out)?;
    let target = settings.out.join(if settings.stage == Stage::Lora {
        "adapter"
    } else {
        "model"
    });
    publish::recover(&target)?;
    let old = state::facts(&settings.out)?;
    if let Some(facts) = &old {
        same_run(settings, facts)?;
        if facts.finished && target.exists() {
            watch.note(&format!("already trained: {}", target.display()));
            let curve = Curve::open(&settings.out, facts.step)?;
            return Ok(outcome(target, facts, &curve));
        }
    }
    let (run, source) = Run::open(settings, target, old, watch)?;
    run.finish(&*source, watch)
}

/// One program at a time may write to a run's folder.
fn lock(out: &Path) -> Result<File> {
    let path = out.join("lock");
    let file = File::create(&path).map_err(|e| Error::write(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let reason =
                "another program trains in this folder; wait for it or choose another --out";
            Err(Error::data(out, reason))
        }
        // A file system without locks must not keep anybody from training.
        Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}

fn same_run(settings: &Settings, facts: &Facts) -> Result<()> {
    let now = settings.identity();
    let (Some(now), Some(then)) = (now.as_object(), facts.settings.as_object()) else {
        return Ok(());
    };
    let differs = now
        .iter()
        .find(|(name, value)| then.get(*name) != Some(*value));
    if let Some((name, value)) = differs {
        let before = then.get(name).unwrap_or(&serde_json::Value::Null);
        return Err(Error::Setting(format!(
            "{} holds a run with {name} = {before}, and now it is {value}; choose another --out, or remove that folder",
            settings.out.display()
        )));
    }
    Ok(())
}

/// Tells one starting checkpoint from another by the beginning of every tensor.
fn fingerprint(checkpoint: &Checkpoint) -> Result<String> {
    const BEGINNING: usize = 4096;
    let weights = &checkpoint.weights;
    let mut hash = 0;
    for (name, entry) in weights.iter() {
        let matrix = weights.matrix(name, &entry.shape)?;
        let bytes = matrix.data();
        let beginning = bytes.get(..BEGINNING).unwrap_or(bytes);
        hash = crate::ops::hash(name, beginning) ^ u64::rotate_left(hash, 7);
    }
    let parameters = checkpoint.config.parameters();
    Ok(format!("{parameters} parameters, {hash:016x}"))
}

struct Run<'a> {
    settings: &'a Settings,
    target: PathBuf,
    weights: visavis_llava::checkpoint::Weights,
    learner: Learner,
    optimiser: Optimiser,
    order: Order,
    schedule: Schedule,
    curve: Curve,
    facts: Facts,
}

impl<'a> Run<'a> {
    fn open(
        settings: &'a Settings,
        target: PathBuf,
        old: Option<Facts>,
        watch: &mut dyn Watch,
    ) -> Result<(Self, Box<dyn Source>)> {
        let checkpoint = Checkpoint::open(&settings.model)?;
        let base = fingerprint(&checkpoint)?;
        let weights = checkpoint.weights.clone();
        let mut preprocess = checkpoint.preprocess.clone();
        preprocess.aspect = settings.aspect();
        let preparation = Preparation {
            template: settings.template(),
            preprocess,
            tokenizer: checkpoint.tokenizer.clone(),
        };
        let source = source::open(settings, preparation)?;
        let compute = Compute {
            device: settings.device,
            shards: settings.shards,
            recompute: settings.recompute,
            limit: settings.limit,
        };
        let learner = Learner::open(checkpoint, settings.trainable(), settings.seed, compute)?;
        let mut optimiser = Optimiser::new(settings.adam.clone(), learner.parameters())?;
        let order = Order {
            batch: settings.batch,
            accumulate: settings.accumulate(),
            grouped: settings.grouped(),
            seed: settings.seed,
        };
        let epoch = order.steps(source.lengths().len());
        let steps = settings
            .steps
            .unwrap_or((epoch as f64 * settings.epochs).ceil() as u64)
            .max(1);
        let facts = match old {
            Some(facts) if facts.base != base => {
                let reason = format!(
                    "is not the model that this run began with ({}, now {base})",
                    facts.base
                );
                return Err(Error::data(&settings.model, reason));
            }
            Some(facts) => {
                state::restore(&settings.out, &facts, &learner, &mut optimiser)?;
                watch.note(&format!(
                    "going on after step {} of {}",
                    facts.step, facts.steps
                ));
                facts
            }
            None => {
                if settings.new_connector {
                    redraw(&learner, settings.seed)?;
                }
                Facts {
                    step: 0,
                    steps,
                    finished: false,
                    conversations: 0,
                    seconds: 0.0,
                    settings: settings.identity(),
                    base,
                }
            }
        };
        let curve = Curve::open(&settings.out, facts.step)?;
        let schedule = Schedule::new(facts.steps, settings.warmup);
        let run = Self {
            settings,
            target,
            weights,
            learner,
            optimiser,
            order,
            schedule,
            curve,
            facts,
        };
        Ok((run, source))
    }

    fn finish(mut self, source: &dyn Source, watch: &mut dyn Watch) -> Result<Outcome> {
        let (order, steps) = (self.order, self.facts.step..self.facts.steps);
        let going = std::thread::scope(|scope| {
            let (send, receive) = sync_channel(AHEAD);
            scope.spawn(move || prepare(source, order, steps, &send));
            // The receiver goes when this returns, which ends the other thread.
            self.steps(receive, watch)
        })?;
        self.facts.finished = going;
        if going {
            self.publish()?;
        }
        self.save()?;
        if !going {
            return Err(Error::Stopped {
                step: self.facts.step,
            });
        }
        Ok(outcome(self.target, &self.facts, &self.curve))
    }

    /// Does all steps that are left. `false` when the watch asked to stop.
    fn steps(&mut self, ready: Receiver<Result<Step>>, watch: &mut dyn Watch) -> Result<bool> {
        let start = Instant::now();
        let before = self.facts.clone();
        let mut saved = Instant::now();
        for step in ready {
            let micro_batches = step?;
            let point = self.step(&micro_batches)?;
            self.curve.add(point)?;
            self.facts.step = point.step;
            self.facts.conversations += micro_batches.iter().map(|b| b.len() as u64).sum::<u64>();
            self.facts.seconds = before.seconds + start.elapsed().as_secs_f64();
            let done = (point.step - before.step) as f64;
            let left =
                (self.facts.steps - point.step) as f64 * start.elapsed().as_secs_f64() / done;
            let going = watch.step(&Progress {
                point,
                steps: self.facts.steps,
                speed: (self.facts.conversations - before.conversations) as f64
                    / start.elapsed().as_secs_f64(),
                left: Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX),
            });
            if !going {
                return Ok(false);
            }
            let due = saved.elapsed().as_secs_f64() >= 60.0 * self.settings.save_minutes
                || self
                    .settings
                    .save_steps
                    .is_some_and(|n| n > 0 && point.step.is_multiple_of(n));
            if due && point.step < self.facts.steps {
                self.save()?;
                self.publish()?;
                saved = Instant::now();
            }
        }
        Ok(true)
    }

    fn step(&mut self, micro_batches: &[Vec<Sample>]) -> Result<Point> {
        let step = self.facts.step + 1;
        let mut all = None;
        for samples in micro_batches {
            let next = self.learner.gradients(samples)?;
            match &mut all {
                None => all = Some(next),
                Some(all) => all.accumulate(next)?,
            }
        }
        let Some(gradients) = all else {
            return Err(Error::Setting("a step without conversations".into()));
        };
        let loss = gradients.loss / micro_batches.len() as f64;
        let factor = self.schedule.factor(self.facts.step);
        let (settings, parameters) = (self.settings, self.learner.parameters());
        let norm = if loss.is_finite() {
            let rate = |p: &crate::ops::Parameter| settings.rate_of(&p.name) * factor;
            self.optimiser
                .step(parameters, &gradients, micro_batches.len(), rate)?
        } else {
            f64::NAN
        };
        if !norm.is_finite() {
            let kept = settings.out.join(state::FOLDER);
            let kept = match state::facts(&settings.out)? {
                Some(facts) => format!("that of step {} in {}", facts.step, kept.display()),
                None => format!("the starting one, {}", settings.model.display()),
            };
            return Err(Error::NotANumber { step, loss, kept });
        }
        let rate = settings.rate() * factor;
        Ok(Point {
            step,
            loss,
            rate,
            norm,
            tokens: gradients.targets,
        })
    }

    fn save(&self) -> Result<()> {
        self.curve.save()?;
        state::save(
            &self.settings.out,
            &self.facts,
            &self.learner,
            &self.optimiser,
        )
    }

    /// Writes what was learned for others to read.
    fn publish(&self) -> Result<()> {
        let (settings, parameters) = (self.settings, self.learner.parameters());
        if settings.stage == Stage::Lora {
            return adapter::write(&self.target, &settings.model, &settings.lora, parameters);
        }
        let full = settings.save == Precision::F32;
        let tensors = publish::tensors(&self.weights, parameters, full)?;
        publish::write(
            &self.target,
            &[],
            &publish::companions(&settings.model)?,
            &tensors,
        )
    }
}

/// The conversations of one step, by micro-batch.
type Step = Vec<Vec<Sample>>;

/// Makes the conversations of `steps` ready, in order, until nobody wants them any more.
fn prepare(
    source: &dyn Source,
    order: Order,
    steps: std::ops::Range<u64>,
    send: &std::sync::mpsc::SyncSender<Result<Step>>,
) {
    let lengths = source.lengths();
    let each = order.steps(lengths.len()).max(1);
    let mut epoch = None;
    for step in steps {
        if epoch
            .as_ref()
            .is_none_or(|(number, _)| *number != step / each)
        {
            epoch = Some((step / each, order.epoch(lengths, step / each)));
        }
        let Some((_, rows)) = &epoch else { return };
        let made = order
            .micro_batches(rows, step % each)
            .map(|rows| rows.iter().map(|&row| source.sample(row)).collect())
            .collect();
        if send.send(made).is_err() {
            return;
        }
    }
}

/// Draws the connector anew.
fn redraw(learner: &Learner, seed: u64) -> Result<()> {
    let connector = learner
        .parameters()
        .iter()
        .filter(|p| p.name.starts_with("multi_modal_projector."));
    let all: Vec<_> = connector.collect();
    for parameter in &all {
        let stem = parameter.name.rsplit_once('.').map_or("", |(stem, _)| stem);
        let weight = all.iter().find(|p| p.name == format!("{stem}.weight"));
        let inner = weight.and_then(|w| w.shape.get(1)).copied().unwrap_or(1);
        let values = fresh::connector(&parameter.name, parameter.var.elem_count(), inner, seed);
        let values = Tensor::from_vec(values, parameter.var.shape(), parameter.var.device())?;
        parameter.var.set(&values)?;
    }
    Ok(())
}

fn outcome(model: PathBuf, facts: &Facts, curve: &Curve) -> Outcome {
    let points = curve.points();
    let last = points.len().div_ceil(20).max(1);
    let tail = points
        .get(points.len().saturating_sub(last)..)
        .unwrap_or_default();
    Outcome {
        model,
        loss: tail.iter().map(|p| p.loss).sum::<f64>() / tail.len().max(1) as f64,
        steps: facts.steps,
        conversations: facts.conversations,
        seconds: facts.seconds,
    }
}
