//! The eleven phases that every task goes through, as data.

use serde::{Deserialize, Serialize};

/// Who performs a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Performer {
    /// Gadugi itself.
    Gadugi,
    /// The agent of the task.
    Agent,
    /// A fresh session that did not write the work.
    Reviewer,
}

macro_rules! phases {
    ($($number:literal $name:ident $title:literal $by:ident $proof:literal;)*) => {
        /// A phase of the workflow. The numbers are part of the contract with agents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "the table below names and describes each")]
        pub enum Phase { $($name = $number),* }

        impl Phase {
            /// All of them, in order.
            pub const ALL: [Self; 11] = [$(Self::$name),*];

            /// Its name in text.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// Who performs it.
            pub fn performer(self) -> Performer {
                match self { $(Self::$name => Performer::$by),* }
            }

            /// What proves it.
            pub fn proof(self) -> &'static str {
                match self { $(Self::$name => $proof),* }
            }
        }
    };
}

phases! {
    1 InitialSetup "Initial Setup" Gadugi "workspace at the recorded base commit";
    2 IssueCreation "Issue Creation" Gadugi "issue number, or left out: no forge";
    3 BranchManagement "Branch Management" Gadugi "branch exists at base";
    4 ResearchAndPlanning "Research and Planning" Agent "plan text in the stream";
    5 Implementation "Implementation" Agent "diff against base is not empty, or a claimed and recorded no-change";
    6 Testing "Testing" Gadugi "the verify command, run by gadugi in the same sandbox, exits with 0";
    7 Documentation "Documentation" Agent "claim";
    8 PullRequest "Pull Request" Gadugi "pull request number, or the task's branch on the merge queue";
    9 Review "Review" Reviewer "JSON verdict that validates";
    10 ReviewResponse "Review Response" Agent "findings answered, phase 6 again";
    11 SettingsUpdate "Settings Update" Gadugi "run record";
}

impl Phase {
    /// Its number, 1 to 11.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The phase of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.number() == number)
    }
}
