//! Owns the Driftless that is as careful as it can be: it plans each update, tells old drift from
//! new, and puts the previous image back when a promotion fails.

use anyhow::Result;
use harness::{Driftless, Scenario};
use tokio::sync::OnceCell;

/// Deployed by the first test that needs it; it takes some seconds.
static CAREFUL: OnceCell<Driftless> = OnceCell::const_new();

/// The same test against that one, which other tests may use at the same time.
pub async fn careful(s: &Scenario) -> Result<Scenario> {
    const PARAMETERS: [(&str, &str); 3] =
        [("OnFailure", "rollback"), ("DriftBefore", "true"), ("PlanBeforeUpdate", "true")];
    let driftless = CAREFUL.get_or_try_init(|| s.driftless.alone(&PARAMETERS)).await?;
    Ok(s.against(driftless))
}
