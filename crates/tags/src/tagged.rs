//! Images and live instances with their tags, and the images that have lost theirs.

use std::collections::BTreeMap;

use contract::ids::ImageId;

use crate::{Destination, Settings, Tags};

/// The parts of an image that the steps read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The image.
    pub image_id: ImageId,
    /// When it was created, in ISO 8601 and UTC as EC2 returns it.
    pub creation_date: String,
    /// The instance that it was taken from, if EC2 reports one.
    pub source_instance_id: Option<String>,
    /// Whether AWS Backup made it.
    pub is_backup: bool,
    /// What AWS Backup's event says of a backup that is completed with issues.
    pub status_message: Option<String>,
    /// The instance whose tags stand for the image's.
    pub tags_of: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// The parts of a live instance that the steps read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its type.
    pub instance_type: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// Live instances by ID.
pub type Instances = BTreeMap<String, Instance>;

impl Image {
    /// The image with the tags of its instance where it carries no target tag itself. AWS Backup
    /// may fail to copy tags, or to fit all of them (developer guide, "Copy tags onto backups"), and
    /// the image belongs where its instance belongs.
    #[must_use]
    pub fn with_tags_of(self, settings: &Settings, instance_id: &str, instance: &Instance) -> Self {
        if settings.carry_target(&self.tags) || !settings.carry_target(&instance.tags) {
            return self;
        }
        let mut tags = settings.ours(&instance.tags);
        // What the image carries itself counts.
        tags.extend(self.tags);
        Self { tags_of: Some(instance_id.to_owned()), tags, ..self }
    }
}

/// The live instances that name this destination.
pub fn naming<'a>(
    settings: &Settings,
    instances: &'a Instances,
    destination: &Destination,
) -> impl Iterator<Item = &'a String> {
    let names = |(_, instance): &(&String, &Instance)| settings.names(&instance.tags, destination);
    instances.iter().filter(names).map(|(id, _)| id)
}
