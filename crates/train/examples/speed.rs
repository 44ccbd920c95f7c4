//! How quick a training step is here: a new model of the demo's size, conversations of random
//! tokens. Arguments: text tokens, conversations in a micro-batch, repeats, shards.

use std::time::Instant;
use visavis_llava::checkpoint::Checkpoint;
use visavis_train::batch::Sample;
use visavis_train::fresh::{self, Sizes};
use visavis_train::labels::Token;
use visavis_train::learner::{Compute, Learner};
use visavis_train::ops::Trainable;
use visavis_train::optimiser::{AdamSettings, Optimiser};
use visavis_train::vocabulary::Corpus;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let argument = |n: usize, default: usize| given.get(n).copied().unwrap_or(default);
    let (text, batch, repeats) = (argument(0, 128), argument(1, 32), argument(2, 3));
    let compute = Compute {
        shards: argument(3, 2),
        ..Compute::default()
    };
    let folder = std::env::temp_dir().join(format!("visavis-speed-{}", std::process::id()));
    let mut corpus = Corpus::default();
    for a in 0..40 {
        for b in 0..40 {
            corpus.add(&format!(
                "w{}x{} word",
                char::from(97 + a % 26),
                char::from(97 + b % 26)
            ));
        }
    }
    let sizes = Sizes::default();
    fresh::write(&sizes, &corpus.learn(1022)?, 1, &folder)?;
    let trainable = Trainable {
        vision: true,
        connector: true,
        language: true,
        lora: None,
    };
    let learner = Learner::open(Checkpoint::open(&folder)?, trainable, 1, compute)?;
    let mut optimiser = Optimiser::new(AdamSettings::default(), learner.parameters())?;
    let pixels = 3 * sizes.image_size * sizes.image_size;
    let samples: Vec<Sample> = (0..batch)
        .map(|n| Sample {
            tokens: std::iter::once(Token::Given(1))
                .chain([Token::Picture])
                .chain((1..text).map(|i| {
                    let id = (3 + (i * 31 + n * 17) % 500) as u32;
                    if i % 3 == 0 {
                        Token::Given(id)
                    } else {
                        Token::Learned(id)
                    }
                }))
                .collect(),
            pixels: Some(
                (0..pixels)
                    .map(|i| ((i * 7 + n) % 255) as f32 / 127.0 - 1.0)
                    .collect(),
            ),
        })
        .collect();
    let patches = (sizes.image_size / sizes.patch_size).pow(2);
    let decoder = sizes.layers * (4 * sizes.hidden.pow(2) + 3 * sizes.hidden * sizes.intermediate);
    let tower = sizes.vision_blocks
        * (4 * sizes.vision_hidden.pow(2) + 2 * sizes.vision_hidden * sizes.vision_intermediate);
    let head = sizes.hidden * 1024;
    let each = 6 * (decoder * (text + patches) + tower * (patches + 1) + head * text * 2 / 3);
    for _ in 0..repeats {
        let start = Instant::now();
        let gradients = learner.gradients(&samples)?;
        let computed = start.elapsed().as_secs_f64();
        optimiser.step(learner.parameters(), &gradients, 1, |_| 1e-4)?;
        let all = start.elapsed().as_secs_f64();
        println!(
            "{:.1} conversations/s ({text} text + {patches} picture positions), {:.0} GFLOP/s in products, loss {:.4}, optimiser {:.0} ms",
            batch as f64 / all,
            (batch * each) as f64 / all / 1e9,
            gradients.loss,
            (all - computed) * 1e3
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
