//! The data of stage 2 as the paper mixes it, and checking data of any origin.
//!
//! [`mix`] turns the public files of ten data sets into one file of conversations, by the seven
//! strategies of the paper's appendix A.2; [`check`] says of every row whether it can be learned
//! from. Files of hundreds of megabytes are read element by element ([`stream`]).

pub mod check;
pub mod mix;
pub mod stream;
