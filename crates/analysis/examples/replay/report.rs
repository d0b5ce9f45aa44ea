//! What is said of it: for people, and in one line for programs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::evaluate::{Figures, Ground, Method};
use super::guesses::{GADUGI, Said4All};
use super::pairs::Together;
use super::past::Past;
use super::score::Counts;
use super::verdict::{ORIGINAL_BAR, POPULARITY_BAR, Verdict};

/// Commits of the earlier half that are shown.
const WORST: usize = 40;

/// One line on standard output.
#[expect(clippy::print_stdout, reason = "this is the door")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// One line on standard error.
#[expect(clippy::print_stderr, reason = "this is the door")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// What a repository is called: its folder's name.
pub(crate) fn name(folder: &Path) -> String {
    let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What is replayed, and what is not.
pub(crate) fn cases(name: &str, past: &Past) {
    let left_out: usize = past.left_out.values().sum();
    say(&format!("{name} at {}: {} commits replayed, {left_out} left out:", past.head, past.cases.len()));
    let reasons: Vec<String> =
        past.left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    say(&format!("  {}", reasons.join(", ")));
}

/// Precision, recall and F1 of all ways, of the later half.
pub(crate) fn table(ground: &Ground, figures: &[Figures]) {
    let (pairs, collide) = ground.pairs();
    say(&format!("later half: {pairs} pairs of commits, of which {collide} collide"));
    say(
        "write sets          from   precision  recall  F1 (95 %)                mean of commits: precision  recall  F1",
    );
    for one in figures {
        let writes = &one.writes;
        say(&format!(
            "  {:<17} {:<6} {:<9}  {:.3}   {:.3} {:<16}                          {:.3}      {:.3}   {:.3}",
            one.name,
            threshold(writes.threshold),
            fraction(writes.counts.precision()),
            writes.counts.recall(),
            writes.counts.f1(),
            around(writes.f1_interval),
            writes.mean.precision,
            writes.mean.recall,
            writes.mean.f1,
        ));
    }
    say("pairs               from   foretold  precision (95 %)         recall  F1 (95 %)");
    for one in figures {
        let (pairs, counts) = (&one.pairs, one.pairs.counts);
        say(&format!(
            "  {:<17} {:<6} {:>8}  {:<6} {:<16}  {:.3}   {:.3} {}",
            one.name,
            threshold(pairs.threshold),
            counts.right + counts.wrong,
            fraction(counts.precision()),
            around(pairs.precision_interval),
            counts.recall(),
            counts.f1(),
            around(pairs.f1_interval),
        ));
    }
}

/// How the bars are met, and all of it in one line of JSON.
pub(crate) fn verdict(name: &str, past: &Past, ground: &Ground, figures: &[Figures], verdict: &Verdict) {
    let times = |(ratio, interval): (f64, Option<(f64, f64)>)| format!("{ratio:.2} {}", around(interval));
    say(&format!(
        "F1 of pairs: {} times the original's (bar {ORIGINAL_BAR}), {} times that of popularity as \"{}\" (bar {POPULARITY_BAR}); \
         {} times what it is to say that all collide. Precision {} than the original's{}. \
         With the thresholds that it comes with: {:.2} and {:.2} times.",
        times(verdict.original),
        times(verdict.popularity),
        verdict.against,
        times(verdict.every),
        if verdict.precise { "is no lower" } else { "is lower" },
        verdict.as_bold.map_or_else(String::new, |ours| format!(" (among as many pairs: {ours:.3})")),
        verdict.shipped.0,
        verdict.shipped.1,
    ));
    let (pairs, collide) = ground.pairs();
    let mut line = Map::new();
    for (key, value) in [
        ("bench", json!("analysis")),
        ("value", number(verdict.worst())),
        ("bar", json!(1.0)),
        ("holds", json!(verdict.holds())),
        ("repository", json!(name)),
        ("commit", json!(past.head.as_str())),
        ("commits", json!(past.cases.len())),
        ("left_out", json!(past.left_out)),
        ("pairs", json!(pairs)),
        ("collide", json!(collide)),
        ("times_original", ratio(verdict.original)),
        ("no_less_precise", json!(verdict.precise)),
        ("precision_as_bold", json!(verdict.as_bold.map(number))),
        ("times_popularity", ratio(verdict.popularity)),
        ("popularity_is", json!(verdict.against)),
        ("times_every_pair", ratio(verdict.every)),
        (
            "as_shipped",
            json!({"times_original": number(verdict.shipped.0), "times_popularity": number(verdict.shipped.1)}),
        ),
    ] {
        line.insert(key.into(), value);
    }
    line.extend(figures.iter().map(|one| (one.name.to_owned(), of(one))));
    say(&Value::Object(line).to_string());
}

fn of(figures: &Figures) -> Value {
    let (writes, pairs) = (&figures.writes, &figures.pairs);
    json!({
        "settings": [figures.settings.0, figures.settings.1],
        "writes": {
            "threshold": number(writes.threshold),
            "precision": writes.counts.precision().map(number),
            "recall": number(writes.counts.recall()),
            "f1": number(writes.counts.f1()),
            "f1_interval": ends(writes.f1_interval),
            "mean_precision": number(writes.mean.precision),
            "mean_recall": number(writes.mean.recall),
            "mean_f1": number(writes.mean.f1),
        },
        "pairs": {
            "threshold": number(pairs.threshold),
            "foretold": pairs.counts.right + pairs.counts.wrong,
            "precision": pairs.counts.precision().map(number),
            "precision_interval": ends(pairs.precision_interval),
            "recall": number(pairs.counts.recall()),
            "f1": number(pairs.counts.f1()),
            "f1_interval": ends(pairs.f1_interval),
        },
    })
}

/// For whoever works on the prediction: whether probabilities mean what they say, how pairs might be judged otherwise, and the commits of the *earlier*
/// half that were foretold worst. Of the later half no commit is shown: nobody is to learn from what is measured.
pub(crate) fn detail(past: &Past, ground: &Ground, said: &Said4All) {
    let gadugi = said.method(GADUGI, Together::AnyFile, None);
    say("foretold with a probability of about, and how many of so many came true:");
    for (probability, came, count) in ground.calibration(&gadugi) {
        say(&format!("  {probability:.2}  {came:.2} of {count}"));
    }
    say("precision of the surest pairs:");
    for count in [10, 30, 100, 300, 1_000, 3_000] {
        say(&format!("  {count:>5}  {}", fraction(ground.precision_of_surest(&gadugi, count))));
    }
    let one = said.method(GADUGI, Together::LikeliestFile, None);
    let figures = ground.figures(&[("likeliest", &one, &one)]);
    say(&format!("F1 of pairs where the likeliest file counts alone: {:.3}", figures[0].pairs.counts.f1()));
    misses(past, ground, said, &gadugi);
}

fn misses(past: &Past, ground: &Ground, said: &Said4All, gadugi: &Method) {
    let threshold = ground.fit_writes(gadugi).0;
    let cases = past.cases.iter().zip(&gadugi.likely).zip(&said.truth).take(ground.middle());
    let mut worst: Vec<_> = cases
        .map(|((case, likely), truth)| {
            let files = likely.iter().filter(|(_, probability)| *probability >= threshold);
            let foretold: Vec<u32> = files.map(|(file, _)| *file).collect();
            (Counts::of_sets(&foretold, truth), case, likely, truth)
        })
        .collect();
    worst.sort_by(|one, other| {
        one.0
            .f1()
            .total_cmp(&other.0.f1())
            .then((other.0.wrong + other.0.missed).total_cmp(&(one.0.wrong + one.0.missed)))
    });
    say(&format!(
        "foretold worst, from {threshold:.3} on (+ rightly, - wrongly, ? not, with what was said):"
    ));
    for (_, case, likely, truth) in worst.into_iter().take(WORST) {
        say(&format!("{} {}", case.id, case.prompt.title));
        let path = |file: u32| said.files.get(file as usize).map_or("", String::as_str);
        for (file, probability) in likely.iter().filter(|(_, probability)| *probability >= threshold) {
            let sign = if truth.binary_search(file).is_ok() { '+' } else { '-' };
            say(&format!("  {sign} {probability:.2} {}", path(*file)));
        }
        let unsaid = |file: &&u32| likely.iter().all(|known| known.0 != **file || known.1 < threshold);
        for file in truth.iter().filter(unsaid) {
            let probability = likely.iter().find(|known| known.0 == *file).map_or(0.0, |known| known.1);
            say(&format!("  ? {probability:.2} {}", path(*file)));
        }
    }
}

/// To thousandths; what is no number, or without end, is null.
fn number(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

fn ends(interval: Option<(f64, f64)>) -> Value {
    interval.map_or(Value::Null, |(low, high)| json!([number(low), number(high)]))
}

fn ratio((value, interval): (f64, Option<(f64, f64)>)) -> Value {
    json!({"value": number(value), "interval": ends(interval)})
}

fn threshold(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "-".to_owned() }
}

fn fraction(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn around(interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("[{low:.3}, {high:.3}]"))
}
