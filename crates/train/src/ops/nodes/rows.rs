//! Operations that move whole rows about, and the loss.

use super::operands;
use crate::ops::slices::with;
use crate::ops::tape::{Node, Slopes, push, tracks};
use candle_core::{Error, Result, Shape, Tensor};
use visavis_kernels as kernels;
use visavis_kernels::grad;

/// Rows of a table by number; a row may be taken many times.
pub(in crate::ops) fn embed(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let (rows, width) = table.dims2()?;
    let mut y = Vec::with_capacity(ids.len() * width);
    with([table], |[table]| {
        ids.iter().try_for_each(|&id| {
            let row = table.get(id as usize * width..(id as usize + 1) * width);
            y.extend_from_slice(
                row.ok_or_else(|| {
                    Error::Msg(format!("the id {id} is not in the table of {rows}"))
                })?,
            );
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
pub(in crate::ops) fn splice(a: &Tensor, b: &Tensor, order: &[u32]) -> Result<Tensor> {
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
pub(in crate::ops) fn join_class(
    patches: &Tensor,
    class: &Tensor,
    positions: &Tensor,
    pictures: usize,
) -> Result<Tensor> {
    let (each, width) = positions.dims2()?;
    let mut y = Vec::with_capacity(pictures * each * width);
    with(
        [patches, class, positions],
        |[patches, class, positions]| {
            for picture in patches.chunks_exact((each - 1) * width) {
                let from = y.len();
                y.extend_from_slice(class);
                y.extend_from_slice(picture);
                kernels::add_assign(&mut y[from..], positions);
            }
        },
    )?;
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
        to.within(class, |dc, _| {
            pictures().for_each(|dy| kernels::add_assign(dc, &dy[..width]))
        });
        to.within(positions, |dp, _| {
            pictures().for_each(|dy| kernels::add_assign(dp, dy))
        });
        Ok(())
    }
}

/// Each picture without its first row.
pub(in crate::ops) fn drop_class(x: &Tensor, pictures: usize) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let each = rows / pictures.max(1) * width;
    let y: Vec<f32> = with([x], |[x]| {
        x.chunks_exact(each)
            .flat_map(|p| &p[width..])
            .copied()
            .collect()
    })?;
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
pub(in crate::ops) fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
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
