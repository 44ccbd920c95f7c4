//! llama.cpp's own measuring programs, and what they print.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What llama.cpp measured on the same files.
#[derive(Debug, Default)]
pub(crate) struct LlamaCpp {
    /// Until its first, empty, run is done: its weights are rearranged on the way.
    pub(crate) load_s: Option<f64>,
    pub(crate) picture_s: Option<f64>,
    /// Prompt positions, generated tokens, tokens a second.
    pub(crate) speeds: Vec<(usize, usize, f64)>,
    pub(crate) decode: Option<f64>,
    /// With picture and question.
    pub(crate) peak_rss_bytes: Option<f64>,
}

impl LlamaCpp {
    /// Tokens a second over a prompt of so many positions.
    pub(crate) fn prefill(&self, tokens: usize) -> Option<f64> {
        let fits = |(prompt, answer, _): &&(usize, usize, f64)| *prompt == tokens && *answer == 0;
        self.speeds.iter().find(fits).map(|(_, _, speed)| *speed)
    }
}

/// Runs llama-bench for the speeds, then llama-mtmd-cli for the picture, loading and memory.
pub(crate) fn measure(
    build: &Path,
    language: &Path,
    vision: &Path,
    picture: &Path,
    threads: usize,
) -> Result<LlamaCpp, String> {
    let threads = threads.to_string();
    let mut speeds = Command::new(program(build, "llama-bench")?);
    speeds
        .args([
            "-p", "128,512", "-n", "32", "-r", "2", "-o", "json", "-t", &threads, "-m",
        ])
        .arg(language);
    let (text, _) = run(&mut speeds)?;
    let speeds = bench_rows(&text);
    let mut seeing = Command::new(program(build, "llama-mtmd-cli")?);
    seeing
        .args(["-t", &threads, "-n", "64", "--temp", "0", "-c", "2048"])
        .args([
            "--chat-template",
            "vicuna",
            "-p",
            "What is in this picture?",
            "-m",
        ])
        .arg(language)
        .arg("--mmproj")
        .arg(vision)
        .arg("--image")
        .arg(picture);
    let (text, peak) = run(&mut seeing)?;
    Ok(LlamaCpp {
        load_s: milliseconds(&text, "load time ="),
        picture_s: milliseconds(&text, "slice encoded in"),
        decode: speeds
            .iter()
            .find(|(_, answer, _)| *answer > 0)
            .map(|row| row.2),
        speeds,
        peak_rss_bytes: peak,
    })
}

fn program(build: &Path, name: &str) -> Result<PathBuf, String> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    [build.join("bin").join(&file), build.join(&file)]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("LLAMA_CPP_DIR: there is no {name} in {}", build.display()))
}

/// Both streams, and the most memory that the program was seen to hold.
fn run(command: &mut Command) -> Result<(String, Option<f64>), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let peak = watched(&mut child);
    let output = child.wait_with_output().map_err(failed)?;
    let peak = peak.join().ok().flatten();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        return Ok((text, peak));
    }
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    Err(format!(
        "{name} failed:\n{}",
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    ))
}

/// Looks at the program's high-water mark until it is gone. The system keeps no such mark for
/// others than Linux that could be read from outside.
fn watched(child: &mut Child) -> std::thread::JoinHandle<Option<f64>> {
    let status = format!("/proc/{}/status", child.id());
    std::thread::spawn(move || {
        let mut peak = None;
        while let Some(bytes) = std::fs::read_to_string(&status)
            .ok()
            .and_then(|s| high_water(&s))
        {
            peak = Some(bytes);
            std::thread::sleep(Duration::from_millis(50));
        }
        peak
    })
}

fn high_water(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The number before `ms` on the first line that says `what`.
fn milliseconds(text: &str, what: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(what))?;
    let after = line.get(line.find(what)? + what.len()..)?;
    let value: f64 = after.split_whitespace().next()?.parse().ok()?;
    Some(value / 1000.0)
}

/// `n_prompt`, `n_gen` and `avg_ts` of each of llama-bench's objects.
fn bench_rows(json: &str) -> Vec<(usize, usize, f64)> {
    let mut rows = Vec::new();
    let (mut prompt, mut answer) = (0, 0);
    for line in json.lines() {
        let Some((name, value)) = line.trim().trim_end_matches(',').split_once(": ") else {
            continue;
        };
        match name {
            "\"n_prompt\"" => prompt = value.parse().unwrap_or(0),
            "\"n_gen\"" => answer = value.parse().unwrap_or(0),
            "\"avg_ts\"" => {
                if let Ok(speed) = value.parse() {
                    rows.push((prompt, answer, speed));
                }
            }
            _ => {}
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_llama_bench_prints_is_read() {
        let json = "[\n  {\n    \"n_prompt\": 128,\n    \"n_gen\": 0,\n    \"avg_ns\": 12,\n    \
                    \"avg_ts\": 10.25,\n    \"samples_ts\": [ 10.2, 10.3 ]\n  },\n  {\n    \
                    \"n_prompt\": 0,\n    \"n_gen\": 32,\n    \"avg_ts\": 4.5\n  }\n]\n";
        assert_eq!(bench_rows(json), [(128, 0, 10.25), (0, 32, 4.5)]);
        let found = LlamaCpp {
            speeds: bench_rows(json),
            ..LlamaCpp::default()
        };
        assert_eq!((found.prefill(128), found.prefill(32)), (Some(10.25), None));
    }

    #[test]
    fn what_the_picture_program_prints_is_read() {
        let text = "image slice encoded in 3712 ms\nllama_perf_context_print:        load time =   18512.50 ms\n";
        assert_eq!(milliseconds(text, "slice encoded in"), Some(3.712));
        assert_eq!(milliseconds(text, "load time ="), Some(18.5125));
        assert_eq!(milliseconds(text, "nothing"), None);
        assert_eq!(
            high_water("VmPeak: 9 kB\nVmHWM:\t 2048 kB\n"),
            Some(2_097_152.0)
        );
    }

    #[test]
    fn a_build_without_the_program_is_named() {
        let error = program(Path::new("nowhere"), "llama-bench").unwrap_err();
        assert!(
            error.contains("LLAMA_CPP_DIR") && error.contains("nowhere"),
            "{error}"
        );
    }
}
