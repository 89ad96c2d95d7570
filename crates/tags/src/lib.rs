//! What the tags of images and instances say: which targets they name, and which of those Driftless
//! may touch. The steps that start from tags share it.
//!
//! * [`Settings`]: the operator's settings.
//! * [`Leads`], [`Destination`]: where tags lead.
//! * [`Image`], [`Instance`]: what the steps read of images and live instances.
//! * [`listing`]: lists them.

mod leads;
pub mod listing;
mod settings;
mod tagged;
#[cfg(test)]
mod tests;

pub use leads::{Destination, Leads, Tags};
pub use settings::{BadSettings, Settings, TagKeys};
pub use tagged::{Image, Instance, Instances, naming};
