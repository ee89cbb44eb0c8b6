//! What is accepted and what is told: pure functions of the configuration and a path.

mod export;
mod import;

pub(crate) use self::export::ExportRules;
pub(crate) use self::import::ImportRules;
pub use self::import::Refusal;
