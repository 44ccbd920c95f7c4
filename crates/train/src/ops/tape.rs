//! The record of what was computed, and the way back through it.
//!
//! candle keeps such a record too; on the processor ours replaces it, because candle's begins each
//! gradient with zeros and adds every part in a pass of its own, on threads that the shards are
//! busy with. Here a first part is moved in, a product adds in place, and what is no longer needed
//! is dropped on the way.

use candle_core::{Device, Result, Shape, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// One operation: how a gradient of its result comes back to its operands.
pub(super) trait Node {
    /// Adds to the gradients of `args` what `dy`, the gradient of `out`, gives them.
    fn backward(&self, args: &[Tensor], out: &Tensor, dy: Vec<f32>, to: &mut Slopes) -> Result<()>;
}

struct Step {
    node: Box<dyn Node>,
    args: Vec<Tensor>,
    out: Tensor,
}

/// What was computed since a beginning, in order.
#[derive(Default)]
pub(crate) struct Tape {
    steps: Vec<Step>,
    /// Results of steps, and leaves, whose gradients are wanted.
    tracked: HashSet<TensorId>,
}

thread_local! {
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

impl Tape {
    fn tracks(&self, tensor: &Tensor) -> bool {
        tensor.is_variable() || self.tracked.contains(&tensor.id())
    }

    /// The gradients of leaves and variables, from `dy`, the gradient of the result `y`.
    ///
    /// # Errors
    /// A tensor is not what the operation recorded.
    pub(crate) fn backward(self, y: &Tensor, dy: Vec<f32>) -> Result<Slopes> {
        let Self { mut steps, tracked } = self;
        let mut slopes = Slopes { tracked, values: HashMap::new() };
        slopes.values.insert(y.id(), dy);
        while let Some(Step { node, args, out }) = steps.pop() {
            if let Some(dy) = slopes.values.remove(&out.id()) {
                node.backward(&args, &out, dy, &mut slopes)?;
            }
        }
        Ok(slopes)
    }
}

/// Records what `f` computes in this thread; gradients will be had for variables and for `leaf`.
///
/// # Errors
/// Those of `f`.
pub(crate) fn record<T, E>(
    leaf: Option<&Tensor>,
    f: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<(T, Tape), E> {
    let mut tape = Tape::default();
    tape.tracked.extend(leaf.map(Tensor::id));
    let outer = TAPE.replace(Some(tape));
    let result = f();
    let tape = TAPE.replace(outer).unwrap_or_default();
    result.map(|value| (value, tape))
}

/// Whether a gradient of `tensor` would be wanted.
pub(super) fn tracks(tensor: &Tensor) -> bool {
    TAPE.with_borrow(|tape| tape.as_ref().is_some_and(|t| t.tracks(tensor)))
}

/// Makes the result of an operation a tensor, and records the operation if anybody may ask for its
/// gradient.
pub(super) fn push(
    values: Vec<f32>,
    shape: impl Into<Shape>,
    args: &[&Tensor],
    node: impl Node + 'static,
) -> Result<Tensor> {
    let out = Tensor::from_vec(values, shape.into(), &Device::Cpu)?;
    TAPE.with_borrow_mut(|tape| {
        if let Some(tape) = tape
            && args.iter().any(|arg| tape.tracks(arg))
        {
            tape.tracked.insert(out.id());
            tape.steps.push(Step {
                node: Box::new(node),
                args: args.iter().map(|&arg| arg.clone()).collect(),
                out: out.clone(),
            });
        }
    });
    Ok(out)
}

/// Gradients by tensor.
#[derive(Default)]
pub(crate) struct Slopes {
    tracked: HashSet<TensorId>,
    values: HashMap<TensorId, Vec<f32>>,
}

impl Slopes {
    /// Whether the gradient of `tensor` is wanted: it is a variable, or depends on one.
    pub(super) fn wants(&self, tensor: &Tensor) -> bool {
        tensor.is_variable() || self.tracked.contains(&tensor.id())
    }

    /// Adds a part of the gradient of `tensor`; nothing happens if nobody wants it.
    pub(super) fn put(&mut self, tensor: &Tensor, part: Vec<f32>) {
        if !self.wants(tensor) {
            return;
        }
        match self.values.get_mut(&tensor.id()) {
            Some(sum) => visavis_kernels::add_assign(sum, &part),
            None => {
                self.values.insert(tensor.id(), part);
            }
        }
    }

    /// Lets `f` write (`false`) or add (`true`) to the gradient of `tensor`, if it is wanted.
    pub(super) fn within(&mut self, tensor: &Tensor, f: impl FnOnce(&mut [f32], bool)) {
        if !self.wants(tensor) {
            return;
        }
        match self.values.get_mut(&tensor.id()) {
            Some(sum) => f(sum, true),
            None => {
                let mut fresh = vec![0.0; tensor.elem_count()];
                f(&mut fresh, false);
                self.values.insert(tensor.id(), fresh);
            }
        }
    }

    /// Takes the gradient of a leaf or variable out.
    ///
    /// # Errors
    /// None for a tensor that was recorded.
    pub(crate) fn take(&mut self, tensor: &Tensor) -> Result<Option<Tensor>> {
        let values = self.values.remove(&tensor.id());
        values.map(|v| Tensor::from_vec(v, tensor.shape(), &Device::Cpu)).transpose()
    }
}
