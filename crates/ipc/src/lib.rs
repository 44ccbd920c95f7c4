//! The messages between the window's page and its backend.
//!
//! Both sides are written against these types and nothing else: the shell turns them into calls
//! of the use cases, and the page gets them as TypeScript (`cargo xtask bindings`). What crosses
//! this line is data for showing, never a path to open: the page names pictures, threads and
//! models by ids that the backend gave out.
//!
//! Times are milliseconds since 1970 in UTC. Sizes are bytes. Durations are seconds.

mod answers;
pub mod bindings;
mod commands;
mod data;
mod error;
mod events;
mod messages;
mod model;
mod pictures;
mod search;
mod settings;
mod threads;

pub use answers::*;
pub use commands::*;
pub use data::*;
pub use error::*;
pub use events::*;
pub use messages::*;
pub use model::*;
pub use pictures::*;
pub use search::*;
pub use settings::*;
pub use threads::*;

/// Names a thread.
pub type ThreadId = i64;
/// Names a message.
pub type MessageId = i64;
/// Names a picture by what is in it: 64 hexadecimal digits. Two files with the same bytes are one
/// picture.
pub type PictureId = String;
