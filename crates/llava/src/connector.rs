//! The vision-language connector (LLaVA-1.5 section 3.2: two-layer MLP, exact GELU).

use crate::Result;
use crate::checkpoint::Weights;
use crate::config::{Config, ConnectorActivation};
use crate::ops::{Ops, Weight};
use candle_core::Tensor;

pub(crate) struct Connector {
    layers: Vec<Weight>,
    activation: ConnectorActivation,
}

impl Connector {
    pub(crate) fn load(ops: &dyn Ops, weights: &Weights, config: &Config) -> Result<Self> {
        let hidden = config.language.hidden;
        let layers = (0..config.connector.depth)
            .map(|i| {
                let inner = if i == 0 { config.vision.hidden } else { hidden };
                let name = format!("multi_modal_projector.linear_{}", i + 1);
                ops.load(weights, &name, &[hidden, inner], config.connector.bias)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            layers,
            activation: config.connector.activation,
        })
    }

    /// `(image tokens, vision hidden)` to `(image tokens, hidden)`.
    pub(crate) fn forward(&self, ops: &dyn Ops, features: &Tensor) -> Result<Tensor> {
        let mut x = features.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = match self.activation {
                    ConnectorActivation::Gelu => ops.gelu(&x)?,
                };
            }
            x = ops.linear(&x, layer)?;
        }
        Ok(x)
    }
}
