//! Who may begin beside those that run, by what each is expected to take of the memory.
//!
//! The first that does not fit waits, and those behind it pass only where that does not make it wait longer: they fit beside
//! it too, or they are expected to be over before it could begin anyway. The latter ends by itself. Once those are overdue
//! that ran when it came to be the first, nothing is expected to be over "before", so nothing passes any more, and it begins
//! when they are over. No count of who passed is needed for that: what runs, and the ranks, say it all.

/// An attempt that runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occupant {
    /// Its place in the order: lower comes first.
    pub key: u64,
    /// MiB that it is expected to take; 0 where nobody measured.
    pub memory_mib: u64,
    /// Seconds that it is expected to go on; 0 where it is overdue.
    pub seconds_left: f64,
}

/// A task that could begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its place in the order: lower comes first.
    pub key: u64,
    /// MiB that it is expected to take; 0 where nobody measured.
    pub memory_mib: u64,
    /// Seconds that it is expected to take in all. An attempt that goes on passes others by the whole of it too: what is left of
    /// one that has taken longer than that nobody knows.
    pub seconds: f64,
    /// Seconds that it has taken already, in earlier steps.
    pub spent: f64,
}

/// Whether a candidate begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    Begins,
    /// It does not fit, or would keep one before it waiting. Others may still begin.
    Waits,
    /// It is not looked at: so many behind the one that waits have been.
    Enough,
}

/// So many behind the first that waits are looked at: what a look costs stays the same, however many tasks a plan has.
const LOOKED_AT: usize = 32;

/// The memory, and who is in it. Candidates are shown to it in their order.
#[derive(Clone, Debug)]
pub struct Room {
    /// MiB that all together may be expected to take; none: as much as they like.
    limit: Option<u64>,
    occupants: Vec<Occupant>,
    /// MiB that the occupants are expected to take.
    taken: u64,
    first: Option<Waiting>,
    looked_at: usize,
}

/// The first candidate that did not fit.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    memory_mib: u64,
    /// MiB of occupants that come after it in the order.
    behind: u64,
    /// Seconds until it is expected to fit.
    fits_in: f64,
}

impl Room {
    /// Memory of so many MiB, where that is known, and those that run, whoever began them.
    pub fn new(limit: Option<u64>, occupants: Vec<Occupant>) -> Self {
        let taken = occupants.iter().fold(0, |sum: u64, one| sum.saturating_add(one.memory_mib));
        Self { limit, occupants, taken, first: None, looked_at: 0 }
    }

    /// Whether the next candidate begins. Then it is an occupant.
    pub fn admit(&mut self, candidate: Candidate) -> Admission {
        let Some(limit) = self.limit else { return Admission::Begins };
        let need = candidate.memory_mib;
        // Nobody waits for more than all of it.
        let fits = self.occupants.is_empty() || self.taken.saturating_add(need) <= limit;
        match &mut self.first {
            Some(_) if self.looked_at == LOOKED_AT => return Admission::Enough,
            Some(first) => {
                self.looked_at += 1;
                let beside = first.behind.saturating_add(need).saturating_add(first.memory_mib) <= limit;
                if !fits || !beside && candidate.seconds >= first.fits_in {
                    return Admission::Waits;
                }
                first.behind = first.behind.saturating_add(need);
            }
            None if !fits => {
                self.first = Some(self.waiting(candidate, limit));
                return Admission::Waits;
            }
            None => {}
        }
        self.taken = self.taken.saturating_add(need);
        self.occupants.push(Occupant {
            key: candidate.key,
            memory_mib: need,
            seconds_left: candidate.seconds - candidate.spent,
        });
        Admission::Begins
    }

    /// MiB that those in it are expected to take.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn waiting(&self, candidate: Candidate, limit: u64) -> Waiting {
        let behind = self.occupants.iter().filter(|one| one.key > candidate.key);
        let behind = behind.fold(0, |sum: u64, one| sum.saturating_add(one.memory_mib));
        let mut ends: Vec<(f64, u64)> =
            self.occupants.iter().map(|one| (one.seconds_left.max(0.0), one.memory_mib)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut fits_in, mut taken) = (0.0, self.taken);
        for (end, memory) in ends {
            // What is alone fits, whatever it takes: then the last end counts.
            fits_in = end;
            taken = taken.saturating_sub(memory);
            if taken.saturating_add(candidate.memory_mib) <= limit {
                break;
            }
        }
        Waiting { memory_mib: candidate.memory_mib, behind, fits_in }
    }
}
