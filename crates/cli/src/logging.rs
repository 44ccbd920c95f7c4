//! What is written to standard error besides the result: nothing, unless asked with `-v`.

use tracing_subscriber::EnvFilter;

/// Starts logging: `-v` says what is done, `-vv` how. `VISAVIS_LOG` takes the filters of
/// `tracing-subscriber` and wins. Neither questions, answers nor pictures are ever logged.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "visavis=info,visavis_engine=info,visavis_llava=info,visavis_kernels=info",
        _ => "visavis=debug,visavis_engine=debug,visavis_llava=debug,visavis_kernels=debug",
    };
    let filter = std::env::var("VISAVIS_LOG")
        .ok()
        .and_then(|filters| EnvFilter::try_new(filters).ok())
        .unwrap_or_else(|| EnvFilter::new(level));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are a feature of the crate that is left out; asking for them prints a complaint.
        .with_ansi(false)
        .try_init();
    debug_assert!(started.is_ok(), "logging is started once");
    // A panic is caught (in the engine, around a decoder, in `main`) and reported there as an
    // error of its own; here only the place is kept, for -v.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}
