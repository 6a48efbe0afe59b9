//! Whether an answer is as the description says: the part of JSON Schema that it uses, and nothing undescribed.

use serde_json::Value;

/// A description that answers are held to.
pub struct Description(pub Value);

impl Description {
    /// What of `answer` is not as the operation of `path` says; empty if all is.
    pub fn faults(&self, path: &str, method: &str, answer: &Value) -> Vec<String> {
        let schema = &self.0["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} has no description");
        let mut faults = Vec::new();
        self.check(schema, answer, "", &mut faults);
        faults
    }

    /// As [`Self::faults`], for a schema by name.
    pub fn faults_of(&self, name: &str, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.0["components"]["schemas"][name], value, "", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/components/schemas/");
            return self.check(&self.0["components"]["schemas"][name], value, at, faults);
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let fits = |schema: &Value| {
                let mut faults = Vec::new();
                self.check(schema, value, at, &mut faults);
                faults
            };
            let all: Vec<Vec<String>> = any.iter().map(fits).collect();
            if !all.iter().any(Vec::is_empty) {
                faults.extend(all.into_iter().next().unwrap_or_default());
            }
            return;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let own = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = types.contains(&own) || own == "integer" && types.contains(&"number");
        if !fits {
            faults.push(format!("{at} is {own}, not {types:?}: {value}"));
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            faults.push(format!("{at} is {value}, not one of {allowed:?}"));
        }
        if let (Some("^[0-9]+$"), Some(text)) = (schema["pattern"].as_str(), value.as_str())
            && (text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()))
        {
            faults.push(format!("{at} is no amount: {value}"));
        }
        if let (Some("^0x[0-9a-f]{64}$"), Some(text)) = (schema["pattern"].as_str(), value.as_str())
            && !(text.len() == 66 && text.starts_with("0x"))
        {
            faults.push(format!("{at} is no hash: {value}"));
        }
        if let Some(all) = value.as_array() {
            for (index, item) in all.iter().enumerate() {
                self.check(&schema["items"], item, &format!("{at}[{index}]"), faults);
            }
        }
        let Some(fields) = value.as_object() else { return };
        let described = schema["properties"].as_object();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, field) in fields {
            match (described.and_then(|described| described.get(name)), &schema["additionalProperties"]) {
                (Some(schema), _) => self.check(schema, field, &format!("{at}.{name}"), faults),
                (None, Value::Object(_)) => {
                    self.check(&schema["additionalProperties"], field, &format!("{at}.{name}"), faults);
                }
                (None, Value::Bool(true)) => {}
                (None, _) => faults.push(format!("{at}.{name} is not described")),
            }
        }
    }
}
