//! Label selectors as one line of text, as `kubectl -l` takes them: `app=web,tier!=cache,env in (a, b),!canary`.

use crate::name::{label_value_error, qualified_name_error};
use crate::{Operator, Requirement, Selector};

impl Selector {
    /// Reads a selector; an empty text selects everything.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::all(requirements));
        }
        for part in parts(text)? {
            requirements.push(requirement(part.trim())?);
        }
        Ok(Self::all(requirements))
    }
}

/// The text between commas that stand in no parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut open, mut start) = (Vec::new(), false, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' if open => return Err(format!("a second `(` in `{text}`")),
            '(' => open = true,
            ')' if !open => return Err(format!("`)` without `(` in `{text}`")),
            ')' => open = false,
            ',' if !open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err(format!("`(` without `)` in `{text}`"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some(key) = part.strip_prefix('!').map(str::trim).filter(|key| !key.contains('=')) {
        return built(key, Operator::DoesNotExist, &[]);
    }
    for (sign, operator) in [("!=", Operator::NotIn), ("==", Operator::In), ("=", Operator::In)] {
        if let Some((key, value)) = part.split_once(sign) {
            return built(key.trim(), operator, &[value.trim()]);
        }
    }
    if let Some((head, list)) = part.split_once('(') {
        let values: Vec<&str> = list
            .strip_suffix(')')
            .map(|list| list.split(',').map(str::trim).collect())
            .ok_or(format!("`{part}`: nothing may stand behind `)` but a comma"))?;
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => built(key, Operator::In, &values),
            (Some(key), Some("notin"), None) => built(key, Operator::NotIn, &values),
            _ => Err(format!("`{part}`: expected `key in (a, b)` or `key notin (a, b)`")),
        };
    }
    built(part, Operator::Exists, &[])
}

fn built(key: &str, operator: Operator, values: &[&str]) -> Result<Requirement, String> {
    if let Some(error) = qualified_name_error(key) {
        return Err(format!("`{key}` is no label key: {error}"));
    }
    if let Some((value, error)) = values.iter().find_map(|value| Some((value, label_value_error(value)?))) {
        return Err(format!("`{value}` is no label value: {error}"));
    }
    Ok(Requirement::new(key.into(), operator, values.iter().map(|value| (*value).into()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        Selector::parse(selector).expect(selector).matches(&labels.iter().copied().collect::<Labels>())
    }

    #[test]
    fn every_form_selects_what_kubectl_would() {
        let web = [("app", "web"), ("env", "test")];
        for yes in [
            "",
            " ",
            "app",
            "app=web",
            "app == web",
            "app!=db",
            "other!=x",
            "!canary",
            "env in (prod, test)",
            "env notin (prod),app=web",
            "app in (web) , !canary",
        ] {
            assert!(matches(yes, &web), "{yes}");
        }
        for no in ["canary", "app=db", "app!=web", "!app", "env in (prod)", "env notin (prod,test)", "app=web,env=prod"]
        {
            assert!(!matches(no, &web), "{no}");
        }
        assert!(matches("empty=", &[("empty", "")]));
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_reason() {
        for (wrong, says) in [
            ("app=web,", "is no label key"),
            ("a b", "is no label key"),
            ("app in web", "is no label key"),
            ("app in (web", "without `)`"),
            ("app in web)", "without `(`"),
            ("app among (web)", "expected `key in"),
            ("app in (web) x", "behind `)`"),
            ("app=a/b", "is no label value"),
            ("app in ((web))", "a second `(`"),
        ] {
            let error = Selector::parse(wrong).expect_err(wrong);
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
