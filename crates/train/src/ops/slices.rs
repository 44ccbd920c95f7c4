//! The values of tensors on the processor, without copying.

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

/// The values behind a storage that must be contiguous f32.
pub(super) fn of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else {
        return Err(Error::Msg("training on the processor is in f32".into()));
    };
    layout
        .contiguous_offsets()
        .and_then(|(from, to)| values.get(from..to))
        .ok_or_else(|| Error::Msg("a tensor in training is not contiguous".into()))
}

/// Calls `f` with the values of several contiguous tensors.
pub(crate) fn with<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> R,
) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slot, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            return Err(Error::Msg("a tensor of a card reached the processor".into()));
        };
        *slot = of(storage, layout)?;
    }
    Ok(f(slices))
}
