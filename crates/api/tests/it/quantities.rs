//! Quantities against what apimachinery made of the same texts.

use loadline_model::quantity::Quantity;
use serde_json::Value;

/// Those of the referee; `LOADLINE_QUANTITY_VECTORS` names one file more.
fn files() -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(super::vectors(""))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("quantities"))
        .collect();
    files.sort();
    files.extend(std::env::var_os("LOADLINE_QUANTITY_VECTORS").map(Into::into));
    files
}

#[test]
fn quantities_are_those_of_apimachinery() {
    let mut wrong = Vec::new();
    let files = files();
    assert!(!files.is_empty());
    for file in files {
        let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(!vectors.is_empty(), "{}", file.display());
        for vector in &vectors {
            let text = vector["in"].as_str().unwrap();
            let expected_ok = vector["ok"].as_bool().unwrap();
            match Quantity::parse(text) {
                Err(_) if !expected_ok => {}
                Err(error) => wrong.push(format!("{text}: {error}, expected {vector}")),
                Ok(quantity) if !expected_ok => wrong.push(format!("{text}: {quantity}, expected an error")),
                Ok(quantity) => wrong.extend(difference(text, &quantity, vector)),
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

fn difference(text: &str, quantity: &Quantity, vector: &Value) -> Option<String> {
    let number = |key: &str| vector.get(key).map(|value| value.as_i64().unwrap());
    let mut found = vec![("value", quantity.value()), ("milliValue", quantity.milli_value())];
    if let Some(other) = vector.get("with") {
        let other = Quantity::parse(other.as_str().unwrap()).unwrap();
        let sum = quantity.add(&other);
        // What no object may hold, below 0 or of 2^63 and more, is neither compared nor added to the last bit.
        let sane = |quantity: &Quantity| !quantity.is_negative() && *quantity < Quantity::from_value(i64::MAX / 2000);
        if sane(quantity) && sane(&other) {
            found.push(("cmp", quantity.cmp(&other) as i64));
            found.extend([("sum", sum.value()), ("sumMilli", sum.milli_value())]);
        }
    }
    for (key, found) in found {
        if number(key).is_some_and(|expected| expected != found) {
            return Some(format!("{text}: {key} is {found}, expected {vector}"));
        }
    }
    // Numbers above 2^63 are no quantities by Kubernetes' own definition; how they are printed is left open.
    let largest = Quantity::from_value(i64::MAX);
    if *quantity > largest || quantity.is_negative() {
        return None;
    }
    // Go gives a text back as it came when it looks canonical at a glance, such as `+5` or `05`.
    let canonical = vector.get("canonical").and_then(Value::as_str)?;
    (canonical != text && canonical != quantity.to_string())
        .then(|| format!("{text}: prints as {quantity}, expected {vector}"))
}
