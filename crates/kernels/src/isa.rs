//! Which instruction set the kernels use: found once at run time, or chosen by a test.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::KernelError;

/// An instruction set that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, for any processor.
    Portable,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// 64-bit ARM.
    Neon,
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    /// The instruction sets of this machine, slowest first.
    pub fn available() -> &'static [Isa] {
        static FOUND: OnceLock<Vec<Isa>> = OnceLock::new();
        FOUND.get_or_init(|| {
            let mut found = vec![Isa::Portable];
            #[cfg(target_arch = "x86_64")]
            {
                let avx2 = is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c");
                if avx2 {
                    found.push(Isa::Avx2);
                }
                if avx2
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    found.push(Isa::Avx512);
                }
            }
            #[cfg(target_arch = "aarch64")]
            found.push(Isa::Neon);
            found
        })
    }

    /// The one that a kernel called here uses: the forced one, or else the fastest.
    pub fn current() -> Isa {
        FORCED
            .get()
            .unwrap_or_else(|| Self::available().last().copied().unwrap_or(Isa::Portable))
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "AVX2",
            Isa::Avx512 => "AVX-512",
            Isa::Neon => "NEON",
        }
    }
}

/// An instruction set that this machine was found to have: what [`crate::simd::dispatch`] takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level(Isa);

impl Level {
    /// That of [`Isa::current`]. Taken where a kernel is called, before work spreads to threads.
    pub(crate) fn current() -> Self {
        // Both sources hold only what `available` found.
        Self(Isa::current())
    }

    pub(crate) fn isa(self) -> Isa {
        self.0
    }
}

/// Name of the instruction set in use, such as "AVX2".
pub fn cpu_features() -> &'static str {
    Isa::current().name()
}

/// Runs `f` with the kernels held to `isa`, in this thread and the workers that it uses.
/// For tests and comparisons: bits differ between instruction sets.
///
/// # Errors
/// When this machine lacks `isa`; `f` is then not run.
pub fn with_isa<R>(isa: Isa, f: impl FnOnce() -> R) -> Result<R, KernelError> {
    if !Isa::available().contains(&isa) {
        return Err(KernelError::IsaUnavailable(isa.name()));
    }
    Ok(with_forced(Some(isa), f))
}

pub(crate) fn forced() -> Option<Isa> {
    FORCED.get()
}

/// `forced` is one of [`Isa::available`].
pub(crate) fn with_forced<R>(forced: Option<Isa>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Isa>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(forced));
    f()
}
