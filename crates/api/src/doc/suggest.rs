//! "Did you mean": the known name that a misspelt one most probably stands for.

/// The text to append to a message: `; did you mean "X"?`, or nothing.
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"))
}

/// The nearest known name, when it is near: a third of the letters may differ, letter case does not count, and a name
/// of at least four letters may be cut short at either end.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Longer than any name that stands for something; comparing it would only take time.
    const LONGEST: usize = 100;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let edits = edits(&wanted, &lower);
            let part = wanted.len() >= 4 && (lower.starts_with(&wanted) || lower.ends_with(&wanted));
            (edits <= limit || part).then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Whether two names are the same but for one letter, or for letter case.
pub(crate) fn is_slip(name: &str, of: &str) -> bool {
    name.len().abs_diff(of.len()) <= 1 && edits(&name.to_lowercase(), &of.to_lowercase()) <= 1
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["NodeResourcesFit", "NodeAffinity", "NodeName", "ImageLocality"];

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("NodeRessourceFit", NAMES), Some("NodeResourcesFit"));
        assert_eq!(nearest("nodeaffinity", NAMES), Some("NodeAffinity"));
        assert_eq!(nearest("locality", NAMES), Some("ImageLocality"));
        assert_eq!(nearest("Nodename", NAMES), Some("NodeName"));
    }

    #[test]
    fn far_names_are_not() {
        assert_eq!(nearest("Coscheduling", NAMES), None);
        assert_eq!(nearest("", NAMES), None);
        assert_eq!(nearest(&"x".repeat(5000), NAMES), None);
    }
}
