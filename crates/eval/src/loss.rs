//! The held-out loss: how surprised a model is by the right answers. It moves when the share of
//! right answers does not yet, and it tells formats of one model apart.

use crate::question::Question;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use visavis_engine::RequestPicture;
use visavis_llava::cache::KvCache;
use visavis_llava::image::Picture;
use visavis_llava::prompt::{self, Conversation, Message, PromptToken};
use visavis_llava::{Input, Model, Step, Watch};

/// Questions whose answers are followed at the same time.
const BATCH: usize = 16;

/// Mean negative log-likelihood of right answers, by token, with their `</s>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// In nats a token.
    pub mean: f64,
    /// Tokens of all answers.
    pub tokens: usize,
}

/// One question with its answer as tokens.
struct Sequence {
    cache: KvCache,
    prompt: Vec<Input>,
    /// The answer and `</s>`.
    targets: Vec<u32>,
}

/// Measures the loss of a model on the questions' own answers. `picture` gives each question's
/// picture; `watch` may interrupt.
///
/// # Errors
/// When a picture cannot be had, a conversation does not fit, or the model fails.
pub fn held_out(
    model: &Model,
    questions: &[Question],
    picture: &mut dyn FnMut(&Question) -> Result<RequestPicture>,
    watch: &dyn Watch,
) -> Result<Loss> {
    let (mut sum, mut tokens) = (0.0, 0);
    for part in questions.chunks(BATCH) {
        let mut sequences = part
            .iter()
            .map(|question| sequence(model, question, picture(question)?, watch))
            .collect::<Result<Vec<_>>>()?;
        let (part_sum, part_tokens) = follow(model, &mut sequences, watch)?;
        sum += part_sum;
        tokens += part_tokens;
    }
    Ok(Loss {
        mean: sum / tokens.max(1) as f64,
        tokens,
    })
}

fn sequence(
    model: &Model,
    question: &Question,
    picture: RequestPicture,
    watch: &dyn Watch,
) -> Result<Sequence> {
    let asked = Message::user(question.text.clone(), 1);
    let answered = Message::assistant(question.answer.clone());
    let ids = |messages: Vec<Message>| {
        let conversation = Conversation {
            system: None,
            messages,
        };
        prompt::tokenize(&conversation, model.tokenizer())
    };
    let whole = ids(vec![asked.clone(), answered])?;
    let asked = ids(vec![asked])?;
    // The answer's first piece holds the space before it, so the question's pieces are its prefix.
    let answer = whole
        .strip_prefix(asked.as_slice())
        .ok_or_else(|| Error::Question {
            id: question.question_id.clone(),
            reason: "the tokenizer joins the question and the answer; its loss cannot be told"
                .into(),
        })?;
    let mut targets: Vec<u32> = answer.iter().filter_map(id).collect();
    targets.push(model.tokenizer().eos());
    let rgb = Arc::unwrap_or_clone(picture.rgb);
    let pixels = model.preprocess().pixels(&Picture {
        width: picture.width,
        height: picture.height,
        rgb,
    });
    let features = Arc::new(model.see(&pixels, watch)?);
    let prompt = asked
        .into_iter()
        .map(|token| match token {
            PromptToken::Id(id) => Input::Tokens(vec![id]),
            PromptToken::Picture(_) => Input::Image {
                rows: 0..features.len(),
                features: Arc::clone(&features),
            },
        })
        .collect();
    Ok(Sequence {
        cache: model.new_cache(),
        prompt,
        targets,
    })
}

fn id(token: &PromptToken) -> Option<u32> {
    match token {
        PromptToken::Id(id) => Some(*id),
        PromptToken::Picture(_) => None,
    }
}

