//! Lists that come in parts.

use super::error::ApiError;
use crate::jobs::{Page, Paged};
use serde::Serialize;
use std::collections::HashMap;

/// Items of a part, unless asked otherwise.
const LIMIT: usize = 20;
/// Items of a part, at most.
const LIMIT_MAX: usize = 100;

#[derive(Serialize)]
pub(super) struct ListObject<T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// Which part a query asks for.
///
/// Errors: a number that is none; anything else in the query.
pub(super) fn page(mut query: HashMap<String, String>) -> Result<Page, ApiError> {
    let after = query.remove("after").filter(|after| !after.is_empty());
    let limit = match query.remove("limit") {
        None => LIMIT,
        Some(text) => match text.parse() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => limit,
            _ => {
                let message = format!("limit is {text:?}; 1 to {LIMIT_MAX} is accepted");
                return Err(ApiError::invalid("limit", "invalid_value", message));
            }
        },
    };
    match query.into_keys().min() {
        Some(name) => {
            let message = format!("the parameter {name:?} is not known; after and limit are accepted");
            Err(ApiError::invalid(name, "unknown_parameter", message))
        }
        None => Ok(Page { after, limit }),
    }
}

pub(super) fn list<T, O>(found: Paged<T>, id: impl Fn(&T) -> String, object: impl Fn(T) -> O) -> ListObject<O> {
    ListObject {
        object: "list",
        first_id: found.items.first().map(&id),
        last_id: found.items.last().map(&id),
        has_more: found.has_more,
        data: found.items.into_iter().map(object).collect(),
    }
}
