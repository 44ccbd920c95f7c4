//! Options of `visavis train`.

use crate::failure::Failure;
use crate::train::TrainJob;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use visavis_llava::device::DeviceChoice;
use visavis_train::settings::{Settings, Stage};

/// As typed.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    /// Train the practice model by its recipe, step by step; goes on where it was stopped
    Demo {
        /// The recipe, a TOML file
        #[arg(long, value_name = "FILE")]
        recipe: PathBuf,
        /// Where everything goes [default: what the recipe says, or its folder]
        #[arg(short, long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write a model with an adapter merged into its weights
    Merge {
        /// The model that the adapter was trained on
        #[arg(short, long, value_name = "DIR")]
        model: PathBuf,
        /// The adapter's folder
        #[arg(long, value_name = "DIR")]
        adapter: PathBuf,
        /// Where the merged model goes
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// A flag beats the recipe; what neither says is the paper's.
#[derive(Debug, Args)]
struct RunArgs {
    /// A recipe, a TOML file with these settings
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// What is trained: 1 connector, 2 connector and language model, lora, or all
    #[arg(long, value_name = "1|2|lora|all")]
    stage: Option<Stage>,
    /// The checkpoint to start from
    #[arg(short, long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// A LLaVA JSON file; may be given several times
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// The folder that the data's pictures lie in
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Where the trained model, the loss curve and the state go
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Conversations computed at a time
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches in a step of the optimiser
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Passes over the data
    #[arg(long, value_name = "N", conflicts_with = "steps")]
    epochs: Option<f64>,
    /// Steps of the optimiser
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// The highest learning rate
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// The connector's, where it differs
    #[arg(long, value_name = "RATE")]
    connector_rate: Option<f64>,
    /// The largest norm of a step's gradients
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Positions of a conversation; what lies past is cut
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Another seed orders the data in another way
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Forget activations and compute them again: a third slower, in far less memory
    #[arg(long)]
    recompute: bool,
    /// cpu, cuda:N or metal
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Rank of the adapters
    #[arg(long, value_name = "R")]
    lora_r: Option<usize>,
    /// The adapters' scale is this by their rank
    #[arg(long, value_name = "ALPHA")]
    lora_alpha: Option<f64>,
    /// Minutes between checkpoints
    #[arg(long, value_name = "N")]
    save_minutes: Option<f64>,
    /// Steps between checkpoints, besides
    #[arg(long, value_name = "N")]
    save_steps: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl TrainArgs {
    /// Checks the options.
    pub(crate) fn into_job(self) -> Result<TrainJob, Failure> {
        match self.command {
            Some(TrainCommand::Demo { recipe, out, json }) => {
                Ok(TrainJob::Demo { recipe, out, json })
            }
            Some(TrainCommand::Merge {
                model,
                adapter,
                out,
            }) => Ok(TrainJob::Merge {
                model,
                adapter,
                out,
            }),
            None => self.run.into_job(),
        }
    }
}

impl RunArgs {
    fn into_job(self) -> Result<TrainJob, Failure> {
        let mut s = match &self.recipe {
            Some(path) => Settings::read(path).map_err(|e| Failure::new(e.to_string()))?,
            None => Settings::default(),
        };
        put(&mut s.stage, self.stage);
        put(&mut s.model, self.model);
        put(&mut s.pictures, self.pictures);
        put(&mut s.out, self.out);
        put(&mut s.batch, self.batch);
        put(&mut s.epochs, self.epochs);
        put(&mut s.limit, self.limit);
        put(&mut s.seed, self.seed);
        put(&mut s.device, self.device);
        put(&mut s.lora.r, self.lora_r);
        put(&mut s.lora.alpha, self.lora_alpha);
        put(&mut s.save_minutes, self.save_minutes);
        s.accumulate = self.accumulate.or(s.accumulate);
        s.rate = self.rate.or(s.rate);
        s.connector_rate = self.connector_rate.or(s.connector_rate);
        s.adam.clip = self.clip.or(s.adam.clip);
        s.save_steps = self.save_steps.or(s.save_steps);
        s.steps = match self.epochs {
            Some(_) => None,
            None => self.steps.or(s.steps),
        };
        s.recompute |= self.recompute;
        if !self.data.is_empty() {
            s.data = self.data;
            s.drawn = None;
        }
        s.check().map_err(|e| Failure::usage(e.to_string()))?;
        Ok(TrainJob::Run {
            settings: Box::new(s),
            json: self.json,
        })
    }
}

fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
