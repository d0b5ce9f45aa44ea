use proptest::prelude::*;

use super::*;
use crate::ClaimSource;

fn claim(path: &str, confidence: u8) -> PathClaim {
    PathClaim {
        path: path.to_owned(),
        confidence: Confidence(confidence),
        evidence: String::new(),
        source: ClaimSource::Path,
        stated: None,
    }
}

fn compare(claims: &[&str], written: &[&str]) -> Writes {
    let claims: Vec<PathClaim> = claims.iter().map(|path| claim(path, 90)).collect();
    let written: Vec<String> = written.iter().map(|path| (*path).to_owned()).collect();
    Writes::compare(&claims, &written)
}

#[test]
fn what_was_predicted_is_no_surprise() {
    for paths in [&["src/a/a.rs"][..], &["src/a"], &["src/a/"], &["src/**"], &["src/*/a.rs"]] {
        let writes = compare(paths, &["src/a/a.rs"]);
        assert!(writes.beyond.is_empty() && writes.missed.is_empty(), "{paths:?}");
        assert_eq!((writes.precision(), writes.recall()), (Some(1.0), Some(1.0)));
    }
    for paths in [&["src/a/b.rs"][..], &["src/a/a"], &["src/*"], &["src/a/a.rs", "src/b.rs"]] {
        let writes = compare(paths, &["src/a/a.rs"]);
        assert!(!writes.beyond.is_empty() || !writes.missed.is_empty(), "{paths:?}");
    }
}

#[test]
fn precision_is_of_claims_and_recall_of_files() {
    let writes = compare(&["src/", "docs/a.md"], &["src/a.rs", "src/b.rs", "Makefile"]);
    assert_eq!((writes.precision(), writes.recall()), (Some(0.5), Some(2.0 / 3.0)));
    assert_eq!((writes.beyond, writes.missed), (vec!["Makefile".to_owned()], vec!["docs/a.md".to_owned()]));
    let nothing = compare(&[], &["a"]);
    assert_eq!((nothing.precision(), nothing.recall()), (None, Some(0.0)));
}

#[test]
fn what_was_hardly_expected_is_not_missed() {
    let writes = Writes::compare(&[claim("a", 49), claim("b", 50)], &["c".to_owned()]);
    assert_eq!(writes.missed, ["b"]);
}

fn pairs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::btree_set(0..130_usize, 0..6), 0..12)
        .prop_map(|groups| groups.into_iter().map(|group| group.into_iter().collect()).collect())
}

proptest! {
    /// The rows of bits say the same as a plain set of pairs.
    #[test]
    fn pairs_are_counted_as_by_hand(real in pairs(), said in pairs(), parted in (0..130_usize, 0..130_usize)) {
        let plain = |groups: &[Vec<usize>]| {
            let each = |group: &Vec<usize>| {
                let group = group.clone();
                group.clone().into_iter().flat_map(move |a| {
                    group.clone().into_iter().filter(move |b| a < *b).map(move |b| (a, b))
                })
            };
            let mut all: BTreeSet<(usize, usize)> = groups.iter().flat_map(each).collect();
            all.remove(&(parted.0.min(parted.1), parted.0.max(parted.1)));
            all
        };
        let bits = |groups: &[Vec<usize>]| {
            let mut pairs = Pairs::of(130);
            groups.iter().for_each(|group| pairs.join(group));
            pairs.part(parted.0, parted.1);
            pairs
        };
        let (by_hand, foreseen) = (plain(&real), plain(&said));
        let counted = bits(&real).against(&bits(&said));
        prop_assert_eq!(counted.foreseen, by_hand.intersection(&foreseen).count() as u64);
        prop_assert_eq!(counted.unforeseen, by_hand.difference(&foreseen).count() as u64);
        prop_assert_eq!(counted.in_vain, foreseen.difference(&by_hand).count() as u64);
    }
}
