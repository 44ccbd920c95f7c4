//! Questions and their answers: saved first, then asked, then kept as they are written.

mod ask;
mod progress;
mod read_ahead;
mod request;
mod run;
mod view;

pub use ask::{AnswerEvent, Question};
pub(crate) use progress::Speeds;
pub use progress::{Progress, Seeing};
pub use read_ahead::{ReadAhead, ReadAheadEvent};
pub(crate) use run::Running;
pub use view::{AnswerBox, AnswerStats, ContextMeter, Message};
