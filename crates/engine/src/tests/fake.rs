//! A model without arithmetic: it writes the digits of a hash of what its cache holds, so that
//! an answer is right only if every position before it was computed, once and in order.

use crate::RequestPicture;
use crate::backend::{Backend, Cache, Loader, Piece, Row};
use crate::clock::Clock;
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use visavis_llava::device::DeviceChoice;
use visavis_llava::tokenizer::{PieceKind, SpecialIds};
use visavis_llava::{Error, Result, Stage, Tokenizer, Watch};

/// Positions of a picture.
pub(crate) const IMAGE: usize = 5;
/// Vision blocks and layers.
pub(crate) const LAYERS: u64 = 4;
/// The context.
pub(crate) const CONTEXT: usize = 400;
/// Bytes of one cached position.
pub(crate) const POSITION_BYTES: usize = 10;

/// What the model was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Load,
    See(u32),
    /// Positions of each row.
    Forward(Vec<usize>),
    Drop,
}

/// What goes wrong, or is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Panic in the next call of the kind.
    Panic,
    /// Fail in the next call as if memory had run out.
    Memory,
    /// Logits of the row at this place are not numbers in the next pass.
    NaN(usize),
    /// Panic in the next destructor.
    PanicInDrop,
    /// The checkpoint has changed when the next request comes.
    Replaced,
}

/// The model's side of a rendezvous with the test: it says that it stands at a boundary, and
/// waits to be let on.
struct Gate {
    at: Sender<Stage>,
    on: Receiver<()>,
}

/// The test's side.
pub(crate) struct Stops {
    at: Receiver<Stage>,
    on: Sender<()>,
    held: Cell<bool>,
}

impl Stops {
    /// Lets the model go to the next boundary, and says where that is.
    pub(crate) fn next(&self) -> Stage {
        if self.held.replace(true) {
            self.on.send(()).unwrap();
        }
        self.at.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// As [`Stops::next`], if there is a boundary soon.
    pub(crate) fn next_within(&self, patience: Duration) {
        if self.held.replace(false) {
            self.on.send(()).unwrap();
        }
        self.held.set(self.at.recv_timeout(patience).is_ok());
    }

    /// Lets the model go until it stands in `stage`.
    pub(crate) fn wait(&self, stage: Stage) {
        while self.next() != stage {}
    }

    /// Lets the model run freely from now on.
    pub(crate) fn release(self) {}
}

/// What tests watch and command.
#[derive(Default)]
pub(crate) struct World {
    calls: Mutex<Vec<Call>>,
    troubles: Mutex<VecDeque<(Stage, Trouble)>>,
    gate: Mutex<Option<Gate>>,
    now: Mutex<Duration>,
    /// What every reported boundary takes.
    pub(crate) tick: Mutex<Duration>,
}

impl World {
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Forgets the calls so far and returns them.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Positions computed by the calls so far.
    pub(crate) fn computed(&self) -> usize {
        let calls = self.calls();
        calls
            .iter()
            .map(|call| {
                if let Call::Forward(rows) = call {
                    rows.iter().sum()
                } else {
                    0
                }
            })
            .sum()
    }

    pub(crate) fn seen(&self) -> usize {
        self.calls()
            .iter()
            .filter(|call| matches!(call, Call::See(_)))
            .count()
    }

    pub(crate) fn trouble(&self, stage: Stage, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back((stage, trouble));
    }

    /// From now on the model stops at every boundary until it is let on.
    pub(crate) fn stops(&self) -> Stops {
        let (at, stops_at) = channel();
        let (stops_on, on) = channel();
        *self.gate.lock().unwrap() = Some(Gate { at, on });
        Stops {
            at: stops_at,
            on: stops_on,
            held: Cell::new(false),
        }
    }

    fn next_trouble(&self, stage: Stage) -> Option<Trouble> {
        let mut troubles = self.troubles.lock().unwrap();
        let due = |(other, trouble): &(Stage, Trouble)| {
            *other == stage && !matches!(trouble, Trouble::PanicInDrop | Trouble::Replaced)
        };
        let at = troubles.iter().position(due)?;
        troubles.remove(at).map(|(_, trouble)| trouble)
    }

    fn take_trouble(&self, trouble: Trouble) -> bool {
        let mut troubles = self.troubles.lock().unwrap();
        let at = troubles.iter().position(|(_, other)| *other == trouble);
        at.and_then(|at| troubles.remove(at)).is_some()
    }

    /// The troubles of loading and seeing: nothing but panics and errors.
    fn maybe_fail(&self, stage: Stage) -> Result<()> {
        match self.next_trouble(stage) {
            Some(Trouble::Panic) => panic!("the model's code is wrong"),
            Some(Trouble::Memory) => Err(out_of_memory()),
            _ => Ok(()),
        }
    }

    fn boundaries(&self, stage: Stage, watch: &dyn Watch) -> Result<()> {
        for done in 1..=LAYERS {
            *self.now.lock().unwrap() += *self.tick.lock().unwrap();
            let mut gate = self.gate.lock().unwrap();
            // The test that let go of its side no longer wants stops.
            let stopped = gate
                .as_ref()
                .is_none_or(|g| g.at.send(stage).is_ok() && g.on.recv().is_ok());
            if !stopped {
                *gate = None;
            }
            drop(gate);
            watch.progress(stage, done, LAYERS)?;
        }
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }
}

fn out_of_memory() -> Error {
    Error::Request("out of memory".into())
}

pub(crate) struct FakeCache(Vec<u64>);

impl Cache for FakeCache {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self) -> usize {
        self.0.len() * POSITION_BYTES
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

pub(crate) struct FakeLoader(pub(crate) Arc<World>);

impl Loader for FakeLoader {
    type Backend = FakeModel;

