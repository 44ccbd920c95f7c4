//! The operations on the processor: what goes forward, and how a gradient comes back.
//!
//! A gradient is computed only for operands that learn or depend on something that does; what is
//! frozen costs nothing.

use super::slices::with;
use super::tape::{Node, Slopes, push, tracks};
use candle_core::{Error, Result, Shape, Tensor};
use std::sync::Arc;
use visavis_kernels as kernels;
use visavis_kernels::grad::{self, AttentionGrad, Sequences, View};
use visavis_kernels::{AttentionShape, Linear, RopeTable};

/// The operands of an operation with `N` of them.
fn operands<const N: usize>(args: &[Tensor]) -> Result<[&Tensor; N]> {
    let all: Vec<&Tensor> = args.iter().collect();
    all.try_into().map_err(|_| Error::Msg("an operation lost an operand".into()))
}

/// `x W^T + b`.
pub(super) fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let ((rows, inner), out) = (x.dims2()?, w.dim(0)?);
    let mut y = vec![0.0; rows * out];
    if let Some(b) = b {
        with([b], |[b]| y.chunks_exact_mut(out).for_each(|row| row.copy_from_slice(b)))?;
    }
    with([x, w], |[x, w]| {
        let (x, w) = (View::new(x, rows, inner), View::new(w, out, inner));
        grad::product(x, w.t(), 1.0, b.is_some(), &mut y, out);
    })?;
    match b {
        Some(b) => push(y, (rows, out), &[x, w, b], LinearNode),
        None => push(y, (rows, out), &[x, w], LinearNode),
    }
}

struct LinearNode;

impl Node for LinearNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x, w] = operands(args.get(..2).unwrap_or_default())?;
        let ((rows, inner), out) = (x.dims2()?, w.dim(0)?);
        with([x, w], |[xs, ws]| {
            let dy = View::new(&dy, rows, out);
            let (xs, ws) = (View::new(xs, rows, inner), View::new(ws, out, inner));
            to.within(x, |dx, add| grad::product(dy, ws, 1.0, add, dx, inner));
            to.within(w, |dw, add| grad::product(dy.t(), xs, 1.0, add, dw, inner));
        })?;
        if let Some(b) = args.get(2) {
            to.within(b, |db, _| grad::sum_rows(&dy, db));
        }
        Ok(())
    }
}

/// A linear layer whose weight stays in its map; only the gradient of x goes back.
pub(super) fn frozen_linear(x: &Tensor, layer: &Linear) -> Result<Tensor> {
    let (rows, out) = (x.dim(0)?, layer.out_features());
    let mut y = vec![0.0; rows * out];
    with([x], |[x]| layer.forward(x, rows, &mut y))?;
    push(y, (rows, out), &[x], FrozenLinear(layer.clone()))
}

struct FrozenLinear(Linear);

impl Node for FrozenLinear {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x] = operands(args)?;
        let ((rows, inner), out) = (x.dims2()?, self.0.out_features());
        // Widened for the moment of one product: kept, the copies would be the whole model in f32.
        let w = self.0.weight().to_f32();
        to.within(x, |dx, add| {
            let (dy, w) = (View::new(&dy, rows, out), View::new(&w, out, inner));
            grad::product(dy, w, 1.0, add, dx, inner);
        });
        Ok(())
    }
}

/// `a + b`: the gradient goes both ways as it is.
pub(super) fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let y = with([a, b], |[a, b]| {
        let mut y = a.to_vec();
        kernels::add_assign(&mut y, b);
        y
    })?;
    push(y, a.shape(), &[a, b], AddNode)
}

struct AddNode;

impl Node for AddNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [a, b] = operands(args)?;
        to.within(b, |db, add| if add { kernels::add_assign(db, &dy) } else { db.copy_from_slice(&dy) });
        to.put(a, dy);
        Ok(())
    }
}

/// `x * scale`.
pub(super) fn scale(x: &Tensor, scale: f32) -> Result<Tensor> {
    let y = with([x], |[x]| x.iter().map(|x| x * scale).collect())?;
    push(y, x.shape(), &[x], ScaleNode(scale))
}

