//! The nodes: what goes forward, and how a gradient comes back.
//!
//! A gradient is computed only for operands that learn or depend on something that does
//! (`track_op`); what is frozen costs nothing.

use super::slices::{of, tensor_like, with};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Error, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};
use visavis_kernels as kernels;
use visavis_kernels::grad::{self, AttentionGrad, Sequences, View};
use visavis_kernels::{AttentionShape, Linear, RopeTable};

type Forward = Result<(CpuStorage, Shape)>;

fn matrix(values: Vec<f32>, rows: usize, cols: usize) -> Forward {
    Ok((CpuStorage::F32(values), Shape::from((rows, cols))))
}

/// `x W^T + b`.
pub(super) struct LinearNode;

impl LinearNode {
    fn forward(x: &[f32], w: &[f32], b: Option<&[f32]>, [rows, out]: [usize; 2]) -> Vec<f32> {
        let inner = w.len() / out.max(1);
        let mut y = vec![0.0; rows * out];
        if let Some(b) = b {
            for row in y.chunks_exact_mut(out) {
                row.copy_from_slice(b);
            }
        }
        let (x, w) = (View::new(x, rows, inner), View::new(w, out, inner));
        grad::product(x, w.t(), 1.0, b.is_some(), &mut y, out);
        y
    }

    fn backward(x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((rows, inner), out) = (x.dims2()?, w.dim(0)?);
        let (xs, dys) = (x.contiguous()?, dy.contiguous()?);
        with([&xs, w, &dys], |[xv, wv, dyv]| {
            let dy = View::new(dyv, rows, out);
            let run = |wanted: bool, a, b, len: usize| {
                wanted.then(|| {
                    let mut d = vec![0.0; len];
                    grad::product(a, b, 1.0, false, &mut d, inner);
                    d
                })
            };
            let dx = run(x.track_op(), dy, View::new(wv, out, inner), rows * inner);
            let dw = run(w.track_op(), dy.t(), View::new(xv, rows, inner), out * inner);
            let dx = dx.map(|d| tensor_like(d, x)).transpose()?;
            Ok((dx, dw.map(|d| tensor_like(d, w)).transpose()?))
        })?
    }
}

impl CustomOp2 for LinearNode {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Forward {
        let ((rows, _), (out, _)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        matrix(Self::forward(of(x, xl)?, of(w, wl)?, None, [rows, out]), rows, out)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Self::backward(x, w, dy)
    }
}

impl CustomOp3 for LinearNode {
    fn name(&self) -> &'static str {
        "linear with bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Forward {
        let ((rows, _), (out, _)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        let y = Self::forward(of(x, xl)?, of(w, wl)?, Some(of(b, bl)?), [rows, out]);
        matrix(y, rows, out)
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = Self::backward(x, w, dy)?;
        let db = if b.track_op() {
            let mut db = vec![0.0; b.elem_count()];
            with([&dy.contiguous()?], |[dy]| grad::sum_rows(dy, &mut db))?;
            Some(tensor_like(db, b)?)
        } else {
            None
        };
        Ok((dx, dw, db))
    }
}

/// A linear layer whose weight stays in its map; only the gradient of x goes back.
pub(super) struct FrozenLinear(pub(super) Linear);

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> Forward {
        let (rows, out) = (xl.shape().dims2()?.0, self.0.out_features());
        let mut y = vec![0.0; rows * out];
        self.0.forward(of(x, xl)?, rows, &mut y);
        matrix(y, rows, out)
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let ((rows, inner), out) = (x.dims2()?, self.0.out_features());
        // Widened for the moment of one product: kept, the copies would be the whole model in f32.
        let w = self.0.weight().to_f32();
        let mut dx = vec![0.0; rows * inner];
        with([&dy.contiguous()?], |[dy]| {
            let (dy, w) = (View::new(dy, rows, out), View::new(&w, out, inner));
            grad::product(dy, w, 1.0, false, &mut dx, inner);
        })?;
        tensor_like(dx, x).map(Some)
    }
}

/// `a + b`: the gradient goes both ways as it is.
pub(super) struct AddNode;

impl CustomOp2 for AddNode {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(&self, a: &CpuStorage, al: &Layout, b: &CpuStorage, bl: &Layout) -> Forward {
        let (rows, cols) = al.shape().dims2()?;
        let mut y = of(a, al)?.to_vec();
        kernels::add_assign(&mut y, of(b, bl)?);
        matrix(y, rows, cols)
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let to = |x: &Tensor| x.track_op().then(|| dy.clone());
        Ok((to(a), to(b)))
    }
}

/// The root mean square norm.
pub(super) struct RmsNormNode {
    pub(super) eps: f32,
}

