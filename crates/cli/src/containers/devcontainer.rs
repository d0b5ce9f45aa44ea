//! A repository's own development container: read from the commit that the run begins at, and built where it is not there.

use gadugi_core::{CommitId, ContainerSettings};
use gadugi_exec::docker::Connection;
use gadugi_exec::image::devcontainer::{DevContainer, PLACES, Recipe, Source, parse};
use gadugi_exec::image::{self, BuildNews, find_image};
use gadugi_workspace::Repository;

use super::Wish;
use crate::error::{Problem, Stop};
use crate::place::Place;
use crate::text;

/// The image that the repository asks for; none where it asks for none. Variables and user go into the settings.
pub(super) async fn image(
    place: &Place,
    connection: &Connection,
    base: &CommitId,
    settings: &mut ContainerSettings,
    wish: Wish,
) -> Result<Option<String>, Stop> {
    let manner = wish.manner;
    let Some((path, asked)) = read(&place.repository, base)? else { return Ok(None) };
    for line in &asked.unsupported {
        manner.warn(&format!("{path}: {}", text::line(line)));
    }
    let Some(source) = asked.source else { return Ok(None) };
    settings.variables.extend(asked.env);
    if asked.user.is_some() && !rustix::process::geteuid().is_root() {
        manner.warn(&format!("{path}: remoteUser is left out: agents work under your own user id"));
    }
    settings.user = asked.user;
    match source {
        Source::Image(name) => Ok(Some(name)),
        Source::Build(recipe) => built(place, connection, base, &recipe, wish).await.map(Some),
    }
}

fn read(repository: &Repository, base: &CommitId) -> Result<Option<(&'static str, DevContainer)>, Stop> {
    for path in PLACES {
        let Some(bytes) = repository.read_blob(base, path)? else { continue };
        let asked = parse(&String::from_utf8_lossy(&bytes), path);
        let asked = asked.map_err(|error| Problem::request("bad-devcontainer", error, None))?;
        return Ok(Some((path, asked)));
    }
    Ok(None)
}

/// Its tag says what went into it: where it is there, nothing has changed.
async fn built(
    place: &Place,
    connection: &Connection,
    base: &CommitId,
    recipe: &Recipe,
    Wish { wanted, manner }: Wish,
) -> Result<String, Stop> {
    let dockerfile = place.repository.read_blob(base, &recipe.dockerfile)?.ok_or_else(|| {
        let message = format!("{} is not in the repository at {base}", recipe.dockerfile);
        Problem::request("bad-devcontainer", message, None)
    })?;
    let files = place.repository.archive(base, &recipe.context)?;
    let order =
        recipe.order(files.as_slice(), &String::from_utf8_lossy(&dockerfile)).map_err(Problem::from)?;
    if find_image(connection, &order.tag).await.map_err(Problem::from)?.is_none() {
        if !wanted {
            let message =
                format!("the image of {} is not built: --executor docker builds it", recipe.dockerfile);
            return Err(Problem::environment("image-missing", message, None).into());
        }
        manner.tell(&format!("building {} from {}", order.tag, recipe.dockerfile));
        let tell = |news: BuildNews| {
            if let BuildNews::Step { number, of, instruction } = news {
                manner.tell(&text::fit(&format!("[{number}/{of}] {instruction}"), 160));
            }
        };
        image::build(connection, &order, tell).await.map_err(Problem::from)?;
    }
    Ok(order.tag)
}
