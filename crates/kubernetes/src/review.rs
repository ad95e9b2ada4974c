//! What a server asks the API server about those who ask it: who somebody is, and what he may do.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::api::{ApiError, Ask, JSON};
use crate::client::Connection;

/// Somebody, as the API server knows him.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Name.
    pub name: String,
    /// Uid; often empty.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More about him.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Asks the API server about others. The rights to create TokenReviews and SubjectAccessReviews are needed for it.
#[derive(Clone, Debug)]
pub struct Reviews {
    connection: Connection,
}

impl Reviews {
    /// Asks over this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Whose bearer token this is; `None` when it is nobody's.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn token(&self, token: &str) -> Result<Option<Subject>, ApiError> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        });
        let answer = self.create("/apis/authentication.k8s.io/v1/tokenreviews", &review).await?;
        let status = &answer["status"];
        if status["authenticated"].as_bool() != Some(true) {
            return Ok(None);
        }
        let user = &status["user"];
        let extra = user["extra"].as_object().into_iter().flatten();
        Ok(Some(Subject {
            name: text(&user["username"]),
            uid: text(&user["uid"]),
            groups: texts(&user["groups"]),
            extra: extra.map(|(key, values)| (key.clone(), texts(values))).collect(),
        }))
    }

    /// Whether somebody may do this with a path, and why the API server says so.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn access(&self, subject: &Subject, verb: &str, path: &str) -> Result<(bool, String), ApiError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": subject.name,
                "uid": subject.uid,
                "groups": subject.groups,
                "extra": subject.extra,
                "nonResourceAttributes": {"path": path, "verb": verb},
            },
        });
        let answer = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
        let status = &answer["status"];
        Ok((status["allowed"].as_bool() == Some(true), text(&status["reason"])))
    }

    /// The data of the ConfigMap in which the API server says whom it trusts to vouch for others:
    /// `kube-system/extension-apiserver-authentication`.
    ///
    /// # Errors
    /// When it is not there or may not be read.
    pub async fn authentication_config(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
        let map: Value = self.connection.read.answer(&Ask::get(path)).await?;
        let data = map["data"].as_object().into_iter().flatten();
        Ok(data.map(|(key, value)| (key.clone(), text(value))).collect())
    }

    async fn create(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.connection.read.answer(&Ask::send(Method::POST, path, JSON, body)).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
