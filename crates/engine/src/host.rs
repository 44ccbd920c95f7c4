//! The other process: an engine that is asked through standard input and answers on standard
//! output (see [`crate::remote`] for why).

use crate::message::{RequestId, Status};
use crate::remote::frame::{self, FromHost, ToHost};
use crate::shared::lock;
use crate::{EngineHandle, EngineOptions, EventStream};
use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use visavis_llava::device::{self, DeviceChoice};

/// Serves `engine` until `input` ends and the work that came through it is done. When `output`
/// breaks, nobody listens any more, and all work is cancelled.
///
/// # Errors
/// When `input` breaks or says something that is no message.
pub fn serve(
    input: impl Read,
    output: impl Write + Send + 'static,
    engine: &EngineHandle,
) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let output: Output = Arc::new(Mutex::new(BufWriter::new(Box::new(output))));
    // The program's names for work, and ours.
    let names: Arc<Mutex<HashMap<RequestId, RequestId>>> = Arc::default();
    let mut threads = Vec::new();
    let ended = loop {
        let message = match frame::read(&mut input) {
            Ok(Some(message)) => message,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let (id, stream) = match message {
            ToHost::Load { id, path, device } => (id, engine.load(path, device)),
            ToHost::Unload { id } => (id, engine.unload()),
            ToHost::Submit { id, request } => (id, engine.submit(request)),
            ToHost::Prepare { id, request } => (id, engine.prepare(request)),
            ToHost::Cancel { id } => {
                if let Some(ours) = lock(&names).get(&id) {
                    engine.cancel(*ours);
                }
                continue;
            }
        };
        lock(&names).insert(id, stream.id);
        let (output, engine, names) = (Arc::clone(&output), engine.clone(), Arc::clone(&names));
        threads.retain(|thread: &std::thread::JoinHandle<()>| !thread.is_finished());
        threads.push(
            std::thread::Builder::new()
                .name("events".into())
                .spawn(move || {
                    forward(id, stream, &engine, &output);
                    lock(&names).remove(&id);
                })?,
        );
    };
    for thread in threads {
        // A forwarding thread that panicked has dropped its stream: its work is cancelled.
        let _ = thread.join();
    }
    ended
}

type Output = Arc<Mutex<BufWriter<Box<dyn Write + Send>>>>;

/// Writes the events of one piece of work. Dropping the stream early cancels the work.
fn forward(id: RequestId, mut stream: EventStream, engine: &EngineHandle, output: &Output) {
    while let Some(event) = stream.next_blocking() {
        let status = if event.is_last() {
            engine.status()
        } else {
            Status::default()
        };
        if frame::write(&mut *lock(output), FromHost { id, event, status }).is_err() {
            return;
        }
    }
}

/// The whole of a host executable: `--probe` prints the names of the graphics cards that can be
/// used, one a line; otherwise serves an engine with `--cache-bytes`, `--max-batch` and `--chunk`.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    if arguments.first().is_some_and(|first| first == "--probe") {
        return probe();
    }
    let served = options(&arguments).and_then(|options| {
        let engine = EngineHandle::start(options)?;
        serve(io::stdin(), io::stdout(), &engine)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("visavis engine host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn probe() -> ExitCode {
    let cards = device::available()
        .into_iter()
        .filter(|d| matches!(d, DeviceChoice::Cuda(_)));
    let names: Vec<String> = cards.map(|card| card.to_string()).collect();
    if names.is_empty() {
        eprintln!("no graphics card that can be used was found");
        return ExitCode::FAILURE;
    }
    println!("{}", names.join("\n"));
    ExitCode::SUCCESS
}

/// The arguments that make a host use `options`; the counterpart of the host's own reading.
pub(crate) fn arguments(options: &EngineOptions) -> Vec<String> {
    let EngineOptions {
        cache_bytes,
        max_batch,
        chunk,
    } = options;
    [
        ("--cache-bytes", cache_bytes),
        ("--max-batch", max_batch),
        ("--chunk", chunk),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value.to_string()])
    .collect()
}

fn options(arguments: &[String]) -> io::Result<EngineOptions> {
    let mut options = EngineOptions::default();
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            return Err(wrong(format!("{} needs a value", pair.join(" "))));
        };
        let value = value
            .parse()
            .map_err(|_| wrong(format!("{value} is not a number")))?;
        match name.as_str() {
            "--cache-bytes" => options.cache_bytes = value,
            "--max-batch" => options.max_batch = value,
            "--chunk" => options.chunk = value,
            _ => return Err(wrong(format!("{name} is not an option"))),
        }
    }
    Ok(options)
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_through_arguments() {
        let sent = EngineOptions {
            cache_bytes: 5,
            max_batch: 3,
            chunk: 77,
        };
        let read = options(&arguments(&sent)).unwrap();
        assert_eq!((read.cache_bytes, read.max_batch, read.chunk), (5, 3, 77));
        for bad in [&["--chunk"][..], &["--chunk", "x"], &["--colour", "1"]] {
            let bad: Vec<String> = bad.iter().map(|text| (*text).to_owned()).collect();
            assert!(options(&bad).is_err(), "{bad:?}");
        }
    }
}
