//! One page of a list: which objects, in which order, with which fields.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::AdminError;

/// Objects of the longest page.
pub const MAX_PAGE_SIZE: usize = 200;
const DEFAULT_PAGE_SIZE: usize = 25;
/// Fields that are always shown.
const ALWAYS: [&str; 3] = ["uuid", "url", "name"];

/// What a list, or one object, is to look like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    /// The number of the page; the first is 1.
    pub page: Option<usize>,
    /// Objects of a page.
    pub page_size: Option<usize>,
    /// Only the object of this name.
    pub name: Option<String>,
    /// Only these fields, and uuid, url and name.
    pub fields: Option<Vec<String>>,
    /// The field to sort by, with `-` in front for the reverse order.
    pub sort: Option<String>,
    /// Whether references end in `#NAME`.
    pub include_name: bool,
}

impl ListQuery {
    /// Returns the number of the page and its length.
    ///
    /// # Errors
    /// When one is out of range.
    pub fn page(&self) -> Result<(usize, usize), AdminError> {
        let (page, size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(DEFAULT_PAGE_SIZE));
        if page == 0 {
            return Err(AdminError::field("page", "expected a whole number from 1"));
        }
        if size == 0 || size > MAX_PAGE_SIZE {
            let expected = format!("expected a whole number from 1 to {MAX_PAGE_SIZE}");
            return Err(AdminError::field("page_size", &expected));
        }
        Ok((page, size))
    }

    /// Returns the page of `objects` as an answer.
    ///
    /// # Errors
    /// When a parameter is out of range or names no field.
    pub fn apply(&self, mut objects: Vec<Value>) -> Result<Value, AdminError> {
        let (page, size) = self.page()?;
        if let Some(name) = &self.name {
            objects.retain(|object| object.get("name").and_then(Value::as_str) == Some(name));
        }
        if let Some(sort) = &self.sort {
            let (field, reverse) = sort.strip_prefix('-').map_or((&**sort, false), |f| (f, true));
            if objects.first().is_some_and(|object| object.get(field).is_none()) {
                return Err(AdminError::field("sort", &format!("`{field}` is no field")));
            }
            objects.sort_by(|a, b| compare(a.get(field), b.get(field)));
            if reverse {
                objects.reverse();
            }
        }
        let count = objects.len();
        let results: Vec<Value> = objects
            .into_iter()
            .skip((page - 1).saturating_mul(size))
            .take(size)
            .map(|object| self.select(object))
            .collect::<Result<_, _>>()?;
        Ok(json!({ "count": count, "results": results }))
    }

    /// Returns an object with the wished fields.
    ///
    /// # Errors
    /// When a name is no field of it.
    pub fn select(&self, object: Value) -> Result<Value, AdminError> {
        let (Some(fields), Value::Object(mut all)) = (&self.fields, object.clone()) else {
            return Ok(object);
        };
        let mut chosen = Map::new();
        for name in ALWAYS.into_iter().chain(fields.iter().map(String::as_str)) {
            match all.remove(name) {
                Some(value) => {
                    chosen.insert(name.to_owned(), value);
                }
                None if chosen.contains_key(name) || ALWAYS.contains(&name) => {}
                None => return Err(AdminError::field("fields", &format!("`{name}` is no field"))),
            }
        }
        Ok(Value::Object(chosen))
    }
}

/// Compares values: nothing first, then by kind, then by value.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_i64().cmp(&b.as_i64()),
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: Option<&Value>) -> u8 {
    match value {
        None | Some(Value::Null) => 0,
        Some(Value::Bool(_)) => 1,
        Some(Value::Number(_)) => 2,
        Some(Value::String(_)) => 3,
        Some(Value::Array(_)) => 4,
        Some(Value::Object(_)) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Vec<Value> {
        (1..=5).map(|n| json!({"uuid": n, "name": format!("n{n}"), "x": 10 - n})).collect()
    }

    fn names(answer: &Value) -> Vec<&str> {
        let results = answer["results"].as_array().unwrap();
        results.iter().map(|object| object["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_page_is_cut_out_after_sorting() {
        let query = ListQuery {
            page: Some(2),
            page_size: Some(2),
            sort: Some("x".to_owned()),
            ..ListQuery::default()
        };
        let answer = query.apply(objects()).unwrap();
        assert_eq!((&answer["count"], names(&answer)), (&json!(5), vec!["n3", "n2"]));
        let query = ListQuery { sort: Some("-x".to_owned()), page: None, ..query };
        assert_eq!(names(&query.apply(objects()).unwrap()), ["n1", "n2"]);
        let beyond = ListQuery { page: Some(usize::MAX), ..ListQuery::default() };
        assert_eq!(names(&beyond.apply(objects()).unwrap()), Vec::<&str>::new());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let of = |query: ListQuery| query.apply(objects()).unwrap_err().field.unwrap();
        assert_eq!(of(ListQuery { page: Some(0), ..Default::default() }), "page");
        assert_eq!(of(ListQuery { page_size: Some(201), ..Default::default() }), "page_size");
        assert_eq!(of(ListQuery { page_size: Some(0), ..Default::default() }), "page_size");
        assert_eq!(of(ListQuery { sort: Some("y".to_owned()), ..Default::default() }), "sort");
        let fields = Some(vec!["y".to_owned()]);
        assert_eq!(of(ListQuery { fields, ..Default::default() }), "fields");
    }

    #[test]
    fn fields_and_name_choose() {
        let query = ListQuery {
            name: Some("n4".to_owned()),
            fields: Some(vec!["x".to_owned(), "name".to_owned()]),
            ..ListQuery::default()
        };
        let answer = query.apply(objects()).unwrap();
        assert_eq!(answer["results"], json!([{"uuid": 4, "name": "n4", "x": 6}]));
    }
}