struct ScaleNode(f32);

impl Node for ScaleNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, mut dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x] = operands(args)?;
        dy.iter_mut().for_each(|d| *d *= self.0);
        to.put(x, dy);
        Ok(())
    }
}

/// The root mean square norm.
pub(super) fn rms_norm(x: &Tensor, w: &Tensor, eps: f32) -> Result<Tensor> {
    let (rows, cols) = x.dims2()?;
    let mut y = vec![0.0; rows * cols];
    with([x, w], |[x, w]| kernels::rms_norm(x, w, eps, cols, &mut y))?;
    push(y, (rows, cols), &[x, w], RmsNormNode { eps })
}

struct RmsNormNode {
    eps: f32,
}

impl Node for RmsNormNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x, w] = operands(args)?;
        let mut dx = vec![0.0; x.elem_count()];
        let mut dw = to.wants(w).then(|| vec![0.0; w.elem_count()]);
        with([x, w], |[x, w]| {
            grad::rms_norm_backward(x, w, self.eps, &dy, &mut dx, dw.as_deref_mut());
        })?;
        to.put(x, dx);
        dw.into_iter().for_each(|dw| to.put(w, dw));
        Ok(())
    }
}

/// The norm with mean and bias.
pub(super) fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f32) -> Result<Tensor> {
    let (rows, cols) = x.dims2()?;
    let mut y = vec![0.0; rows * cols];
    with([x, w, b], |[x, w, b]| kernels::layer_norm(x, w, b, eps, cols, &mut y))?;
    push(y, (rows, cols), &[x, w, b], LayerNormNode { eps })
}

struct LayerNormNode {
    eps: f32,
}

impl Node for LayerNormNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x, w, b] = operands(args)?;
        let mut dx = vec![0.0; x.elem_count()];
        let learns = to.wants(w) || to.wants(b);
        let mut parameters = learns.then(|| (vec![0.0; w.elem_count()], vec![0.0; b.elem_count()]));
        with([x, w], |[x, w]| {
            let parameters = parameters.as_mut().map(|(w, b)| (&mut w[..], &mut b[..]));
            grad::layer_norm_backward(x, w, self.eps, &dy, &mut dx, parameters);
        })?;
        to.put(x, dx);
        if let Some((dw, db)) = parameters {
            to.put(w, dw);
            to.put(b, db);
        }
        Ok(())
    }
}

/// Which function of single values.
#[derive(Clone, Copy)]
pub(super) enum Activation {
    /// CLIP's.
    QuickGelu,
    /// The connector's.
    Gelu,
}

/// A function of single values.
pub(super) fn activation(x: &Tensor, which: Activation) -> Result<Tensor> {
    let mut y = with([x], |[x]| x.to_vec())?;
    match which {
        Activation::QuickGelu => kernels::quick_gelu(&mut y),
        Activation::Gelu => kernels::gelu_erf(&mut y),
    }
    push(y, x.shape(), &[x], which)
}

impl Node for Activation {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x] = operands(args)?;
        let mut dx = vec![0.0; x.elem_count()];
        with([x], |[x]| match self {
            Self::QuickGelu => grad::quick_gelu_backward(x, &dy, &mut dx),
            Self::Gelu => grad::gelu_erf_backward(x, &dy, &mut dx),
        })?;
        to.put(x, dx);
        Ok(())
    }
}

/// `silu(gate) * up`.
pub(super) fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let mut y = vec![0.0; gate.elem_count()];
    with([gate, up], |[gate, up]| kernels::silu_mul(gate, up, &mut y))?;
    push(y, gate.shape(), &[gate, up], SiluMulNode)
}

struct SiluMulNode;

impl Node for SiluMulNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [gate, up] = operands(args)?;
        let (mut dgate, mut dup) = (vec![0.0; dy.len()], vec![0.0; dy.len()]);
        with([gate, up], |[gate, up]| grad::silu_mul_backward(gate, up, &dy, &mut dgate, &mut dup))?;
        to.put(gate, dgate);
        to.put(up, dup);
        Ok(())
    }
}

