//! Who asks: by a proxy's word, a certificate, a bearer token, or nobody in particular.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::cache::Cache;
use super::trust::{Proxy, Trust, names};
use super::{Delegate, ProxyOptions, User};

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Finds out who asks.
pub(crate) struct Authenticator {
    trust: Arc<Trust>,
    delegate: Arc<dyn Delegate>,
    /// By hash of the token, so that no token is kept.
    tokens: Cache<[u8; 32], Option<User>>,
    token_ttl: Duration,
}

impl Authenticator {
    pub(crate) fn new(trust: Arc<Trust>, delegate: Arc<dyn Delegate>, token_ttl: Duration) -> Self {
        Self { trust, delegate, tokens: Cache::new(), token_ttl }
    }

    /// Who asks with these headers and this chain of certificates. The first way that knows him counts. `Err`: he says who he is,
    /// and none believes him.
    pub(crate) async fn user(&self, headers: &HeaderMap, chain: &[CertificateDer<'static>]) -> Result<User, String> {
        let trusted = self.trust.now();
        let mut errors = Vec::new();
        if let (Some(proxy), false) = (&trusted.proxy, chain.is_empty()) {
            match by_proxy(proxy, headers, chain) {
                Ok(Some(user)) => return Ok(authenticated(user)),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if let (Some(clients), false) = (&trusted.clients, chain.is_empty()) {
            match clients.verify(chain).and_then(|()| by_certificate(&chain[0])) {
                Ok(Some(user)) => return Ok(authenticated(user)),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if let Some(token) = bearer_token(headers) {
            match self.by_token(token).await {
                Ok(Some(user)) => return Ok(authenticated(user)),
                Ok(None) => errors.push("invalid bearer token".to_owned()),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            let groups = vec![UNAUTHENTICATED.to_owned()];
            return Ok(User { name: "system:anonymous".to_owned(), groups, ..User::default() });
        }
        Err(errors.join(", "))
    }

    async fn by_token(&self, token: &str) -> Result<Option<User>, String> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.tokens.get(&key, Instant::now()) {
            return Ok(known);
        }
        let user = self.delegate.token(token).await?;
        self.tokens.put(key, user.clone(), self.token_ttl, Instant::now());
        Ok(user)
    }
}

/// Whoever is known is in this group.
fn authenticated(mut user: User) -> User {
    if !user.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let mut parts = header.split(' ');
    let scheme = parts.next()?;
    parts.next().filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// A user's certificate: its common name is his, its organisations are his groups.
fn by_certificate(certificate: &CertificateDer<'_>) -> Result<Option<User>, String> {
    let (name, groups) = names(certificate)?;
    if name.is_empty() {
        return Ok(None);
    }
    let mut id = "X509SHA256=".to_owned();
    for byte in Sha256::digest(certificate) {
        // Writing into a String can not fail.
        let _ = write!(id, "{byte:02x}");
    }
    let extra = BTreeMap::from([("authentication.kubernetes.io/credential-id".to_owned(), vec![id])]);
    Ok(Some(User { name, uid: String::new(), groups, extra }))
}

fn by_proxy(proxy: &Proxy, headers: &HeaderMap, chain: &[CertificateDer<'static>]) -> Result<Option<User>, String> {
    proxy.signers.verify(chain)?;
    let (name, _) = names(&chain[0])?;
    let allowed = &proxy.options.allowed_names;
    if !allowed.is_empty() && !allowed.contains(&name) {
        return Err(format!("x509: subject with cn={name} is not in the allowed list"));
    }
    Ok(in_headers(&proxy.options, headers))
}

/// For whom a proxy asks.
fn in_headers(options: &ProxyOptions, headers: &HeaderMap) -> Option<User> {
    let texts = |name: &String| -> Vec<String> {
        let values = headers.get_all(name.trim()).iter().filter_map(|value| value.to_str().ok());
        values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    };
    let first = |names: &[String]| names.iter().find_map(|name| texts(name).into_iter().next());
    let name = first(&options.username_headers)?;
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for prefix in options.extra_prefixes.iter().map(|prefix| prefix.trim().to_ascii_lowercase()) {
        for (header, value) in headers {
            // Names of headers are in lower case here.
            if let (Some(key), Ok(value)) = (header.as_str().strip_prefix(&prefix), value.to_str()) {
                extra.entry(unescaped(key)).or_default().push(value.to_owned());
            }
        }
    }
    Some(User {
        name,
        uid: first(&options.uid_headers).unwrap_or_default(),
        groups: options.group_headers.iter().flat_map(texts).collect(),
        extra,
    })
}

/// A key of `extra` may have percent signs for what a header's name can not hold; one that is wrong stays as it is.
fn unescaped(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else { return key.to_owned() };
        bytes.push(byte);
        rest = &others[2..];
    }
    String::from_utf8(bytes).unwrap_or_else(|_| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_bearer_token_is_the_second_word() {
        let token = |text: &'static str| bearer_token(&headers(&[("authorization", text)])).map(str::to_owned);
        assert_eq!(token("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(token(" bearer abc def"), Some("abc".to_owned()));
        assert_eq!(token("Bearer"), None);
        assert_eq!(token("Bearer  abc"), None, "an extra space is no token");
        assert_eq!(token("Basic abc"), None);
    }

    #[test]
    fn a_proxy_says_name_groups_and_more_in_headers() {
        let options = ProxyOptions {
            username_headers: vec!["X-Remote-User".into()],
            group_headers: vec!["X-Remote-Group".into()],
            extra_prefixes: vec!["X-Remote-Extra-".into()],
            ..ProxyOptions::default()
        };
        let given = headers(&[
            ("x-remote-user", "jane"),
            ("x-remote-group", "dev"),
            ("x-remote-group", "ops"),
            ("x-remote-extra-acme.com%2fproject", "one"),
            ("x-remote-uid", "42"),
        ]);
        let user = in_headers(&options, &given).expect("there is a name");
        assert_eq!((user.name.as_str(), user.groups), ("jane", vec!["dev".to_owned(), "ops".to_owned()]));
        assert_eq!(user.uid, "", "no header for the uid is believed unless it is named");
        assert_eq!(user.extra, BTreeMap::from([("acme.com/project".to_owned(), vec!["one".to_owned()])]));
        assert_eq!(in_headers(&options, &headers(&[("x-remote-group", "dev")])), None);
    }

    #[test]
    fn percent_signs_that_mean_nothing_stay() {
        assert_eq!(unescaped("a%2fb"), "a/b");
        assert_eq!(unescaped("a%2"), "a%2");
        assert_eq!(unescaped("a%zz"), "a%zz");
        assert_eq!(unescaped("%ff"), "%ff", "no text comes of it");
    }
}
