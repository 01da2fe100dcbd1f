//! How etcd's gateway writes: bytes in base64, whole numbers as text, nothing for zero.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Returns bytes as they are sent.
pub fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// Returns a text that was received.
pub fn decode(value: &Value) -> Option<String> {
    String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok()
}

/// Returns a whole number that was received; nothing is zero.
pub fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::String(digits)) => digits.parse().unwrap_or(0),
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the first key that does not begin with `prefix`, which ends with an ASCII character.
pub fn range_end(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    if let Some(last) = end.pop() {
        let next = u32::from(last).saturating_add(1);
        end.push(char::from_u32(next).unwrap_or(char::MAX));
    }
    end
}

/// Returns keys and values of the answer to a range request.
pub fn texts(answer: &Value) -> Vec<(String, String)> {
    let kvs = answer.get("kvs").and_then(Value::as_array).into_iter().flatten();
    kvs.filter_map(pair).collect()
}

/// Returns key and value of one entry.
pub fn pair(kv: &Value) -> Option<(String, String)> {
    Some((decode(kv.get("key")?)?, decode(kv.get("value")?)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_are_read_as_the_gateway_writes_them() {
        assert_eq!(number(Some(&json!("2324035621565328391"))), 2_324_035_621_565_328_391);
        assert_eq!((number(Some(&json!(7))), number(None)), (7, 0));
        assert_eq!(decode(&json!(encode("/p/u"))).as_deref(), Some("/p/u"));
        assert_eq!(decode(&json!("*")), None);
        assert_eq!(range_end("/p/u/1/s/"), "/p/u/1/s0");
    }
}
