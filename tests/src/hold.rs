//! Holds: they keep an operation of a local AWS in progress until a test releases them, so that a
//! test that needs such a state never misses it (`tests/emulator/README.md`, "Control API").
//!
//! On AWS the same state lasts minutes, and a hold does nothing.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::cloud::Cloud;
use crate::control::Control;
use crate::wait;

/// The operations that can be held, and their status meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An operation of a stack: `*_IN_PROGRESS`.
    Stack,
    /// A drift detection: `DETECTION_IN_PROGRESS`.
    Drift,
    /// An instance refresh: `Pending`.
    Refresh,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Drift => "drift",
            Self::Refresh => "refresh",
        }
    }
}

/// A hold on an operation or a call.
#[derive(Debug)]
pub struct Hold {
    cloud: Cloud,
    /// Absent on AWS.
    held: Option<Held>,
    open: Open,
}

/// The holds that a test has not released yet. The end of its scenario releases them, however it
/// ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open(Arc<Mutex<Vec<Held>>>);

#[derive(Debug, Clone)]
struct Held {
    control: Control,
    kind: Kind,
    id: u64,
    /// For messages.
    what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Resource,
    Calls,
}

impl Hold {
    /// Holds the operations of this kind on resources whose name, ID or ARN contains `resource`.
    pub(crate) async fn resource(
        cloud: &Cloud,
        open: &Open,
        what: What,
        resource: &str,
    ) -> Result<Self> {
        let Some(control) = cloud.control() else { return Ok(Self::of_nothing(cloud, open)) };
        let id = control.add_hold(what.name(), resource).await?;
        let what = format!("{} of {resource}", what.name());
        Ok(Self::of(cloud, open, Held { control, kind: Kind::Resource, id, what }))
    }

    /// Holds calls, `(service, action)`, whose request contains `matches`, before they take effect.
    pub(crate) async fn calls(
        cloud: &Cloud,
        open: &Open,
        (service, action): (&str, &str),
        matches: &str,
    ) -> Result<Self> {
        let Some(control) = cloud.control() else { return Ok(Self::of_nothing(cloud, open)) };
        // Every attempt, because an SDK retries after its timeout.
        let fault = json!({
            "service": service, "action": action, "match": matches, "kind": "hold", "rate": 1,
        });
        let id = control.add_fault(&fault).await?;
        let what = format!("{service}:{action} with {matches}");
        Ok(Self::of(cloud, open, Held { control, kind: Kind::Calls, id, what }))
    }

    fn of(cloud: &Cloud, open: &Open, held: Held) -> Self {
        open.list().push(held.clone());
        Self { cloud: cloud.clone(), held: Some(held), open: open.clone() }
    }

    fn of_nothing(cloud: &Cloud, open: &Open) -> Self {
        Self { cloud: cloud.clone(), held: None, open: open.clone() }
    }

    /// Waits until it has stopped an operation; on AWS it returns at once.
    pub async fn caught(&self) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let what = format!("the {} to be held", held.what);
        wait::until(&self.cloud, wait::EXECUTION, &what, async || {
            let caught = match held.kind {
                Kind::Resource => held.control.is_holding(held.id).await?,
                Kind::Calls => held.control.hits(held.id).await? > 0,
            };
            Ok(caught.then_some(()))
        })
        .await
    }

    /// Releases it.
    pub async fn release(self) -> Result<()> {
        let Some(held) = self.held else { return Ok(()) };
        self.open.list().retain(|other| (other.kind, other.id) != (held.kind, held.id));
        held.release().await
    }
}

impl Open {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases all of them: a failed test must not block another one.
    pub(crate) async fn release(&self) {
        let left = std::mem::take(&mut *self.list());
        for held in left {
            if let Err(error) = held.release().await {
                eprintln!("still held: {}: {error:#}", held.what);
            }
        }
    }
}

impl Held {
    async fn release(&self) -> Result<()> {
        match self.kind {
            Kind::Resource => self.control.remove_hold(self.id).await,
            Kind::Calls => self.control.remove_fault(self.id).await.map(drop),
        }
    }
}
