//! What the gateway tells the engine.

use std::time::Duration;

use gadugi_core::{StepId, Timestamp};

/// Something that the engine has to know. None is repeated while nothing changes; what was metered is asked for by
/// [`crate::Gateway::metered`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An account's requests are sent more slowly from now on.
    Slowed {
        /// The account: its host, and a number that tells accounts of one host apart.
        account: String,
        /// Requests that may be in flight at once now.
        window: usize,
        /// Nothing is sent for so long.
        pause: Duration,
        /// Why.
        reason: SlowReason,
    },
    /// As many requests may be in flight again as were before the account was slowed.
    Eased {
        /// The account.
        account: String,
    },
    /// The account's limit is reached: nothing is sent under it until then. The step got the refusal; others that ask
    /// get the same, each with a notice of its own.
    UsageLimited {
        /// The step.
        step: StepId,
        /// The account.
        account: String,
        /// When the limit is lifted, where the vendor said so.
        until: Option<Timestamp>,
        /// The vendor's words.
        reason: String,
    },
    /// The vendor refuses the credential (401, or 403).
    AuthRefused {
        /// The step whose request met it.
        step: StepId,
        /// The status.
        status: u16,
        /// The vendor's words, without the credential.
        reason: String,
    },
    /// A request was refused because it could cost more than is left of the step's budget.
    BudgetRefused {
        /// The step.
        step: StepId,
        /// What the step spent so far, in millionths of a US dollar.
        spent_microusd: u64,
        /// What it may spend.
        budget_microusd: u64,
    },
    /// The model API was not reached. One for each step and reason.
    Unreachable {
        /// The step.
        step: StepId,
        /// The account.
        account: String,
        /// One line.
        reason: String,
        /// Whether it will be so again next time: a bad certificate, say.
        lasting: bool,
    },
    /// The step asked for a host that it may not reach. One for each step and host, of the first hundred.
    HostRefused {
        /// The step.
        step: StepId,
        /// `host:port`, as it was asked for (at most 300 characters).
        host: String,
        /// Why, in one line.
        reason: String,
    },
    /// Certificates that the environment names could not be read: requests leave without belief in them.
    CertificatesUnread {
        /// One line.
        reason: String,
    },
    /// The log could not be written. Told once, until it can be written again.
    LogFailed {
        /// One line.
        reason: String,
    },
}

/// Why an account is slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowReason {
    /// The vendor answered 429.
    RateLimited,
    /// The vendor answered 529, or said so within a stream.
    Overloaded,
    /// The vendor's headers said that nothing is left until a moment to come.
    Exhausted,
}
