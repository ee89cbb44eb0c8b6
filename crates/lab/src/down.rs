//! Takes a lab down: whatever is left of it, in whatever state.

use serde::Serialize;

use crate::machine::sweep::{self, Remains};
use crate::state::Place;
use crate::topology::rules;

/// What was taken away.
#[derive(Debug, Serialize)]
pub struct Removed {
    /// The lab.
    pub lab: String,
    /// What was found on the machine.
    #[serde(flatten)]
    pub remains: Remains,
}

/// Takes it down. A lab that is not there is an error: a name mistyped must not look like success.
pub fn down(name: &str) -> anyhow::Result<Removed> {
    anyhow::ensure!(rules::is_word(name), "the lab's name \"{name}\": {}", rules::WORD);
    let place = Place::of(name);
    let turn = place.lock()?;
    if !place.exists() && sweep::remains(name)?.is_empty() {
        drop(turn);
        place.remove()?;
        anyhow::bail!("there is no lab \"{name}\"");
    }
    let remains = sweep::remove(name)?;
    place.remove()?;
    Ok(Removed { lab: name.to_owned(), remains })
}
