//! Driftless deployed with other template parameters, each deployment shared by the tests that need
//! it in the same local AWS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use harness::{Driftless, Scenario};
use tokio::sync::OnceCell;

/// Template parameters.
type Parameters = &'static [(&'static str, &'static str)];
/// Each is deployed by the first test that needs it; that takes some seconds.
type Deployed = HashMap<(String, Parameters), Arc<OnceCell<Driftless>>>;

static DEPLOYED: Mutex<Option<Deployed>> = Mutex::new(None);

/// The same test against the most careful deployment: it plans each update, distinguishes earlier
/// drift, rolls back failed promotions, and protects the images in place.
pub async fn careful(s: &Scenario) -> Result<Scenario> {
    const PARAMETERS: Parameters = &[
        ("OnFailure", "rollback"),
        ("DetectDriftBefore", "true"),
        ("PlanBeforeUpdate", "true"),
        ("ProtectImages", "true"),
    ];
    with(s, PARAMETERS).await
}

/// The same test against a deployment whose executions enter every state: it plans each update and
/// protects the images in place.
pub async fn planned(s: &Scenario) -> Result<Scenario> {
    with(s, &[("PlanBeforeUpdate", "true"), ("ProtectImages", "true")]).await
}

/// A Driftless that may read every type of resource, for stacks with others than the usual ones.
pub async fn reading(s: &Scenario) -> Result<Scenario> {
    const POLICY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    with(s, &[("DriftDetectionPolicyArn", POLICY)]).await
}

/// A Driftless with fewer checks than usual that takes no image of unknown origin.
pub async fn choosy(s: &Scenario) -> Result<Scenario> {
    with(s, &[("DisabledChecks", "deprecated, backup"), ("AllowUnverified", "false")]).await
}

/// The same test against the one with these parameters.
async fn with(s: &Scenario, parameters: Parameters) -> Result<Scenario> {
    let aws = s.cloud().endpoint().unwrap_or_default().to_owned();
    let one = {
        let mut all = DEPLOYED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.get_or_insert_default().entry((aws, parameters)).or_default())
    };
    let driftless = one.get_or_try_init(|| s.driftless.alone(parameters)).await?;
    Ok(s.against(driftless))
}
