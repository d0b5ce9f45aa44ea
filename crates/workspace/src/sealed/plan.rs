//! Where the work goes, from where the export says that `HEAD` and the branch were: by the rules of
//! [`crate::Repository::collect`].

use std::path::Path;

use gadugi_core::CommitId;

use super::quarantine::Quarantine;
use crate::collect::Stray;
use crate::{Error, Result};

/// What is made of an export.
pub(super) struct Plan {
    /// The parents of what is committed; where nothing is left to commit, the one new tip.
    pub(super) parents: Vec<CommitId>,
    pub(super) stray: Option<Stray>,
    /// Whether the branch takes the export's tree; else it takes that of its one parent.
    pub(super) takes_tree: bool,
}

/// Decides where the work goes. `clean`: the export's tree is that of `HEAD`.
pub(super) fn plan(
    quarantine: &Quarantine,
    workspace: &Path,
    branch: &str,
    base: &CommitId,
    clean: bool,
) -> Result<Plan> {
    let header = &quarantine.header;
    let on = header.on.as_deref().map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
    let at_home = on == Some(branch);
    let plan = |parents, stray| Ok(Plan { parents, stray, takes_tree: true });
    // Without commits, or with a repository that is gone: the files are what there is.
    let Some(head) = &header.head else { return plan(vec![base.clone()], Some(Stray::Rewritten)) };
    let elsewhere = match on {
        _ if at_home => None,
        None => Some(Stray::Detached),
        Some(other) => Some(Stray::OtherBranch(other.to_owned())),
    };
    // A claim, and looked at only where it is a commit that came along.
    let tip = header.branch.as_ref().filter(|tip| quarantine.has_commit(tip));
    if !at_home
        && let Some(tip) = tip
        && !quarantine.is_ancestor(tip, head)?
    {
        // Nothing here that the branch lacks: the agent only looked at something older.
        let looked = clean && (quarantine.is_ancestor(head, tip)? || quarantine.is_ancestor(head, base)?);
        if looked && quarantine.is_ancestor(base, tip)? {
            return Ok(Plan { parents: vec![tip.clone()], stray: elsewhere, takes_tree: false });
        }
        return Err(Error::Strayed {
            path: workspace.to_owned(),
            branch: branch.to_owned(),
            head: Some(head.clone()),
            reason: "both hold commits that the other lacks",
        });
    }
    if quarantine.is_ancestor(base, head)? {
        return plan(vec![head.clone()], elsewhere);
    }
    if quarantine.related(base, head)? {
        return plan(vec![base.clone(), head.clone()], Some(Stray::Rewritten));
    }
    // A history that has nothing in common with the base: the files go on from the base, and the commits are kept beside.
    plan(vec![base.clone()], Some(Stray::Rewritten))
}
