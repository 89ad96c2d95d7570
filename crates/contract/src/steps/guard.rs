//! Input and output of guard-images, which protects the images in place from deregistration.

use serde::{Deserialize, Serialize};

use super::{GroupLaunch, Rows, Scope};
use crate::ids::ImageId;

message! {
    /// The input of guard-images, after the proof.
    GuardInput {
        /// The images to protect, and those that they replaced.
        guard: Guard,
        /// What the groups boot, as the proof found it.
        groups: Rows<GroupLaunch>,
    }
}

message! {
    /// The images of a target, once a plan is carried out.
    Guard {
        /// The target.
        scope: Scope,
        /// One for each image parameter.
        images: Vec<HeldImage>,
    }
}

message! {
    /// The image that an image parameter holds.
    HeldImage {
        /// The SSM parameter's name, or the template parameter's key.
        parameter: String,
        /// The image.
        image: ImageId,
        /// The image that it replaced; absent when there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced: Option<ImageId>,
    }
}

/// The output of guard-images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guarded {
    /// The images whose protection was enabled now.
    pub protected: Vec<ImageId>,
    /// The images whose protection was disabled now.
    pub released: Vec<ImageId>,
}