/// Feeds each answer a token at a time; sequences whose answer is over drop out.
fn follow(model: &Model, sequences: &mut [Sequence], watch: &dyn Watch) -> Result<(f64, usize)> {
    let (mut sum, mut tokens) = (0.0, 0);
    let longest = sequences.iter().map(|s| s.targets.len()).max().unwrap_or(0);
    for position in 0..longest {
        let mut running = Vec::new();
        let mut wanted = Vec::new();
        for sequence in sequences.iter_mut() {
            let Some(target) = sequence.targets.get(position) else {
                continue;
            };
            let before = position
                .checked_sub(1)
                .and_then(|at| sequence.targets.get(at));
            let input = match before {
                None => std::mem::take(&mut sequence.prompt),
                Some(id) => vec![Input::Tokens(vec![*id])],
            };
            wanted.push(*target);
            running.push(Step {
                cache: &mut sequence.cache,
                input,
                logits: true,
            });
        }
        let logits = model.forward(&mut running, watch)?;
        for (row, target) in logits.into_iter().flatten().zip(wanted) {
            sum += surprise(&row, target);
            tokens += 1;
        }
    }
    Ok((sum, tokens))
}

/// `-log softmax(logits)[target]`; infinite for an id that the model cannot say.
fn surprise(logits: &[f32], target: u32) -> f64 {
    let Some(own) = logits.get(target as usize) else {
        return f64::INFINITY;
    };
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - most).exp()).sum();
    sum.ln() - f64::from(own - most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Expected;
    use visavis_llava::device::DeviceChoice;
    use visavis_llava::watch::Silent;
    use visavis_testkit::TinyModel;

    #[test]
    fn surprise_is_the_cross_entropy() {
        let even = [0.5f32; 4];
        assert!((surprise(&even, 2) - 4f64.ln()).abs() < 1e-9);
        // e^1 / (e^1 + e^0), by hand 0.731058...
        assert!((surprise(&[1.0, 0.0], 0) - 0.313_261_687_518_222_86).abs() < 1e-9);
        // Large logits do not overflow.
        assert!((surprise(&[1000.0, 999.0], 1) - 1.313_261_687_518_222_8).abs() < 1e-6);
        assert_eq!(surprise(&even, 4), f64::INFINITY);
    }

    fn question(text: &str, answer: &str) -> Question {
        Question {
            question_id: text.to_owned(),
            image: String::new(),
            text: text.to_owned(),
            category: String::new(),
            language: "en".to_owned(),
            kind: String::new(),
            unseen: false,
            answer: answer.to_owned(),
            expected: Expected::Exact {
                text: answer.to_owned(),
            },
        }
    }

    fn picture(question: &Question) -> Result<RequestPicture> {
        let shade = question.text.len() as u8;
        Ok(RequestPicture {
            width: 6,
            height: 4,
            rgb: Arc::new(vec![shade; 6 * 4 * 3]),
        })
    }

    /// Answers of different lengths in one batch, against each answer token asked for from scratch.
    #[test]
    fn following_an_answer_is_asking_for_each_of_its_tokens() {
        let tiny = TinyModel::preset("base");
        let model = Model::load(tiny.path(), DeviceChoice::Cpu, &Silent).unwrap();
        let questions = [
            question("What is this?", "A red star"),
            question("Where?", "No"),
            question(
                "And now, how many of them are there?",
                "There are three of them.",
            ),
        ];
        let found = held_out(&model, &questions, &mut picture, &Silent).unwrap();
        let (mut sum, mut tokens) = (0.0, 0);
        for question in &questions {
            let known = sequence(&model, question, picture(question).unwrap(), &Silent).unwrap();
            for at in 0..known.targets.len() {
                let mut cache = model.new_cache();
                let mut input = known.prompt.clone();
                if at > 0 {
                    input.push(Input::Tokens(known.targets[..at].to_vec()));
                }
                let step = Step {
                    cache: &mut cache,
                    input,
                    logits: true,
                };
                let logits = model
                    .forward(&mut [step], &Silent)
                    .unwrap()
                    .remove(0)
                    .unwrap();
                sum += surprise(&logits, known.targets[at]);
                tokens += 1;
            }
            assert_eq!(known.targets.last(), Some(&model.tokenizer().eos()));
        }
        assert_eq!(found.tokens, tokens);
        let mean = sum / f64::from(tokens as u32);
        assert!((found.mean - mean).abs() < 1e-9, "{} {mean}", found.mean);
    }
}
