//! Edges on real files: who changes what others import comes first, and only then.

use crate::common::{Repository, arrows};
use gadugi_analysis::{AnalysisOptions, Threshold};
use gadugi_core::OverlapPolicy;

/// A file that defines something, one that imports it, and the prompt that changes it, in one language.
struct Language {
    files: [(&'static str, &'static str); 2],
    name: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language {
        files: [
            (
                "shop/prices.py",
                "def net_price(item):\n    return item\n\n\ndef gross_price(item):\n    return item\n",
            ),
            (
                "shop/cart.py",
                "from shop.prices import net_price\n\n\ndef total():\n    return net_price(1)\n",
            ),
        ],
        name: "net_price",
    },
    Language {
        files: [
            ("src/prices.ts", "export function netPrice(item: number) {\n  return item;\n}\n"),
            (
                "src/cart.ts",
                "import { netPrice } from './prices';\n\nexport const total = () => netPrice(1);\n",
            ),
        ],
        name: "netPrice",
    },
    Language {
        files: [
            ("src/prices.rs", "pub fn net_price(item: u32) -> u32 {\n    item\n}\n"),
            (
                "src/cart.rs",
                "use crate::prices::net_price;\n\npub fn total() -> u32 {\n    net_price(1)\n}\n",
            ),
        ],
        name: "net_price",
    },
];

fn shop(language: &Language, prompts: &[(&str, String)]) -> Repository {
    let mut repository = Repository::new(&language.files);
    repository.write("Cargo.toml", b"[package]\nname = \"shop\"\nversion = \"0.1.0\"\n");
    repository.write("src/lib.rs", b"pub mod cart;\npub mod prices;\n");
    repository.write("shop/__init__.py", b"");
    for (name, text) in prompts {
        repository.write(&format!("prompts/{name}.md"), text.as_bytes());
    }
    repository
}

#[test]
fn who_changes_what_another_file_imports_comes_first() {
    for language in &LANGUAGES {
        let (prices, cart) = (language.files[0].0, language.files[1].0);
        let repository = shop(
            language,
            &[
                ("a-cart", format!("# Cart\n\nFix the rounding in `{cart}`.\n")),
                ("b-prices", format!("# Prices\n\nRename `{}` to `price_without_tax`.\n", language.name)),
                ("c-other", format!("# Other\n\nUpdate `{prices}`: say in a comment what it is for.\n")),
            ],
        );
        let plan = repository.plan(&[]).unwrap().plan;
        let found = arrows(&plan.edges);
        assert!(found.contains(&"b-prices > a-cart import".to_owned()), "{cart}: {found:?}");
        assert!(
            !found.iter().any(|arrow| arrow.starts_with("c-other") && arrow.ends_with("import")),
            "{found:?}"
        );
        let edge = plan.edges.iter().find(|edge| edge.reason.word() == "import").unwrap();
        assert_eq!(
            edge.evidence,
            format!("“{}” of {prices}, which b-prices renames, is imported by {cart}", language.name)
        );
        assert!((50..=100).contains(&edge.confidence.0));
    }
}

#[test]
fn an_import_never_contradicts_what_is_declared() {
    let language = &LANGUAGES[0];
    let repository = shop(
        language,
        &[
            ("a-cart", "# Cart\n\nFix the rounding in `shop/cart.py`.\n".to_owned()),
            (
                "b-prices",
                "---\ndepends_on: [a-cart]\n---\n# Prices\n\nRename `net_price` to `net`.\n".to_owned(),
            ),
        ],
    );
    let plan = repository.plan(&[]).unwrap().plan;
    assert_eq!(arrows(&plan.edges), ["a-cart > b-prices declared"]);
    assert!(
        plan.warnings.iter().any(|warning| warning.starts_with("a-cart does not wait for b-prices (")),
        "{plan:?}"
    );
}

#[test]
fn who_changes_what_the_other_uses_on_both_sides_is_put_in_some_order() {
    let mut repository = shop(
        &LANGUAGES[0],
        &[
            ("a", "# A\n\nRename `net_price` to `net`. See `tax_rate`.\n".to_owned()),
            ("b", "# B\n\nRename `tax_rate`. See `net_price`.\n".to_owned()),
        ],
    );
    repository.write("shop/tax.py", b"def tax_rate():\n    return 1\n");
    let plan = repository.plan(&[]).unwrap().plan;
    plan.check().unwrap();
    let imports = arrows(&plan.edges).iter().filter(|arrow| arrow.ends_with("import")).count();
    assert_eq!((imports, plan.warnings.len()), (1, 1), "{:?} {:?}", plan.edges, plan.warnings);
}

#[test]
fn the_policy_and_the_threshold_are_the_users() {
    let repository = shop(
        &LANGUAGES[0],
        &[
            ("a", "# A\n\nFix `shop/cart.py`.\n".to_owned()),
            ("b", "# B\n\nFix `shop/cart.py` too.\n".to_owned()),
        ],
    );
    let with = |overlap, percent| {
        let options =
            AnalysisOptions { overlap, threshold: Threshold::percent(percent), ..AnalysisOptions::default() };
        repository.plan_with(&[], options).unwrap()
    };
    assert_eq!(arrows(&with(OverlapPolicy::Serialize, 50).plan.edges), ["a > b same-file"]);
    assert_eq!(arrows(&with(OverlapPolicy::Serialize, 100).plan.edges), Vec::<String>::new());
    let analysis = with(OverlapPolicy::Parallel, 50);
    assert_eq!(arrows(&analysis.plan.edges), Vec::<String>::new());
    assert_eq!(analysis.collisions.pairs.len(), 1);
}
