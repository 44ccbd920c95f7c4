//! A model that learns: from a micro-batch of conversations to loss and gradients.
//!
//! On the processor a micro-batch is cut into as many shards as there are workers, each with a
//! graph of its own on one thread: at the sizes that are trained there, two small products at once
//! are quicker than one product on two threads. Gradients are added in the order of the shards, so
//! a run repeats to the bit.

use crate::batch::{Batch, Sample};
use crate::ops::{DeviceOps, HostOps, Parameter, Parameters, Trainable, cross_entropy, splice};
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use std::sync::Arc;
use visavis_kernels::ThreadPool;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::device::{self, DeviceChoice};
use visavis_llava::ops::Ops;
use visavis_llava::watch::Silent;
use visavis_llava::{Model, Tokenizer};

/// Logits in work at once; with more rows the output matrix is gone through in parts.
const LOGITS: usize = 8 << 20;

/// Where and how is computed.
#[derive(Debug, Clone)]
pub struct Compute {
    /// `cpu`, `cuda:N` or `metal`.
    pub device: DeviceChoice,
    /// Parts of a micro-batch that are computed side by side on the processor. Part of the
    /// result's definition (the order of sums), unlike the number of threads.
    pub shards: usize,
    /// Forget the activations between layers and compute them again: a third more work, a
    /// fraction of the memory.
    pub recompute: bool,
    /// Positions a conversation may have; what lies past is cut.
    pub limit: usize,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Cpu,
            shards: 2,
            recompute: false,
            limit: 2048,
        }
    }
}

/// The sums of one or more micro-batches.
pub struct Gradients {
    /// The mean loss of each learned token, by micro-batch.
    pub loss: f64,
    /// Learned tokens.
    pub targets: usize,
    /// In the order of [`Learner::parameters`]; `None` is zero.
    pub values: Vec<Option<Tensor>>,
}

/// A model whose variables can be trained.
pub struct Learner {
    model: Model,
    parameters: Vec<Parameter>,
    pools: Vec<ThreadPool>,
    compute: Compute,
}

impl Learner {
    /// Builds the model of `checkpoint` with the variables that `trainable` asks for.
    ///
    /// # Errors
    /// The device is not there, a tensor is missing, or nothing would learn.
    pub fn open(checkpoint: Checkpoint, trainable: Trainable, seed: u64, compute: Compute) -> Result<Self> {
        let (choice, device) = device::open(compute.device)?;
        let parameters = Arc::new(Parameters::new(trainable, seed));
        let ops: Box<dyn Ops> = match &device {
            Device::Cpu => Box::new(HostOps::new(parameters.clone())),
            card => Box::new(DeviceOps::new(parameters.clone(), card.clone(), DType::BF16)),
        };
        let model = Model::build(checkpoint, choice, ops, &Silent)?;
        Self::with_model(model, &parameters, compute)
    }

