//! The flags of kube-scheduler about what is served over HTTPS.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};
use loadline_model::Time;
use loadline_server::{AuthOptions, CertificateSource, ProxyOptions, ServerOptions, TlsVersion};

use crate::run::go;

/// The listener, its certificate, and who may ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is served over HTTPS")]
pub(crate) struct ServeFlags {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    bind_address: IpAddr,
    /// Port to listen on; 0: nothing is served.
    #[arg(long, value_name = "PORT", default_value_t = 10259)]
    secure_port: u16,
    /// Folder with kube-scheduler.crt and kube-scheduler.key, which are made when they are not there. Ignored with
    /// --tls-cert-file. Without either a certificate is made for the time that this runs.
    #[arg(long, value_name = "FOLDER", value_parser = path, value_hint = ValueHint::DirPath)]
    cert_dir: Option<PathBuf>,
    /// The server's certificate, followed by those between it and its authority. Read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file", value_parser = path, value_hint = ValueHint::FilePath)]
    tls_cert_file: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file", value_parser = path, value_hint = ValueHint::FilePath)]
    tls_private_key_file: Option<PathBuf>,
    /// The oldest version of TLS that is spoken: VersionTLS12 or VersionTLS13. (Older ones never are.)
    #[arg(long, value_name = "VERSION", value_parser = tls_version, default_value = "VersionTLS12")]
    tls_min_version: TlsVersion,
    /// Who signs the certificates of clients. Without it the API server is asked (the ConfigMap
    /// kube-system/extension-apiserver-authentication).
    #[arg(long, value_name = "FILE", value_parser = path, value_hint = ValueHint::FilePath)]
    client_ca_file: Option<PathBuf>,
    /// How the API server is asked who somebody is (TokenReview). Without it: as everything else is asked.
    #[arg(long, value_name = "FILE", value_parser = path, value_hint = ValueHint::FilePath)]
    authentication_kubeconfig: Option<PathBuf>,
    /// Do not ask the API server whose certificates to believe.
    #[arg(long, value_name = "true|false", value_parser = go::boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    authentication_skip_lookup: bool,
    /// Start although the API server does not say whose certificates to believe.
    #[arg(long, value_name = "true|false", value_parser = go::boolean, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    authentication_tolerate_lookup_failure: bool,
    /// How long it is remembered whose token one is.
    #[arg(long, value_name = "DURATION", value_parser = go::duration, default_value = "10s", allow_hyphen_values = true)]
    authentication_token_webhook_cache_ttl: Time,
    /// How the API server is asked what somebody may do (SubjectAccessReview). Without it: as everything else is asked.
    #[arg(long, value_name = "FILE", value_parser = path, value_hint = ValueHint::FilePath)]
    authorization_kubeconfig: Option<PathBuf>,
    /// Paths that anybody may ask for; a star at the end stands for anything.
    #[arg(long, value_name = "PATH,...", default_value = "/healthz,/readyz,/livez")]
    authorization_always_allow_paths: Vec<String>,
    /// How long it is remembered that somebody may.
    #[arg(long, value_name = "DURATION", value_parser = go::duration, default_value = "10s", allow_hyphen_values = true)]
    authorization_webhook_cache_authorized_ttl: Time,
    /// How long it is remembered that somebody may not.
    #[arg(long, value_name = "DURATION", value_parser = go::duration, default_value = "10s", allow_hyphen_values = true)]
    authorization_webhook_cache_unauthorized_ttl: Time,
    /// Who signs the certificates of proxies that say in headers for whom they ask. Without it the API server is asked.
    #[arg(long, value_name = "FILE", value_parser = path, value_hint = ValueHint::FilePath)]
    requestheader_client_ca_file: Option<PathBuf>,
    /// Names that a proxy's certificate may have; any, when there are none.
    #[arg(long, value_name = "NAME,...")]
    requestheader_allowed_names: Vec<String>,
    /// Headers for the name.
    #[arg(long, value_name = "HEADER,...", default_value = "x-remote-user")]
    requestheader_username_headers: Vec<String>,
    /// Headers for the uid.
    #[arg(long, value_name = "HEADER,...")]
    requestheader_uid_headers: Vec<String>,
    /// Headers for the groups.
    #[arg(long, value_name = "HEADER,...", default_value = "x-remote-group")]
    requestheader_group_headers: Vec<String>,
    /// What headers for anything more begin with.
    #[arg(long, value_name = "PREFIX,...", default_value = "x-remote-extra-")]
    requestheader_extra_headers_prefix: Vec<String>,
}

