//! Training LLaVA-1.5: the data it learns from and the two stages that teach it.

pub mod scenes;
