//! The API server, asked who somebody is and what he may do.

use std::collections::BTreeMap;

use loadline_kubernetes::{Reviews, Subject};
use loadline_server::{Access, Asked, Delegate, User};

/// Asks over these connections.
pub(super) struct ApiServer {
    pub(super) authentication: Reviews,
    pub(super) authorization: Reviews,
}

impl Delegate for ApiServer {
    fn token<'a>(&'a self, token: &'a str) -> Asked<'a, Option<User>> {
        Box::pin(async move {
            let found = self.authentication.token(token).await.map_err(|error| error.to_string())?;
            Ok(found.map(|Subject { name, uid, groups, extra }| User { name, uid, groups, extra }))
        })
    }

    fn access<'a>(&'a self, user: &'a User, verb: &'a str, path: &'a str) -> Asked<'a, Access> {
        Box::pin(async move {
            let User { name, uid, groups, extra } = user.clone();
            let subject = Subject { name, uid, groups, extra };
            let access = self.authorization.access(&subject, verb, path).await.map_err(|error| error.to_string())?;
            Ok(Access { allowed: access.0, reason: access.1 })
        })
    }

    fn authentication_config(&self) -> Asked<'_, BTreeMap<String, String>> {
        Box::pin(async move { self.authentication.authentication_config().await.map_err(|error| error.to_string()) })
    }
}
