//! A model that learns: from a micro-batch of conversations to loss and gradients.
//!
//! On the processor a micro-batch is cut into as many shards as there are workers, each with a
//! graph of its own on one thread: at the sizes that are trained there, two small products at once
//! are quicker than one product on two threads. Gradients are added in the order of the shards, so
//! a run repeats to the bit.

use crate::batch::{Batch, Sample};
use crate::ops::{DeviceOps, Graph, HostOps, Parameter, Parameters, Slopes, Trainable};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
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
    graph: Graph,
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
        let graph = if device.is_cpu() { Graph::Tape } else { Graph::Candle };
        let model = Model::build(checkpoint, choice, ops, &Silent)?;
        Self::with_model(model, graph, &parameters, compute)
    }

    /// As [`Learner::open`], for a model over given operations (tests compare two kinds).
    ///
    /// # Errors
    /// When nothing would learn, or the threads cannot be had.
    pub fn with_model(model: Model, graph: Graph, parameters: &Parameters, compute: Compute) -> Result<Self> {
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
        Ok(Self { model, parameters, pools, compute, graph })
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
        let host = self.graph == Graph::Tape;
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
        let layer = |x: &Tensor, n: usize| -> Result<Tensor> { Ok(self.model.layer(n, x, &batch.lengths)?) };
        let layers = self.model.layers();
        if !self.compute.recompute {
            let record = self.graph.record(None, |_| {
                (0..layers).try_fold(self.rows(batch)?, |x, n| layer(&x, n))
            })?;
            let (loss, dx) = self.head(&record.result, batch, share, &mut gradients)?;
            self.collect(record.backward(&dx)?, &mut gradients)?;
            return Ok((loss, gradients));
        }
        // Only the inputs of the layers are kept; each layer runs again on the way back.
        let first = self.graph.record(None, |_| self.rows(batch))?;
        let mut inputs = vec![first.result.detach()];
        for n in 0..layers {
            let x = inputs.last().unwrap_or(&first.result);
            let next = layer(x, n)?.detach();
            inputs.push(next);
        }
        let top = inputs.pop().unwrap_or(first.result.detach());
        let (loss, mut dx) = self.head(&top, batch, share, &mut gradients)?;
        for (n, input) in inputs.iter().enumerate().rev() {
            let record = self.graph.record(Some(input), |x| layer(x, n))?;
            let leaf = record.leaf.clone();
            let mut slopes = record.backward(&dx)?;
            dx = match leaf.map(|leaf| slopes.take(&leaf)).transpose()?.flatten() {
                Some(slope) => slope,
                None => dx.zeros_like()?,
            };
            self.collect(slopes, &mut gradients)?;
        }
        self.collect(first.backward(&dx)?, &mut gradients)?;
        Ok((loss, gradients))
    }

    /// The decoder's input: `(rows, hidden)`.
    fn rows(&self, batch: &Batch) -> Result<Tensor> {
        let text = self.model.embed_ids(&batch.ids)?;
        if batch.pixels.is_empty() {
            return self.graph.splice(&text, None, &batch.order);
        }
        let pictures = self.model.connect(&self.model.features(&batch.pixels)?)?;
        self.graph.splice(&text, Some(&pictures), &batch.order)
    }

    /// The loss, and its gradient by the rows `x` after the last layer. Logits are made for rows
    /// that predict something only, and not for all of those at once where they would be many.
    fn head(
        &self,
        x: &Tensor,
        batch: &Batch,
        share: f64,
        gradients: &mut [Option<Tensor>],
    ) -> Result<(f64, Tensor)> {
        let rows = Tensor::new(batch.rows.as_slice(), x.device())?;
        let chosen = x.detach().index_select(&rows, 0)?;
        let at_once = (LOGITS / self.model.config().language.vocab_rows).max(1);
        let mut total = 0.0;
        let mut slopes = Vec::new();
        for (part, targets) in batch.targets.chunks(at_once).enumerate() {
            let part = chosen.narrow(0, part * at_once, targets.len())?.contiguous()?;
            let record = self.graph.record(Some(&part), |x| {
                self.graph.cross_entropy(&self.model.row_logits(x)?, targets)
            })?;
            total += f64::from(record.result.to_scalar::<f32>()?) * share;
            let leaf = record.leaf.clone();
            let mut back = record.backward(&Tensor::new(share as f32, x.device())?)?;
            slopes.push(match leaf.map(|leaf| back.take(&leaf)).transpose()?.flatten() {
                Some(slope) => slope,
                None => part.zeros_like()?,
            });
            self.collect(back, gradients)?;
        }
        let dx = x.zeros_like()?.index_add(&rows, &Tensor::cat(&slopes, 0)?, 0)?;
        Ok((total, dx))
    }

    /// Adds the variables' gradients in `slopes`.
    fn collect(&self, mut slopes: Slopes, gradients: &mut [Option<Tensor>]) -> Result<()> {
        for (parameter, slot) in self.parameters.iter().zip(gradients) {
            if let Some(gradient) = slopes.take(parameter.var.as_tensor())? {
                add(slot, &gradient)?;
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
        Some(sum) => crate::ops::sum(&sum, value)?,
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
