//! The two ways back: our tape on the processor, candle's graph on a graphics card.

use super::{nodes, tape};
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// What keeps the record of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// [`super::HostOps`] on this crate's tape.
    Tape,
    /// [`super::DeviceOps`] on candle's graph.
    Candle,
}

/// A recorded forward pass.
pub(crate) struct Record {
    /// What it gave.
    pub(crate) result: Tensor,
    /// The input whose gradient is wanted, as the pass saw it.
    pub(crate) leaf: Option<Tensor>,
    /// `None`: candle has it.
    tape: Option<tape::Tape>,
}

/// Gradients of leaves and variables.
pub(crate) enum Slopes {
    /// From the tape.
    Tape(tape::Slopes),
    /// From candle.
    Candle(GradStore),
}

impl Graph {
    /// Records `f`, which gets `leaf` (if there is one) as its input.
    pub(crate) fn record(
        self,
        leaf: Option<&Tensor>,
        f: impl FnOnce(&Tensor) -> crate::Result<Tensor>,
    ) -> crate::Result<Record> {
        let leaf = match (self, leaf) {
            (_, None) => None,
            (Self::Tape, Some(x)) => Some(x.detach()),
            (Self::Candle, Some(x)) => Some(Var::from_tensor(x)?.into_inner()),
        };
        let nothing = Tensor::new(0f32, &candle_core::Device::Cpu)?;
        let run = || f(leaf.as_ref().unwrap_or(&nothing));
        let (result, tape) = match self {
            Self::Tape => {
                let (result, tape) = tape::record(leaf.as_ref(), run)?;
                (result, Some(tape))
            }
            Self::Candle => (run()?, None),
        };
        Ok(Record { result, leaf, tape })
    }

    /// Rows of `text` and, after them in numbering, of `pictures`, in the order of `order`; a row
    /// is taken at most once.
    pub(crate) fn splice(self, text: &Tensor, pictures: Option<&Tensor>, order: &[u32]) -> crate::Result<Tensor> {
        match self {
            Self::Tape => {
                let none = text.narrow(0, 0, 0)?;
                let pictures = pictures.unwrap_or(&none);
                Ok(nodes::splice(&text.contiguous()?, &pictures.contiguous()?, order)?)
            }
            Self::Candle => {
                let order = Tensor::new(order, text.device())?;
                Ok(match pictures {
                    Some(pictures) => Tensor::cat(&[text, pictures], 0)?.index_select(&order, 0)?,
                    None => text.index_select(&order, 0)?,
                })
            }
        }
    }

    /// Cross-entropy of each row of `logits` against its target, summed: a scalar.
    pub(crate) fn cross_entropy(self, logits: &Tensor, targets: &[u32]) -> crate::Result<Tensor> {
        Ok(match self {
            Self::Tape => nodes::cross_entropy(&logits.contiguous()?, targets)?,
            Self::Candle => super::device::cross_entropy(logits, targets)?,
        })
    }
}

impl Record {
    /// The gradients from `dy`, the gradient of the result.
    pub(crate) fn backward(self, dy: &Tensor) -> crate::Result<Slopes> {
        Ok(match self.tape {
            Some(tape) => {
                let dy = dy.flatten_all()?.to_vec1::<f32>()?;
                Slopes::Tape(tape.backward(&self.result, dy)?)
            }
            None if self.result.track_op() => {
                let dy = dy.to_dtype(self.result.dtype())?;
                Slopes::Candle((self.result * dy)?.sum_all()?.backward()?)
            }
            // Nothing before it learns.
            None => Slopes::Tape(tape::Slopes::default()),
        })
    }
}

impl Slopes {
    /// Takes the gradient of a leaf or variable out.
    pub(crate) fn take(&mut self, tensor: &Tensor) -> Result<Option<Tensor>> {
        match self {
            Self::Tape(slopes) => slopes.take(tensor),
            Self::Candle(store) => Ok(store.remove(tensor)),
        }
    }
}

/// `a + b`, on the processor without waking candle's threads.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !a.device().is_cpu() || !a.is_contiguous() || !b.is_contiguous() {
        return a + b;
    }
    let mut sum = a.flatten_all()?.to_vec1::<f32>()?;
    super::slices::with([b], |[b]| visavis_kernels::add_assign(&mut sum, b))?;
    Tensor::from_vec(sum, a.shape(), a.device())
}
