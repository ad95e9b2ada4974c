//! Reading plugin arguments.

use loadline_framework::FieldError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes complete, valid arguments.
pub(crate) fn decode<T: DeserializeOwned>(args: &Value) -> Result<T, Vec<FieldError>> {
    T::deserialize(args).map_err(|error| vec![FieldError::new("", error.to_string())])
}

/// Arguments with nothing but defaults, as the configuration fills them in.
#[cfg(test)]
pub(crate) fn defaults(fields: &[loadline_framework::ArgField]) -> Value {
    let given = fields.iter().filter(|field| !field.default.is_empty());
    let pairs = given.map(|field| {
        let value = serde_json::from_str(field.default).expect("a default is JSON");
        (field.name.to_owned(), value)
    });
    Value::Object(pairs.collect())
}
