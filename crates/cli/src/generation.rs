//! Options that say how an answer is generated, for every command that asks.

use clap::Args;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::Sampling;

/// As typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Generation")]
pub(crate) struct GenerationArgs {
    /// 0 always takes the likeliest token; higher is more varied
    #[arg(long, value_name = "T", default_value = "0", value_parser = temperature)]
    temperature: f64,
    /// Keep the likeliest tokens that make up this share of the probability
    #[arg(long, value_name = "P", default_value = "1", value_parser = share)]
    top_p: f64,
    /// Keep this many of the likeliest tokens; 0 keeps all
    #[arg(long, value_name = "K", default_value = "0")]
    top_k: usize,
    /// Make tokens that were already said less likely; 1 is off
    #[arg(long, value_name = "R", default_value = "1", value_parser = penalty)]
    repetition_penalty: f32,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value = "512", value_parser = positive)]
    max_tokens: usize,
    /// Of the random numbers; the same seed gives the same answer
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// The system text in place of the one the model was trained with
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Where to run: auto, cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

/// Checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Generation {
    /// How tokens are chosen.
    pub(crate) sampling: Sampling,
    /// Tokens the answer may have at most; at least 1.
    pub(crate) max_tokens: usize,
    /// End an answer that goes round in circles.
    pub(crate) stop_repetition: bool,
    /// `None` is the training wording.
    pub(crate) system: Option<String>,
    /// Where to run.
    pub(crate) device: DeviceChoice,
}

impl GenerationArgs {
    /// The checked options; `stop_repetition` has another default in every command.
    pub(crate) fn typed(self, stop_repetition: bool) -> Generation {
        Generation {
            sampling: Sampling {
                temperature: self.temperature,
                top_p: self.top_p,
                top_k: self.top_k,
                repetition_penalty: self.repetition_penalty,
                seed: self.seed,
            },
            max_tokens: self.max_tokens,
            stop_repetition,
            system: self.system,
            device: self.device,
        }
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .ok_or_else(|| "not a number".to_owned())
}

fn temperature(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value < 0.0 {
        Err("must be 0 or more".to_owned())
    } else {
        Ok(value)
    }
}

fn share(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err("must be above 0 and at most 1".to_owned())
    }
}

fn penalty(text: &str) -> Result<f32, String> {
    let value = number(text)? as f32;
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err("must be above 0".to_owned())
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(temperature("0.2"), Ok(0.2));
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(penalty("1.1"), Ok(1.1));
        assert_eq!(positive("1"), Ok(1));
        for bad in ["-1", "nan", "inf", "", "x"] {
            assert!(temperature(bad).is_err(), "{bad}");
        }
        for bad in ["0", "1.01", "nan"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "1e60"] {
            assert!(penalty(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "1.5", "99999999999999999999999"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
