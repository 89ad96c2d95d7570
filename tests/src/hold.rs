//! Owns holds: a state of a local AWS that stays until a test lets go, so that a test that needs
//! the state is never too late (`tests/emulator/README.md`, "Control API").
//!
//! On AWS the same state lasts minutes, and a hold does nothing.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;

use crate::cloud::Cloud;
use crate::control::Control;
use crate::wait;

/// What can be held, and how it stays.
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

/// A state that stays until it is let go.
#[derive(Debug)]
pub struct Hold {
    cloud: Cloud,
    /// Absent on AWS.
    held: Option<Held>,
    open: Open,
}

/// What a test has not let go yet; the end of its scenario does, however it ends.
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
    /// Holds the operations of this kind on the resource whose name, id or ARN has this in it.
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

    /// Holds the calls, `(service, action)`, that have this in them, before they take effect.
    pub(crate) async fn calls(
        cloud: &Cloud,
        open: &Open,
        (service, action): (&str, &str),
        matches: &str,
    ) -> Result<Self> {
        let Some(control) = cloud.control() else { return Ok(Self::of_nothing(cloud, open)) };
        // All of them: an SDK calls again when it has waited long enough for an answer.
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

    /// Waits until it has something in hold; on AWS there is nothing to wait for.
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

    /// Lets go.
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

    /// Lets go of all that is left: a failed test must not block another one.
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