impl CustomOp2 for RmsNormNode {
    fn name(&self) -> &'static str {
        "rms norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, w: &CpuStorage, wl: &Layout) -> Forward {
        let (rows, cols) = xl.shape().dims2()?;
        let mut y = vec![0.0; rows * cols];
        kernels::rms_norm(of(x, xl)?, of(w, wl)?, self.eps, cols, &mut y);
        matrix(y, rows, cols)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut dx = vec![0.0; x.elem_count()];
        let mut dw = w.track_op().then(|| vec![0.0; w.elem_count()]);
        with([&x.contiguous()?, w, &dy.contiguous()?], |[x, w, dy]| {
            grad::rms_norm_backward(x, w, self.eps, dy, &mut dx, dw.as_deref_mut());
        })?;
        let dw = dw.map(|dw| tensor_like(dw, w)).transpose()?;
        Ok((Some(tensor_like(dx, x)?), dw))
    }
}

/// The norm with mean and bias.
pub(super) struct LayerNormNode {
    pub(super) eps: f32,
}

impl CustomOp3 for LayerNormNode {
    fn name(&self) -> &'static str {
        "layer norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Forward {
        let (rows, cols) = xl.shape().dims2()?;
        let mut y = vec![0.0; rows * cols];
        kernels::layer_norm(of(x, xl)?, of(w, wl)?, of(b, bl)?, self.eps, cols, &mut y);
        matrix(y, rows, cols)
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut dx = vec![0.0; x.elem_count()];
        let learns = w.track_op() || b.track_op();
        let mut parameters = learns.then(|| (vec![0.0; w.elem_count()], vec![0.0; b.elem_count()]));
        with([&x.contiguous()?, w, &dy.contiguous()?], |[x, w, dy]| {
            let parameters = parameters.as_mut().map(|(w, b)| (&mut w[..], &mut b[..]));
            grad::layer_norm_backward(x, w, self.eps, dy, &mut dx, parameters);
        })?;
        let dx = Some(tensor_like(dx, x)?);
        let Some((dw, db)) = parameters else {
            return Ok((dx, None, None));
        };
        Ok((dx, Some(tensor_like(dw, w)?), Some(tensor_like(db, b)?)))
    }
}

/// Which function of single values.
#[derive(Clone, Copy)]
pub(super) enum Activation {
    QuickGelu,
    Gelu,
}

/// A function of single values.
pub(super) struct ActivationNode(pub(super) Activation);

impl CustomOp1 for ActivationNode {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> Forward {
        let mut y = of(x, xl)?.to_vec();
        match self.0 {
            Activation::QuickGelu => kernels::quick_gelu(&mut y),
            Activation::Gelu => kernels::gelu_erf(&mut y),
        }
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = vec![0.0; x.elem_count()];
        with([&x.contiguous()?, &dy.contiguous()?], |[x, dy]| match self.0 {
            Activation::QuickGelu => grad::quick_gelu_backward(x, dy, &mut dx),
            Activation::Gelu => grad::gelu_erf_backward(x, dy, &mut dx),
        })?;
        tensor_like(dx, x).map(Some)
    }
}

/// `silu(gate) * up`.
pub(super) struct SiluMulNode;

impl CustomOp2 for SiluMulNode {
    fn name(&self) -> &'static str {
        "silu mul"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, gl: &Layout, up: &CpuStorage, ul: &Layout) -> Forward {
        let (rows, cols) = gl.shape().dims2()?;
        let mut y = vec![0.0; rows * cols];
        kernels::silu_mul(of(gate, gl)?, of(up, ul)?, &mut y);
        matrix(y, rows, cols)
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (mut dgate, mut dup) = (vec![0.0; gate.elem_count()], vec![0.0; up.elem_count()]);
        with([&gate.contiguous()?, &up.contiguous()?, &dy.contiguous()?], |[gate, up, dy]| {
            grad::silu_mul_backward(gate, up, dy, &mut dgate, &mut dup);
        })?;
        Ok((Some(tensor_like(dgate, gate)?), Some(tensor_like(dup, up)?)))
    }
}

/// Rotary embedding.
pub(super) struct RopeNode {
    pub(super) table: Arc<RopeTable>,
    pub(super) positions: Arc<[u32]>,
}

impl CustomOp1 for RopeNode {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout) -> Forward {
        let (rows, cols) = xl.shape().dims2()?;
        let mut y = of(x, xl)?.to_vec();
        let heads = cols / self.table.head_dim();
        kernels::rope_half(&mut y, rows, heads, &self.positions, &self.table)
            .map_err(|e| Error::Msg(format!("a position lies past the model's context: {e}")))?;
        matrix(y, rows, cols)
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = with([&dy.contiguous()?], |[dy]| dy.to_vec())?;
        grad::rope_half_backward(&mut dx, &self.positions, &self.table);
        tensor_like(dx, x).map(Some)
    }
}

/// Attention inside each sequence.
pub(super) struct AttentionNode {
    pub(super) lengths: Vec<usize>,
    pub(super) causal: bool,
    pub(super) shape: AttentionShape,
    pub(super) scale: f32,
}

impl AttentionNode {
    fn sequences(&self) -> Sequences<'_> {
        Sequences {
            lengths: &self.lengths,
            causal: self.causal,
            shape: self.shape,
            scale: self.scale,
        }
    }
}

