//! An engine that answers from a script, for tests of what lies above the engine.
//!
//! It keeps the engine's promises: stages in their order with their counts, whole characters,
//! cancel at every step, one last event. What it says is written down beforehand.

use crate::engine::{Engine, Events};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use visavis_engine::{
    Completion, Event, Failure, FailureCode, Prepare, Request, RequestId, Status, Timings,
};
use visavis_llava::Stage;
use visavis_llava::device::DeviceChoice;
use visavis_llava::generate::FinishReason;

/// Vision blocks that LLaVA-1.5 runs.
const BLOCKS: u64 = 23;
/// Positions of its context and of a picture.
const CONTEXT: usize = 4096;
const PICTURE: usize = 576;

/// What is said, and how fast.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Script {
    /// Milliseconds to load.
    pub load_ms: u64,
    /// Milliseconds to see a picture.
    pub see_ms: u64,
    /// Milliseconds to read the prompt.
    pub read_ms: u64,
    /// Milliseconds between two pieces of an answer.
    pub piece_ms: u64,
    /// Answers; the first whose `to` stands in the question is given.
    pub answers: Vec<ScriptedAnswer>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            load_ms: 20,
            see_ms: 20,
            read_ms: 20,
            piece_ms: 1,
            answers: Vec::new(),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ScriptedAnswer {
    /// Stands in the question; empty fits every one.
    pub to: String,
    /// What is said.
    pub text: String,
    /// Said this many times over, for long answers.
    pub times: usize,
    /// Characters of a piece; 0 gives words.
    pub piece: usize,
    /// Fails with this code in place of the end.
    pub fails: Option<FailureCode>,
}

/// The engine.
pub struct ScriptedEngine {
    script: Script,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    status: Mutex<Status>,
    cancelled: Mutex<HashMap<RequestId, Arc<AtomicBool>>>,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One piece of work.
struct Task {
    id: RequestId,
    events: UnboundedSender<Event>,
    cancelled: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl ScriptedEngine {
    /// An engine with a script.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            shared: Arc::default(),
        }
    }

    /// An engine with a script in JSON.
    ///
    /// # Errors
    /// The text is none.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self::new(serde_json::from_str(text)?))
    }

    fn open(&self) -> (Task, Events) {
        let id = RequestId(self.shared.next.fetch_add(1, Ordering::Relaxed) + 1);
        let (events, receiver) = unbounded_channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut all = self
            .shared
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(id, Arc::clone(&cancelled));
        self.shared.with(|status| status.queue.push(id));
        let task = Task {
            id,
            events,
            cancelled,
            shared: Arc::clone(&self.shared),
        };
        (task, Events::other(id, receiver))
    }

    fn answer(&self, question: &str) -> ScriptedAnswer {
        let fits = |answer: &&ScriptedAnswer| question.contains(&answer.to);
        let found = self.script.answers.iter().find(fits).cloned();
        found.unwrap_or_else(|| ScriptedAnswer {
            text: "A picture.".to_owned(),
            ..ScriptedAnswer::default()
        })
    }
}

impl Task {
    fn wanted(&self) -> bool {
        !self.cancelled.load(Ordering::Acquire) && !self.events.is_closed()
    }

    fn finish(self, event: Event) {
        self.shared
            .with(|status| status.queue.retain(|id| *id != self.id));
        let _ = self.events.send(event);
    }

    /// Works through a stage; whether it is still wanted at the end.
    async fn stage(&self, stage: Stage, total: u64, takes_ms: u64) -> bool {
        let steps = total.clamp(1, 32);
        for step in 0..=steps {
            if !self.wanted() {
                return false;
            }
            let done = total * step / steps;
            let _ = self.events.send(Event::Progress { stage, done, total });
            tokio::time::sleep(Duration::from_micros(takes_ms * 1000 / (steps + 1))).await;
        }
        self.wanted()
    }
}

fn cancelled() -> Event {
    Event::Failed(Failure {
        code: FailureCode::Cancelled,
        message: "cancelled".to_owned(),
    })
}