    fn load(&mut self, path: &Path, _: DeviceChoice, watch: &dyn Watch) -> Result<FakeModel> {
        self.0.calls.lock().unwrap().push(Call::Load);
        self.0.boundaries(Stage::Loading, watch)?;
        self.0.maybe_fail(Stage::Loading)?;
        if path.ends_with("damaged") {
            return Err(Error::checkpoint(
                path,
                "it is cut short; download it again",
            ));
        }
        Ok(FakeModel {
            world: Arc::clone(&self.0),
            tokenizer: tokenizer(),
        })
    }
}

pub(crate) struct FakeModel {
    world: Arc<World>,
    tokenizer: Tokenizer,
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.world.calls.lock().unwrap().push(Call::Drop);
        if self.world.take_trouble(Trouble::PanicInDrop) {
            panic!("the device is gone");
        }
    }
}

impl Backend for FakeModel {
    type Cache = FakeCache;
    type Features = u64;

    fn device_name(&self) -> String {
        "cpu".into()
    }

    fn context(&self) -> usize {
        CONTEXT
    }

    fn image_tokens(&self) -> usize {
        IMAGE
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn check_unchanged(&self) -> Result<()> {
        if self.world.take_trouble(Trouble::Replaced) {
            return Err(Error::checkpoint(
                "fake",
                "it changed on disk; load it again",
            ));
        }
        Ok(())
    }

    fn see(&self, picture: &RequestPicture, watch: &dyn Watch) -> Result<u64> {
        self.world
            .calls
            .lock()
            .unwrap()
            .push(Call::See(picture.width));
        self.world.maybe_fail(Stage::Seeing)?;
        self.world.boundaries(Stage::Seeing, watch)?;
        Ok(u64::from(picture.width) << 32)
    }

    fn new_cache(&self) -> FakeCache {
        FakeCache(Vec::new())
    }

    fn forward(
        &self,
        rows: &mut [Row<'_, FakeCache, u64>],
        watch: &dyn Watch,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let inputs: Vec<Vec<u64>> = rows.iter().map(|row| values(&row.input)).collect();
        let lengths = inputs.iter().map(Vec::len).collect();
        self.world
            .calls
            .lock()
            .unwrap()
            .push(Call::Forward(lengths));
        let trouble = self.world.next_trouble(Stage::Reading);
        match trouble {
            Some(Trouble::Panic) => panic!("the model's code is wrong"),
            Some(Trouble::Memory) => return Err(out_of_memory()),
            _ => {}
        }
        self.world.boundaries(Stage::Reading, watch)?;
        let mut outputs = Vec::new();
        for (at, (row, input)) in rows.iter_mut().zip(inputs).enumerate() {
            assert!(!input.is_empty(), "a row without positions");
            row.cache.0.extend(input);
            let logits = row.logits.then(|| {
                if trouble == Some(Trouble::NaN(at)) {
                    vec![f32::NAN; self.tokenizer.pieces()]
                } else {
                    logits(&row.cache.0, self.tokenizer.pieces())
                }
            });
            outputs.push(logits);
        }
        Ok(outputs)
    }
}

/// One number for each position of an input.
fn values(input: &[Piece<u64>]) -> Vec<u64> {
    input
        .iter()
        .flat_map(|piece| match piece {
            Piece::Tokens(ids) => ids.iter().map(|id| u64::from(*id)).collect::<Vec<_>>(),
            Piece::Image { features, rows } => rows
                .clone()
                .map(|row| **features + 1000 + row as u64)
                .collect(),
        })
        .collect()
}

/// Ids of `:` (a byte), of the space and of the letter `a`.
const COLON: u64 = 3 + b':' as u64;
const SPACE: usize = 3 + 256;
const LETTER: usize = SPACE + 1;

/// A space after `ASSISTANT:`, as the real model begins; then letters from the hash of everything
/// before, and `</s>` once in a while.
fn logits(cache: &[u64], pieces: usize) -> Vec<f32> {
    let hash = cache.iter().fold(7u64, |hash, value| {
        (hash ^ value)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23)
    });
    let id = match cache.last() {
        Some(&COLON) => SPACE,
        _ if hash % 97 == 0 => 2,
        _ => LETTER + usize::try_from(hash % 26).unwrap(),
    };
    let mut logits = vec![0.0; pieces];
    logits[id] = 1.0;
    logits
}

/// `<unk>`, `<s>`, `</s>`, the 256 bytes, a space, small letters.
fn tokenizer() -> Tokenizer {
    let mut pieces = vec!["<unk>".to_owned(), "<s>".into(), "</s>".into()];
    let mut kinds = vec![PieceKind::Unknown, PieceKind::Control, PieceKind::Control];
    for byte in 0..=255u8 {
        pieces.push(format!("<0x{byte:02X}>"));
        kinds.push(PieceKind::Byte);
    }
    for piece in std::iter::once('▁').chain('a'..='z') {
        pieces.push(piece.into());
        kinds.push(PieceKind::Normal);
    }
    let scores = vec![0.0; pieces.len()];
    let special = SpecialIds { bos: 1, eos: 2 };
    let rows = pieces.len();
    Tokenizer::from_vocabulary(&pieces, &scores, &kinds, special, Path::new("fake"), rows).unwrap()
}
