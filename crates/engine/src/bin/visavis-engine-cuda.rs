//! Hosts the engine with CUDA in a process of its own, beside a program that must also start
//! where NVIDIA's driver is missing.

use std::process::ExitCode;

fn main() -> ExitCode {
    visavis_engine::host::run(std::env::args().skip(1))
}
