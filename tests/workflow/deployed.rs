//! Owns Driftlesses that were deployed with other parameters, each shared by the tests that need
//! it.

use anyhow::Result;
use harness::{Driftless, Scenario};
use tokio::sync::OnceCell;

/// Deployed by the first test that needs it; it takes some seconds.
static CAREFUL: OnceCell<Driftless> = OnceCell::const_new();
static PLANNED: OnceCell<Driftless> = OnceCell::const_new();

/// The same test against the one that is as careful as it can be: it plans each update, tells old
/// drift from new, and puts the previous image back when a promotion fails.
pub async fn careful(s: &Scenario) -> Result<Scenario> {
    const PARAMETERS: [(&str, &str); 3] =
        [("OnFailure", "rollback"), ("DriftBefore", "true"), ("PlanBeforeUpdate", "true")];
    let driftless = CAREFUL.get_or_try_init(|| s.driftless.alone(&PARAMETERS)).await?;
    Ok(s.against(driftless))
}

/// The same test against the one whose executions come through every state: it plans each update.
pub async fn planned(s: &Scenario) -> Result<Scenario> {
    const PARAMETERS: [(&str, &str); 1] = [("PlanBeforeUpdate", "true")];
    let driftless = PLANNED.get_or_try_init(|| s.driftless.alone(&PARAMETERS)).await?;
    Ok(s.against(driftless))
}
