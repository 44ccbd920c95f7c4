//! CLIP's vision tower up to the block whose output LLaVA uses (LLaVA-1.5 section 3; 23 of 24).
//!
//! Written as our own loop: candle's `ClipVisionTower` hands on one block more than the
//! reference. There is no post_layernorm here, because LLaVA never applies it.

use crate::Result;
use crate::checkpoint::Weights;
use crate::config::VisionConfig;
use crate::ops::{Heads, Ops, Weight};
use crate::watch::{Stage, Watch};
use candle_core::Tensor;

const PREFIX: &str = "vision_tower.vision_model";

pub(crate) struct VisionTower {
    config: VisionConfig,
    patch: Weight,
    class: Tensor,
    positions: Tensor,
    pre_norm: Norm,
    blocks: Vec<Block>,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

struct Block {
    norm1: Norm,
    q: Weight,
    k: Weight,
    v: Weight,
    out: Weight,
    norm2: Norm,
    fc1: Weight,
    fc2: Weight,
}

impl Norm {
    fn load(ops: &dyn Ops, weights: &Weights, name: &str, width: usize) -> Result<Self> {
        Ok(Self {
            weight: ops.load_vector(weights, &format!("{name}.weight"), width)?,
            bias: ops.load_vector(weights, &format!("{name}.bias"), width)?,
        })
    }
}

impl VisionTower {
    pub(crate) fn load(ops: &dyn Ops, weights: &Weights, config: &VisionConfig) -> Result<Self> {
        let c = config;
        let name = |tail: &str| format!("{PREFIX}.{tail}");
        let kernel = [c.hidden, 3, c.patch_size, c.patch_size];
        Ok(Self {
            patch: ops.load(weights, &name("embeddings.patch_embedding"), &kernel, false)?,
            class: ops.load_vector(weights, &name("embeddings.class_embedding"), c.hidden)?,
            positions: ops.load_table(
                weights,
                &name("embeddings.position_embedding.weight"),
                c.positions(),
                c.hidden,
            )?,
            pre_norm: Norm::load(ops, weights, &name("pre_layrnorm"), c.hidden)?,
            blocks: (0..c.blocks_run)
                .map(|i| Block::load(ops, weights, &name(&format!("encoder.layers.{i}")), c))
                .collect::<Result<_>>()?,
            config: c.clone(),
        })
    }

    /// `(pictures, 3, size, size)` pixels to `(pictures * image tokens, hidden)`, one picture after
    /// the other.
    pub(crate) fn forward(
        &self,
        ops: &dyn Ops,
        pixels: &[f32],
        watch: &dyn Watch,
    ) -> Result<Tensor> {
        let c = &self.config;
        let pictures = pixels.len() / (3 * c.image_size * c.image_size);
        let total = (self.blocks.len() * pictures) as u64;
        watch.progress(Stage::Seeing, 0, total)?;
        let mut x = self.embed(ops, pixels, pictures)?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(ops, &x, c, pictures)?;
            watch.progress(Stage::Seeing, ((i + 1) * pictures) as u64, total)?;
        }
        if c.keep_class_token {
            return Ok(x);
        }
        ops.drop_class(&x, pictures)
    }

    /// Patches, class token first, positions, pre_layrnorm: `(pictures * positions, hidden)`.
    fn embed(&self, ops: &dyn Ops, pixels: &[f32], pictures: usize) -> Result<Tensor> {
        let c = &self.config;
        let patches = c.grid() * c.grid();
        let columns: Vec<f32> = pixels
            .chunks_exact(3 * c.image_size * c.image_size)
            .flat_map(|picture| unfold(picture, c.image_size, c.patch_size))
            .collect();
        let columns = ops.activation(
            columns,
            pictures * patches,
            3 * c.patch_size * c.patch_size,
        )?;
        let patches = ops.linear(&columns, &self.patch)?;
        let x = ops.join_class(&patches, &self.class, &self.positions, pictures)?;
        ops.layer_norm(
            &x,
            &self.pre_norm.weight,
            &self.pre_norm.bias,
            c.layer_norm_eps,
        )
    }
}

impl Block {
    fn load(ops: &dyn Ops, weights: &Weights, prefix: &str, c: &VisionConfig) -> Result<Self> {
        let linear = |tail: &str, out: usize, inner: usize| {
            ops.load(weights, &format!("{prefix}.{tail}"), &[out, inner], true)
        };
        let norm = |tail: &str| Norm::load(ops, weights, &format!("{prefix}.{tail}"), c.hidden);
        Ok(Self {
            norm1: norm("layer_norm1")?,
            q: linear("self_attn.q_proj", c.hidden, c.hidden)?,
            k: linear("self_attn.k_proj", c.hidden, c.hidden)?,
            v: linear("self_attn.v_proj", c.hidden, c.hidden)?,
            out: linear("self_attn.out_proj", c.hidden, c.hidden)?,
            norm2: norm("layer_norm2")?,
            fc1: linear("mlp.fc1", c.intermediate, c.hidden)?,
            fc2: linear("mlp.fc2", c.hidden, c.intermediate)?,
        })
    }

    fn forward(
        &self,
        ops: &dyn Ops,
        x: &Tensor,
        c: &VisionConfig,
        pictures: usize,
    ) -> Result<Tensor> {
        let heads = Heads {
            query: c.heads,
            kv: c.heads,
            dim: c.hidden / c.heads,
        };
        let h = ops.layer_norm(x, &self.norm1.weight, &self.norm1.bias, c.layer_norm_eps)?;
        let q = ops.linear(&h, &self.q)?;
        let k = ops.linear(&h, &self.k)?;
        let v = ops.linear(&h, &self.v)?;
        let h = ops.linear(&ops.attend_all(&q, &k, &v, heads, pictures)?, &self.out)?;
        let x = ops.add(x, &h)?;
        let h = ops.layer_norm(&x, &self.norm2.weight, &self.norm2.bias, c.layer_norm_eps)?;
        let h = ops.quick_gelu(&ops.linear(&h, &self.fc1)?)?;
        ops.add(&x, &ops.linear(&h, &self.fc2)?)
    }
}

/// Rows of patches, each `(channel, y, x)` as the convolution kernel lies, patches row by row:
/// with them the stride-equals-kernel convolution is one linear layer.
fn unfold(pixels: &[f32], size: usize, patch: usize) -> Vec<f32> {
    let grid = size / patch;
    let mut out = Vec::with_capacity(grid * grid * 3 * patch * patch);
    for py in 0..grid {
        for px in 0..grid {
            for channel in 0..3 {
                for y in 0..patch {
                    let from = channel * size * size + (py * patch + y) * size + px * patch;
                    out.extend_from_slice(&pixels[from..from + patch]);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::unfold;

    #[test]
    fn unfold_keeps_channel_row_column_order() {
        // 3 channels of 4 x 4, patches of 2: the first patch of channel c is c*16 + {0, 1, 4, 5}.
        let pixels: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let rows = unfold(&pixels, 4, 2);
        assert_eq!(
            rows[..12],
            [0., 1., 4., 5., 16., 17., 20., 21., 32., 33., 36., 37.]
        );
        assert_eq!(rows[12..16], [2., 3., 6., 7.]);
        assert_eq!(rows[24..28], [8., 9., 12., 13.]);
    }
}
