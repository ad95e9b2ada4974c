//! Whether somebody may ask: paths for everybody, groups that may do anything, and the API server for the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cache::Cache;
use super::{Access, AuthOptions, Delegate, User};

/// Who is in it may do anything in a cluster, so that the API server need not be asked.
const MASTERS: &str = "system:masters";

/// What comes of a question for a right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Allowed,
    /// With the API server's reason.
    Forbidden(String),
    /// It could not be found out.
    Failed(String),
}

/// Finds out who may ask for what.
pub(crate) struct Authorizer {
    delegate: Arc<dyn Delegate>,
    exact: Vec<String>,
    prefixes: Vec<String>,
    known: Cache<(User, String, String), Access>,
    authorized_ttl: Duration,
    unauthorized_ttl: Duration,
}

impl Authorizer {
    /// # Errors
    /// When a path that is always allowed has a star before its end.
    pub(crate) fn new(options: &AuthOptions, delegate: Arc<dyn Delegate>) -> Result<Self, String> {
        let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
        for path in &options.always_allow_paths {
            let path = path.strip_prefix('/').unwrap_or(path);
            match path.strip_suffix('*') {
                Some(prefix) if !prefix.contains('*') => prefixes.push(prefix.to_owned()),
                None if !path.contains('*') => exact.push(path.to_owned()),
                _ => return Err(format!("only trailing * allowed in {path:?}")),
            }
        }
        Ok(Self {
            delegate,
            exact,
            prefixes,
            known: Cache::new(),
            authorized_ttl: options.authorized_ttl,
            unauthorized_ttl: options.unauthorized_ttl,
        })
    }

    pub(crate) async fn rule(&self, user: &User, verb: &str, path: &str) -> Ruling {
        let bare = path.strip_prefix('/').unwrap_or(path);
        let is_open =
            self.exact.iter().any(|open| open == bare) || self.prefixes.iter().any(|open| bare.starts_with(open));
        if is_open || user.groups.iter().any(|group| group == MASTERS) {
            return Ruling::Allowed;
        }
        let key = (user.clone(), verb.to_owned(), path.to_owned());
        let access = match self.known.get(&key, Instant::now()) {
            Some(access) => access,
            None => match self.delegate.access(user, verb, path).await {
                Ok(access) => {
                    let lasts = if access.allowed { self.authorized_ttl } else { self.unauthorized_ttl };
                    self.known.put(key, access.clone(), lasts, Instant::now());
                    access
                }
                Err(error) => return Ruling::Failed(error),
            },
        };
        if access.allowed { Ruling::Allowed } else { Ruling::Forbidden(access.reason) }
    }
}