impl Engine for ScriptedEngine {
    fn load(&self, path: PathBuf, _: DeviceChoice) -> Events {
        let (task, events) = self.open();
        let takes = self.script.load_ms;
        tokio::spawn(async move {
            task.shared.with(|status| status.loading = true);
            let loaded = task.stage(Stage::Loading, 4_700_000_000, takes).await;
            task.shared.with(|status| {
                status.loading = false;
                status.device = "cpu".to_owned();
                status.model = loaded.then_some(path);
            });
            task.finish(if loaded { Event::Ready } else { cancelled() });
        });
        events
    }

    fn submit(&self, request: Request) -> Events {
        let (task, events) = self.open();
        let question = request
            .conversation
            .messages
            .iter()
            .rev()
            .find(|turn| turn.role == visavis_llava::prompt::Role::User)
            .map(|turn| turn.text.clone());
        let answer = self.answer(&question.unwrap_or_default());
        let script = self.script.clone();
        tokio::spawn(async move { speak(task, request, answer, &script).await });
        events
    }

    fn prepare(&self, request: Prepare) -> Events {
        let (task, events) = self.open();
        let pictures = request.pictures.len() as u64;
        let takes = self.script.see_ms * pictures;
        tokio::spawn(async move {
            let seen = task.stage(Stage::Seeing, BLOCKS * pictures, takes).await;
            task.finish(if seen { Event::Ready } else { cancelled() });
        });
        events
    }

    fn cancel(&self, id: RequestId) {
        let all = self
            .shared
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(flag) = all.get(&id) {
            flag.store(true, Ordering::Release);
        }
    }

    fn status(&self) -> Status {
        self.shared.with(|status| status.clone())
    }
}

async fn speak(task: Task, request: Request, answer: ScriptedAnswer, script: &Script) {
    let letters: usize = request
        .conversation
        .messages
        .iter()
        .map(|turn| turn.text.len())
        .sum();
    let prompt = letters / 4 + request.pictures.len() * PICTURE;
    if prompt + request.max_tokens > CONTEXT {
        return task.finish(Event::Failed(Failure {
            code: FailureCode::ContextFull,
            message: format!("{prompt} and {} positions", request.max_tokens),
        }));
    }
    let pictures = request.pictures.len() as u64;
    if pictures > 0
        && !task
            .stage(Stage::Seeing, BLOCKS * pictures, script.see_ms * pictures)
            .await
    {
        return task.finish(cancelled());
    }
    if !task
        .stage(Stage::Reading, prompt as u64, script.read_ms)
        .await
    {
        return task.finish(cancelled());
    }
    let whole = answer.text.repeat(answer.times.max(1));
    let mut written = 0;
    let mut said = String::new();
    let mut reason = FinishReason::Stop;
    for piece in pieces(&whole, answer.piece) {
        if !task.wanted() {
            reason = FinishReason::Cancelled;
            break;
        }
        if written == request.max_tokens {
            reason = FinishReason::Length;
            break;
        }
        written += 1;
        said.push_str(&piece);
        let _ = task.events.send(Event::Text { text: piece });
        let _ = task.events.send(Event::Progress {
            stage: Stage::Writing,
            done: written as u64,
            total: request.max_tokens as u64,
        });
        tokio::time::sleep(Duration::from_millis(script.piece_ms)).await;
    }
    if let Some(code) = answer.fails {
        return task.finish(Event::Failed(Failure {
            code,
            message: "told to fail".to_owned(),
        }));
    }
    if reason == FinishReason::Cancelled && said.is_empty() {
        return task.finish(cancelled());
    }
    let seconds = |ms: u64| ms as f64 / 1000.0;
    task.finish(Event::Done(Completion {
        text: said.trim().to_owned(),
        token_ids: vec![1; written],
        prompt_token_ids: vec![1; prompt],
        finish_reason: reason,
        timings: Timings {
            load_s: 0.0,
            image_s: seconds(script.see_ms * pictures),
            prefill_s: seconds(script.read_ms),
            prefill_tokens: prompt,
            decode_s: seconds(script.piece_ms * written as u64).max(0.001),
            decode_tokens: written,
            first_token_s: seconds(script.see_ms * pictures + script.read_ms),
        },
    }));
}

/// The text in pieces of `size` characters; words with the blank before them for 0.
fn pieces(text: &str, size: usize) -> Vec<String> {
    if size == 0 {
        return text.split_inclusive(' ').map(str::to_owned).collect();
    }
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}