    /// As [`Learner::open`], for a model over given operations (tests compare two kinds).
    ///
    /// # Errors
    /// When nothing would learn, or the threads cannot be had.
    pub fn with_model(model: Model, parameters: &Parameters, compute: Compute) -> Result<Self> {
        let parameters = parameters.all();
        if parameters.is_empty() {
            return Err(Error::Setting(
                "nothing would learn: name at least one of vision, connector, language and lora".into(),
            ));
        }
        let shards = compute.shards.max(1);
        let each = (visavis_kernels::threads() / shards).max(1);
        let pools = (0..shards)
            .map(|_| ThreadPool::new(each))
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::Setting(e.to_string()))?;
        Ok(Self { model, parameters, pools, compute })
    }

    /// The variables, in name order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The model; answering with it uses the variables as they are now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.model.tokenizer()
    }

    /// Loss and gradients of one micro-batch: the mean over its learned tokens.
    ///
    /// # Errors
    /// No token of it is learned, or the device's.
    pub fn gradients(&self, samples: &[Sample]) -> Result<Gradients> {
        let image_tokens = self.model.image_tokens();
        let limit = self.compute.limit.min(self.model.config().context);
        let host = self.compute.device == DeviceChoice::Cpu;
        let parts = if host { self.pools.len() } else { 1 };
        let batches: Vec<Batch> = split(samples, parts, image_tokens)
            .into_iter()
            .map(|part| Batch::new(part, image_tokens, limit))
            .filter(|batch| !batch.targets.is_empty())
            .collect();
        let targets: usize = batches.iter().map(|b| b.targets.len()).sum();
        if targets == 0 {
            // As the reference: such a batch moves nothing.
            let values = self.parameters.iter().map(|_| None).collect();
            return Ok(Gradients { loss: 0.0, targets: 0, values });
        }
        let share = 1.0 / targets as f64;
        let results: Vec<Result<(f64, Vec<Option<Tensor>>)>> = if host && batches.len() > 1 {
            std::thread::scope(|scope| {
                let started: Vec<_> = batches
                    .iter()
                    .zip(&self.pools)
                    .map(|(batch, pool)| scope.spawn(move || pool.install(|| self.shard(batch, share))))
                    .collect();
                started.into_iter().map(joined).collect()
            })
        } else {
            batches.iter().map(|batch| self.shard(batch, share)).collect()
        };
        let mut all = Gradients { loss: 0.0, targets, values: Vec::new() };
        for result in results {
            let (loss, values) = result?;
            all.add(loss, values)?;
        }
        Ok(all)
    }

    /// Sum of the losses times `share`, and the gradients of that.
    fn shard(&self, batch: &Batch, share: f64) -> Result<(f64, Vec<Option<Tensor>>)> {
        let mut gradients: Vec<Option<Tensor>> = self.parameters.iter().map(|_| None).collect();
        let first = self.rows(batch)?;
        if !self.compute.recompute {
            let mut x = first;
            for layer in 0..self.model.layers() {
                x = self.model.layer(layer, &x, &batch.lengths)?;
            }
            let (loss, back) = self.head(&x, batch, share, &mut gradients)?;
            self.collect(&back.backward()?, &mut gradients)?;
            return Ok((loss, gradients));
        }
        // Only the inputs of the layers are kept.
        let mut inputs = vec![first.detach()];
        for layer in 0..self.model.layers() {
            let x = Var::from_tensor(inputs.last().unwrap_or(&first))?;
            inputs.push(self.model.layer(layer, x.as_tensor(), &batch.lengths)?.detach());
        }
        let top = Var::from_tensor(&inputs.pop().unwrap_or(first.detach()))?;
        let (loss, back) = self.head(top.as_tensor(), batch, share, &mut gradients)?;
        let store = back.backward()?;
        self.collect(&store, &mut gradients)?;
        let mut dx = store.get(&top).cloned();
        for (layer, input) in inputs.iter().enumerate().rev() {
            let Some(dy) = dx else { break };
            let x = Var::from_tensor(input)?;
            let y = self.model.layer(layer, x.as_tensor(), &batch.lengths)?;
            let store = (y * dy)?.sum_all()?.backward()?;
            self.collect(&store, &mut gradients)?;
            dx = store.get(&x).cloned();
        }
        if let Some(dy) = dx.filter(|_| first.track_op()) {
            self.collect(&(first * dy)?.sum_all()?.backward()?, &mut gradients)?;
        }
        Ok((loss, gradients))
    }

    /// The decoder's input: `(rows, hidden)`.
    fn rows(&self, batch: &Batch) -> Result<Tensor> {
        let text = self.model.embed_ids(&batch.ids)?;
        let select = |x: &Tensor| -> Result<Tensor> {
            Ok(x.index_select(&Tensor::new(batch.order.as_slice(), x.device())?, 0)?)
        };
        if batch.pixels.is_empty() {
            let whole = batch.len() == batch.ids.len();
            return if whole { Ok(text) } else { select(&text) };
        }
        let pictures = self.model.connect(&self.model.features(&batch.pixels)?)?;
        if text.device().is_cpu() && text.dtype() == DType::F32 {
            return Ok(splice(&text, &pictures, &batch.order)?);
        }
        select(&Tensor::cat(&[text, pictures], 0)?)
    }

    /// The loss, and a scalar whose backward pass brings its gradient to `x` and what is before.
    /// Where all logits at once would be too many, the output matrix's gradients are made here.
    fn head(
        &self,
        x: &Tensor,
        batch: &Batch,
        share: f64,
        gradients: &mut [Option<Tensor>],
    ) -> Result<(f64, Tensor)> {
        let rows = Tensor::new(batch.rows.as_slice(), x.device())?;
        let x = x.index_select(&rows, 0)?;
        let at_once = (LOGITS / self.model.config().language.vocab_rows).max(1);
        let loss = |x: &Tensor, targets: &[u32]| -> Result<(f64, Tensor)> {
            let loss = (cross_entropy(&self.model.row_logits(x)?, targets)? * share)?;
            Ok((f64::from(loss.to_scalar::<f32>()?), loss))
        };
        if batch.targets.len() <= at_once {
            return loss(&x, &batch.targets);
        }
        let mut total = 0.0;
        let mut slopes = Vec::new();
        for (part, targets) in batch.targets.chunks(at_once).enumerate() {
            let leaf = Var::from_tensor(&x.narrow(0, part * at_once, targets.len())?)?;
            let (value, back) = loss(leaf.as_tensor(), targets)?;
            total += value;
            let store = back.backward()?;
            self.collect(&store, gradients)?;
            slopes.push(match store.get(&leaf) {
                Some(slope) => slope.clone(),
                None => leaf.zeros_like()?,
            });
        }
        Ok((total, (x * Tensor::cat(&slopes, 0)?)?.sum_all()?))
    }

    /// Adds the variables' gradients in `store`.
    fn collect(&self, store: &GradStore, gradients: &mut [Option<Tensor>]) -> Result<()> {
        for (parameter, slot) in self.parameters.iter().zip(gradients) {
            if let Some(gradient) = store.get(&parameter.var) {
                add(slot, gradient)?;
            }
        }
        Ok(())
    }
}

