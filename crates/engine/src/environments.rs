//! What the agents of each run may see of the environment of whoever asked for it. Kept in memory alone: it may hold secrets.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadugi_core::RunId;

/// An environment: names and values.
pub(crate) type Variables = Arc<Vec<(OsString, OsString)>>;

/// Environments by run.
#[derive(Debug, Default)]
pub(crate) struct Environments(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    runs: HashMap<RunId, Variables>,
    /// Of whoever opened the page last: whoever presses a button there has none to bring.
    page: Option<Variables>,
}

impl Environments {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Plain maps: each holder leaves them whole, so what they hold is still true.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody brought one for a run. Answers with what was there before.
    pub(crate) fn bring(&self, run: &RunId, environment: Vec<(String, String)>) -> Option<Variables> {
        self.known().runs.insert(run.clone(), variables(environment))
    }

    /// Somebody goes on with a run who has none to bring: it keeps the one it has; where it has none (its engine died, and
    /// nobody has come since), it gets that of whoever opened the page, else the engine's own. Answers with what was there before.
    pub(crate) fn lend(&self, run: &RunId) -> Option<Variables> {
        let mut known = self.known();
        let before = known.runs.get(run).cloned();
        if before.is_none() {
            let lent = known.page.clone().unwrap_or_else(own);
            known.runs.insert(run.clone(), lent);
        }
        before
    }

    /// Puts back what was there before.
    pub(crate) fn restore(&self, run: &RunId, before: Option<Variables>) {
        match before {
            Some(before) => self.known().runs.insert(run.clone(), before),
            None => self.known().runs.remove(run),
        };
    }

    /// Somebody opened the page.
    pub(crate) fn open_page(&self, environment: Vec<(String, String)>) {
        self.known().page = Some(variables(environment));
    }

    /// The one that somebody brought for the run, under this engine, or that was lent to them.
    pub(crate) fn brought(&self, run: &RunId) -> Option<Variables> {
        self.known().runs.get(run).cloned()
    }

    /// The same; after a restart, before anybody went on with the run, the engine's own.
    pub(crate) fn of(&self, run: &RunId) -> Variables {
        self.brought(run).unwrap_or_else(own)
    }
}

fn variables(environment: Vec<(String, String)>) -> Variables {
    Arc::new(environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

fn own() -> Variables {
    Arc::new(gadugi_sys::env::all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Vec<(String, String)> {
        vec![("WHOSE".to_owned(), name.to_owned())]
    }

    #[test]
    fn who_brings_none_goes_on_with_the_last_one() {
        let (all, run) = (Environments::default(), RunId::new("r"));
        all.open_page(named("page"));
        all.bring(&run, named("run"));
        all.bring(&run, named("resume"));
        assert_eq!(all.lend(&run), all.brought(&run));
        assert_eq!(all.of(&run), variables(named("resume")));
    }

    #[test]
    fn where_there_is_none_it_is_that_of_whoever_opened_the_page() {
        let (all, run) = (Environments::default(), RunId::new("r"));
        assert_eq!((all.brought(&run), all.of(&run)), (None, own()), "nobody has gone on with it");
        all.open_page(named("yesterday"));
        all.open_page(named("today"));
        assert_eq!(all.brought(&run), None, "to open the page is not to go on with a run");
        let before = all.lend(&run);
        assert_eq!((&before, all.of(&run)), (&None, variables(named("today"))));
        all.restore(&run, before);
        assert_eq!(all.brought(&run), None, "it was refused");
    }

    #[test]
    fn without_a_page_it_is_the_engines_own() {
        let (all, run) = (Environments::default(), RunId::new("r"));
        assert_eq!(all.lend(&run), None);
        assert_eq!(all.brought(&run), Some(own()));
    }
}
