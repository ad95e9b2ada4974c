//! Manifests in, decisions out.