impl Gradients {
    /// Adds another micro-batch or shard.
    fn add(&mut self, loss: f64, values: Vec<Option<Tensor>>) -> Result<()> {
        self.loss += loss;
        if self.values.is_empty() {
            self.values = values;
            return Ok(());
        }
        for (slot, value) in self.values.iter_mut().zip(values) {
            if let Some(value) = value {
                add(slot, &value)?;
            }
        }
        Ok(())
    }

    /// Adds the next micro-batch of a step.
    ///
    /// # Errors
    /// The device's.
    pub fn accumulate(&mut self, other: Self) -> Result<()> {
        self.targets += other.targets;
        self.add(other.loss, other.values)
    }
}

fn add(slot: &mut Option<Tensor>, value: &Tensor) -> Result<()> {
    *slot = Some(match slot.take() {
        Some(sum) => (sum + value)?,
        None => value.clone(),
    });
    Ok(())
}

/// Shares `samples` out so that each part has about as many rows; the same every time. Within a
/// part they stay in order.
fn split(samples: &[Sample], parts: usize, image_tokens: usize) -> Vec<Vec<&Sample>> {
    let rows = |s: &Sample| crate::labels::positions(&s.tokens, image_tokens);
    let mut longest: Vec<(usize, usize)> = samples.iter().map(rows).enumerate().collect();
    longest.sort_by_key(|&(i, rows)| (std::cmp::Reverse(rows), i));
    let mut chosen: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); parts.max(1)];
    for (i, rows) in longest {
        if let Some((sum, part)) = chosen.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum += rows;
            part.push(i);
        }
    }
    chosen
        .into_iter()
        .map(|(_, mut part)| {
            part.sort_unstable();
            part.into_iter().filter_map(|i| samples.get(i)).collect()
        })
        .collect()
}

/// A shard's result. A panic in it is a defect of this program and goes on as one.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
