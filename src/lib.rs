//! Loadline: a Kubernetes scheduler.
