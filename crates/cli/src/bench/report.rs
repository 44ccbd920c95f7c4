//! The results as a table for people and as JSON for programs.

use super::measure::{Rate, Results};
use crate::text::{one_line, size};
use serde::Serialize;

/// Everything there is to tell.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) model: String,
    pub(crate) format: String,
    pub(crate) file_bytes: u64,
    pub(crate) parameters: u64,
    pub(crate) device: String,
    /// The processor or card in words.
    pub(crate) description: String,
    /// Worker threads, on the processor.
    pub(crate) threads: Option<usize>,
    pub(crate) repeats: usize,
    #[serde(flatten)]
    pub(crate) results: Results,
    pub(crate) peak_rss_bytes: Option<u64>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let results = &self.results;
        let mut rows = vec![
            row("Model", &self.model_words()),
            row("Device", &self.device_words()),
            row("Repeats", &format!("{}, medians", self.repeats)),
            String::from("\n"),
            row(
                "Load",
                &format!(
                    "{}   (the first time {})",
                    seconds(results.load_s),
                    seconds(results.first_load_s).trim_start()
                ),
            ),
        ];
        if let Some(picture) = results.picture_s {
            rows.push(row("Picture", &seconds(picture)));
        }
        for rate in &results.prefill {
            rows.push(row("Prefill", &speed(rate, "positions")));
        }
        if let Some(rate) = &results.decode {
            rows.push(row("Decode", &speed(rate, "tokens")));
        }
        let waits = [
            (
                "First word",
                &results.first_word,
                "a picture and a question",
            ),
            ("Follow-up", &results.follow_up, "the next question"),
        ];
        for (name, rate, what) in waits {
            if let Some(rate) = rate {
                let line = format!(
                    "{}   {what}, {} positions",
                    seconds(rate.seconds),
                    rate.tokens
                );
                rows.push(row(name, &line));
            }
        }
        if let Some(peak) = self.peak_rss_bytes {
            let line = format!(
                "{:>8} at most, of which {} files",
                size(peak),
                size(self.file_bytes)
            );
            rows.push(row("Memory", &line));
        }
        rows.concat()
    }

    fn model_words(&self) -> String {
        // Names of files come from elsewhere.
        let name = one_line(&self.model);
        format!("{name} ({}, {})", self.format, size(self.file_bytes))
    }

    fn device_words(&self) -> String {
        let threads = self.threads.map(|n| format!(", {n} at work"));
        let words = format!("{} ({})", self.device, self.description);
        words + &threads.unwrap_or_default()
    }
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<12}{value}\n")
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:>8.2} s")
}

fn speed(rate: &Rate, what: &str) -> String {
    format!(
        "{:>8.2} tokens/s   {} {what} in {:.2} s",
        rate.tokens_per_s, rate.tokens, rate.seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let rate = |tokens, seconds| Rate {
            tokens,
            seconds,
            tokens_per_s: tokens as f64 / seconds,
        };
        Report {
            version: "0.1.0",
            model: "llava".to_owned(),
            format: "GGUF, Q4_K language model, F16 vision tower".to_owned(),
            file_bytes: 4_700_000_000,
            parameters: 7_000_000_000,
            device: "cpu".to_owned(),
            description: "a processor, 4 threads, AVX2".to_owned(),
            threads: Some(2),
            repeats: 3,
            results: Results {
                first_load_s: 9.5,
                load_s: 1.25,
                picture_s: Some(2.5),
                prefill: vec![rate(512, 32.0)],
                decode: Some(rate(32, 8.0)),
                first_word: Some(rate(640, 40.0)),
                follow_up: None,
            },
            peak_rss_bytes: Some(5_100_000_000),
        }
    }

    #[test]
    fn the_table_says_what_was_measured_on_what() {
        let table = report().table();
        for part in [
            "llava (GGUF, Q4_K language model, F16 vision tower, 4.7 GB)",
            "cpu (a processor, 4 threads, AVX2), 2 at work",
            "1.25 s   (the first time 9.50 s)",
            "16.00 tokens/s",
            "512 positions in 32.00 s",
            "a picture and a question, 640 positions",
            "5.1 GB at most, of which 4.7 GB files",
        ] {
            assert!(table.contains(part), "{part:?} is not in\n{table}");
        }
        assert!(!table.contains("Follow-up"), "{table}");
    }

    #[test]
    fn the_json_object_is_flat() {
        let json = serde_json::to_value(report()).unwrap();
        for number in [
            "load_s",
            "first_load_s",
            "picture_s",
            "file_bytes",
            "peak_rss_bytes",
        ] {
            assert!(json[number].is_number(), "{number}");
        }
        assert_eq!(json["prefill"][0]["tokens"], 512);
        assert_eq!(json["decode"]["tokens_per_s"], 4.0);
        assert!(json["follow_up"].is_null());
    }
}
