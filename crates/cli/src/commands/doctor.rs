//! `gadugi doctor`: what is there, what is missing, how to mend it.

mod checks;

use clap::Args;
use gadugi_config::{Flags, Resolved};
use serde::Serialize;

use crate::args::Global;
use crate::error::{Done, Exit, Stop};
use crate::output::Manner;
use crate::place::{Place, block_on};
use crate::table::{Align, Table};
use crate::{output, text};

/// What is looked at.
#[derive(Debug, Args)]
#[command(after_help = "With --config: show each setting and where it came from")]
pub(crate) struct DoctorArgs {
    /// Show it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Health {
    /// It is there.
    Ok,
    /// Worth knowing.
    Note,
    /// Nothing runs without it.
    Missing,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    health: Health,
    detail: String,
    /// What mends it.
    mend: Option<String>,
}

pub(crate) fn run(global: &Global, args: &DoctorArgs) -> Done {
    let place = Place::find(global);
    if global.config.is_some() {
        let place = place?;
        let resolved = place.settings(Flags::default(), Manner::json(args.json))?;
        show_settings(&resolved, args.json)?;
        return Ok(Exit::Success);
    }
    let checks = block_on(async { Ok(checks::all(place).await) })?;
    let sound = checks.iter().all(|check| check.health != Health::Missing);
    if args.json {
        output::result_json_pretty(&serde_json::json!({"sound": sound, "checks": checks}))?;
    } else {
        output::result(&render(&checks))?;
    }
    Ok(if sound { Exit::Success } else { Exit::Environment })
}

fn render(checks: &[Check]) -> String {
    let mut out = String::new();
    let names = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let sign = match check.health {
            Health::Ok => "✓",
            Health::Note => "·",
            Health::Missing => "✗",
        };
        out.push_str(&format!("{sign} {:names$}  {}\n", check.name, text::line(&check.detail)));
        if let Some(mend) = &check.mend {
            out.push_str(&format!("  {:names$}  → {}\n", "", text::line(mend)));
        }
    }
    out
}

fn show_settings(resolved: &Resolved, json: bool) -> Result<(), Stop> {
    if json {
        let settings = resolved.sources.iter().map(|setting| {
            serde_json::json!({"key": setting.key, "value": setting.value, "source": setting.source.to_string()})
        });
        return output::result_json_pretty(&settings.collect::<Vec<_>>());
    }
    let mut table = Table::new(&[("KEY", Align::Left), ("FROM", Align::Left), ("VALUE", Align::Left)]);
    for setting in &resolved.sources {
        table.row([&setting.key, &setting.source.to_string(), setting.value.as_deref().unwrap_or("-")]);
    }
    output::result(&table.render(output::columns()))
}
