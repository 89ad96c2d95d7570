//! The image in place must outlast its use too. A group whose image is gone does not heal, and nothing
//! says so until its instance dies.

use contract::ids::ImageId;
use contract::placed::PlacedValue;
use contract::steps::{Decision, DecisionOutcome};

use crate::Error;
use crate::checks::{self, LIFETIME};
use crate::decide::{self, Evidence};

/// Why nothing replaces the image in place, if no newer one was rejected.
const NO_NEWER: &str = "there is no newer image";

/// An image in place that AWS Backup deletes before the next backup can replace it.
pub(crate) struct Expiring {
    parameter: String,
    image: ImageId,
    end: String,
}

/// The image in place, if it is still there and ends too soon.
#[must_use]
pub(crate) fn in_place(
    parameter: &str,
    value: &PlacedValue,
    Evidence { known, policy, .. }: Evidence<'_>,
) -> Option<Expiring> {
    let image = value.image().filter(|image| known.images.contains_key(image))?;
    let lifecycle = known.backups.lifecycles.get(&image)?;
    if !policy.runs(LIFETIME) || checks::lasts(lifecycle, known, policy) {
        return None;
    }
    Some(Expiring { parameter: parameter.to_owned(), image, end: lifecycle.describe() })
}

impl Expiring {
    /// The decision, if it replaces the image.
    ///
    /// # Errors
    /// [`Error::ImageExpiring`] if the image stays.
    pub(crate) fn unless_replaced(
        self,
        decided: Result<Decision, Error>,
    ) -> Result<Decision, Error> {
        match decided {
            Ok(decision) if decision.outcome == DecisionOutcome::Promote => Ok(decision),
            Ok(decision) => {
                let newer = decision.rejected.rows.first().map(decide::sentence);
                Err(self.because(newer.unwrap_or_else(|| NO_NEWER.to_owned())))
            }
            Err(error) if error.is_of_one_parameter() => Err(self.because(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn because(self, reason: String) -> Error {
        let Self { parameter, image, end } = self;
        Error::ImageExpiring { parameter, image, end, reason }
    }
}
