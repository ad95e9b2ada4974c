//! What a plugin answers.

use std::borrow::Cow;
use std::fmt;

/// A reason, in kube-scheduler's words.
pub type Reason = Cow<'static, str>;

/// Codes of a status, with kube-scheduler's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Goes on.
    Success,
    /// Something went wrong that is not the pod's fault; it is tried again after a backoff.
    Error,
    /// Does not fit; taking other pods away may help.
    Unschedulable,
    /// Does not fit, and taking pods away does not help.
    UnschedulableAndUnresolvable,
    /// Permit only: wait.
    Wait,
    /// This plugin has nothing to say about this pod.
    Skip,
    /// Waits for something outside of the scheduler.
    Pending,
}

impl Code {
    /// The name that metrics and the decision record use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Error => "Error",
            Self::Unschedulable => "Unschedulable",
            Self::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
            Self::Wait => "Wait",
            Self::Skip => "Skip",
            Self::Pending => "Pending",
        }
    }
}

/// A code with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Code.
    pub code: Code,
    /// Reasons, in kube-scheduler's words. Empty for [`Code::Success`].
    pub reasons: Vec<Reason>,
}

impl Status {
    /// Success.
    pub fn success() -> Self {
        Self { code: Code::Success, reasons: Vec::new() }
    }

    /// With one reason.
    pub fn new(code: Code, reason: impl Into<Reason>) -> Self {
        Self { code, reasons: vec![reason.into()] }
    }

    /// [`Code::Unschedulable`] with one reason.
    pub fn unschedulable(reason: impl Into<Reason>) -> Self {
        Self::new(Code::Unschedulable, reason)
    }

    /// [`Code::UnschedulableAndUnresolvable`] with one reason.
    pub fn unresolvable(reason: impl Into<Reason>) -> Self {
        Self::new(Code::UnschedulableAndUnresolvable, reason)
    }

    /// [`Code::Error`] with one reason.
    pub fn error(reason: impl Into<Reason>) -> Self {
        Self::new(Code::Error, reason)
    }

    /// Whether it is [`Code::Success`].
    pub fn is_success(&self) -> bool {
        self.code == Code::Success
    }

    /// Whether it turns the pod down (either kind of Unschedulable, or Pending).
    pub fn is_rejected(&self) -> bool {
        matches!(self.code, Code::Unschedulable | Code::UnschedulableAndUnresolvable | Code::Pending)
    }

    /// The reasons, joined as kube-scheduler joins them.
    pub fn message(&self) -> String {
        self.reasons.join(", ")
    }
}

/// A filter's answer for one node in four bytes: pass, or a rejection whose meaning the plugin tells by
/// [`crate::NodePlugin::reasons`]. Equal verdicts of one plugin and state have equal reasons, unless
/// [`Verdict::PER_NODE`] is set: then the node must be looked at for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict(u32);

impl Verdict {
    /// The node passes.
    pub const PASS: Self = Self(0);
    const UNRESOLVABLE: u32 = 1 << 31;
    /// Flag of a verdict whose reasons can only be told with the node at hand.
    pub const PER_NODE: u32 = 1 << 29;
    const REJECTED: u32 = 1 << 30;
    /// Bits that the plugin may use for a meaning of its own.
    pub const MEANING: u32 = Self::PER_NODE - 1;

    /// Rejected as Unschedulable. `meaning` (29 bits) is the plugin's own.
    pub const fn unschedulable(meaning: u32) -> Self {
        Self(Self::REJECTED | (meaning & (Self::MEANING | Self::PER_NODE)))
    }

    /// Rejected as UnschedulableAndUnresolvable. `meaning` (29 bits) is the plugin's own.
    pub const fn unresolvable(meaning: u32) -> Self {
        Self(Self::REJECTED | Self::UNRESOLVABLE | (meaning & (Self::MEANING | Self::PER_NODE)))
    }

    /// Whether the node passes.
    pub const fn passes(self) -> bool {
        self.0 == 0
    }

    /// Whether it is UnschedulableAndUnresolvable.
    pub const fn is_unresolvable(self) -> bool {
        self.0 & Self::UNRESOLVABLE != 0
    }

    /// The plugin's own bits.
    pub const fn meaning(self) -> u32 {
        self.0 & Self::MEANING
    }

    /// Whether reasons depend on the node.
    pub const fn is_per_node(self) -> bool {
        self.0 & Self::PER_NODE != 0
    }

    /// Its code.
    pub const fn code(self) -> Code {
        if self.passes() {
            Code::Success
        } else if self.is_unresolvable() {
            Code::UnschedulableAndUnresolvable
        } else {
            Code::Unschedulable
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
