//! AdamW over the variables, with a rate for each group and clipping by the norm of all.

use crate::learner::Gradients;
use crate::ops::Parameter;
use crate::{Error, Result};
use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use visavis_kernels::grad::{AdamStep, adamw, sum_of_squares};

/// The optimiser's settings; the defaults are transformers'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamSettings {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Taken off matrices and tables, not off norms and biases.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; without it nothing is clipped.
    pub clip: Option<f64>,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            clip: None,
        }
    }
}

/// Mean gradient and mean square of one variable.
pub enum Moments {
    /// On the processor.
    Host {
        /// Mean gradient.
        m: Vec<f32>,
        /// Mean square.
        v: Vec<f32>,
    },
    /// On a card.
    Device {
        /// Mean gradient.
        m: Tensor,
        /// Mean square.
        v: Tensor,
    },
}

impl Moments {
    /// Both as floats, `m` first.
    ///
    /// # Errors
    /// The device's.
    pub fn to_host(&self) -> Result<[Vec<f32>; 2]> {
        Ok(match self {
            Self::Host { m, v } => [m.clone(), v.clone()],
            Self::Device { m, v } => [m.flatten_all()?.to_vec1()?, v.flatten_all()?.to_vec1()?],
        })
    }

    fn new(parameter: &Parameter) -> Result<Self> {
        let tensor = parameter.var.as_tensor();
        if tensor.device().is_cpu() {
            let zero = || vec![0.0; tensor.elem_count()];
            return Ok(Self::Host {
                m: zero(),
                v: zero(),
            });
        }
        Ok(Self::Device {
            m: tensor.zeros_like()?,
            v: tensor.zeros_like()?,
        })
    }
}

/// AdamW.
pub struct Optimiser {
    settings: AdamSettings,
    moments: Vec<Moments>,
    steps: u64,
}

impl Optimiser {
    /// Fresh moments for `parameters`.
    ///
    /// # Errors
    /// The device's.
    pub fn new(settings: AdamSettings, parameters: &[Parameter]) -> Result<Self> {
        Ok(Self {
            settings,
            moments: parameters.iter().map(Moments::new).collect::<Result<_>>()?,
            steps: 0,
        })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments, in the order of the parameters.
    pub fn moments(&self) -> &[Moments] {
        &self.moments
    }

    /// Goes on from saved moments.
    ///
    /// # Errors
    /// The lists do not fit.
    pub fn restore(&mut self, steps: u64, saved: Vec<[Vec<f32>; 2]>) -> Result<()> {
        if saved.len() != self.moments.len() {
            return Err(Error::Setting(
                "the saved state belongs to another run".into(),
            ));
        }
        for (slot, [m, v]) in self.moments.iter_mut().zip(saved) {
            let tensor =
                |x: Vec<f32>, like: &Tensor| Tensor::from_vec(x, like.shape(), like.device());
            *slot = match slot {
                Moments::Host { .. } => Moments::Host { m, v },
                Moments::Device { m: like, .. } => Moments::Device {
                    v: tensor(v, like)?,
                    m: tensor(m, like)?,
                },
            };
        }
        self.steps = steps;
        Ok(())
    }

    /// One step. `rate` gives each variable's learning rate; the gradients are divided by
    /// `micro_batches`. Returns the norm of all gradients before clipping.
    ///
    /// # Errors
    /// The device's. A norm that is not a number changes nothing: the caller looks.
    pub fn step(
        &mut self,
        parameters: &[Parameter],
        gradients: &Gradients,
        micro_batches: usize,
        rate: impl Fn(&Parameter) -> f64,
    ) -> Result<f64> {
        let mut squares = 0.0;
        for gradient in gradients.values.iter().flatten() {
            squares += square(gradient)?;
        }
        let mean = 1.0 / micro_batches.max(1) as f64;
        let norm = squares.sqrt() * mean;
        if !norm.is_finite() {
            return Ok(norm);
        }
        let clip = match self.settings.clip {
            Some(limit) => (limit / (norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        self.steps += 1;
        let all = parameters
            .iter()
            .zip(&mut self.moments)
            .zip(&gradients.values);
        for ((parameter, moments), gradient) in all {
            let step = AdamStep {
                rate: rate(parameter),
                beta1: self.settings.beta1,
                beta2: self.settings.beta2,
                eps: self.settings.eps,
                weight_decay: if decays(&parameter.name) {
                    self.settings.weight_decay
                } else {
                    0.0
                },
                step: self.steps,
                grad_scale: (mean * clip) as f32,
            };
            let gradient = match gradient {
                Some(gradient) => gradient.clone(),
                None => parameter.var.zeros_like()?,
            };
            update(parameter, moments, &gradient, &step)?;
        }
        Ok(norm)
    }
}

/// transformers leaves norms and biases out of the decay.
fn decays(name: &str) -> bool {
    !name.ends_with(".bias") && !name.contains("norm")
}

fn square(gradient: &Tensor) -> Result<f64> {
    if gradient.device().is_cpu() {
        let gradient = gradient.contiguous()?;
        return Ok(crate::ops::with_values([&gradient], |[g]| {
            sum_of_squares(g)
        })?);
    }
    Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?))
}

fn update(
    parameter: &Parameter,
    moments: &mut Moments,
    gradient: &Tensor,
    step: &AdamStep,
) -> Result<()> {
    match moments {
        Moments::Host { m, v } => {
            let op = HostUpdate {
                gradient: gradient.contiguous()?,
                moments: Mutex::new((m, v)),
                step,
            };
            Ok(parameter.var.as_tensor().inplace_op1(&op)?)
        }
        Moments::Device { m, v } => {
            let g = (gradient * f64::from(step.grad_scale))?;
            *m = ((&*m * step.beta1)? + (&g * (1.0 - step.beta1))?)?;
            *v = ((&*v * step.beta2)? + (g.sqr()? * (1.0 - step.beta2))?)?;
            let bias1 = 1.0 - step.beta1.powf(step.step as f64);
            let bias2 = 1.0 - step.beta2.powf(step.step as f64);
            let root = ((v.sqrt()? / bias2.sqrt())? + step.eps)?;
            let kept = (parameter.var.as_tensor() * (1.0 - step.rate * step.weight_decay))?;
            let next = (kept - ((&*m / root)? * (step.rate / bias1))?)?;
            Ok(parameter.var.set(&next)?)
        }
    }
}

/// The fused step on the processor.
struct HostUpdate<'a> {
    gradient: Tensor,
    moments: Mutex<(&'a mut Vec<f32>, &'a mut Vec<f32>)>,
    step: &'a AdamStep,
}

impl InplaceOp1 for HostUpdate<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let wrong = || candle_core::Error::Msg("a variable is not contiguous f32".into());
        let (from, to) = layout.contiguous_offsets().ok_or_else(wrong)?;
        let CpuStorage::F32(values) = storage else {
            return Err(wrong());
        };
        let values = values.get_mut(from..to).ok_or_else(wrong)?;
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (m, v) = &mut *moments;
        crate::ops::with_values([&self.gradient], |[g]| adamw(values, g, m, v, self.step))
    }
}
