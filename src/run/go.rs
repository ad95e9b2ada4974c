//! Values of flags as Go reads them, so that the command lines of kube-scheduler mean here what they mean there.

use std::ffi::OsString;
use std::fmt;

use clap::Arg;
use clap::builder::{TypedValueParser, ValueParser};
use loadline_model::{Time, duration};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `--flag`, `--flag=true`, `--flag=false`. What follows as the next argument does not belong to it.
    Bool,
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `10s`, `1m30s`.
    Duration,
    /// Texts with commas between them; the flag may be repeated.
    List,
}

impl Kind {
    /// The argument of the command line for a flag of this kind.
    pub(crate) fn argument(self, name: &'static str) -> Arg {
        let argument = Arg::new(name).long(name).allow_hyphen_values(true);
        match self {
            Self::Bool => argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_name("true|false")
                .value_parser(boolean),
            Self::Text => argument.value_name("TEXT"),
            Self::Number => argument.value_name("NUMBER").value_parser(checked(number)),
            Self::Duration => argument.value_name("DURATION").value_parser(checked(self::duration)),
            Self::List => argument.value_name("TEXT,...").action(clap::ArgAction::Append),
        }
    }
}

/// A parser that looks whether the text is right, and keeps the text.
fn checked<T: 'static, E: fmt::Display + 'static>(parse: fn(&str) -> Result<T, E>) -> ValueParser {
    let keep = move |text: String| match parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    };
    clap::builder::StringValueParser::new().try_map(keep).into()
}

/// What Go's strconv.ParseBool takes.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// Nanoseconds of what Go's time.ParseDuration takes.
pub(crate) fn duration(text: &str) -> Result<Time, String> {
    duration::parse(text).ok_or_else(|| "not a duration such as 90s, 10m or 1h30m".to_owned())
}

fn number(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

/// The elements of flags that take lists.
pub(crate) fn elements(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| value.split(',')).filter(|element| !element.is_empty())
}

/// The command line with `-` for `_` in the names of flags, as kube-scheduler takes both.
pub(crate) fn with_dashes(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let with_dashes = |argument: OsString| match argument.to_str() {
        Some(text) if text.starts_with("--") && text.len() > 2 => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            format!("{}{value}", name.replace('_', "-")).into()
        }
        _ => argument,
    };
    arguments.map(with_dashes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_flags_may_have_underscores() {
        let typed =
            ["kube-scheduler", "--leader_elect=true", "--write_config_to", "a_b", "--master=https://a_b", "-v=4"];
        let read = with_dashes(typed.iter().map(OsString::from));
        let expected =
            ["kube-scheduler", "--leader-elect=true", "--write-config-to", "a_b", "--master=https://a_b", "-v=4"];
        assert_eq!(read, expected);
    }

    #[test]
    fn booleans_are_gos() {
        assert_eq!((boolean("T"), boolean("0")), (Ok(true), Ok(false)));
        for wrong in ["yes", "on", "tRUE", ""] {
            assert!(boolean(wrong).is_err(), "{wrong}");
        }
    }
}
