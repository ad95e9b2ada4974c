//! What can go wrong between us and Prometheus.

use std::fmt;
use std::time::Duration;

use loadline_model::Str;

/// Why a Prometheus can not be asked at all. Each says the address, without what may be secret in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("Prometheus {address:?}: {what}")]
    Address {
        /// As configured.
        address: Str,
        /// What is wrong.
        what: String,
    },
    /// The address does not say by which protocol and whom.
    #[error("Prometheus {address:?}: http:// or https:// and a host are needed")]
    NoHost {
        /// As configured.
        address: Str,
    },
    /// The address ends in a query.
    #[error("Prometheus {address:?}: the address is the start of a path, and takes no `?`")]
    Query {
        /// As configured.
        address: Str,
    },
    /// The address holds a password, which would show in logs, and is not sent.
    #[error("Prometheus {host:?}: a user in the address is not sent: put a token into a file, and name that")]
    User {
        /// Host and port alone.
        host: String,
    },
    /// A certificate authority is named, and not to be checked against.
    #[error(
        "Prometheus {address:?}: a file of certificate authorities and no check of certificates exclude each other"
    )]
    InsecureWithAuthority {
        /// As configured.
        address: Str,
    },
}

/// Why a query has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// Who was asked, as configured.
    pub address: Str,
    /// What was asked.
    pub promql: String,
    /// What went wrong.
    pub failure: Failure,
}

/// What goes wrong with a query. Texts of others are shortened, and escaped, so that they take one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The file with the token can not be used.
    #[error("bearer token file {path:?}: {what}")]
    Token {
        /// The file.
        path: Str,
        /// What is wrong.
        what: String,
    },
    /// The file with the certificate authorities can not be used, or the system has none.
    #[error("can not set up the connection: {0}")]
    Tls(String),
    /// Nobody answers, the server is not who it should be, or the connection broke.
    #[error("can not be reached: {0}")]
    Unreachable(String),
    /// The answer was not whole in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// Who we are is not known there (401), or may not ask (403).
    #[error("HTTP {status}{}: {said}", unauthorized(*.status, *.has_token))]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        has_token: bool,
        /// What the answer says.
        said: String,
    },
    /// Prometheus itself says what is wrong, most often with the query.
    #[error("HTTP {status} {kind}: {text}")]
    Refused {
        /// HTTP's: 400 for a query that is none, 422 for one that can not be evaluated, 503 for one that takes too long.
        status: u16,
        /// Prometheus' `errorType`: `bad_data`, `execution`, `timeout`, ….
        kind: String,
        /// Prometheus' `error`.
        text: String,
    },
    /// A server, perhaps one in front of Prometheus, can not answer now.
    #[error("HTTP {status}: {said}")]
    Status {
        /// HTTP's.
        status: u16,
        /// What the answer says.
        said: String,
    },
    /// Something else is at that address.
    #[error("this is not the API of a Prometheus: {found}")]
    NotPrometheus {
        /// What was found.
        found: String,
    },
    /// The answer is larger than any that is of use.
    #[error("the answer has more than {} MiB", .limit >> 20)]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The query gives something other than a value for each series.
    #[error("the query gives {}", result_type(.found))]
    ResultType {
        /// Prometheus' `resultType`, or `histogram`.
        found: String,
    },
}

fn unauthorized(status: u16, has_token: bool) -> &'static str {
    match (status, has_token) {
        (401, false) => " (no token was sent)",
        (401, true) => " (the token is not accepted)",
        _ => " (this may not be asked)",
    }
}

/// What was found, and what to change.
fn result_type(found: &str) -> String {
    match found {
        "scalar" => {
            "a scalar, one number without labels: leave scalar() out, and keep the node's label with `by`".into()
        }
        "matrix" => {
            "a range of values for each series: leave the [range] out, or wrap it in rate() or avg_over_time()".into()
        }
        "string" => "a text: a value of 0 to 100 for each node is needed".into(),
        "histogram" => "native histograms: wrap them in histogram_quantile() or histogram_avg()".into(),
        other => format!("{other:?}: a vector, one value for each node, is needed"),
    }
}

impl QueryError {
    /// What went wrong without the address, with the query where it matters.
    pub fn what(&self) -> String {
        let Self { failure, promql, .. } = self;
        match failure {
            Failure::Refused { .. } | Failure::ResultType { .. } | Failure::TooLarge { .. } | Failure::Timeout(_) => {
                format!("{failure} (query: {promql})")
            }
            _ => failure.to_string(),
        }
    }

    /// The kind of failure, as counted.
    pub fn result(&self) -> PollResult {
        match self.failure {
            Failure::Unreachable(_) => PollResult::Unreachable,
            Failure::Timeout(_) => PollResult::Timeout,
            Failure::Unauthorized { .. } => PollResult::Unauthorized,
            Failure::Token { .. } | Failure::Tls(_) | Failure::Refused { .. } | Failure::Status { .. } => {
                PollResult::Error
            }
            Failure::NotPrometheus { .. } | Failure::TooLarge { .. } | Failure::ResultType { .. } => {
                PollResult::Invalid
            }
        }
    }

    /// HTTP's status code, where that is what failed.
    pub fn status(&self) -> Option<u16> {
        match self.failure {
            Failure::Unauthorized { status, .. } | Failure::Refused { status, .. } | Failure::Status { status, .. } => {
                Some(status)
            }
            _ => None,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prometheus {}: {}", self.address, self.what())
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        None
    }
}

/// How asking ended, in a word: the value of a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PollResult {
    /// An answer that can be used, even if it has no nodes.
    Success,
    /// Nobody answers.
    Unreachable,
    /// Not in time.
    Timeout,
    /// Without the right to ask.
    Unauthorized,
    /// An error that the server reports, or a file of ours that can not be used.
    Error,
    /// An answer that is not what was asked for.
    Invalid,
}

impl PollResult {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Unreachable, Self::Timeout, Self::Unauthorized, Self::Error, Self::Invalid];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Error => "error",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for PollResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