/// What is served, and how it is found out who may ask.
#[derive(Clone, Debug)]
pub(crate) struct ServeSettings {
    /// `None`: nothing is served.
    pub(crate) server: Option<ServerOptions>,
    /// `--authentication-kubeconfig`.
    pub(crate) authentication: Option<PathBuf>,
    /// `--authorization-kubeconfig`.
    pub(crate) authorization: Option<PathBuf>,
}

impl ServeFlags {
    pub(crate) fn settings(&self) -> ServeSettings {
        let duration = |nanoseconds: Time| Duration::from_nanos(nanoseconds.max(0) as u64);
        let texts = |values: &[String]| go::elements(values).map(str::to_owned).collect::<Vec<_>>();
        let certificate = match (
            given(self.tls_cert_file.as_ref()),
            given(self.tls_private_key_file.as_ref()),
            given(self.cert_dir.as_ref()),
        ) {
            (Some(certificate), Some(key), _) => CertificateSource::Files { certificate, key },
            (_, _, Some(folder)) => CertificateSource::Folder(folder),
            _ => CertificateSource::InMemory,
        };
        let proxy = given(self.requestheader_client_ca_file.as_ref()).map(|client_ca_file| ProxyOptions {
            client_ca_file,
            allowed_names: texts(&self.requestheader_allowed_names),
            username_headers: texts(&self.requestheader_username_headers),
            uid_headers: texts(&self.requestheader_uid_headers),
            group_headers: texts(&self.requestheader_group_headers),
            extra_prefixes: texts(&self.requestheader_extra_headers_prefix),
        });
        let auth = AuthOptions {
            client_ca_file: given(self.client_ca_file.as_ref()),
            proxy,
            skip_lookup: self.authentication_skip_lookup,
            tolerate_lookup_failure: self.authentication_tolerate_lookup_failure,
            token_ttl: duration(self.authentication_token_webhook_cache_ttl),
            authorized_ttl: duration(self.authorization_webhook_cache_authorized_ttl),
            unauthorized_ttl: duration(self.authorization_webhook_cache_unauthorized_ttl),
            always_allow_paths: texts(&self.authorization_always_allow_paths),
        };
        let address = (self.bind_address, self.secure_port).into();
        let server = ServerOptions { address, certificate, oldest_tls: self.tls_min_version, auth };
        ServeSettings {
            server: (self.secure_port > 0).then_some(server),
            authentication: given(self.authentication_kubeconfig.as_ref()),
            authorization: given(self.authorization_kubeconfig.as_ref()),
        }
    }
}

/// A file or folder; empty as good as not given, as with kube-scheduler.
#[allow(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn path(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(text.into())
}

fn given(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.cloned().filter(|path| !path.as_os_str().is_empty())
}

fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        // Go's libraries know the older ones, but nothing here speaks them.
        "VersionTLS10" | "VersionTLS11" | "VersionTLS12" | "" => Ok(TlsVersion::Tls12),
        "VersionTLS13" => Ok(TlsVersion::Tls13),
        _ => Err("neither VersionTLS12 nor VersionTLS13".to_owned()),
    }
}

/// All flags with their values, for `/flagz`.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlagValues(pub(crate) BTreeMap<String, String>);

impl Args for FlagValues {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for FlagValues {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // Groups of flags have the names of structs.
        let is_flag = |name: &&str| name.starts_with(|first: char| first.is_ascii_lowercase());
        let value = |name: &str| {
            let values = matches.get_raw(name).into_iter().flatten();
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            (name.replace('_', "-"), values.join(","))
        };
        Ok(Self(matches.ids().map(clap::Id::as_str).filter(is_flag).map(value).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
