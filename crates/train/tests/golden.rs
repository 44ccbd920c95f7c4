//! Training against torch, transformers and PEFT (make_training.py): the same conversations have
//! the same targets, and ten steps move every tensor to the same place.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use visavis_llava::checkpoint::Checkpoint;
use visavis_llava::device::DeviceChoice;
use visavis_llava::watch::Silent;
use visavis_llava::{Model, Tokenizer};
use visavis_testkit::{TinyModel, formula};
use visavis_train::batch::Sample;
use visavis_train::conversation::{Row, Turn};
use visavis_train::labels::{Template, Token, tokens};
use visavis_train::learner::{Compute, Learner};
use visavis_train::ops::{DeviceOps, Graph, LoraSettings, Parameter, Parameters, Trainable};
use visavis_train::optimiser::{AdamSettings, Optimiser};
use visavis_train::schedule::Schedule;

#[derive(Deserialize)]
struct Texts {
    questions: Vec<String>,
    answers: Vec<String>,
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = format!(
        "{}/../../tests/golden/training/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Conversation `n`, as make_training.py draws it.
fn conversation(texts: &Texts, n: u64) -> Row {
    let mut draws = 0;
    let mut pick = |items: &[String]| {
        let at = formula::mix(n * 1000 + draws) % items.len() as u64;
        draws += 1;
        items[at as usize].clone()
    };
    let picture = !formula::mix(n * 1000 + 999).is_multiple_of(4);
    let turns = 1 + formula::mix(n * 1000 + 998) % 4;
    let turns: Vec<Turn> = (0..turns)
        .map(|i| {
            let (question, answer) = (pick(&texts.questions), pick(&texts.answers));
            // The reader of data files trims questions that stand beside a picture.
            let beside = picture && i == 0;
            let question = if beside {
                question.trim().to_owned()
            } else {
                question
            };
            Turn { question, answer }
        })
        .collect();
    Row {
        number: 1,
        id: n.to_string(),
        image: picture.then(|| "a".into()),
        turns,
    }
}

fn digest(tokens: &[Token]) -> String {
    let parts: Vec<String> = tokens
        .iter()
        .map(|t| match t {
            Token::Given(id) => format!("{id}:0"),
            Token::Learned(id) => format!("{id}:1"),
            Token::Picture => "-200:0".to_owned(),
        })
        .collect();
    let hash = Sha256::digest(parts.join(" "));
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn tokenizer(folder: &TinyModel) -> Tokenizer {
    let rows = folder.spec.text.vocab_rows;
    Tokenizer::from_file(&folder.path().join("tokenizer.json"), rows).expect("the tokenizer")
}

#[test]
fn targets_of_500_conversations_equal_the_originals() {
    #[derive(Deserialize)]
    struct Labels {
        v1: Vec<String>,
        plain: Vec<String>,
    }
    let (labels, texts): (Labels, Texts) = (read("labels.json"), read("texts.json"));
    assert_eq!((labels.v1.len(), labels.plain.len()), (500, 50));
    let folder = TinyModel::preset("base");
    let tokenizer = tokenizer(&folder);
    let of = |n: usize, template| {
        let mut row = conversation(&texts, n as u64);
        if template == Template::Plain {
            row.image = Some("a".into());
        }
        digest(&tokens(&row, template, &tokenizer).expect("tokens"))
    };
    for (n, golden) in labels.v1.iter().enumerate() {
        assert_eq!(&of(n, Template::V1), golden, "conversation {n}");
    }
    for (n, golden) in labels.plain.iter().enumerate() {
        assert_eq!(&of(n, Template::Plain), golden, "caption {n}");
    }
}

#[test]
fn the_schedule_equals_transformers() {
    #[derive(Deserialize)]
    struct Runs {
        runs: Vec<Run>,
    }
    #[derive(Deserialize)]
    struct Run {
        steps: u64,
        ratio: f64,
        factors: Vec<f64>,
    }
    for run in read::<Runs>("schedule.json").runs {
        let schedule = Schedule::new(run.steps, run.ratio);
        assert_eq!(run.factors.len() as u64, run.steps);
        for (step, golden) in run.factors.iter().enumerate() {
            // To the last bit of the cosine, which is the mathematics library's.
            let off = (schedule.factor(step as u64) - golden).abs();
            assert!(
                off <= 2.0 * f64::EPSILON * golden,
                "step {step} of {}",
                run.steps
            );
        }
    }
}

#[derive(Deserialize)]
struct Steps {
    rate: f64,
    decay: f64,
    clip: Option<f64>,
    losses: Vec<f64>,
    gradients: BTreeMap<String, Summary>,
    changes: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct Summary {
    norm: f64,
    projections: Vec<f64>,
}

impl Summary {
    /// How far `values` are from what was summarised, as a share of its norm. The mean square of
    /// the projections of a difference estimates its squared norm.
    fn distance(&self, name: &str, values: &[f32]) -> f64 {
        let state = formula::fnv1a64(name);
        let mut ours = vec![0.0; self.projections.len()];
        for (i, &value) in values.iter().enumerate() {
            let bits = formula::mix(state.wrapping_add(i as u64));
            for (k, sum) in ours.iter_mut().enumerate() {
                let sign = if bits >> k & 1 == 1 { 1.0 } else { -1.0 };
                *sum += sign * f64::from(value);
            }
        }
        let squares = ours
            .iter()
            .zip(&self.projections)
            .map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f64>() / ours.len() as f64).sqrt() / self.norm
    }
}

struct Case {
    name: &'static str,
    trainable: Trainable,
    template: Template,
}

fn cases() -> Vec<Case> {
    let connector = Trainable {
        connector: true,
        ..Trainable::default()
    };
    let language = Trainable {
        language: true,
        ..connector.clone()
    };
    let all = Trainable {
        vision: true,
        ..language.clone()
    };
    let lora = Trainable {
        lora: Some(LoraSettings { r: 4, alpha: 8.0 }),
        ..connector.clone()
    };
    let case = |name, trainable, template| Case {
        name,
        trainable,
        template,
    };
    vec![
        case("1", connector, Template::Plain),
        case("2", language, Template::V1),
        case("lora", lora, Template::V1),
        case("all", all, Template::V1),
    ]
}

/// The ten micro-batches of make_training.py.
fn batches(case: &Case, folder: &TinyModel) -> Vec<Vec<Sample>> {
    let (texts, tokenizer) = (read::<Texts>("texts.json"), tokenizer(folder));
    let chosen = (0..500)
        .map(|n| (n, conversation(&texts, n)))
        .filter(|(_, row)| {
            let first = case.template == Template::V1 || !row.turns[0].answer.is_empty();
            first && row.turns.iter().any(|t| !t.answer.is_empty())
        });
    let samples: Vec<Sample> = chosen
        .take(40)
        .map(|(n, mut row)| {
            if case.template == Template::Plain {
                row.image = Some("a".into());
            }
            let size = folder.spec.vision.image_size;
            Sample {
                pixels: row.image.as_ref().map(|_| formula::pixels(size, n)),
                tokens: tokens(&row, case.template, &tokenizer).expect("tokens"),
            }
        })
        .collect();
    samples.chunks(4).map(<[Sample]>::to_vec).collect()
}

fn values(tensor: &candle_core::Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .and_then(|t| t.to_vec1())
        .expect("values")
}

/// New adapters as make_training.py draws them: halves that are zero would hide each other.
fn draw_adapters(parameters: &[Parameter], folder: &TinyModel) {
    for p in parameters.iter().filter(|p| p.name.contains("lora_")) {
        let drawn =
            formula::uniform(&p.name, p.var.elem_count(), folder.spec.seed).map(|u| u * 0.2);
        let drawn = candle_core::Tensor::from_vec(drawn.collect(), p.var.shape(), p.var.device());
        drawn
            .and_then(|t: candle_core::Tensor| p.var.set(&t))
            .expect("adapters");
    }
}

fn compute(shards: usize, recompute: bool) -> Compute {
    Compute {
        shards,
        recompute,
        ..Compute::default()
    }
}

fn learner(case: &Case, folder: &TinyModel, compute: Compute) -> Learner {
    let checkpoint = Checkpoint::open(folder.path()).expect("a checkpoint");
    let learner = Learner::open(checkpoint, case.trainable.clone(), 1, compute).expect("a learner");
    draw_adapters(learner.parameters(), folder);
    learner
}

/// Over candle's own operations: what a graphics card runs.
fn learner_on_candle(case: &Case, folder: &TinyModel, compute: Compute) -> Learner {
    let parameters = Arc::new(Parameters::new(case.trainable.clone(), 1));
    let device = candle_core::Device::Cpu;
    let ops = DeviceOps::new(parameters.clone(), device, candle_core::DType::F32);
    let checkpoint = Checkpoint::open(folder.path()).expect("a checkpoint");
    let model =
        Model::build(checkpoint, DeviceChoice::Cpu, Box::new(ops), &Silent).expect("a model");
    let learner =
        Learner::with_model(model, Graph::Candle, &parameters, compute).expect("a learner");
    draw_adapters(learner.parameters(), folder);
    learner
}

/// Keys get the same bias at every position, which the softmax takes out again: the true gradient
/// is zero, and what both sides have is rounding.
fn is_rounding(name: &str) -> bool {
    name.ends_with("k_proj.bias")
}

fn assert_first_step(case: &Case, learner: &Learner, golden: &Steps, batch: &[Sample]) {
    let got = learner.gradients(batch).expect("gradients");
    let off = (got.loss - golden.losses[0]).abs() / golden.losses[0];
    assert!(
        off < 1e-5,
        "{}: loss {} against {}",
        case.name,
        got.loss,
        golden.losses[0]
    );
    let names: Vec<&str> = learner
        .parameters()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    let expected: Vec<&str> = golden.gradients.keys().map(String::as_str).collect();
    assert_eq!(names, expected, "{}: what learns", case.name);
    for (p, gradient) in learner.parameters().iter().zip(&got.values) {
        let golden = &golden.gradients[&p.name];
        let gradient = gradient
            .as_ref()
            .unwrap_or_else(|| panic!("{}: no gradient for {}", case.name, p.name));
        if is_rounding(&p.name) {
            continue;
        }
        assert!(golden.norm > 0.0, "{}", p.name);
        let off = golden.distance(&p.name, &values(gradient));
        assert!(
            off < 1e-4,
            "{}: gradient of {} is off by {off:.1e}",
            case.name,
            p.name
        );
    }
}

#[test]
fn first_losses_and_gradients_equal_torch() {
    let golden: BTreeMap<String, serde_json::Value> = read("steps.json");
    let folder = TinyModel::preset("base");
    for case in cases() {
        let golden: Steps = serde_json::from_value(golden[case.name].clone()).expect("steps");
        let batch = &batches(&case, &folder)[0];
        // However it is computed: whole, in shards, forgetting activations, on candle's operations.
        for (shards, recompute) in [(1, false), (2, false), (3, true)] {
            let learner = learner(&case, &folder, compute(shards, recompute));
            assert_first_step(&case, &learner, &golden, batch);
        }
        let learner = learner_on_candle(&case, &folder, compute(1, true));
        assert_first_step(&case, &learner, &golden, batch);
    }
}

#[test]
fn ten_steps_move_every_tensor_to_the_same_place() {
    let golden: BTreeMap<String, serde_json::Value> = read("steps.json");
    let folder = TinyModel::preset("base");
    for case in cases() {
        let golden: Steps = serde_json::from_value(golden[case.name].clone()).expect("steps");
        let learner = learner(&case, &folder, compute(2, false));
        let before: Vec<Vec<f32>> = learner
            .parameters()
            .iter()
            .map(|p| values(&p.var))
            .collect();
        let settings = AdamSettings {
            weight_decay: golden.decay,
            clip: golden.clip,
            ..AdamSettings::default()
        };
        let mut optimiser = Optimiser::new(settings, learner.parameters()).expect("an optimiser");
        let schedule = Schedule::new(10, 0.03);
        for (step, batch) in batches(&case, &folder).iter().enumerate() {
            let gradients = learner.gradients(batch).expect("gradients");
            let off = (gradients.loss - golden.losses[step]).abs() / golden.losses[step];
            assert!(
                off < 1e-3,
                "{}: loss of step {step} is off by {off:.1e}",
                case.name
            );
            let rate = golden.rate * schedule.factor(step as u64);
            optimiser
                .step(learner.parameters(), &gradients, 1, |_| rate)
                .expect("a step");
        }
        for (p, before) in learner.parameters().iter().zip(before) {
            if is_rounding(&p.name) {
                continue;
            }
            let change: Vec<f32> = values(&p.var)
                .iter()
                .zip(&before)
                .map(|(a, b)| a - b)
                .collect();
            let golden = &golden.changes[&p.name];
            assert!(golden.norm > 0.0, "{}", p.name);
            let off = golden.distance(&p.name, &change);
            assert!(
                off < 1e-2,
                "{}: change of {} is off by {off:.1e}",
                case.name,
                p.name
            );
        }
    }
}

/// The forward pass that learns, and the one that answers.
#[test]
fn both_forward_passes_agree() {
    let folder = TinyModel::preset("grouped");
    let case = &cases()[3];
    let pixels = formula::pixels(folder.spec.vision.image_size, 3);
    let ids: Vec<u32> = (3..40).collect();
    let answering = Model::load(folder.path(), DeviceChoice::Cpu, &Silent).expect("a model");
    let run = |model: &Model| {
        let features = model
            .connect(&model.features(&pixels).expect("features"))
            .expect("connect");
        let mut x = candle_core::Tensor::cat(&[features, model.embed_ids(&ids).expect("rows")], 0)
            .expect("cat");
        for layer in 0..model.layers() {
            let rows = x.dim(0).expect("rows");
            let lengths = [rows / 2, rows - rows / 2];
            x = model_layer(model, layer, &x, &lengths);
        }
        values(&model.row_logits(&x).expect("logits"))
    };
    // The answering forward is the same code over kernels without gradients.
    let golden = run(&answering);
    for learner in [
        learner(case, &folder, compute(1, false)),
        learner_on_candle(case, &folder, compute(1, false)),
    ] {
        let ours = run(learner.model());
        let largest = golden.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let off = ours
            .iter()
            .zip(&golden)
            .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()))
            / largest;
        assert!(off < 1e-5, "{off:e}");
    }
}

fn model_layer(
    model: &Model,
    layer: usize,
    x: &candle_core::Tensor,
    lengths: &[usize],
) -> candle_core::Tensor {
    model.layer(layer, x, lengths).expect("a layer")
}
