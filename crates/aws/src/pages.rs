//! Lists everything that a call returns in pages.

use crate::AwsError;

/// All items of all pages. `page` gets the token of the page to ask for, and returns its items and the
/// token of the next page.
///
/// The SDK's paginators do the same as streams of items, each with a channel and a task of its own: of a
/// function that lists eight kinds of things, they are a thirtieth.
///
/// ```
/// use aws::{AwsError, Called, pages};
///
/// async fn stacks(cloudformation: &aws_sdk_cloudformation::Client) -> Result<usize, AwsError> {
///     let request = cloudformation.describe_stacks();
///     let stacks = pages::all(async |token| {
///         let page = request.clone().set_next_token(token).send().await;
///         let page = page.called("cloudformation:DescribeStacks")?;
///         Ok((page.stacks, page.next_token))
///     });
///     Ok(stacks.await?.len())
/// }
/// ```
///
/// # Errors
/// Those of `page`; [`AwsError::Unavailable`] if a page leads to itself, as the SDK's paginators have it.
pub async fn all<T>(
    page: impl AsyncFn(Option<String>) -> Result<(Option<Vec<T>>, Option<String>), AwsError>,
) -> Result<Vec<T>, AwsError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        // Boxed, because the nested futures exceed the compiler's limit for computing a layout.
        let asked = token.clone();
        let (items, next) = Box::pin(page(token)).await?;
        all.extend(items.unwrap_or_default());
        // The query services end with an empty token.
        let next = next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(all);
        }
        if next == asked {
            let message = "AWS returned the token that it was given".to_owned();
            return Err(AwsError::Unavailable { action: "the next page", message });
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_read_until_there_is_no_token() {
        for last in [None, Some(String::new())] {
            let all = all(async |token| {
                Ok(match token.as_deref() {
                    None => (Some(vec![1, 2]), Some("a".to_owned())),
                    // EC2 may return a page without items that is not the last.
                    Some("a") => (None, Some("b".to_owned())),
                    _ => (Some(vec![3]), last.clone()),
                })
            });
            assert_eq!(all.await, Ok(vec![1, 2, 3]));
        }
    }

    #[tokio::test]
    async fn a_page_that_leads_to_itself_is_an_error() {
        let all = all(async |_| Ok((Some(vec![1]), Some("a".to_owned()))));
        assert!(matches!(all.await, Err(AwsError::Unavailable { .. })));
    }
}