impl CustomOp3 for AttentionNode {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Forward {
        let (rows, cols) = ql.shape().dims2()?;
        let mut out = vec![0.0; rows * cols];
        grad::attend(of(q, ql)?, of(k, kl)?, of(v, vl)?, &self.sequences(), &mut out);
        matrix(out, rows, cols)
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [mut dq, mut dk, mut dv] = [q, k, v].map(|x| vec![0.0; x.elem_count()]);
        with([q, k, v, out, &dout.contiguous()?], |[qs, ks, vs, outs, dout]| {
            let into = AttentionGrad {
                dq: &mut dq,
                dk: &mut dk,
                dv: &mut dv,
            };
            grad::attend_backward([qs, ks, vs, outs], dout, &self.sequences(), into);
        })?;
        let (dq, dk) = (tensor_like(dq, q)?, tensor_like(dk, k)?);
        Ok((Some(dq), Some(dk), Some(tensor_like(dv, v)?)))
    }
}

/// Rows of a table by number; a row may be taken many times.
pub(super) struct EmbedNode {
    pub(super) ids: Arc<[u32]>,
}

impl CustomOp1 for EmbedNode {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(&self, table: &CpuStorage, tl: &Layout) -> Forward {
        let (rows, width) = tl.shape().dims2()?;
        let table = of(table, tl)?;
        let mut out = Vec::with_capacity(self.ids.len() * width);
        for &id in self.ids.iter() {
            let row = table
                .get(id as usize * width..(id as usize + 1) * width)
                .ok_or_else(|| Error::Msg(format!("the id {id} is not in the table of {rows}")))?;
            out.extend_from_slice(row);
        }
        matrix(out, self.ids.len(), width)
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let width = table.dim(1)?;
        let mut dt = vec![0.0; table.elem_count()];
        with([&dy.contiguous()?], |[dy]| {
            for (&id, dy) in self.ids.iter().zip(dy.chunks_exact(width)) {
                // The forward pass found every id in the table.
                let row = &mut dt[id as usize * width..][..width];
                kernels::add_assign(row, dy);
            }
        })?;
        tensor_like(dt, table).map(Some)
    }
}

/// Rows of two matrices in a new order, each at most once.
pub(super) struct SpliceNode {
    pub(super) order: Arc<[u32]>,
}

impl CustomOp2 for SpliceNode {
    fn name(&self) -> &'static str {
        "splice"
    }

    fn cpu_fwd(&self, a: &CpuStorage, al: &Layout, b: &CpuStorage, bl: &Layout) -> Forward {
        let ((first, width), (second, other)) = (al.shape().dims2()?, bl.shape().dims2()?);
        let (a, b) = (of(a, al)?, of(b, bl)?);
        let mut taken = vec![false; first + second];
        let mut out = Vec::with_capacity(self.order.len() * width);
        for &n in self.order.iter() {
            let n = n as usize;
            let row = match n.checked_sub(first) {
                None => a.get(n * width..(n + 1) * width),
                Some(n) => b.get(n * width..(n + 1) * width),
            };
            match (row, taken.get_mut(n)) {
                (Some(row), Some(taken)) if !*taken && width == other => {
                    *taken = true;
                    out.extend_from_slice(row);
                }
                _ => return Err(Error::Msg(format!("row {n} cannot be spliced in"))),
            }
        }
        matrix(out, self.order.len(), width)
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (first, width) = a.dims2()?;
        let [mut da, mut db] = [a, b].map(|x| vec![0.0; x.elem_count()]);
        with([&dy.contiguous()?], |[dy]| {
            for (&n, dy) in self.order.iter().zip(dy.chunks_exact(width)) {
                // The forward pass found every row, once.
                let row = match (n as usize).checked_sub(first) {
                    None => &mut da[n as usize * width..][..width],
                    Some(n) => &mut db[n * width..][..width],
                };
                row.copy_from_slice(dy);
            }
        })?;
        let to = |x: &Tensor, d| x.track_op().then(|| tensor_like(d, x)).transpose();
        Ok((to(a, da)?, to(b, db)?))
    }
}

/// The loss. Its gradient is made in the forward pass, in the room of the logits' copy.
pub(super) struct EntropyNode {
    targets: Arc<[u32]>,
    gradient: Mutex<Option<Vec<f32>>>,
}

impl EntropyNode {
    pub(super) fn new(targets: &[u32]) -> Self {
        Self {
            targets: targets.into(),
            gradient: Mutex::new(None),
        }
    }
}

impl CustomOp1 for EntropyNode {
    fn name(&self) -> &'static str {
        "cross entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, ll: &Layout) -> Forward {
        let (rows, cols) = ll.shape().dims2()?;
        if rows != self.targets.len() || self.targets.iter().any(|&t| t as usize >= cols) {
            return Err(Error::Msg("a target is not in the table".into()));
        }
        let mut gradient = of(logits, ll)?.to_vec();
        let sum = grad::cross_entropy(&mut gradient, &self.targets);
        *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        Ok((CpuStorage::F32(vec![sum as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let scale = dy.to_scalar::<f32>()?;
        let mut slot = self.gradient.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gradient = slot
            .take()
            .ok_or_else(|| Error::Msg("the loss went back twice".into()))?;
        gradient.iter_mut().for_each(|g| *g *= scale);
        tensor_like(gradient, logits).map(Some)
    }
}