/// Rotary embedding.
pub(super) fn rope(x: &Tensor, table: &Arc<RopeTable>, positions: &[u32]) -> Result<Tensor> {
    let (rows, cols) = x.dims2()?;
    let mut y = with([x], |[x]| x.to_vec())?;
    kernels::rope_half(&mut y, rows, cols / table.head_dim(), positions, table)
        .map_err(|e| Error::Msg(format!("a position lies past the model's context: {e}")))?;
    let node = RopeNode { table: table.clone(), positions: positions.into() };
    push(y, (rows, cols), &[x], node)
}

struct RopeNode {
    table: Arc<RopeTable>,
    positions: Box<[u32]>,
}

impl Node for RopeNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, mut dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x] = operands(args)?;
        grad::rope_half_backward(&mut dy, &self.positions, &self.table);
        to.put(x, dy);
        Ok(())
    }
}

/// Attention inside each sequence.
pub(super) struct Attention {
    /// Rows of each sequence.
    pub(super) lengths: Vec<usize>,
    /// Whether rows see only what is before them.
    pub(super) causal: bool,
    /// Sizes of the heads.
    pub(super) shape: AttentionShape,
    /// Scores are multiplied by this.
    pub(super) scale: f32,
}

impl Attention {
    fn sequences(&self) -> Sequences<'_> {
        Sequences {
            lengths: &self.lengths,
            causal: self.causal,
            shape: self.shape,
            scale: self.scale,
        }
    }

    pub(super) fn run(self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let mut out = vec![0.0; q.elem_count()];
        with([q, k, v], |[q, k, v]| grad::attend(q, k, v, &self.sequences(), &mut out))?;
        push(out, q.shape(), &[q, k, v], self)
    }
}

impl Node for Attention {
    fn backward(&self, args: &[Tensor], out: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [q, k, v] = operands(args)?;
        let [mut dq, mut dk, mut dv] = [q, k, v].map(|x| vec![0.0; x.elem_count()]);
        with([q, k, v, out], |operands| {
            let into = AttentionGrad { dq: &mut dq, dk: &mut dk, dv: &mut dv };
            grad::attend_backward(operands, &dy, &self.sequences(), into);
        })?;
        to.put(q, dq);
        to.put(k, dk);
        to.put(v, dv);
        Ok(())
    }
}

/// Rows of a table by number; a row may be taken many times.
pub(super) fn embed(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let (rows, width) = table.dims2()?;
    let mut y = Vec::with_capacity(ids.len() * width);
    with([table], |[table]| {
        ids.iter().try_for_each(|&id| {
            let row = table.get(id as usize * width..(id as usize + 1) * width);
            y.extend_from_slice(row.ok_or_else(|| Error::Msg(format!("the id {id} is not in the table of {rows}")))?);
            Ok::<(), Error>(())
        })
    })??;
    push(y, (ids.len(), width), &[table], EmbedNode(ids.into()))
}

struct EmbedNode(Box<[u32]>);

impl Node for EmbedNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [table] = operands(args)?;
        let width = table.dim(1)?;
        to.within(table, |dt, _| {
            for (&id, dy) in self.0.iter().zip(dy.chunks_exact(width)) {
                // The forward pass found every id in the table.
                kernels::add_assign(&mut dt[id as usize * width..][..width], dy);
            }
        });
        Ok(())
    }
}

/// Rows of `a` and, after them in numbering, of `b`, in a new order; a row is taken at most once.
pub(super) fn splice(a: &Tensor, b: &Tensor, order: &[u32]) -> Result<Tensor> {
    let ((first, width), (second, other)) = (a.dims2()?, b.dims2()?);
    let mut taken = vec![false; first + second];
    let mut y = Vec::with_capacity(order.len() * width);
    with([a, b], |[a, b]| {
        order.iter().try_for_each(|&n| {
            let n = n as usize;
            let row = match n.checked_sub(first) {
                None => a.get(n * width..(n + 1) * width),
                Some(n) => b.get(n * width..(n + 1) * width),
            };
            match (row, taken.get_mut(n)) {
                (Some(row), Some(taken)) if !*taken && width == other => {
                    *taken = true;
                    y.extend_from_slice(row);
                    Ok(())
                }
                _ => Err(Error::Msg(format!("row {n} cannot be spliced in"))),
            }
        })
    })??;
    push(y, (order.len(), width), &[a, b], SpliceNode(order.into()))
}

