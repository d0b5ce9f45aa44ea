//! What two tasks may both write, and how sure that is: for the words of an edge, for reports and for questions.

use gadugi_core::{ClaimSource, Confidence};
use serde::Serialize;

use super::items::{Claim, Items};
use super::{Threshold, percent};
use crate::predict::any_of;

/// Files that the evidence of one edge names before it counts the rest.
const MOST_NAMED: usize = 3;
/// From which confidence on the evidence says that both write, and not that they may.
const PLAINLY: u8 = 70;

/// Two tasks, and what both may write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// That they write one file.
    pub confidence: Confidence,
    /// What they share, the likeliest first.
    pub files: Vec<Shared>,
    /// How many more there are that are not named.
    pub more: usize,
}

/// A path that two tasks may both write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shared {
    /// The path: the plainer of the two where two that can mean one file meet.
    pub path: String,
    /// The other: a folder or a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// 0 to 1: that both write it.
    pub probability: f64,
    /// What one of them gives to it.
    pub first: Side,
    /// What the other does.
    pub second: Side,
}

/// What one task gives to a path that two may write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// 0 to 1: that it writes it.
    pub probability: f64,
    /// The rule that says so.
    pub source: ClaimSource,
    /// What gave it.
    pub evidence: String,
}

/// Claims of two tasks that may mean one file.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    first: Claim<'a>,
    second: Claim<'a>,
}

impl Meeting<'_> {
    fn product(&self) -> f64 {
        self.first.probability * self.second.probability
    }
}

/// All meetings of two tasks' claims, the likeliest first, and the confidence that comes of them.
fn meetings<'a>(items: &Items<'a>, a: usize, b: usize) -> (Vec<Meeting<'a>>, f64) {
    let (one, two) = (&items.of_task[a], &items.of_task[b]);
    let mut found = same_paths(one, two);
    let confidence = any_of(found.iter().map(Meeting::product));
    // Different paths that can mean one file say no more than the paths of files that they mean, if both named those: the
    // likeliest of them counts, and for itself.
    let mut widest = 0.0_f64;
    for first in one.iter().filter(|claim| !items.meets[claim.item as usize].is_empty()) {
        for second in two.iter().filter(|second| items.may_be_one(first.item, second.item)) {
            let meeting = Meeting { first: *first, second: *second };
            widest = widest.max(meeting.product());
            found.push(meeting);
        }
    }
    found.sort_by(|x, y| y.product().total_cmp(&x.product()).then(x.first.item.cmp(&y.first.item)));
    (found, confidence.max(widest))
}

/// Claims of both to the same path, by their order.
fn same_paths<'a>(one: &[Claim<'a>], two: &[Claim<'a>]) -> Vec<Meeting<'a>> {
    let (mut x, mut y) = (0, 0);
    let mut found = Vec::new();
    while let (Some(first), Some(second)) = (one.get(x), two.get(y)) {
        match first.item.cmp(&second.item) {
            std::cmp::Ordering::Less => x += 1,
            std::cmp::Ordering::Greater => y += 1,
            std::cmp::Ordering::Equal => {
                found.push(Meeting { first: *first, second: *second });
                (x, y) = (x + 1, y + 1);
            }
        }
    }
    found
}

/// The confidence that two tasks collide.
pub(super) fn confidence(items: &Items<'_>, a: usize, b: usize) -> f64 {
    meetings(items, a, b).1
}

/// What two tasks may both write; at most so many files are named.
pub(super) fn between(items: &Items<'_>, a: usize, b: usize, most: usize) -> Option<Overlap> {
    let (found, confidence) = meetings(items, a, b);
    if found.is_empty() {
        return None;
    }
    let side = |claim: &Claim<'_>| Side {
        probability: claim.probability,
        source: claim.source,
        evidence: claim.evidence.to_owned(),
    };
    let files = found.iter().take(most).map(|meeting| {
        let (path, with) = paths(items, meeting);
        Shared {
            path: path.to_owned(),
            with: with.map(str::to_owned),
            probability: meeting.product(),
            first: side(&meeting.first),
            second: side(&meeting.second),
        }
    });
    Some(Overlap {
        confidence: percent(confidence),
        files: files.collect(),
        more: found.len().saturating_sub(most),
    })
}

/// The confidence and the evidence of an edge: what is likely to be written by both, not all that perhaps is.
pub(super) fn words(items: &Items<'_>, from: usize, to: usize, threshold: Threshold) -> (Confidence, String) {
    let (found, confidence) = meetings(items, from, to);
    if !threshold.reached(confidence)
        && let Some(them) = &items.uncomparable
    {
        let words = format!("both write files of {} patterns, too many to compare", them.patterns);
        return (Confidence(threshold.as_percent()), words);
    }
    let likely = found.first().map_or(0.0, Meeting::product) / 2.0;
    let count = found.iter().take_while(|meeting| meeting.product() >= likely).count();
    let named: Vec<String> = found
        .iter()
        .take(count.min(MOST_NAMED))
        .map(|meeting| {
            let first_is_pattern = items.all[meeting.first.item as usize].pattern;
            match paths(items, meeting) {
                (path, None) => path.to_owned(),
                (path, Some(with)) if first_is_pattern && is_pattern(items, meeting.second) => {
                    format!("{path} and {with}")
                }
                (path, Some(with)) => format!("{path} ({with})"),
            }
        })
        .collect();
    let more = count.saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let confidence = percent(confidence);
    let both = if confidence.0 >= PLAINLY { "both write" } else { "both may write" };
    (confidence, format!("{both} {}{more}", named.join(", ")))
}

fn is_pattern(items: &Items<'_>, claim: Claim<'_>) -> bool {
    items.all[claim.item as usize].pattern
}

/// The path of a meeting, and beside it the wider one, where they are two.
fn paths<'a>(items: &Items<'a>, meeting: &Meeting<'_>) -> (&'a str, Option<&'a str>) {
    let (one, two) = (&items.all[meeting.first.item as usize], &items.all[meeting.second.item as usize]);
    if meeting.first.item == meeting.second.item {
        return (one.path, None);
    }
    let wider_first = match (one.pattern, two.pattern) {
        (true, false) => true,
        (false, true) => false,
        // Of two files the one that must be a folder, of two patterns the shorter.
        _ => one.path.len() < two.path.len(),
    };
    if wider_first { (two.path, Some(one.path)) } else { (one.path, Some(two.path)) }
}