struct SpliceNode(Box<[u32]>);

impl Node for SpliceNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [a, b] = operands(args)?;
        let (first, width) = a.dims2()?;
        for (x, from) in [(a, 0), (b, first)] {
            let rows = x.dim(0)?;
            to.within(x, |dx, _| {
                for (&n, dy) in self.0.iter().zip(dy.chunks_exact(width)) {
                    let row = (n as usize).checked_sub(from).filter(|n| *n < rows);
                    if let Some(n) = row {
                        kernels::add_assign(&mut dx[n * width..][..width], dy);
                    }
                }
            });
        }
        Ok(())
    }
}

/// The class token before each picture's patches, positions added:
/// `(pictures * patches, hidden)` to `(pictures * (patches + 1), hidden)`.
pub(super) fn join_class(patches: &Tensor, class: &Tensor, positions: &Tensor, pictures: usize) -> Result<Tensor> {
    let (each, width) = positions.dims2()?;
    let mut y = Vec::with_capacity(pictures * each * width);
    with([patches, class, positions], |[patches, class, positions]| {
        for picture in patches.chunks_exact((each - 1) * width) {
            let from = y.len();
            y.extend_from_slice(class);
            y.extend_from_slice(picture);
            kernels::add_assign(&mut y[from..], positions);
        }
    })?;
    let shape = Shape::from((pictures * each, width));
    push(y, shape, &[patches, class, positions], JoinClassNode)
}

struct JoinClassNode;

impl Node for JoinClassNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [patches, class, positions] = operands(args)?;
        let (each, width) = positions.dims2()?;
        let pictures = || dy.chunks_exact(each * width);
        to.within(patches, |dp, _| {
            for (dp, dy) in dp.chunks_exact_mut((each - 1) * width).zip(pictures()) {
                kernels::add_assign(dp, &dy[width..]);
            }
        });
        to.within(class, |dc, _| pictures().for_each(|dy| kernels::add_assign(dc, &dy[..width])));
        to.within(positions, |dp, _| pictures().for_each(|dy| kernels::add_assign(dp, dy)));
        Ok(())
    }
}

/// Each picture without its first row.
pub(super) fn drop_class(x: &Tensor, pictures: usize) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let each = rows / pictures.max(1) * width;
    let y: Vec<f32> = with([x], |[x]| x.chunks_exact(each).flat_map(|p| &p[width..]).copied().collect())?;
    let shape = Shape::from((rows - pictures, width));
    push(y, shape, &[x], DropClassNode { each, width })
}

struct DropClassNode {
    each: usize,
    width: usize,
}

impl Node for DropClassNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [x] = operands(args)?;
        to.within(x, |dx, _| {
            let kept = dy.chunks_exact(self.each - self.width);
            for (dx, dy) in dx.chunks_exact_mut(self.each).zip(kept) {
                kernels::add_assign(&mut dx[self.width..], dy);
            }
        });
        Ok(())
    }
}

/// The loss, summed. Its gradient is made on the way forward, in the room of the logits' copy.
pub(super) fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let (rows, cols) = logits.dims2()?;
    if rows != targets.len() || targets.iter().any(|&t| t as usize >= cols) {
        return Err(Error::Msg("a target is not in the table".into()));
    }
    let mut gradient = with([logits], |[logits]| logits.to_vec())?;
    let sum = grad::cross_entropy(&mut gradient, targets);
    if !tracks(logits) {
        gradient.clear();
    }
    push(vec![sum as f32], (), &[logits], EntropyNode(gradient))
}

struct EntropyNode(Vec<f32>);

impl Node for EntropyNode {
    fn backward(&self, args: &[Tensor], _: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()> {
        let [logits] = operands(args)?;
        let scale = dy.first().copied().unwrap_or(0.0);
        to.put(logits, self.0.iter().map(|g| g * scale).collect());
        Ok(())
    }
}
